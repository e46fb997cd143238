#include "wire/s3xml.h"

#include "base/date.h"
#include "wire/uri.h"

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

static size_t utf8_length(unsigned char first)
{
	return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* Takes one character of s, which is not empty: the text that represents it goes to *ret_text, and
 * its size is returned. Characters that XML 1.0 does not allow (section 2.2) are replaced. */
static size_t escape_char(struct slice s, struct slice *ret_text)
{
	static const struct {
		unsigned char c;
		const char *text;
	} special[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"},
		{'\r', "&#13;"}, {'\n', "&#10;"}, {'\t', "&#9;"}};
	size_t n = utf8_length(s.p[0]);

	for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++)
		if (s.p[0] == special[i].c) {
			*ret_text = slice_str(special[i].text);
			return 1;
		}
	*ret_text = slice_str(replacement);
	if (s.p[0] < ' ')
		return 1;
	if (n > s.n || !utf8_valid(slice_of(s.p, n)))
		return 1;
	if (n == 3 && s.p[0] == 0xef && s.p[1] == 0xbf && s.p[2] >= 0xbe) /* U+FFFE, U+FFFF */
		return 3;
	*ret_text = slice_of(s.p, n);
	return n;
}

static bool is_plain(unsigned char c)
{
	return c >= ' ' && c < 0x80 && c != '&' && c != '<' && c != '>' && c != '"';
}

void s3xml_escape(struct buf *out, struct slice text)
{
	while (text.n && !out->overflow) {
		struct slice piece;
		size_t n = 0;

		while (n < text.n && is_plain(text.p[n]))
			n++;
		if (n)
			piece = slice_of(text.p, n);
		else
			n = escape_char(text, &piece);
		buf_add_slice(out, piece);
		text = slice_of(text.p + n, text.n - n);
	}
}

void s3xml_begin(struct buf *out)
{
	buf_add_str(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
}

void s3xml_open_root(struct buf *out, const char *name)
{
	buf_add_char(out, '<');
	buf_add_str(out, name);
	buf_add_str(out, " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
}

void s3xml_open(struct buf *out, const char *name)
{
	buf_add_char(out, '<');
	buf_add_str(out, name);
	buf_add_char(out, '>');
}

void s3xml_close(struct buf *out, const char *name)
{
	buf_add_str(out, "</");
	buf_add_str(out, name);
	buf_add_char(out, '>');
}

void s3xml_text(struct buf *out, const char *name, struct slice text)
{
	s3xml_open(out, name);
	s3xml_escape(out, text);
	s3xml_close(out, name);
}

void s3xml_str(struct buf *out, const char *name, const char *text)
{
	s3xml_text(out, name, slice_str(text));
}

void s3xml_u64(struct buf *out, const char *name, uint64_t value)
{
	s3xml_open(out, name);
	buf_addf(out, "%llu", (unsigned long long)value);
	s3xml_close(out, name);
}

void s3xml_bool(struct buf *out, const char *name, bool value)
{
	s3xml_str(out, name, value ? "true" : "false");
}

void s3xml_date(struct buf *out, const char *name, uint64_t wall_ms)
{
	char text[DATE_ISO_BYTES];

	date_iso_format(wall_ms, text);
	s3xml_str(out, name, text);
}

void s3xml_etag(struct buf *out, const char *name, struct slice etag)
{
	s3xml_open(out, name);
	buf_add_str(out, "&quot;");
	s3xml_escape(out, etag);
	buf_add_str(out, "&quot;");
	s3xml_close(out, name);
}

void s3xml_key(struct buf *out, const char *name, struct slice key, bool url_encode)
{
	if (!url_encode) {
		s3xml_text(out, name, key);
		return;
	}
	s3xml_open(out, name);
	uri_encode(out, key, true);
	s3xml_close(out, name);
}

void s3xml_checksum(struct buf *out, const struct checksum *c)
{
	char text[CHECKSUM_TEXT_MAX];

	if (!c->alg)
		return;
	checksum_format(c, text);
	s3xml_str(out, checksum_element(c->alg), text);
}

void s3xml_error(struct buf *out, const char *code, const char *message,
	const struct s3xml_extra *extras, size_t n_extras, const char *request_id,
	const char *host_id)
{
	s3xml_begin(out);
	s3xml_open(out, "Error");
	s3xml_str(out, "Code", code);
	s3xml_str(out, "Message", message);
	for (size_t i = 0; i < n_extras; i++)
		s3xml_text(out, extras[i].name, extras[i].text);
	s3xml_str(out, "RequestId", request_id);
	s3xml_str(out, "HostId", host_id);
	s3xml_close(out, "Error");
}
