#include "model/object_headers.h"

/* RFC 9110 section 5.6.2: token. */
static bool is_token_char(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_token(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_token_char(s.p[i]))
			return false;
	return s.n > 0;
}

static bool is_field_value(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '\r' || s.p[i] == '\n' || s.p[i] == '\0')
			return false;
	return true;
}

bool object_headers_add(struct buf *text, struct slice name, struct slice value)
{
	unsigned char *to;

	if (!is_token(name) || !is_field_value(value))
		return false;
	to = buf_reserve(text, name.n + value.n + 2);
	if (!to)
		return false;
	for (size_t i = 0; i < name.n; i++)
		*to++ = name.p[i] >= 'A' && name.p[i] <= 'Z' ? (unsigned char)(name.p[i] + 32)
							     : name.p[i];
	*to++ = ':';
	if (value.n)
		memcpy(to, value.p, value.n);
	to[value.n] = '\n';
	text->n += name.n + value.n + 2;
	return true;
}

bool object_headers_next(
	struct slice text, size_t *pos, struct slice *ret_name, struct slice *ret_value)
{
	const unsigned char *start = text.p + *pos, *colon, *end;
	size_t left = text.n - *pos;

	if (left == 0)
		return false;
	colon = memchr(start, ':', left);
	end = memchr(start, '\n', left);
	if (!colon || !end || colon > end)
		return false;
	*ret_name = slice_of(start, (size_t)(colon - start));
	*ret_value = slice_of(colon + 1, (size_t)(end - colon - 1));
	*pos += (size_t)(end - start) + 1;
	return true;
}

struct slice object_headers_get(struct slice text, const char *name)
{
	struct slice n, v;
	size_t pos = 0;

	while (object_headers_next(text, &pos, &n, &v))
		if (slice_eq_str(n, name))
			return v;
	return (struct slice){0};
}
