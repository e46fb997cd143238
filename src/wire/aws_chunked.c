#include "wire/aws_chunked.h"

#include <stdio.h>
#include <strings.h>

/*
 * A small machine. Lines are gathered in c->line; data pass through.
 *
 *   CHUNK_LINE → DATA → DATA_END → CHUNK_LINE …          a chunk with bytes
 *   CHUNK_LINE → TRAILER_LINE … → DONE                   the chunk of size 0
 */
enum { CHUNK_LINE, DATA, DATA_END, TRAILER_LINE, DONE };

/* SHA-256 of nothing, in every chunk's string to sign. */
#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static bool is_signed(const struct aws_chunked *c)
{
	return c->config.form != SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER;
}

static bool has_trailer_form(const struct aws_chunked *c)
{
	return c->config.form != SIGV4_PAYLOAD_STREAM_SIGNED;
}

enum rc aws_chunked_init(
	struct aws_chunked *c, const struct aws_chunked_config *config, struct err *err)
{
	memset(c, 0, sizeof(*c));
	if (!sigv4_payload_is_stream(config->form))
		return err_code(err, RC_REFUSED, "NotImplemented", "not a streaming payload");
	c->config = *config;
	c->state = CHUNK_LINE;
	if (is_signed(c)) {
		c->chain = *config->seed;
		c->sha256 = digest_new(DIGEST_SHA256);
	}
	return RC_OK;
}

void aws_chunked_release(struct aws_chunked *c)
{
	digest_free(c->sha256);
	c->sha256 = NULL;
	explicit_bzero(&c->chain, sizeof(c->chain));
}

static enum rc bad(struct err *err, const char *why)
{
	return err_code(err, RC_REFUSED, "InvalidRequest", "aws-chunked body: %s", why);
}

static enum rc bad_trailer(struct err *err, const char *why)
{
	return err_code(err, RC_REFUSED, "MalformedTrailerError", "aws-chunked body: %s", why);
}

/* --- signatures --- */

/* Checks the signature that follows the previous one; when it is right, the chain goes on from
 * it. */
static enum rc check_link(struct aws_chunked *c, const char *algorithm, const char *hashes,
	const unsigned char expected[SHA256_BYTES], struct err *err)
{
	unsigned char signature[SHA256_BYTES];
	char text[640];
	int n = snprintf(text, sizeof(text), "%s\n%s\n%s\n%s\n%s", algorithm, c->chain.amz_date,
		c->chain.scope, c->chain.signature, hashes);

	hmac_sha256(slice_of(c->chain.key, SHA256_BYTES), slice_of(text, (size_t)n), signature);
	if (!bytes_equal_ct(signature, expected, sizeof(signature)))
		return err_code(err, RC_REFUSED, "SignatureDoesNotMatch",
			"aws-chunked body: a signature is not the one computed here");
	hex_encode(signature, sizeof(signature), c->chain.signature);
	return RC_OK;
}

static enum rc check_chunk(struct aws_chunked *c, struct err *err)
{
	static const char empty[] = EMPTY_SHA256 "\n";
	unsigned char hash[DIGEST_MAX_BYTES];
	char hashes[sizeof(empty) + 2 * SHA256_BYTES];

	if (!is_signed(c))
		return RC_OK;
	digest_final(c->sha256, DIGEST_SHA256, hash);
	memcpy(hashes, empty, sizeof(empty));
	hex_encode(hash, SHA256_BYTES, hashes + sizeof(empty) - 1);
	digest_reset(c->sha256, DIGEST_SHA256);
	return check_link(c, "AWS4-HMAC-SHA256-PAYLOAD", hashes, c->expected, err);
}

static enum rc check_trailer_signature(struct aws_chunked *c, struct slice hex, struct err *err)
{
	unsigned char expected[SHA256_BYTES];
	char hash[2 * SHA256_BYTES + 1];
	enum rc rc;

	if (!hex_decode(hex, expected, sizeof(expected)))
		return bad_trailer(err, "a trailer signature of other than 64 hex digits");
	hex_encode(c->trailer_hash, SHA256_BYTES, hash);
	rc = check_link(c, "AWS4-HMAC-SHA256-TRAILER", hash, expected, err);
	c->has_trailer_signature = rc == RC_OK;
	return rc;
}

