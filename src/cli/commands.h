/* commands: what 'baler NAME' runs. Each gets its own name as argv[0], talks on stderr, gives
 * results on stdout and returns the exit code: 0 done, 1 failed, 2 could not be set up or used
 * wrongly. */
#ifndef BALER_CLI_COMMANDS_H
#define BALER_CLI_COMMANDS_H

#include "cli/settings.h"

#define EXIT_OK 0
#define EXIT_FAILED 1
#define EXIT_USAGE 2

int cmd_serve(int argc, char **argv);
int cmd_e2e(int argc, char **argv);
int cmd_key(int argc, char **argv);
int cmd_pull(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_list(int argc, char **argv);
int cmd_replay(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_deadletter(int argc, char **argv);
int cmd_where(int argc, char **argv);

/* For 'baler help NAME' and 'baler NAME --help'. */
extern const struct setting serve_settings[], serve_inert[], e2e_settings[], key_settings[];
extern const struct setting pull_settings[], verify_settings[], list_settings[], replay_settings[];
extern const struct setting status_settings[], deadletter_settings[], where_settings[];

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *synopsis;             /* behind "baler " */
	const char *summary;              /* one line */
	const char *text; /* what the command does and prints; paragraphs: "…\n\n…" */
	const struct setting *settings;
	/* variables that are checked and do nothing; NULL: none */
	const struct setting *inert;
	/* Lists: "ITEM\tmeaning\n" each; NULL: none. */
	const char *exits;       /* "0\tpassed\n1\tfailed\n" */
	const char *environment; /* besides the variables of settings */
	const char *files;
	const char *examples; /* shell lines; a line with '#' tells what the next is for */
	const char *see_also; /* other commands: "pull verify" */
};

/* NULL if there is none of that name. */
const struct command *command_find(const char *name);

/* settings_load for a command: prints help or the error; returns -1 to go on, else the exit
 * code. */
int command_begin(struct command_line *line, void *values, struct arena *a, int argc, char **argv);

#endif
