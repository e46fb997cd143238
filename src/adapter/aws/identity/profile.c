#include "adapter/aws/identity/profile.h"

#include "wire/header.h"

enum line_kind { LINE_BLANK, LINE_SECTION, LINE_SETTING, LINE_NESTED, LINE_BAD };

struct line {
	enum line_kind kind;
	struct slice name;  /* of the section, or the key */
	struct slice value; /* of a setting */
};

static bool is_blank(unsigned char c)
{
	return c == ' ' || c == '\t';
}

static bool next_raw_line(struct slice *rest, struct slice *ret_line)
{
	const unsigned char *end;
	size_t n;

	if (rest->n == 0)
		return false;
	end = memchr(rest->p, '\n', rest->n);
	n = end ? (size_t)(end - rest->p) : rest->n;
	*ret_line = slice_of(rest->p, n);
	if (n && rest->p[n - 1] == '\r')
		ret_line->n--;
	n = end ? n + 1 : n;
	*rest = slice_of(rest->p + n, rest->n - n);
	return true;
}

/* "value # comment": a comment needs white space in front, for secrets may contain '#'. */
static struct slice without_comment(struct slice s)
{
	for (size_t i = 1; i < s.n; i++)
		if ((s.p[i] == '#' || s.p[i] == ';') && is_blank(s.p[i - 1]))
			return slice_of(s.p, i);
	return s;
}

static struct line section_line(struct slice s)
{
	const unsigned char *end = memchr(s.p, ']', s.n);

	if (!end)
		return (struct line){.kind = LINE_BAD};
	return (struct line){.kind = LINE_SECTION,
		.name = header_trim(slice_of(s.p + 1, (size_t)(end - s.p) - 1))};
}

static struct line parse_line(struct slice raw)
{
	struct slice s = header_trim(raw);
	const unsigned char *equals;
	size_t n;

	if (s.n == 0 || s.p[0] == '#' || s.p[0] == ';')
		return (struct line){.kind = LINE_BLANK};
	if (is_blank(raw.p[0]))
		return (struct line){.kind = LINE_NESTED};
	if (s.p[0] == '[')
		return section_line(s);
	equals = memchr(s.p, '=', s.n);
	if (!equals || equals == s.p)
		return (struct line){.kind = LINE_BAD};
	n = (size_t)(equals - s.p);
	return (struct line){.kind = LINE_SETTING,
		.name = header_trim(slice_of(s.p, n)),
		.value = header_trim(without_comment(slice_of(s.p + n + 1, s.n - n - 1)))};
}

/* "[WORD NAME]" */
static bool is_section(struct slice section, const char *word, struct slice name)
{
	size_t n = strlen(word);

	if (!slice_has_prefix(section, slice_str(word)) || section.n == n ||
		!is_blank(section.p[n]))
		return false;
	return slice_eq(header_trim(slice_of(section.p + n, section.n - n)), name);
}

static bool is_profile(const struct profile_file *file, struct slice section, const char *profile)
{
	if (file->dialect == PROFILE_CREDENTIALS)
		return slice_eq_str(section, profile);
	if (slice_eq_str(section, "default"))
		return strcmp(profile, "default") == 0;
	return is_section(section, "profile", slice_str(profile));
}

enum rc profile_find(const struct profile_file *file, const char *profile, struct err *err)
{
	struct slice rest = file->text, raw;
	bool found = false;

	for (unsigned number = 1; next_raw_line(&rest, &raw); number++) {
		struct line line = parse_line(raw);

		if (line.kind == LINE_BAD)
			return err_set(err, RC_REFUSED,
				"'%s' line %u is neither a [section] nor key = value", file->path,
				number);
		if (line.kind == LINE_SECTION)
			found |= is_profile(file, line.name, profile);
	}
	if (!found)
		return err_set(err, RC_ABSENT, "no profile '%s' in '%s'", profile, file->path);
	return RC_OK;
}

struct slice profile_get(const struct profile_file *file, const char *profile, const char *key)
{
	struct slice rest = file->text, raw, value = {0};
	bool inside = false;

	while (next_raw_line(&rest, &raw)) {
		struct line line = parse_line(raw);

		if (line.kind == LINE_SECTION)
			inside = is_profile(file, line.name, profile);
		else if (inside && line.kind == LINE_SETTING &&
			 slice_eq_nocase(line.name, slice_str(key)))
			value = line.value;
	}
	return value;
}

struct slice profile_get_of_service(const struct profile_file *file, struct slice services,
	const char *service, const char *key)
{
	struct slice rest = file->text, raw, value = {0};
	bool is_inside = false, is_service = false;

	while (next_raw_line(&rest, &raw)) {
		struct line line = parse_line(raw), nested = parse_line(header_trim(raw));

		if (line.kind == LINE_SECTION)
			is_inside = is_section(line.name, "services", services);
		if (line.kind == LINE_SETTING || line.kind == LINE_SECTION)
			is_service = slice_eq_nocase(line.name, slice_str(service));
		else if (line.kind == LINE_NESTED && is_inside && is_service &&
			 nested.kind == LINE_SETTING &&
			 slice_eq_nocase(nested.name, slice_str(key)))
			value = nested.value;
	}
	return value;
}