/* --- lines --- */

static int hex_value(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 32;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* 1 to 16 hex digits: no sign, no "0x", no room for an overflow. */
static bool parse_size(struct slice s, uint64_t *ret_bytes)
{
	uint64_t bytes = 0;

	if (s.n == 0 || s.n > 16)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		int v = hex_value(s.p[i]);

		if (v < 0)
			return false;
		bytes = bytes << 4 | (unsigned)v;
	}
	*ret_bytes = bytes;
	return true;
}

/* "HEX" or "HEX;chunk-signature=SIG", exactly. */
static enum rc take_chunk_line(struct aws_chunked *c, struct slice line, struct err *err)
{
	static const char extension[] = ";chunk-signature=";
	struct slice size = line;

	if (is_signed(c)) {
		size_t tail = sizeof(extension) - 1 + 2 * SHA256_BYTES;

		if (line.n <= tail ||
			memcmp(line.p + line.n - tail, extension, sizeof(extension) - 1) ||
			!hex_decode(slice_of(line.p + line.n - 2 * SHA256_BYTES, 2 * SHA256_BYTES),
				c->expected, SHA256_BYTES))
			return bad(err, "a chunk without its signature");
		size.n = line.n - tail;
	}
	if (!parse_size(size, &c->chunk_left_bytes))
		return bad(err, "a chunk's size is not a hex number");
	if (c->chunk_left_bytes > c->config.decoded_bytes - c->total_bytes)
		return bad(err, "more data than x-amz-decoded-content-length says");
	c->total_bytes += c->chunk_left_bytes;
	c->is_last_chunk = c->chunk_left_bytes == 0;
	if (!c->is_last_chunk) {
		c->state = DATA;
		return RC_OK;
	}
	c->state = TRAILER_LINE;
	return check_chunk(c, err);
}

/* The signature is over "name:value\n", whatever line end was sent. */
static void hash_trailer(struct aws_chunked *c, struct slice line)
{
	char text[AWS_CHUNKED_LINE_MAX_BYTES + 2];

	memcpy(text, line.p, line.n);
	text[line.n] = '\n';
	sha256(slice_of(text, line.n + 1), c->trailer_hash);
}

static enum rc take_checksum(
	struct aws_chunked *c, struct slice name, struct slice value, struct err *err)
{
	enum rc rc;

	if (c->has_trailer)
		return bad_trailer(err, "the trailer is repeated");
	if (c->config.trailer == 0 || checksum_from_header(name) != c->config.trailer)
		return bad_trailer(err, "a trailer that was not announced");
	rc = checksum_parse(c->config.trailer, value, &c->trailer, err);
	if (rc != RC_OK)
		return rc;
	if (c->trailer.type != CHECKSUM_FULL_OBJECT)
		return bad_trailer(err, "a composite checksum in the trailer");
	c->has_trailer = true;
	return RC_OK;
}

static enum rc end_of_body(struct aws_chunked *c, struct err *err)
{
	if (c->config.trailer && !c->has_trailer)
		return bad_trailer(err, "the trailer announced is missing");
	if (c->has_trailer && is_signed(c) && !c->has_trailer_signature)
		return bad_trailer(err, "the trailer is not signed");
	c->state = DONE;
	return RC_OK;
}

/* Takes "name:value", "x-amz-trailer-signature:SIG", or the empty line that ends the body. One
 * empty line before the trailer's signature is accepted, because minio-go and AWS's own example put
 * "\n\r\n" after the value. */
static enum rc take_trailer_line(struct aws_chunked *c, struct slice line, struct err *err)
{
	const unsigned char *colon = line.n ? memchr(line.p, ':', line.n) : NULL;
	struct slice name, value;

	if (line.n == 0) {
		if (has_trailer_form(c) && is_signed(c) && c->has_trailer &&
			!c->has_trailer_signature && !c->is_gap_seen) {
			c->is_gap_seen = true;
			return RC_OK;
		}
		return end_of_body(c, err);
	}
	if (!has_trailer_form(c) || !colon)
		return bad_trailer(err, "something that is no trailer after the last chunk");
	if (c->has_trailer_signature)
		return bad_trailer(err, "a line after the trailer's signature");
	name = slice_of(line.p, (size_t)(colon - line.p));
	value = header_trim(slice_of(colon + 1, line.n - name.n - 1));
	if (is_signed(c) && slice_eq_nocase(name, slice_str("x-amz-trailer-signature"))) {
		if (!c->has_trailer)
			return bad_trailer(err, "a trailer signature without a trailer");
		return check_trailer_signature(c, value, err);
	}
	hash_trailer(c, line);
	return take_checksum(c, name, value, err);
}

