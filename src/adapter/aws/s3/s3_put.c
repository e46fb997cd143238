#include <stdlib.h>

#include "adapter/aws/s3/s3_call.h"
#include "model/object_headers.h"
#include "wire/aws_chunked.h"

#define CHUNK_BYTES (64u << 10)
#define TRAILER_ALG DIGEST_CRC32

/* A body that is sent as aws-chunked, unsigned, with its CRC32 in a trailer. The body is read
 * once, and its hash need not be known before (S3 user guide, "Signature calculations … trailing
 * headers"). */
struct chunked_body {
	const struct os_source *source;
	uint64_t size;     /* bytes of data */
	uint64_t left;     /* bytes of data not yet read */
	size_t chunk_left; /* bytes of the current chunk not yet read */
	bool is_end_written;
	struct buf pending; /* framing that is not sent yet */
	size_t pending_offset;
	uint32_t crc;
};

static void end_of_body(struct chunked_body *b)
{
	struct checksum trailer = {.alg = TRAILER_ALG};

	for (size_t i = 0; i < 4; i++)
		trailer.value[i] = (unsigned char)(b->crc >> (24 - 8 * i));
	aws_chunked_write_end(&b->pending, &trailer);
	b->is_end_written = true;
}

/* Makes the framing that follows a chunk. */
static void next_framing(struct chunked_body *b)
{
	buf_reset(&b->pending);
	b->pending_offset = 0;
	if (b->left == 0) {
		end_of_body(b);
		return;
	}
	b->chunk_left = b->left < CHUNK_BYTES ? (size_t)b->left : CHUNK_BYTES;
	aws_chunked_write_header(&b->pending, b->chunk_left);
}

static size_t give_pending(struct chunked_body *b, void *out, size_t max)
{
	size_t n = b->pending.n - b->pending_offset;

	if (n > max)
		n = max;
	memcpy(out, b->pending.p + b->pending_offset, n);
	b->pending_offset += n;
	return n;
}

static enum rc give_data(
	struct chunked_body *b, void *out, size_t max, size_t *ret_n, struct err *err)
{
	size_t want = b->chunk_left < max ? b->chunk_left : max, got = 0;
	enum rc rc = b->source->read(b->source->arg, out, want, &got, err);

	if (rc == RC_OK && got == 0)
		rc = err_set(err, RC_REFUSED, "the body ends %llu bytes too early",
			(unsigned long long)b->left);
	if (rc != RC_OK)
		return rc;
	b->crc = crc32_update(b->crc, slice_of(out, got));
	b->left -= got;
	b->chunk_left -= got;
	if (b->chunk_left == 0) {
		buf_reset(&b->pending);
		b->pending_offset = 0;
		buf_add_str(&b->pending, "\r\n");
	}
	*ret_n = got;
	return RC_OK;
}

static enum rc chunked_read(void *arg, void *out, size_t max, size_t *ret_n, struct err *err)
{
	struct chunked_body *b = arg;

	if (b->pending_offset == b->pending.n && b->chunk_left == 0 && !b->is_end_written)
		next_framing(b);
	if (b->pending_offset < b->pending.n) {
		*ret_n = give_pending(b, out, max);
		return RC_OK;
	}
	*ret_n = 0;
	return b->chunk_left ? give_data(b, out, max, ret_n, err) : RC_OK;
}

static enum rc chunked_rewind(void *arg, struct err *err)
{
	struct chunked_body *b = arg;
	enum rc rc = b->source->rewind(b->source->arg, err);

	buf_reset(&b->pending);
	b->pending_offset = b->chunk_left = 0;
	b->left = b->size;
	b->crc = 0;
	b->is_end_written = false;
	return rc;
}

/* The object keeps its Content-Encoding; aws-chunked is added after it, and the store removes
 * it. */
static bool streaming_headers(struct buf *out, struct slice headers, uint64_t size)
{
	struct slice name, value, encoding = {0};
	struct buf text;
	size_t pos = 0;
	bool ok = true;

	while (object_headers_next(headers, &pos, &name, &value))
		if (slice_eq_str(name, "content-encoding"))
			encoding = value;
		else
			ok &= object_headers_add(out, name, value);
	buf_init(&text, 1024);
	buf_add_slice(&text, encoding);
	buf_add_str(&text, encoding.n ? ",aws-chunked" : "aws-chunked");
	ok &= object_headers_add(out, slice_str("content-encoding"), buf_slice(&text));
	buf_reset(&text);
	buf_addf(&text, "%llu", (unsigned long long)size);
	ok &= object_headers_add(out, slice_str("x-amz-decoded-content-length"), buf_slice(&text));
	ok &= object_headers_add(
		out, slice_str("x-amz-trailer"), slice_str(checksum_header(TRAILER_ALG)));
	buf_release(&text);
	return ok;
}

static void put_done(
	const struct s3_call *call, uint64_t size, struct arena *a, struct os_object *ret_info)
{
	s3_call_object(call, call->key, a, ret_info);
	ret_info->headers = (struct slice){0};
	ret_info->size = size;
}

static enum rc put_stream(struct s3 *s3, struct s3_call *call, uint64_t size,
	const struct os_source *body, struct err *err)
{
	struct chunked_body chunked = {.source = body, .size = size, .left = size};
	struct buf headers;
	enum rc rc;

	buf_init(&headers, OBJECT_HEADERS_MAX);
	buf_init(&chunked.pending, 256);
	if (!streaming_headers(&headers, call->headers, size)) {
		buf_release(&headers);
		return err_set(err, RC_REFUSED, "the object's headers are too long");
	}
	call->headers = buf_slice(&headers);
	call->payload_hash = sigv4_payload_name(SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER);
	call->body_bytes = aws_chunked_encoded_bytes(size, CHUNK_BYTES, TRAILER_ALG);
	call->read = chunked_read;
	call->rewind = body->rewind ? chunked_rewind : NULL;
	call->arg = &chunked;
	rc = s3_call_run(s3, call, err);
	buf_release(&headers);
	buf_release(&chunked.pending);
	return rc;
}

static enum rc read_whole(
	const struct os_source *body, unsigned char *to, size_t size, struct err *err)
{
	for (size_t at = 0; at < size;) {
		size_t got = 0;
		enum rc rc = body->read(body->arg, to + at, size - at, &got, err);

		if (rc != RC_OK)
			return rc;
		if (got == 0)
			return err_set(
				err, RC_REFUSED, "the body ended after %zu of %zu bytes", at, size);
		at += got;
	}
	return RC_OK;
}

static enum rc put_memory(struct s3 *s3, struct s3_call *call, size_t size,
	const struct os_source *body, struct err *err)
{
	unsigned char *bytes = xmalloc(size);
	enum rc rc = read_whole(body, bytes, size, err);

	if (rc == RC_OK) {
		call->has_body = true;
		call->body = slice_of(bytes, size);
		rc = s3_call_run(s3, call, err);
	}
	free(bytes);
	return rc;
}

enum rc s3_put(struct object_store *os, struct slice bucket, struct slice key, struct slice headers,
	uint64_t size, const struct os_source *body, struct arena *a, struct os_object *ret_info,
	struct err *err)
{
	struct s3 *s3 = (struct s3 *)os;
	struct s3_call call = {.method = "PUT", .bucket = bucket, .key = key, .headers = headers};
	enum rc rc;

	if (size <= S3_BODY_IN_MEMORY)
		rc = put_memory(s3, &call, (size_t)size, body, err);
	else
		rc = put_stream(s3, &call, size, body, err);
	if (rc == RC_OK)
		put_done(&call, size, a, ret_info);
	s3_call_release(&call);
	return rc;
}
