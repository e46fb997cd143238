/*
 * settings: one table declares each setting of a command once; flags, environment, the settings
 * file, ranges, defaults and help all come from it.
 *
 * A value is taken from the first of: the flag --NAME, the variable BALER_NAME, the table's own
 * older variable, the settings file (--config), the default. Every refusal names the setting as
 * the user wrote it and says what is allowed.
 */
#ifndef BALER_CLI_SETTINGS_H
#define BALER_CLI_SETTINGS_H

#include <stdio.h>

#include "base/arena.h"
#include "base/err.h"

enum setting_kind {
	SETTING_TEXT,     /* char *; NULL when there is no default and none was given */
	SETTING_CHOICE,   /* unsigned: which of choices */
	SETTING_COUNT,    /* uint64_t */
	SETTING_DURATION, /* uint64_t, milliseconds; written 500ms, 15s, 3m, 2h, 7d */
	SETTING_BYTES,    /* uint64_t; written 4096, 64KiB, 400MiB, 2GiB */
	SETTING_SHARE,    /* uint64_t, millionths of one; written 0, 0.25, 1 */
	SETTING_SWITCH,   /* bool; no value on the command line */
};

struct setting {
	const char *name;     /* "batch-window" */
	char letter;          /* 'c' for -c, or 0 */
	const char *value;    /* the name of the value in the help: "DIR" */
	enum setting_kind kind;
	size_t offset;        /* offset of the field in the command's struct */
	const char *fallback; /* the default, written as a user would; NULL: none */
	uint64_t min, max;    /* COUNT, DURATION, BYTES, SHARE */
	const char *choices;  /* "balanced|fast|best|none" */
	const char *variable; /* another environment variable that is honoured, or NULL */
	/* what 1 means in that variable (ms, bytes); 0: the variable is written as the flag is */
	uint64_t variable_unit;
	bool flag_only;       /* neither variable nor file */
	bool is_secret;       /* no flag: every user of the machine reads command lines */
	const char *help;     /* one or two lines */
};

struct command_line {
	const char *command;           /* "serve" */
	const struct setting *settings; /* ends with name == NULL */
	/* arguments beside the flags; filled by settings_load */
	char **operands;
	size_t n_operands;
	bool help;                     /* --help was there; nothing else was looked at */
	/* for each setting: whether a flag, a variable or a file gave it, and not the default; from
	 * settings_load's arena */
	const bool *is_set;
};

/* values: the command's struct; texts are in a. RC_REFUSED: err->text is a whole sentence for
 * the user. */
enum rc settings_load(struct command_line *line, void *values, struct arena *a, int argc, char **argv,
	struct err *err);

/* Whether the setting was given, also when it was given as its default. */
bool setting_is_set(const struct command_line *line, const char *name);

/* The options of a command, with default, range and variable. */
void settings_print(const struct setting *settings, FILE *out);
/* Text in lines of at most 96 columns behind indent; '\n' ends a line. Used for all that help
 * says. */
void print_wrapped(FILE *out, const char *text, const char *indent);

/* Texts for the documents of a setting, from a: its own variable; the other variable and its unit,
 * or ""; its range, or "". */
const char *setting_variable(const struct setting *s, struct arena *a);
const char *setting_other_variable(const struct setting *s, struct arena *a);
const char *setting_range(const struct setting *s, struct arena *a);

/* The words of table that is nearest to word, or NULL when none is near. names ends with NULL. */
const char *nearest_word(const char *word, const char *const *names);

/* Reads one value as a user wrote it; where names the setting in the error ("'--batch-window'"). */
enum rc setting_parse(const struct setting *s, const char *where, const char *text, uint64_t unit, void *values,
	struct arena *a, struct err *err);
/* The settings file: a flat YAML mapping of names to values. */
enum rc settings_file(const struct setting *settings, const char *path, void *values, bool *is_set, struct arena *a,
	struct err *err);

#endif
