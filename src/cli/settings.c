#include "cli/settings.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

#define SETTINGS_MAX 64
#define HELP_COLUMNS 96

static size_t count(const struct setting *settings)
{
	size_t n = 0;

	while (settings[n].name)
		n++;
	if (n > SETTINGS_MAX)
		die("%zu settings in one table", n);
	return n;
}

const char *setting_variable(const struct setting *s, struct arena *a)
{
	char *name = arena_printf(a, "BALER_%s", s->name);

	for (char *p = name; *p; p++)
		*p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
	return name;
}

static enum rc unknown_option(const struct command_line *line, const char *text, struct err *err)
{
	const char *names[SETTINGS_MAX + 2];
	const char *near;
	size_t n = count(line->settings);

	for (size_t i = 0; i < n; i++)
		names[i] = line->settings[i].name;
	names[n] = "help";
	names[n + 1] = NULL;
	near = nearest_word(text + strspn(text, "-"), names);
	if (near)
		return err_set(
			err, RC_REFUSED, "unknown option '%s'; did you mean '--%s'?", text, near);
	return err_set(err, RC_REFUSED, "unknown option '%s'; 'baler help %s' lists them", text,
		line->command);
}

static const struct setting *find(const struct command_line *line, const char *arg, size_t n)
{
	for (const struct setting *s = line->settings; s->name; s++) {
		if (arg[1] != '-' && n == 2 && s->letter == arg[1])
			return s;
		if (arg[1] == '-' && strlen(s->name) == n - 2 &&
			strncmp(s->name, arg + 2, n - 2) == 0)
			return s;
	}
	return NULL;
}

/* One flag and its value, which may be the next argument. */
static enum rc take_flag(struct command_line *line, char **argv, int argc, int *i,
	const char **given, struct arena *a, struct err *err)
{
	const char *arg = argv[*i], *equals = strchr(arg, '=');
	size_t n = equals ? (size_t)(equals - arg) : strlen(arg);
	const struct setting *s = find(line, arg, n);

	if (!s)
		return unknown_option(line, arena_strdup(a, slice_of(arg, n)), err);
	if (s->is_secret)
		return err_set(err, RC_REFUSED,
			"'--%s': a command line is read by every user of the machine; set '%s' or "
			"write it into the settings file",
			s->name, setting_variable(s, a));
	if (s->kind == SETTING_SWITCH) {
		if (equals)
			return err_set(err, RC_REFUSED, "'--%s' takes no value", s->name);
		given[s - line->settings] = "true";
		return RC_OK;
	}
	if (!equals && *i + 1 >= argc)
		return err_set(err, RC_REFUSED, "'--%s' needs a value: %s", s->name, s->value);
	given[s - line->settings] = equals ? equals + 1 : argv[++*i];
	return RC_OK;
}

static enum rc take_arguments(struct command_line *line, int argc, char **argv, const char **given,
	struct arena *a, struct err *err)
{
	bool only_operands = false;
	enum rc rc;

	line->operands = arena_array(a, (size_t)argc + 1, sizeof(char *));
	for (int i = 1; i < argc; i++) {
		if (only_operands || argv[i][0] != '-' || argv[i][1] == '\0') {
			line->operands[line->n_operands++] = argv[i];
		} else if (strcmp(argv[i], "--") == 0) {
			only_operands = true;
		} else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			line->help = true;
			return RC_OK;
		} else {
			rc = take_flag(line, argv, argc, &i, given, a, err);
			if (rc != RC_OK)
				return rc;
		}
	}
	return RC_OK;
}

/* Reads it from the environment, if neither a flag nor a file of a higher rank has set it. */
static enum rc take_variable(
	const struct setting *s, void *values, bool *ret_set, struct arena *a, struct err *err)
{
	const char *name = setting_variable(s, a), *text = getenv(name);
	uint64_t unit = 0;

	if (!text && s->variable) {
		name = s->variable;
		text = getenv(name);
		unit = s->variable_unit;
	}
	if (!text || s->flag_only)
		return RC_OK;
	*ret_set = true;
	return setting_parse(s, arena_printf(a, "'%s'", name), text, unit, values, a, err);
}

