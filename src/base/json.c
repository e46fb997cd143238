#include "base/json.h"

#include <stdlib.h>

#include "base/text.h"

/*
 * jansson reports a failed allocation as it reports bad text: it returns NULL, often without a
 * reason. A healthy document must not be judged by the memory that was free when it came. Therefore
 * jansson allocates here, and a parse notes what failed. Outside a parse a failed allocation ends
 * the process, as xmalloc does: a document that is being built would otherwise lose members without
 * a word.
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

/* jansson 2.14 on 64 bits: an object takes 72 bytes and a table of 8 buckets, an array 40 and 8
 * places, a member 56, a text 40, each with malloc's own 16. What the texts hold is in text.n. */
uint64_t json_memory_bytes(struct slice text)
{
	static const uint16_t cost[256] = {['{'] = JSON_MEMORY_PER_BYTE - 1, ['['] = 176, [':'] = 160, [','] = 112};
	const unsigned char *p = text.p, *end = p + text.n;
	uint64_t n = text.n;

	while (p < end) {
		unsigned char c = *p++;

		n += cost[c];
		if (c != '"')
			continue;
		for (; p < end && *p != '"'; p++) /* over the text, to the quote that ends it */
			p += *p == '\\';
		p++;
	}
	return n;
}

struct slice json_member_str(const json_t *object, const char *name)
{
	const json_t *v = json_object_get(object, name);

	if (!json_is_string(v))
		return (struct slice){0};
	return slice_of(json_string_value(v), json_string_length(v));
}

static bool add_escaped(struct buf *out, uint32_t c)
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

bool json_add_escaped(struct buf *out, struct slice text)
{
	size_t i = 0, plain = 0;

	while (i < text.n) {
		uint32_t c;
		size_t n;

		/* Most bytes are plain ASCII; an event is written at every PUT. */
		if (text.p[i] >= 0x20 && text.p[i] < 0x7f && text.p[i] != '"' && text.p[i] != '\\') {
			i++;
			continue;
		}
		n = text_sequence(slice_of(text.p + i, text.n - i), &c);

		if (n && !text_is_hidden(c) && c != '"' && c != '\\') {
			i += n;
			continue;
		}
		buf_add(out, text.p + plain, i - plain);
		if (n == 0)
			buf_add_str(out, "\xef\xbf\xbd");
		else
			add_escaped(out, c);
		i += n ? n : 1;
		plain = i;
	}
	return buf_add(out, text.p ? text.p + plain : NULL, i - plain) && !out->overflow;
}

bool json_add_string(struct buf *out, struct slice text)
{
	buf_add_char(out, '"');
	json_add_escaped(out, text);
	return buf_add_char(out, '"') && !out->overflow;
}

/* In a JSON text hidden characters stand only inside strings, where an escape means the same. */
void json_add_document(struct buf *out, const json_t *document)
{
	char *text = json_dumps(document, JSON_COMPACT | JSON_ENCODE_ANY);
	struct slice s = slice_str(text ? text : "null");
	size_t i = 0, plain = 0, n;
	uint32_t c;

	for (; i < s.n; i += n ? n : 1) {
		n = text_sequence(slice_of(s.p + i, s.n - i), &c);
		if (n && !text_is_hidden(c))
			continue;
		buf_add(out, s.p + plain, i - plain);
		add_escaped(out, n ? c : 0xfffd);
		plain = i + (n ? n : 1);
	}
	buf_add(out, s.p + plain, s.n - plain);
	free(text);
}
