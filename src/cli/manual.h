/*
 * manual: the texts about the commands that a user reads: help, manual pages (roff, macros of
 * man(7)) and the completion for bash. All of them come from the table of commands and their tables
 * of settings.
 */
#ifndef BALER_CLI_MANUAL_H
#define BALER_CLI_MANUAL_H

#include "cli/commands.h"

/* commands: ends with name == NULL. */
void manual_usage(const struct command *commands, FILE *out);
void manual_help(const struct command *c, FILE *out);

/* baler-NAME.1 and baler.1 */
void manual_page(const struct command *c, FILE *out);
void manual_page_of_all(const struct command *commands, FILE *out);

void completion_print(const struct command *commands, FILE *out);

/* Takes the next "ITEM\tmeaning\n" off a list of struct command; false at its end, which NULL is
 * too. */
bool manual_next_item(const char **list, struct slice *ret_item, struct slice *ret_meaning);

#endif
