/*
 * CopyObject and UploadPartCopy. The bytes go from a reader to a put in one pass and are hashed on
 * the way. A small copy is made at once, a large one on a worker thread, so that it holds up no
 * other request.
 */
#include <stdlib.h>

#include "gateway/access/roles.h"
#include "gateway/s3/conditions.h"
#include "gateway/s3/metadata.h"
#include "gateway/s3/multipart.h"
#include "gateway/s3/ops.h"
#include "wire/s3xml.h"

#define COPY_BLOCK_BYTES (256u << 10)

struct copy {
	const struct bs_object *source; /* of r->reply.reader */
	uint64_t offset, length;        /* of the source, to copy */
	enum digest_alg alg;            /* 0: no checksum */
	struct checksum checksum;
	char etag[33];
	struct slice headers; /* CopyObject's; without the checksum */
	struct bs_condition condition;
	struct slice upload_id; /* UploadPartCopy; empty: CopyObject */
	uint32_t number;
	struct bs_put *put;
};

static enum rc open_source(struct request *r, struct copy *op, struct err *err)
{
	struct slice text = request_header(r, "x-amz-copy-source"), raw;
	struct uri_target *from = arena_alloc(&r->arena, sizeof(*from));
	struct bs_object marker = {0};
	struct buf version;
	enum rc rc = uri_copy_source_parse(text, from, &raw, err);

	if (rc)
		return rc;
	buf_init(&version, BS_VERSION_MAX - 1);
	if (raw.p && uri_decode_form(&version, raw, NULL))
		rc = err_code(err, RC_REFUSED, "InvalidArgument", "invalid version id specified");
	if (!rc)
		rc = bs_call(r->service->store, open, slice_str(from->bucket),
			slice_of(from->key, from->key_bytes), buf_slice(&version), &r->reply.reader,
			&marker, err);
	if (!rc)
		op->source = bs_reader_info(r->reply.reader);
	if (!rc && !op->upload_id.n && version.n == 0 &&
		slice_eq(slice_str(from->bucket), r->bucket) &&
		slice_eq(slice_of(from->key, from->key_bytes), r->key) &&
		!slice_eq_nocase(
			request_header(r, "x-amz-metadata-directive"), slice_str("REPLACE")))
		rc = err_code(err, RC_REFUSED, "InvalidRequest",
			"an object cannot be copied to itself without changing its metadata");
	buf_release(&version);
	return rc;
}

static enum rc check_source(struct request *r, const struct bs_object *o, struct err *err)
{
	struct conditions c = {request_header(r, "x-amz-copy-source-if-match"),
		request_header(r, "x-amz-copy-source-if-none-match"),
		request_header(r, "x-amz-copy-source-if-modified-since"),
		request_header(r, "x-amz-copy-source-if-unmodified-since")};

	if (conditions_judge(&c, o->etag, o->modified_wall_ms, r->now_wall_ms) == CONDITION_MET)
		return RC_OK;
	reply_extra(r, "Condition", slice_str("x-amz-copy-source-If-*"));
	return err_code(err, RC_CONFLICT, "PreconditionFailed",
		"a condition on the copy source is not met");
}

/* Reads op's span of the source into op->put. The caller commits op->put; on failure op->put is
 * gone. */
static enum rc copy_bytes(struct request *r, struct copy *op, struct err *err)
{
	struct digest *digest = service_take_digest(r->service, DIGEST_MD5 | op->alg);
	unsigned char *block = xmalloc(COPY_BLOCK_BYTES), hash[DIGEST_MAX_BYTES];
	uint64_t left = op->length, at = op->offset;
	enum rc rc = bs_call(r->service->store, put_begin, r->bucket, r->key, &op->put, err);

	if (rc)
		op->put = NULL;
	while (!rc && left) {
		size_t n = left < COPY_BLOCK_BYTES ? (size_t)left : COPY_BLOCK_BYTES;

		rc = bs_reader_read(r->reply.reader, at, block, n, &n, err);
		if (!rc && n == 0)
			rc = err_set(err, RC_CORRUPT, "the copy source ends early");
		if (rc)
			break;
		digest_update(digest, slice_of(block, n));
		rc = bs_put_write(op->put, slice_of(block, n), err);
		at += n;
		left -= n;
	}
	if (!rc) {
		digest_final(digest, DIGEST_MD5, hash);
		hex_encode(hash, 16, op->etag);
		if (op->alg)
			op->checksum = checksum_of_digest(digest, op->alg);
	} else if (op->put) {
		bs_put_abort(op->put);
		op->put = NULL;
	}
	free(block);
	service_give_digest(r->service, digest);
	return rc;
}

static void submit(struct copy *op, struct bs_done done)
{
	struct bs_put *put = op->put;
	struct bs_commit commit = {
		.etag = op->etag, .event_name = "ObjectCreated:Copy", .condition = op->condition};
	struct buf headers;

	buf_init(&headers, OBJECT_HEADERS_MAX + 256);
	buf_add_slice(&headers, op->headers);
	metadata_add_checksum(&headers, &op->checksum);
	commit.headers = buf_slice(&headers);
	op->put = NULL;
	if (op->upload_id.n)
		bs_part_commit(put, op->upload_id, op->number, op->etag, commit.headers, done);
	else
		bs_put_commit(put, &commit, done);
	buf_release(&headers);
}

static enum rc copy_job(struct request *r, struct err *err)
{
	enum rc rc = copy_bytes(r, r->op, err);

	if (!rc)
		submit(r->op, request_job_done(r));
	return rc;
}

