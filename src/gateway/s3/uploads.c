/* Multipart uploads: created, aborted, listed. */
#include "gateway/s3/listing.h"
#include "gateway/s3/metadata.h"
#include "gateway/s3/multipart.h"
#include "gateway/s3/ops.h"
#include "wire/s3xml.h"

#define ALGORITHM "x-amz-checksum-algorithm"
#define TYPE "x-amz-checksum-type"

enum rc multipart_read_id(struct request *r, struct slice *ret_id, struct err *err)
{
	enum rc rc = request_param(r, "uploadId", ret_id, err);

	if (rc)
		return rc;
	reply_extra(r, "UploadId", *ret_id);
	if (ret_id->n > 0 && ret_id->n < BS_UPLOAD_ID_MAX)
		return RC_OK;
	return err_code(err, RC_ABSENT, "NoSuchUpload", "there is no such multipart upload");
}

struct upload_checksum multipart_checksum(struct slice upload_headers)
{
	struct upload_checksum c = {
		checksum_from_name(object_headers_get(upload_headers, ALGORITHM)),
		CHECKSUM_FULL_OBJECT};

	if (c.alg && !checksum_type_parse(object_headers_get(upload_headers, TYPE), &c.type))
		c.type = checksum_type_default(c.alg);
	return c;
}

/* x-amz-checksum-algorithm and -type, stored with the upload and echoed: SDKs send the parts'
 * checksums with Complete only when they see them. */
static enum rc read_checksum(struct request *r, struct upload_checksum *ret, struct err *err)
{
	struct slice name = request_header(r, ALGORITHM), type = request_header(r, TYPE);

	*ret = (struct upload_checksum){0};
	if (!name.p && !type.p)
		return RC_OK;
	ret->alg = checksum_from_name(name);
	if (!ret->alg)
		return err_code(
			err, RC_REFUSED, "InvalidRequest", "the checksum algorithm is not known");
	ret->type = checksum_type_default(ret->alg);
	if (type.p && !checksum_type_parse(type, &ret->type))
		return err_code(err, RC_REFUSED, "InvalidRequest",
			"the value of x-amz-checksum-type is not known");
	if (!checksum_type_allowed(ret->alg, ret->type))
		return err_code(err, RC_REFUSED, "InvalidRequest",
			"the %s checksum type cannot be used with the %s algorithm",
			checksum_type_name(ret->type), checksum_name(ret->alg));
	return RC_OK;
}

static enum rc upload_created(struct request *r, struct err *err)
{
	const struct upload_checksum *c = r->op;
	struct buf *out = &r->reply.document;

	(void)err;
	if (c->alg) {
		reply_header_str(r, ALGORITHM, checksum_name(c->alg));
		reply_header_str(r, TYPE, checksum_type_name(c->type));
	}
	s3xml_begin(out);
	s3xml_open_root(out, "InitiateMultipartUploadResult");
	s3xml_text(out, "Bucket", r->bucket);
	s3xml_text(out, "Key", r->key);
	s3xml_str(out, "UploadId", r->result.object.version);
	s3xml_close(out, "InitiateMultipartUploadResult");
	return reply_document(r);
}

enum rc op_create_upload(struct request *r, struct err *err)
{
	struct upload_checksum *c = arena_alloc(&r->arena, sizeof(*c));
	struct buf headers;
	enum rc rc = read_checksum(r, c, err);

	if (rc)
		return rc;
	r->op = c;
	buf_init(&headers, OBJECT_HEADERS_MAX);
	rc = metadata_read(r, &headers, err);
	if (!rc && c->alg) {
		object_headers_add(
			&headers, slice_str(ALGORITHM), slice_str(checksum_name(c->alg)));
		object_headers_add(
			&headers, slice_str(TYPE), slice_str(checksum_type_name(c->type)));
	}
	if (!rc)
		bs_call(r->service->store, upload_create, r->bucket, r->key, buf_slice(&headers),
			request_wait(r, upload_created));
	buf_release(&headers);
	return rc;
}

static enum rc upload_aborted(struct request *r, struct err *err)
{
	(void)err;
	return reply_empty(r, 204);
}

enum rc op_abort_upload(struct request *r, struct err *err)
{
	struct slice id;
	enum rc rc = multipart_read_id(r, &id, err);

