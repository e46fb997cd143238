#include "gateway/http/body.h"

#include "base/json.h"
#include "gateway/http/charge.h"
#include "gateway/http/reply.h"
#include "port/invoker.h"
#include "wire/aws_chunked.h"
#include "wire/header.h"
#include "wire/s3xml.h"

/* Memory for the values of a document, for each '<' in it. Measured: DeleteObjects takes 1,600
 * bytes for each of its objects, which has four '<'; a part has six. */
#define TAG_BYTES 400
#define PART_TAG_BYTES 128

#define SMALL_BYTES (256u << 10) /* malloc's threshold of mapping: serve/memory.c */
/* bytes of signatures in 5 GiB of 64 KiB chunks, rounded up */
#define CHUNKED_OVERHEAD_MAX_BYTES (1ull << 30)

static struct slice sent_header(const struct request *r, const char *name)
{
	return header_value(r->headers, r->n_headers, name);
}

static bool is_document(const struct body *b)
{
	return b->kind == BODY_DOCUMENT || b->kind == BODY_PARTS || b->kind == BODY_PAYLOAD;
}

static size_t document_max(const struct body *b)
{
	return b->kind == BODY_PAYLOAD ? INVOKE_PAYLOAD_MAX_BYTES : S3XML_BODY_MAX_BYTES;
}

static enum rc read_md5(struct request *r, struct err *err)
{
	struct slice text = sent_header(r, "content-md5");
	size_t n = 0;

	if (!text.p)
		return RC_OK;
	if (!base64_decode(text, r->body.md5_declared, 16, &n) || n != 16)
		return err_code(err, RC_REFUSED, "InvalidDigest",
			"the Content-MD5 is not the base64 form of an MD5");
	r->body.has_md5 = true;
	r->body.algs |= DIGEST_MD5;
	return RC_OK;
}

static enum rc read_checksum_header(struct request *r, struct err *err)
{
	struct body *b = &r->body;
	enum rc rc;

	for (size_t i = 0; i < r->n_headers && b->kind != BODY_PARTS; i++) {
		enum digest_alg alg = checksum_from_header(r->headers[i].name);

		if (!alg)
			continue;
		if (b->declared.alg)
			return err_code(err, RC_REFUSED, "InvalidRequest",
				"expecting a single x-amz-checksum- header");
		rc = checksum_parse(alg, header_trim(r->headers[i].value), &b->declared, err);
		if (rc)
			return rc;
	}
	if (b->declared.type == CHECKSUM_COMPOSITE && b->declared.alg)
		return err_code(err, RC_REFUSED, "InvalidRequest",
			"the checksum of a body has no number of parts");
	b->algs |= b->declared.alg;
	return RC_OK;
}

/* x-amz-sdk-checksum-algorithm promises a checksum: it must be there, as header or trailer. */
static enum rc check_promised_checksum(struct request *r, struct err *err)
{
	struct slice promised = sent_header(r, "x-amz-sdk-checksum-algorithm");
	enum digest_alg alg;

	if (!promised.p || r->auth.carrier == SIGV4_QUERY)
		return RC_OK;
	alg = checksum_from_name(promised);
	if (!alg)
		return err_code(err, RC_REFUSED, "InvalidRequest",
			"the value of x-amz-sdk-checksum-algorithm is not known");
	if (r->body.kind != BODY_NONE && r->body.kind != BODY_PARTS &&
		alg != r->body.declared.alg && alg != r->body.trailer)
		return err_code(err, RC_REFUSED, "InvalidRequest",
			"x-amz-sdk-checksum-algorithm specified, but no such x-amz-checksum- "
			"or x-amz-trailer header was found");
	return RC_OK;
}

static enum rc prepare_stream(struct request *r, struct err *err)
{
	struct slice text = sent_header(r, "x-amz-decoded-content-length");
	struct slice trailer = sent_header(r, "x-amz-trailer");
	struct body *b = &r->body;
	enum rc rc;

