/* serve_options: the settings of 'baler serve': their table, and the messages about settings that
 * have no effect. */
#ifndef BALER_CLI_SERVE_OPTIONS_H
#define BALER_CLI_SERVE_OPTIONS_H

#include "cli/settings.h"
#include "serve/options.h"

/* serve_inert (commands.h): variables of the original that have no effect in a server on one
 * machine. They are checked all the same: RC_REFUSED for a value that the original would have
 * refused. */
enum rc serve_inert_check(struct arena *a, struct err *err);
/* One log line for each setting that was given and has no effect. */
void serve_inert_announce(const struct command_line *line, const struct serve_options *o);

#endif
