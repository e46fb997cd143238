/* serve_options: the settings of 'baler serve': their table, and what is said of those that do
 * nothing. */
#ifndef BALER_CLI_SERVE_OPTIONS_H
#define BALER_CLI_SERVE_OPTIONS_H

#include "cli/settings.h"
#include "serve/options.h"

/* serve_inert (commands.h): variables of the original that have nothing to act on in a server on
 * one machine. They are checked all the same: RC_REFUSED for a value that the original would
 * have refused. */
enum rc serve_inert_check(struct arena *a, struct err *err);
/* One log line for each setting that was given and does nothing. */
void serve_inert_announce(const struct command_line *line, const struct serve_options *o);

#endif