static enum rc start(
	struct request *r, enum rc (*after)(struct request *r, struct err *err), struct err *err)
{
	struct copy *op = r->op;
	enum rc rc;

	if (op->length > BS_INLINE_MAX) {
		request_run(r, copy_job, after);
		return RC_OK;
	}
	rc = copy_bytes(r, op, err);
	if (!rc)
		submit(op, request_wait(r, after));
	return rc;
}

static enum rc reply_copied(
	struct request *r, const char *element, const char *etag, uint64_t modified_wall_ms)
{
	const struct copy *op = r->op;
	struct buf *out = &r->reply.document;

	if (op->source->in_versioned)
		reply_header(r, "x-amz-copy-source-version-id", slice_str(op->source->version));
	s3xml_begin(out);
	s3xml_open_root(out, element);
	s3xml_date(out, "LastModified", modified_wall_ms);
	s3xml_etag(out, "ETag", slice_str(etag));
	s3xml_checksum(out, &op->checksum);
	s3xml_close(out, element);
	return reply_document(r);
}

static enum rc object_copied(struct request *r, struct err *err)
{
	const struct bs_object *o = &r->result.object;

	(void)err;
	if (o->version[0] && strcmp(o->version, "null") != 0)
		reply_header(r, "x-amz-version-id", slice_str(o->version));
	return reply_copied(r, "CopyObjectResult", o->etag, o->modified_wall_ms);
}

static enum rc part_copied(struct request *r, struct err *err)
{
	const struct copy *op = r->op;

	(void)err;
	return reply_copied(r, "CopyPartResult", op->etag, clock_wall_ms(r->service->clock));
}

/* The headers of the copy: the source's, or the request's. */
static enum rc choose_headers(struct request *r, struct copy *op, struct err *err)
{
	struct slice directive = request_header(r, "x-amz-metadata-directive");
	struct buf headers;
	enum rc rc = RC_OK;

	buf_init(&headers, OBJECT_HEADERS_MAX);
	if (slice_eq_nocase(directive, slice_str("REPLACE")))
		rc = metadata_read(r, &headers, err);
	else if (!directive.p || slice_eq_nocase(directive, slice_str("COPY")))
		metadata_copy(&headers, op->source->headers);
	else
		rc = err_code(err, RC_REFUSED, "InvalidArgument",
			"x-amz-metadata-directive is COPY or REPLACE");
	op->headers = arena_slice(&r->arena, buf_slice(&headers));
	buf_release(&headers);
	return rc;
}

static enum rc choose_checksum(struct request *r, struct copy *op, struct err *err)
{
	struct slice name = request_header(r, "x-amz-checksum-algorithm");

	op->alg = name.p ? checksum_from_name(name) : metadata_checksum(op->source->headers).alg;
	if (name.p && !op->alg)
		return err_code(
			err, RC_REFUSED, "InvalidRequest", "the checksum algorithm is not known");
	return RC_OK;
}

static enum rc check_size(const struct copy *op, struct err *err)
{
	if (op->length <= GATEWAY_OBJECT_MAX_BYTES)
		return RC_OK;
	return err_code(err, RC_REFUSED, "InvalidRequest",
		"the copy source is larger than %llu bytes: copy it in parts",
		(unsigned long long)GATEWAY_OBJECT_MAX_BYTES);
}

enum rc op_copy_object(struct request *r, struct err *err)
{
	struct copy *op = arena_alloc(&r->arena, sizeof(*op));
	struct conditions c = {
		request_header(r, "if-match"), request_header(r, "if-none-match"), {0}, {0}};
	enum rc rc;

	r->op = op;
	if ((rc = conditions_of_write(&c, &op->condition, err)) || (rc = open_source(r, op, err)) ||
		(rc = check_source(r, op->source, err)) || (rc = choose_headers(r, op, err)) ||
		(rc = choose_checksum(r, op, err)))
		return rc;
	op->length = op->source->size;
	rc = check_size(op, err);
	return rc ? rc : start(r, object_copied, err);
}

/* x-amz-copy-source-range is "bytes=first-last", both given and inside the source. */
static enum rc read_range(struct request *r, struct copy *op, struct err *err)
{
	struct slice text = request_header(r, "x-amz-copy-source-range");
	uint64_t size = op->source->size;
	const unsigned char *dash;

	op->length = size;
	if (!text.p)
		return RC_OK;
	dash = memchr(text.p, '-', text.n);
	if (!dash || dash == text.p + text.n - 1 ||
		range_parse(text, UINT64_MAX, &op->offset, &op->length) != RANGE_PART)
		return err_code(err, RC_REFUSED, "InvalidArgument",
			"x-amz-copy-source-range must be of the form bytes=first-last");
	if (op->offset >= size || op->length > size - op->offset)
		return err_code(err, RC_REFUSED, "InvalidRange",
			"the range lies outside the copy source of %llu bytes",
			(unsigned long long)size);
	return RC_OK;
}

enum rc op_copy_part(struct request *r, struct err *err)
{
	struct copy *op = arena_alloc(&r->arena, sizeof(*op));
	enum rc rc;

	r->op = op;
	if ((rc = multipart_read_id(r, &op->upload_id, err)) ||
		(rc = multipart_read_number(r, &op->number, err)) ||
		(rc = multipart_part_alg(r, op->upload_id, 0, &op->alg, err)) ||
		(rc = open_source(r, op, err)) || (rc = check_source(r, op->source, err)) ||
		(rc = read_range(r, op, err)) || (rc = check_size(op, err)))
		return rc;
	return start(r, part_copied, err);
}
