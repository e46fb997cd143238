/* One value of a setting: from the user's text to the field, with a check of its range. */
#include <stdlib.h>
#include <strings.h>

#include "cli/settings.h"

#define SHARE_ONE 1000000
#define SHARE_DIGITS 6

struct unit {
	const char *name;
	uint64_t factor;
};

/* The first is what a bare number means. */
static const struct unit count_units[] = {{"", 1}, {NULL, 0}};
static const struct unit byte_units[] = {{"", 1}, {"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20},
	{"GiB", 1 << 30}, {"kB", 1000}, {"KB", 1000}, {"MB", 1000000}, {"GB", 1000000000},
	{NULL, 0}};
static const struct unit duration_units[] = {{"s", 1000}, {"ms", 1}, {"m", 60000}, {"h", 3600000},
	{"d", 86400000}, {"", 1000}, {NULL, 0}};

static const struct unit *units_of(const struct setting *s)
{
	return s->kind == SETTING_BYTES      ? byte_units
	       : s->kind == SETTING_DURATION ? duration_units
					     : count_units;
}

/* Without the zeros at its end. */
static const char *show_share(uint64_t v, struct arena *a)
{
	char *text = arena_printf(a, "%llu.%06llu", (unsigned long long)(v / SHARE_ONE),
		(unsigned long long)(v % SHARE_ONE));
	size_t n = strlen(text);

	while (text[n - 1] == '0')
		n--;
	text[text[n - 1] == '.' ? n - 1 : n] = '\0';
	return text;
}

/* In the largest unit that divides it. */
static const char *show(const struct setting *s, uint64_t v, struct arena *a)
{
	static const char *const byte_names[] = {"GiB", "MiB", "KiB", ""};
	static const char *const duration_names[] = {"d", "h", "m", "s", "ms"};
	const char *const *names = s->kind == SETTING_BYTES ? byte_names : duration_names;

	if (s->kind == SETTING_SHARE)
		return show_share(v, a);
	if (s->kind == SETTING_COUNT || v == 0)
		return arena_printf(a, "%llu", (unsigned long long)v);
	for (size_t i = 0;; i++)
		for (const struct unit *u = units_of(s); u->name; u++)
			if (strcmp(u->name, names[i]) == 0 &&
				(v % u->factor == 0 || u->factor == 1))
				return arena_printf(
					a, "%llu%s", (unsigned long long)(v / u->factor), u->name);
}

static enum rc parse_number(const struct setting *s, const char *where, const char *text,
	uint64_t unit, uint64_t *ret, struct arena *a, struct err *err)
{
	size_t digits = strspn(text, "0123456789");
	const struct unit *u = units_of(s);
	uint64_t v;

	while (u->name && strcasecmp(u->name, text + digits) != 0)
		u++;
	if (!slice_to_u64(slice_of(text, digits), &v) || !u->name)
		return err_set(err, RC_REFUSED, "%s: '%s' is not a %s", where, text,
			s->kind == SETTING_BYTES      ? "size such as 4096, 64KiB or 400MiB"
			: s->kind == SETTING_DURATION ? "time such as 500ms, 15s, 3m or 2h"
						      : "whole number");
	if (__builtin_mul_overflow(v, unit && text[digits] == '\0' ? unit : u->factor, &v) ||
		v < s->min || v > s->max)
		return err_set(err, RC_REFUSED, "%s: '%s' is out of range, %s to %s", where, text,
			show(s, s->min, a), show(s, s->max, a));
	*ret = v;
	return RC_OK;
}

/* "0", "1", "0.25", ".25": at most SHARE_DIGITS digits behind the point. */
static bool share_of(const char *text, uint64_t *ret)
{
	size_t whole = strspn(text, "0123456789"), digits = 0;
	uint64_t v = 0, part = 0;

	if (whole && !slice_to_u64(slice_of(text, whole), &v))
		return false;
	if (text[whole] == '.') {
		digits = strspn(text + whole + 1, "0123456789");
		if (digits > SHARE_DIGITS ||
			(digits && !slice_to_u64(slice_of(text + whole + 1, digits), &part)))
			return false;
		whole++;
	}
	if (text[whole + digits] != '\0' || strspn(text, ".") == strlen(text) || v > UINT32_MAX)
		return false;
	for (; digits < SHARE_DIGITS; digits++)
		part *= 10;
	*ret = v * SHARE_ONE + part;
	return true;
}

static enum rc parse_share(const struct setting *s, const char *where, const char *text,
	uint64_t *ret, struct arena *a, struct err *err)
{
	uint64_t v;

	if (!share_of(text, &v))
		return err_set(err, RC_REFUSED, "%s: '%s' is not a share such as 0, 0.25 or 1",
			where, text);
	if (v < s->min || v > s->max)
		return err_set(err, RC_REFUSED, "%s: '%s' is out of range, %s to %s", where, text,
			show(s, s->min, a), show(s, s->max, a));
	*ret = v;
	return RC_OK;
}

static enum rc parse_choice(const struct setting *s, const char *where, const char *text,
	unsigned *ret, struct err *err)
{
	unsigned i = 0;

	for (const char *p = s->choices;; i++) {
		size_t n = strcspn(p, "|");

		if (strlen(text) == n && strncasecmp(p, text, n) == 0) {
			*ret = i;
			return RC_OK;
		}
		if (p[n] == '\0')
			return err_set(err, RC_REFUSED, "%s: '%s' is not one of %s", where, text,
				s->choices);
		p += n + 1;
	}
}

static enum rc parse_switch(const char *where, const char *text, bool *ret, struct err *err)
{
	static const char *const yes[] = {"true", "yes", "on", "1"}, *const no[] = {"false", "no",
									     "off", "0"};

	for (int i = 0; i < 4; i++) {
		if (strcasecmp(text, yes[i]) != 0 && strcasecmp(text, no[i]) != 0)
			continue;
		*ret = strcasecmp(text, yes[i]) == 0;
		return RC_OK;
	}
	return err_set(err, RC_REFUSED, "%s: '%s' is neither true nor false", where, text);
}

enum rc setting_parse(const struct setting *s, const char *where, const char *text, uint64_t unit,
	void *values, struct arena *a, struct err *err)
{
	void *field = (char *)values + s->offset;

	switch (s->kind) {
	case SETTING_TEXT:
		if (*text == '\0')
			return err_set(err, RC_REFUSED, "%s is empty", where);
		*(char **)field = arena_strdup(a, slice_str(text));
		return RC_OK;
	case SETTING_SHARE:
		return parse_share(s, where, text, field, a, err);
	case SETTING_CHOICE:
		return parse_choice(s, where, text, field, err);
	case SETTING_SWITCH:
		return parse_switch(where, text, field, err);
	case SETTING_COUNT:
	case SETTING_DURATION:
	case SETTING_BYTES:
		return parse_number(s, where, text, unit, field, a, err);
	}
	die("setting '%s' has no kind", s->name);
}

const char *setting_range(const struct setting *s, struct arena *a)
{
	switch (s->kind) {
	case SETTING_COUNT:
	case SETTING_DURATION:
	case SETTING_BYTES:
	case SETTING_SHARE:
		return arena_printf(a, "%s to %s", show(s, s->min, a), show(s, s->max, a));
	case SETTING_TEXT:
	case SETTING_CHOICE:
	case SETTING_SWITCH:
		break;
	}
	return "";
}

const char *setting_other_variable(const struct setting *s, struct arena *a)
{
	static const struct {
		enum setting_kind kind;
		uint64_t unit;
		const char *name;
	} units[] = {{SETTING_BYTES, 1 << 20, "MiB"}, {SETTING_DURATION, 1000, "seconds"},
		{SETTING_DURATION, 86400000, "days"}};

	if (!s->variable)
		return "";
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (units[i].kind == s->kind && units[i].unit == s->variable_unit)
			return arena_printf(a, "%s (in %s)", s->variable, units[i].name);
	return s->variable;
}