	if (rc)
		return rc;
	bs_call(r->service->store, upload_abort, r->bucket, r->key, id,
		request_wait(r, upload_aborted));
	return RC_OK;
}

struct list_uploads {
	struct listing l;
	struct slice key_marker, id_marker;
};

static void write_upload(struct buf *out, const struct listing *l, const struct bs_upload *u)
{
	struct upload_checksum c = multipart_checksum(u->headers);

	s3xml_open(out, "Upload");
	s3xml_key(out, "Key", u->key, l->url_encode);
	s3xml_str(out, "UploadId", u->id);
	write_owner(out, "Initiator");
	write_owner(out, "Owner");
	s3xml_str(out, "StorageClass", "STANDARD");
	s3xml_date(out, "Initiated", u->created_wall_ms);
	if (c.alg) {
		s3xml_str(out, "ChecksumAlgorithm", checksum_name(c.alg));
		s3xml_str(out, "ChecksumType", checksum_type_name(c.type));
	}
	s3xml_close(out, "Upload");
}

/* The greater of the last upload and the last common prefix: where the page ended. */
static void write_next(struct buf *out, const struct listing *l, const struct bs_upload_page *page)
{
	struct slice key = {0}, prefix = {0};

	if (!page->truncated)
		return;
	if (page->n)
		key = page->uploads[page->n - 1].key;
	if (page->n_prefixes)
		prefix = page->prefixes[page->n_prefixes - 1];
	if (slice_cmp(prefix, key) > 0) {
		s3xml_key(out, "NextKeyMarker", prefix, l->url_encode);
		return;
	}
	s3xml_key(out, "NextKeyMarker", key, l->url_encode);
	if (page->n)
		s3xml_str(out, "NextUploadIdMarker", page->uploads[page->n - 1].id);
}

static void write_uploads(
	struct request *r, const struct list_uploads *op, const struct bs_upload_page *page)
{
	struct buf *out = &r->reply.document;

	s3xml_begin(out);
	s3xml_open_root(out, "ListMultipartUploadsResult");
	s3xml_text(out, "Bucket", r->bucket);
	s3xml_key(out, "KeyMarker", op->key_marker, op->l.url_encode);
	s3xml_text(out, "UploadIdMarker", op->id_marker);
	write_next(out, &op->l, page);
	s3xml_key(out, "Prefix", op->l.prefix, op->l.url_encode);
	if (op->l.delimiter.n)
		s3xml_key(out, "Delimiter", op->l.delimiter, op->l.url_encode);
	listing_write_encoding(out, &op->l);
	s3xml_u64(out, "MaxUploads", op->l.max);
	s3xml_bool(out, "IsTruncated", page->truncated);
	for (size_t i = 0; i < page->n; i++)
		write_upload(out, &op->l, &page->uploads[i]);
	for (size_t i = 0; i < page->n_prefixes; i++)
		listing_write_prefix(out, &op->l, page->prefixes[i]);
	s3xml_close(out, "ListMultipartUploadsResult");
}

static enum rc list_uploads_job(struct request *r, struct err *err)
{
	const struct list_uploads *op = r->op;
	struct bs_upload_query query = {.bucket = r->bucket,
		.prefix = op->l.prefix,
		.delimiter = op->l.delimiter,
		.after_key = op->key_marker,
		.after_id = op->id_marker,
		.after_is_prefix =
			!op->id_marker.n && listing_is_prefix(&op->l, op->key_marker),
		.max = (size_t)op->l.max};
	struct bs_upload_page page = {0};
	enum rc rc = bucket_check(r, NULL, err);

	if (!rc && op->l.max)
		rc = bs_call(r->service->store, upload_list, &query, &r->page, &page, err);
	if (!rc)
		write_uploads(r, op, &page);
	return rc;
}

enum rc op_list_uploads(struct request *r, struct err *err)
{
	struct list_uploads *op = arena_alloc(&r->arena, sizeof(*op));
	enum rc rc;

	r->op = op;
	if ((rc = listing_read(r, "max-uploads", &op->l, err)) ||
		(rc = request_param(r, "key-marker", &op->key_marker, err)) ||
		(rc = request_param(r, "upload-id-marker", &op->id_marker, err)))
		return rc;
	return listing_run(r, list_uploads_job, err);
}
