/*
 * Where a request ends: heads, chunks and trailers as no client of good will sends them. A head
 * that was put together by the rules is plain, and one byte that breaks a rule makes it not plain;
 * the lines of chunks are read within their bytes.
 */
#include "fuzz.h"
#include "gateway/http/framing.h"

#define FIELDS_MAX 8

/* The bytes in the order in which they are asked for; 0 when there are no more. */
struct input {
	const uint8_t *p;
	size_t n;
};

static unsigned next(struct input *in)
{
	if (!in->n)
		return 0;
	in->n--;
	return *in->p++;
}

static bool is_token_char(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

/* A token of 1 to 8 characters. */
static void add_token(struct buf *out, struct input *in)
{
	static const char chars[] = "azAZ09!#$%&'*+-.^_`|~";
	unsigned n = next(in) % 8 + 1;

	while (n--)
		buf_add_char(out, chars[next(in) % (sizeof(chars) - 1)]);
}

static void add_value(struct buf *out, struct input *in)
{
	unsigned n = next(in) % 8;

	while (n--) {
		unsigned char c = (unsigned char)(next(in) | 0x20);

		buf_add_char(out, c == 0x7f || c == ' ' ? 'x' : (char)c);
	}
}

/* The library's way to tell a head: line ends and the colon are replaced by NUL in place. */
static void head(struct input *in)
{
	struct header fields[FIELDS_MAX];
	size_t at[FIELDS_MAX][3], n = next(in) % (FIELDS_MAX + 1), version_at, target_n;
	struct framing_head h = {0};
	struct buf text;
	size_t broken;

	buf_init(&text, 4096);
	add_token(&text, in);
	buf_add(&text, "\0", 1);
	target_n = text.n;
	buf_add_char(&text, '/');
	add_token(&text, in);
	target_n = text.n - target_n;
	buf_add(&text, "\0", 1);
	version_at = text.n;
	buf_add(&text, "HTTP/1.1\0\0", 10);
	for (size_t i = 0; i < n; i++) {
		at[i][0] = text.n;
		add_token(&text, in);
		at[i][1] = text.n;
		buf_add(&text, "\0  ", 1 + next(in) % 3);
		at[i][2] = text.n;
		add_value(&text, in);
		fields[i].value.n = text.n - at[i][2];
		buf_add(&text, "\0\0", 2);
	}
	buf_add(&text, "\0\0", 2);
	h = (struct framing_head){.start = (const char *)text.p,
		.end = (const char *)text.p + text.n,
		.target_n = target_n,
		.version = (const char *)text.p + version_at,
		.headers = fields,
		.n_headers = n};
	for (size_t i = 0; i < n; i++) {
		fields[i].name = slice_of(text.p + at[i][0], at[i][1] - at[i][0]);
		fields[i].value = slice_of(text.p + at[i][2], fields[i].value.n);
	}
	MUST(framing_head_is_plain(&h));
	if (n) { /* a name with a character that none may have */
		broken = at[next(in) % n][0];
		text.p[broken] = (unsigned char)next(in);
		MUST(framing_head_is_plain(&h) == is_token_char(text.p[broken]));
	}
	/* addresses that do not fit the bytes */
	for (size_t i = 0; i < n; i++) {
		fields[i].name = slice_of(text.p + next(in) % text.n, next(in) % 4);
		fields[i].value = slice_of(text.p + next(in) % (text.n - 4), next(in) % 4);
	}
	(void)framing_head_is_plain(&h);
	(void)framing_trailer_is_plain(fields, n);
	buf_release(&text);
}

/* The bytes behind the line of a chunk, and the line itself. */
static void chunks(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	uint64_t left = 0;

	for (size_t i = 0; i < size; i++) {
		size_t n = data[i] % 8;
		uint64_t before = left;

		n = n < size - i ? n : size - i;
		if (!framing_chunk(&left, text, text + i, n))
			return;
		MUST(before ? left == before - n : i >= 3 && text[i - 1] == '\n' && text[i - 2] == '\r');
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};

	head(&in);
	chunks(data, size);
	return 0;
}
