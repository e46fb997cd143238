/*
 * say: the one way by which the commands write to a terminal, a pipe or a file. Nothing else in
 * cli prints what is not a constant of the program (tests/source/test_terminal.py).
 *
 * A format is part of the program and is written as it is. Every %s argument is taken for text
 * from elsewhere: each byte of a hidden character (base/text.h: controls, escape sequences,
 * bidirectional overrides, bytes that are no UTF-8) is written as '?', a line break too, so that
 * one argument stays within its line. Widths count characters, precisions count bytes.
 *
 * Formats: flags, width and precision (also '*') with %s %c %d %u %x %f %g and the sizes hh h l
 * ll z j; nothing else. The compiler checks the arguments. Each call is one write to its stream.
 * Any thread.
 */
#ifndef BALER_CLI_SAY_H
#define BALER_CLI_SAY_H

#include <stdio.h>

#include "base/json.h"

void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));       /* to stdout */
void say_error(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* to stderr */
void say_to(FILE *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A text on stdout as %s writes it, also with NUL bytes in it, which are hidden characters. */
void say_text(struct slice text);

/* A text of several lines that was put together before: line breaks stay, every other hidden
 * character becomes '?'. */
void say_lines(FILE *out, struct slice text);

/* A document on one line of stdout, without a line break. Hidden characters are written as
 * \uXXXX. */
void say_json(const json_t *document);

/* Writes the bytes unchanged. To a terminal they are written as say_lines does, and a line on
 * stderr says so. */
void say_raw(const char *command, struct slice bytes);

#endif
