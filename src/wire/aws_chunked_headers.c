/* The headers around an aws-chunked body, and its writing. */
#include "wire/aws_chunked.h"

enum rc aws_chunked_trailer_parse(struct slice value, enum digest_alg *ret_alg, struct err *err)
{
	enum digest_alg alg = checksum_from_header(header_trim(value));

	if (!alg)
		return err_code(err, RC_REFUSED, "InvalidRequest",
			"the value of x-amz-trailer is not the header of a checksum known here");
	*ret_alg = alg;
	return RC_OK;
}

bool aws_chunked_strip_encoding(struct buf *out, struct slice content_encoding)
{
	bool is_first = true;

	while (content_encoding.n) {
		const unsigned char *comma = memchr(content_encoding.p, ',', content_encoding.n);
		size_t n = comma ? (size_t)(comma - content_encoding.p) : content_encoding.n;
		struct slice member = header_trim(slice_of(content_encoding.p, n));

		n += comma != NULL;
		content_encoding = slice_of(content_encoding.p + n, content_encoding.n - n);
		if (member.n == 0 || slice_eq_nocase(member, slice_str("aws-chunked")))
			continue;
		if (!is_first && !buf_add_char(out, ','))
			return false;
		if (!buf_add_slice(out, member))
			return false;
		is_first = false;
	}
	return true;
}

bool aws_chunked_write_header(struct buf *out, size_t n)
{
	return buf_addf(out, "%zx\r\n", n);
}

bool aws_chunked_write_end(struct buf *out, const struct checksum *trailer)
{
	char text[CHECKSUM_TEXT_MAX];

	if (!trailer || !trailer->alg)
		return buf_add_str(out, "0\r\n\r\n");
	checksum_format(trailer, text);
	return buf_addf(out, "0\r\n%s:%s\r\n\r\n", checksum_header(trailer->alg), text);
}

static uint64_t chunk_bytes_of(uint64_t n)
{
	uint64_t digits = 1;

	for (uint64_t left = n; left >= 16; left /= 16)
		digits++;
	return digits + 2 + n + 2;
}

uint64_t aws_chunked_encoded_bytes(
	uint64_t data_bytes, uint64_t chunk_bytes, enum digest_alg trailer)
{
	uint64_t whole = data_bytes / chunk_bytes, rest = data_bytes % chunk_bytes;
	uint64_t n = whole * chunk_bytes_of(chunk_bytes) + (rest ? chunk_bytes_of(rest) : 0);

	if (trailer)
		n += strlen(checksum_header(trailer)) + 1 + (digest_size(trailer) + 2) / 3 * 4 + 2;
	return n + sizeof("0\r\n\r\n") - 1;
}