static enum rc take_line(struct aws_chunked *c, struct err *err)
{
	struct slice line = slice_of(c->line, c->line_bytes);
	bool has_cr = line.n && line.p[line.n - 1] == '\r';

	line.n -= has_cr;
	c->line_bytes = 0;
	for (size_t i = 0; i < line.n; i++)
		if (line.p[i] < ' ' || line.p[i] > '~')
			return bad(err, "a control character in a line");
	switch (c->state) {
	case CHUNK_LINE:
		return has_cr ? take_chunk_line(c, line, err)
			      : bad(err, "a chunk's line ends in a bare LF");
	case DATA_END:
		if (line.n || !has_cr)
			return bad(err, "a chunk longer than its size");
		c->state = CHUNK_LINE;
		return check_chunk(c, err);
	default:
		return take_trailer_line(c, line, err);
	}
}

/* --- feeding --- */

/* Takes bytes up to the end of a line; *ret_done when the line is whole. */
static enum rc gather(struct aws_chunked *c, struct slice *in, bool *ret_done, struct err *err)
{
	const unsigned char *lf = memchr(in->p, '\n', in->n);
	size_t n = lf ? (size_t)(lf - in->p) : in->n;

	if (n > AWS_CHUNKED_LINE_MAX_BYTES - c->line_bytes)
		return bad(err, "a line that is too long");
	memcpy(c->line + c->line_bytes, in->p, n);
	c->line_bytes += n;
	n += lf != NULL;
	*in = slice_of(in->p + n, in->n - n);
	*ret_done = lf != NULL;
	return RC_OK;
}

static enum rc pass_data(struct aws_chunked *c, struct slice *in, struct err *err)
{
	size_t n = in->n > c->chunk_left_bytes ? (size_t)c->chunk_left_bytes : in->n;
	struct slice bytes = slice_of(in->p, n);

	*in = slice_of(in->p + n, in->n - n);
	c->chunk_left_bytes -= n;
	if (c->chunk_left_bytes == 0)
		c->state = DATA_END;
	if (c->sha256)
		digest_update(c->sha256, bytes);
	return c->config.data(c->config.arg, bytes, err);
}

static enum rc step(struct aws_chunked *c, struct slice *in, struct err *err)
{
	bool is_whole = false;
	enum rc rc;

	if (c->state == DONE)
		return bad(err, "bytes after the end");
	if (c->state == DATA)
		return pass_data(c, in, err);
	rc = gather(c, in, &is_whole, err);
	return rc == RC_OK && is_whole ? take_line(c, err) : rc;
}

enum rc aws_chunked_feed(struct aws_chunked *c, struct slice bytes, struct err *err)
{
	c->is_fed |= bytes.n > 0;
	while (bytes.n && c->failed == RC_OK)
		c->failed = step(c, &bytes, err);
	return c->failed;
}

enum rc aws_chunked_finish(struct aws_chunked *c, struct err *err)
{
	if (c->failed != RC_OK)
		return c->failed;
	/* minio-go sends no chunk at all for an empty object; its length, 0, is signed */
	if (!c->is_fed && c->config.decoded_bytes == 0)
		return RC_OK;
	if (c->state != DONE || c->total_bytes != c->config.decoded_bytes)
		c->failed = err_code(err, RC_REFUSED, "IncompleteBody",
			"aws-chunked body: %s after %llu of %llu bytes",
			c->state == DONE ? "the end" : "cut off",
			(unsigned long long)(c->total_bytes - c->chunk_left_bytes),
			(unsigned long long)c->config.decoded_bytes);
	return c->failed;
}

const struct checksum *aws_chunked_trailer(const struct aws_chunked *c)
{
	return c->state == DONE && c->has_trailer ? &c->trailer : NULL;
}