static enum rc apply(struct command_line *line, const char **given, void *values, struct arena *a,
	struct err *err)
{
	bool *is_set = arena_array(a, SETTINGS_MAX, sizeof(*is_set));
	const char *file = NULL;
	enum rc rc = RC_OK;

	line->is_set = is_set;

	for (size_t i = 0; line->settings[i].name && rc == RC_OK; i++) {
		const struct setting *s = &line->settings[i];

		if (strcmp(s->name, "config") == 0) /* of those who read one */
			file = given[i] ? given[i] : getenv("BALER_CONFIG");
		is_set[i] = given[i] != NULL;
		if (given[i])
			rc = setting_parse(
				s, arena_printf(a, "'--%s'", s->name), given[i], 0, values, a, err);
		else
			rc = take_variable(s, values, &is_set[i], a, err);
	}
	if (rc == RC_OK && file)
		rc = settings_file(line->settings, file, values, is_set, a, err);
	for (size_t i = 0; line->settings[i].name && rc == RC_OK; i++) {
		const struct setting *s = &line->settings[i];

		if (!is_set[i] && s->fallback)
			rc = setting_parse(s, "default", s->fallback, 0, values, a, err);
	}
	return rc;
}

enum rc settings_load(struct command_line *line, void *values, struct arena *a, int argc,
	char **argv, struct err *err)
{
	const char *given[SETTINGS_MAX] = {NULL};
	enum rc rc;

	count(line->settings);
	rc = take_arguments(line, argc, argv, given, a, err);
	if (rc != RC_OK || line->help)
		return rc;
	return apply(line, given, values, a, err);
}

bool setting_is_set(const struct command_line *line, const char *name)
{
	for (size_t i = 0; line->is_set && line->settings[i].name; i++)
		if (strcmp(line->settings[i].name, name) == 0)
			return line->is_set[i];
	return false;
}

/* Columns of UTF-8 text, all of one column a character. */
static size_t columns(const char *p, size_t n)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += ((unsigned char)p[i] & 0xc0) != 0x80;
	return count;
}

void print_wrapped(FILE *out, const char *text, const char *indent)
{
	size_t used = 0, n;

	for (const char *p = text;; p += n) {
		bool ends_line = *p == '\n';

		if (ends_line || *p == '\0') {
			fputc('\n', out);
			used = 0;
			if (!ends_line)
				return;
			n = 1;
			continue;
		}
		if (*p == ' ' && used) {
			n = 1;
			continue;
		}
		n = strspn(p, " ");
		n += strcspn(p + n, " \n");
		if (used && strlen(indent) + used + 1 + columns(p, n) > HELP_COLUMNS) {
			fputc('\n', out);
			used = 0;
		}
		fputs(used ? " " : indent, out);
		fwrite(p, 1, n, out);
		used += (used != 0) + columns(p, n);
	}
}

/* "one of a|b, default a", "default 15s, range 100ms to 12h" */
static void print_value(const struct setting *s, const char *indent, struct arena *a, FILE *out)
{
	const char *range = setting_range(s, a), *comma = "";

	if (s->kind == SETTING_SWITCH || (!s->choices && !s->fallback && !*range))
		return;
	fputs(indent, out);
	if (s->choices) {
		fprintf(out, "one of %s", s->choices);
		comma = ", ";
	}
	if (s->fallback) {
		fprintf(out, "%sdefault %s", comma, s->fallback);
		comma = ", ";
	}
	if (*range)
		fprintf(out, "%srange %s", comma, range);
	fputc('\n', out);
}

void settings_print(const struct setting *settings, FILE *out)
{
	static const char indent[] = "        ";
	struct arena a = ARENA_INIT;

	for (const struct setting *s = settings; s->name; s++) {
		fprintf(out, "  %s%s%s%s", s->is_secret ? "" : "--", s->name, s->value ? " " : "",
			s->value ? s->value : "");
		if (s->letter)
			fprintf(out, ", -%c", s->letter);
		fputc('\n', out);
		print_wrapped(out, s->help, indent);
		print_value(s, indent, &a, out);
		if (!s->flag_only)
			fprintf(out, "%svariable %s%s%s\n", indent, setting_variable(s, &a),
				s->variable ? " or " : "", setting_other_variable(s, &a));
	}
	arena_release(&a);
}