	if (b->kind != BODY_OBJECT)
		return err_code(
			err, RC_REFUSED, "InvalidRequest", "only an object's body may be streamed");
	if (text.n == 0)
		return err_code(err, RC_REFUSED, "MissingContentLength",
			"a streamed body needs x-amz-decoded-content-length");
	if (!slice_to_u64(text, &b->length))
		return err_code(err, RC_REFUSED, "InvalidArgument",
			"x-amz-decoded-content-length is not a number");
	if (b->has_length && b->wire_length < b->length && b->length <= GATEWAY_OBJECT_MAX_BYTES)
		return err_code(err, RC_REFUSED, "InvalidRequest",
			"x-amz-decoded-content-length is more than Content-Length");
	b->has_length = true;
	if (trailer.p) {
		rc = aws_chunked_trailer_parse(trailer, &b->trailer, err);
		if (rc)
			return rc;
	}
	b->algs |= b->trailer;
	return RC_OK;
}

static enum rc check_length(struct request *r, struct err *err)
{
	struct body *b = &r->body;
	uint64_t max = b->kind == BODY_OBJECT ? GATEWAY_OBJECT_MAX_BYTES
		       : is_document(b)       ? document_max(b)
					      : BODY_NONE_MAX_BYTES;

	if (b->kind == BODY_OBJECT && !b->has_length)
		return err_code(err, RC_REFUSED, "MissingContentLength",
			"the length of the body must be declared");
	if (b->length > max || b->wire_length > max + CHUNKED_OVERHEAD_MAX_BYTES)
		return err_code(err, RC_REFUSED,
			b->kind == BODY_OBJECT ? "EntityTooLarge" : "MaxMessageLengthExceeded",
			"the body may have at most %llu bytes", (unsigned long long)max);
	return RC_OK;
}

enum rc body_prepare(struct request *r, enum body_kind kind, struct err *err)
{
	struct body *b = &r->body;
	enum rc rc;

	b->kind = kind;
	buf_init(&b->document, is_document(b) ? document_max(b) : BODY_NONE_MAX_BYTES);
	if (r->auth.payload == SIGV4_PAYLOAD_SHA256)
		b->algs |= DIGEST_SHA256;
	if (kind == BODY_OBJECT)
		b->algs |= DIGEST_MD5; /* the ETag */
	if ((rc = read_md5(r, err)) || (rc = read_checksum_header(r, err)))
		return rc;
	if (sigv4_payload_is_stream(r->auth.payload) && (rc = prepare_stream(r, err)))
		return rc;
	if ((rc = check_promised_checksum(r, err)))
		return rc;
	return check_length(r, err);
}

/* Decoded bytes, wherever they came from. */
static enum rc take(void *arg, struct slice bytes, struct err *err)
{
	struct request *r = arg;
	struct body *b = &r->body;
	uint64_t n;
	enum rc rc;

	b->got += bytes.n;
	if (b->has_length && b->got > b->length)
		return err_code(err, RC_REFUSED, "InvalidRequest",
			"the body is longer than its declared length");
	digest_update(b->digest, bytes);
	if (b->kind == BODY_OBJECT)
		return bs_put_write(b->put, bytes, err);
	if (b->kind == BODY_NONE && b->got > BODY_NONE_MAX_BYTES)
		return err_code(err, RC_REFUSED, "UnexpectedContent", "this request has no body");
	if (!is_document(b))
		return RC_OK;
	/* a small buffer that grows is twice as large for a moment; a large one is moved by
	 * mremap */
	n = b->document.n + bytes.n;
	rc = charge_raise(r, n + (n < SMALL_BYTES ? n : SMALL_BYTES), err);
	if (rc == RC_OK && !buf_add_slice(&b->document, bytes))
		rc = err_code(err, RC_REFUSED, "MaxMessageLengthExceeded",
			"the body may have at most %zu bytes", document_max(b));
	return rc;
}

/* Reading makes more of a document than its bytes: of a part in CompleteMultipartUpload, for one,
 * 700 bytes of memory. */
static enum rc charge_reading(struct request *r, struct err *err)
{
	struct slice text = buf_slice(&r->body.document);
	bool is_json = text.n && (text.p[0] == '{' || text.p[0] == '[');
	unsigned tag_bytes = r->body.kind == BODY_PARTS ? PART_TAG_BYTES : TAG_BYTES;

	/* an invocation's is counted among the messages, by lambda/invoke */
	if (!is_document(&r->body) || r->body.kind == BODY_PAYLOAD || !text.n)
		return RC_OK;
	return charge_raise(r,
		is_json ? 3 * (uint64_t)text.n + json_memory_bytes(text)
			: charge_of_xml(text, tag_bytes),
		err);
}

