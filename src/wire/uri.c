#include "wire/uri.h"

static const char hex_upper[] = "0123456789ABCDEF";

static bool is_alnum(unsigned char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_unreserved(unsigned char c)
{
	return is_alnum(c) || c == '-' || c == '_' || c == '.' || c == '~';
}

bool uri_encode(struct buf *out, struct slice bytes, bool keep_slash)
{
	size_t escaped = 0;
	unsigned char *to;

	for (size_t i = 0; i < bytes.n; i++)
		escaped += !is_unreserved(bytes.p[i]) && !(keep_slash && bytes.p[i] == '/');
	to = buf_reserve(out, bytes.n + 2 * escaped);
	if (!to)
		return false;
	for (size_t i = 0; i < bytes.n; i++) {
		unsigned char c = bytes.p[i];

		if (is_unreserved(c) || (keep_slash && c == '/')) {
			*to++ = c;
			continue;
		}
		*to++ = '%';
		*to++ = (unsigned char)hex_upper[c >> 4];
		*to++ = (unsigned char)hex_upper[c & 15];
	}
	out->n += bytes.n + 2 * escaped;
	return true;
}

static enum rc invalid_uri(struct err *err, const char *why)
{
	return err_code(err, RC_REFUSED, "InvalidURI", "%s", why);
}

/* The decoded size; false for a malformed escape. */
static bool decoded_size(struct slice raw, size_t *ret_n)
{
	unsigned char ignored;
	size_t n = 0;

	for (size_t i = 0; i < raw.n; i++, n++) {
		if (raw.p[i] != '%')
			continue;
		if (raw.n - i < 3 || !hex_decode(slice_of(raw.p + i + 1, 2), &ignored, 1))
			return false;
		i += 2;
	}
	*ret_n = n;
	return true;
}

static enum rc decode(struct buf *out, struct slice raw, bool plus_is_space, struct err *err)
{
	unsigned char *to;
	size_t n;

	if (!decoded_size(raw, &n))
		return invalid_uri(err, "a '%' without two hex digits");
	to = buf_reserve(out, n);
	if (!to)
		return invalid_uri(err, "too long");
	for (size_t i = 0; i < raw.n; i++) {
		unsigned char c = raw.p[i];

		if (c == '%') {
			hex_decode(slice_of(raw.p + i + 1, 2), &c, 1);
			i += 2;
		} else if (c == '+' && plus_is_space) {
			c = ' ';
		}
		*to++ = c;
	}
	out->n += n;
	return RC_OK;
}

enum rc uri_decode_path(struct buf *out, struct slice raw, struct err *err)
{
	return decode(out, raw, false, err);
}

enum rc uri_decode_form(struct buf *out, struct slice raw, struct err *err)
{
	return decode(out, raw, true, err);
}

/* Cuts s at the first c. *ret_rest is the part after it, with p == NULL when there is no c. */
static struct slice cut(struct slice s, int c, struct slice *ret_rest)
{
	const unsigned char *at = s.n ? memchr(s.p, c, s.n) : NULL;

	if (!at) {
		*ret_rest = slice_of(NULL, 0);
		return s;
	}
	*ret_rest = slice_of(at + 1, (size_t)(s.p + s.n - at) - 1);
	return slice_of(s.p, (size_t)(at - s.p));
}

/* "http://host/path" without "http://host"; other targets unchanged. */
static struct slice without_authority(struct slice target)
{
	static const char *const schemes[] = {"http://", "https://"};

	for (size_t i = 0; i < 2; i++) {
		struct slice scheme = slice_str(schemes[i]);
		size_t at = scheme.n;

		if (target.n < at || !slice_eq_nocase(slice_of(target.p, at), scheme))
			continue;
		while (at < target.n && target.p[at] != '/' && target.p[at] != '?')
			at++;
		return slice_of(target.p + at, target.n - at);
	}
	return target;
}

void uri_split(struct slice target, struct slice *ret_path, struct slice *ret_query)
{
	struct slice path = cut(without_authority(target), '?', ret_query);

	*ret_path = path.n ? path : slice_str("/");
}

bool uri_query_next(struct slice *query, struct uri_param *ret_param)
{
	while (query->n) {
		struct slice rest, param = cut(*query, '&', &rest);

		*query = rest;
		if (param.n == 0)
			continue;
		ret_param->name = cut(param, '=', &ret_param->value);
		return true;
	}
	return false;
}

/* raw, once decoded, is name. Without a buffer: names are short and mostly plain. */
static bool decodes_to(struct slice raw, const char *name)
{
	for (size_t i = 0; i < raw.n; i++, name++) {
		unsigned char c = raw.p[i];

		if (c == '%' && raw.n - i >= 3 && hex_decode(slice_of(raw.p + i + 1, 2), &c, 1))
			i += 2;
		else if (c == '+')
			c = ' ';
		if (*name == '\0' || c != (unsigned char)*name)
			return false;
	}
	return *name == '\0';
}

bool uri_query_find(struct slice query, const char *name, struct slice *ret_raw_value)
{
	struct uri_param param;

	while (uri_query_next(&query, &param)) {
		if (!decodes_to(param.name, name))
			continue;
		if (ret_raw_value)
			*ret_raw_value = param.value;
		return true;
	}
	return false;
}

enum rc uri_query_get(struct slice query, const char *name, struct buf *out, struct err *err)
{
	struct slice raw;

	if (!uri_query_find(query, name, &raw))
		return err_set(err, RC_ABSENT, "no parameter '%s'", name);
	return uri_decode_form(out, raw, err);
}
