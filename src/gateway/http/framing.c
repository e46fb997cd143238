#include "gateway/http/framing.h"

#include <string.h>

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

static bool has_control(struct slice s, bool tab_is_one)
{
	for (size_t i = 0; i < s.n; i++)
		if ((s.p[i] < ' ' && (tab_is_one || s.p[i] != '\t')) || s.p[i] == 0x7f)
			return true;
	return false;
}

static bool is_field(const struct header *h)
{
	return is_token(h->name) && !has_control(h->value, false);
}

/* CR LF were replaced by two NULs. NULL: other bytes are there. */
static const char *skip_line_end(const char *at, const char *end)
{
	return end - at >= 2 && at[0] == '\0' && at[1] == '\0' ? at + 2 : NULL;
}

/* The field must begin at line and have nothing but its colon and blanks between name and value.
 * The end of its value; NULL: the line is not as it came. */
static const char *skip_field(const char *line, const char *end, const struct header *h)
{
	const char *value = (const char *)h->value.p, *at;

	if ((const char *)h->name.p != line || h->name.n >= (size_t)(end - line))
		return NULL;
	at = line + h->name.n + 1; /* the colon */
	if (value < at || value > end || h->value.n > (size_t)(end - value))
		return NULL;
	while (at < value && (*at == ' ' || *at == '\t'))
		at++;
	return at == value ? value + h->value.n : NULL;
}

bool framing_head_is_plain(const struct framing_head *head)
{
	const char *at = head->version + strlen(head->version);

	/* one blank between method, target and version, and no NUL in any of them */
	if (!is_token(slice_str(head->start)) ||
		head->version != head->start + strlen(head->start) + 1 + head->target_n + 1 ||
		at > head->end)
		return false;
	at = skip_line_end(at, head->end);
	for (size_t i = 0; i < head->n_headers && at; i++) {
		if (!is_field(&head->headers[i]))
			return false;
		at = skip_field(at, head->end, &head->headers[i]);
		if (at)
			at = skip_line_end(at, head->end);
	}
	return at && skip_line_end(at, head->end) == head->end;
}

bool framing_trailer_is_plain(const struct header *fields, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *line = (const char *)fields[i].name.p;
		const char *end = (const char *)fields[i].value.p + fields[i].value.n;

		if (!is_field(&fields[i]) || end <= line || skip_field(line, end + 1, &fields[i]) != end)
			return false;
		if (i + 1 < n && (const char *)fields[i + 1].name.p != end + 2)
			return false;
	}
	return true;
}

enum rc framing_check(struct request *r, struct err *err)
{
	struct slice coding = {0}, length = {0};
	size_t n_lengths = header_find(r->headers, r->n_headers, "content-length", &length);
	size_t n_codings = header_find(r->headers, r->n_headers, "transfer-encoding", &coding);
	struct body *b = &r->body;

	r->reply.close = true; /* nobody knows where a bad body ends */
	if (r->is_malformed || has_control(r->target, true))
		return err_code(err, RC_REFUSED, "InvalidRequest",
			"the head of the request is not as RFC 9112 has it: each line must end with CR LF, "
			"have no blank before its colon, no control character and no continuation");
	if (n_lengths > 1 || n_codings > 1 || (n_lengths && n_codings))
		return err_code(err, RC_REFUSED, "InvalidRequest",
			"one Content-Length or one Transfer-Encoding, not more");
	if (n_codings && (r->is_http_1_0 || !slice_eq_nocase(coding, slice_str("chunked"))))
		return err_code(err, RC_REFUSED, "InvalidRequest",
			"the Transfer-Encoding must be chunked, and the request HTTP/1.1");
	if (n_lengths && !slice_to_u64(length, &b->wire_length))
		return err_code(
			err, RC_REFUSED, "InvalidRequest", "the Content-Length is not a number");
	b->is_chunked = n_codings == 1;
	b->has_length = n_lengths == 1;
	b->length = b->wire_length;
	r->reply.close = false;
	return RC_OK;
}

/* 16: it is none. */
static unsigned hex_digit(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - (unsigned)'0';
	if (c >= 'a' && c <= 'f')
		return c - (unsigned)'a' + 10;
	return c >= 'A' && c <= 'F' ? c - (unsigned)'A' + 10 : 16;
}

/* Hex digits, then the line's end or ";" and extensions without control characters. */
static bool read_chunk_line(struct slice line, uint64_t *ret_size)
{
	uint64_t size = 0;
	size_t i;

	for (i = 0; i < line.n && line.p[i] != ';'; i++) {
		unsigned digit = hex_digit(line.p[i]);

		if (digit > 15 || size >> 60)
			return false;
		size = size << 4 | digit;
	}
	*ret_size = size;
	return i > 0 && !has_control(slice_of(line.p + i, line.n - i), false);
}

bool framing_chunk(uint64_t *left, const char *floor, const char *data, size_t n)
{
	const char *start;

	if (*left == 0) {
		if (data - floor < 3 || data[-1] != '\n' || data[-2] != '\r')
			return false;
		start = data - 2;
		while (start > floor && start[-1] != '\n')
			if (data - --start > FRAMING_CHUNK_LINE_MAX_BYTES)
				return false;
		if (!read_chunk_line(slice_of(start, (size_t)(data - 2 - start)), left))
			return false;
	}
	if (n > *left)
		return false;
	*left -= n;
	return true;
}
