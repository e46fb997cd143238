/*
 * json: the one door to jansson, with bounds, and the writing of small documents by hand.
 */
#ifndef BALER_BASE_JSON_H
#define BALER_BASE_JSON_H

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"

/* Parses one whole document. RC_REFUSED: longer than max_bytes, not JSON, not UTF-8, deeper than
 * jansson's 2,048 levels, a member named twice. RC_AGAIN: memory ran out, which says nothing about
 * the document; try again later. The caller decrefs *ret_root. */
enum rc json_parse(struct slice text, size_t max_bytes, json_t **ret_root, struct err *err);

/* An upper bound of the memory that json_parse of this text takes, whether it is JSON or not: a
 * document of 1 MiB may hold values that take 100 MiB. For callers who must bound that first. It
 * looks at each byte once. */
uint64_t json_memory_bytes(struct slice text);
/* No text takes more: one byte of the text, and 288 bytes for an object that the byte opens. */
#define JSON_MEMORY_PER_BYTE 289

/* A member as a slice (borrowed from root), empty with p == NULL when absent or not a string. */
struct slice json_member_str(const json_t *object, const char *name);

/* Appends "…" with RFC 8259 escapes. Invalid UTF-8 becomes U+FFFD; hidden characters (base/text.h)
 * become \uXXXX, so that the text can be shown on a terminal. */
bool json_add_string(struct buf *out, struct slice text);

/* The same without the quotes around it. */
bool json_add_escaped(struct buf *out, struct slice text);

/* Appends a document on one line, with hidden characters as json_add_string writes them. */
void json_add_document(struct buf *out, const json_t *document);

#endif