enum rc body_start(struct request *r, struct err *err)
{
	struct body *b = &r->body;
	struct aws_chunked_config config = {
		r->auth.payload, &r->seed, b->length, b->trailer, take, r};

	b->algs |= b->extra;
	b->digest = service_take_digest(r->service, b->algs);
	if (!sigv4_payload_is_stream(r->auth.payload))
		return RC_OK;
	b->chunked = arena_alloc(&r->arena, sizeof(*b->chunked));
	return aws_chunked_init(b->chunked, &config, err);
}

enum rc body_feed(struct request *r, struct slice bytes, struct err *err)
{
	if (r->body.chunked)
		return aws_chunked_feed(r->body.chunked, bytes, err);
	return take(r, bytes, err);
}

static enum rc check_hash(struct request *r, struct err *err)
{
	unsigned char hash[DIGEST_MAX_BYTES];
	char *hex;

	if (r->auth.payload != SIGV4_PAYLOAD_SHA256)
		return RC_OK;
	digest_final(r->body.digest, DIGEST_SHA256, hash);
	if (r->body.declared.alg == DIGEST_SHA256 || r->body.extra == DIGEST_SHA256) {
		/* a digest gives its value once */
		r->body.computed = (struct checksum){.alg = DIGEST_SHA256};
		memcpy(r->body.computed.value, hash, SHA256_BYTES);
	}
	if (bytes_equal_ct(hash, r->auth.payload_sha256, SHA256_BYTES))
		return RC_OK;
	hex = arena_alloc(&r->arena, 2 * SHA256_BYTES + 1);
	hex_encode(hash, SHA256_BYTES, hex);
	reply_extra(r, "ClientComputedContentSHA256", slice_str(r->auth.payload_text));
	reply_extra(r, "S3ComputedContentSHA256", slice_str(hex));
	return err_code(err, RC_REFUSED, "XAmzContentSHA256Mismatch",
		"the body does not have the hash in x-amz-content-sha256");
}

static enum rc check_md5(struct request *r, struct err *err)
{
	unsigned char hash[DIGEST_MAX_BYTES];
	struct body *b = &r->body;

	if (!(b->algs & DIGEST_MD5))
		return RC_OK;
	digest_final(b->digest, DIGEST_MD5, hash);
	hex_encode(hash, 16, b->etag);
	if (!b->has_md5 || bytes_equal_ct(hash, b->md5_declared, 16))
		return RC_OK;
	return err_code(err, RC_REFUSED, "BadDigest",
		"the Content-MD5 you specified did not match what was received");
}

static enum rc check_checksum(struct request *r, struct err *err)
{
	struct body *b = &r->body;
	const struct checksum *trailer = b->chunked ? aws_chunked_trailer(b->chunked) : NULL;
	const struct checksum *expected = b->declared.alg ? &b->declared : trailer;
	enum digest_alg alg = expected ? expected->alg : b->extra;

	if (!alg)
		return RC_OK;
	if (!b->computed.alg)
		b->computed = checksum_of_digest(b->digest, alg);
	if (!expected || checksum_eq(expected, &b->computed))
		return RC_OK;
	return err_code(err, RC_REFUSED, "BadDigest",
		"the %s you specified did not match the calculated checksum", checksum_name(alg));
}

enum rc body_finish(struct request *r, struct err *err)
{
	struct body *b = &r->body;
	enum rc rc;

	if (b->chunked && (rc = aws_chunked_finish(b->chunked, err)))
		return rc;
	if (b->has_length && b->got != b->length)
		return err_code(err, RC_REFUSED, "IncompleteBody",
			"the body is shorter than its declared length");
	if ((rc = check_hash(r, err)) || (rc = check_md5(r, err)) || (rc = check_checksum(r, err)))
		return rc;
	return charge_reading(r, err);
}

void body_release(struct request *r)
{
	struct body *b = &r->body;

	if (b->chunked)
		aws_chunked_release(b->chunked);
	b->chunked = NULL;
	if (b->put)
		bs_put_abort(b->put);
	b->put = NULL;
	service_give_digest(r->service, b->digest);
	b->digest = NULL;
	buf_release(&b->document);
}
