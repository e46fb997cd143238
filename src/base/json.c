#include "base/json.h"

#include <stdlib.h>

/*
 * jansson reports a failed allocation as it reports bad text: it returns NULL, often without a reason. A healthy document must not be
 * judged by the memory that was free when it came. Therefore jansson allocates here, and a parse notes what failed. Outside a parse a
 * failed allocation ends the process, as xmalloc does: a document that is being built would otherwise lose members without a word.
 */
static _Thread_local bool is_parsing, has_no_memory;

static void *allocate(size_t n)
{
	void *p = malloc(n);

	if (!p && !is_parsing)
		die("no memory for %zu bytes of JSON", n);
	has_no_memory = has_no_memory || !p;
	return p;
}

__attribute__((constructor)) static void use_allocate(void)
{
	json_set_alloc_funcs(allocate, free);
}

enum rc json_parse(struct slice text, size_t max_bytes, json_t **ret_root, struct err *err)
{
	json_error_t why;
	json_t *root;

	if (text.n > max_bytes)
		return err_set(err, RC_REFUSED, "JSON of %zu bytes, more than %zu", text.n, max_bytes);
	has_no_memory = false;
	is_parsing = true;
	root = json_loadb((const char *)text.p, text.n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
	is_parsing = false;
	if (has_no_memory) {
		json_decref(root);
		return err_code(err, RC_AGAIN, "no-memory", "no memory for JSON of %zu bytes", text.n);
	}
	if (!root)
		return err_set(err, RC_REFUSED, "not JSON: %s at byte %d", why.text, why.position);
	*ret_root = root;
	return RC_OK;
}

struct slice json_member_str(const json_t *object, const char *name)
{
	const json_t *v = json_object_get(object, name);

	if (!json_is_string(v))
		return (struct slice){0};
	return slice_of(json_string_value(v), json_string_length(v));
}

/* The length of the UTF-8 sequence at s, 0 if it is not one (RFC 3629). */
static size_t utf8_sequence(struct slice s)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t n = s.p[0] < 0x80 ? 1 : (s.p[0] >> 5) == 6 ? 2 : (s.p[0] >> 4) == 14 ? 3 : (s.p[0] >> 3) == 30 ? 4 : 0;
	uint32_t c;

	if (n < 2)
		return n;
	if (n > s.n)
		return 0;
	c = s.p[0] & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((s.p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s.p[i] & 0x3f);
	}
	if (c < smallest[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	return n;
}

static bool add_escaped(struct buf *out, unsigned char c)
{
	switch (c) {
	case '"':
		return buf_add_str(out, "\\\"");
	case '\\':
		return buf_add_str(out, "\\\\");
	case '\n':
		return buf_add_str(out, "\\n");
	case '\r':
		return buf_add_str(out, "\\r");
	case '\t':
		return buf_add_str(out, "\\t");
	default:
		return buf_addf(out, "\\u%04x", c);
	}
}

/* U+0080 to U+009F: terminals that take 8-bit controls obey them (U+009B begins what ESC [ does), and nobody reads them. */
static bool is_c1(const unsigned char *p, size_t n)
{
	return n == 2 && p[0] == 0xc2 && p[1] < 0xa0;
}

bool json_add_string(struct buf *out, struct slice text)
{
	size_t i = 0, plain = 0;

	buf_add_char(out, '"');
	while (i < text.n) {
		unsigned char c = text.p[i];
		size_t n = c < 0x80 ? 1 : utf8_sequence(slice_of(text.p + i, text.n - i));

		if (n && c >= 0x20 && c != '"' && c != '\\' && c != 0x7f &&
			!is_c1(text.p + i, n)) {
			i += n;
			continue;
		}
		buf_add(out, text.p + plain, i - plain);
		if (n == 0)
			buf_add_str(out, "\xef\xbf\xbd");
		else
			add_escaped(out, n == 2 ? text.p[i + 1] : c);
		i += n ? n : 1;
		plain = i;
	}
	buf_add(out, text.p ? text.p + plain : NULL, i - plain);
	return buf_add_char(out, '"') && !out->overflow;
}
