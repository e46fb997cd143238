/* Parts of a multipart upload: put and listed. */
#include "gateway/s3/listing.h"
#include "gateway/s3/metadata.h"
#include "gateway/s3/multipart.h"
#include "gateway/s3/ops.h"
#include "wire/s3xml.h"

enum rc multipart_read_number(struct request *r, uint32_t *ret_number, struct err *err)
{
	uint64_t number;
	enum rc rc = request_param_u64(r, "partNumber", 0, BS_PARTS_MAX, &number, err);

	if (rc)
		return rc;
	*ret_number = (uint32_t)number;
	if (number > 0)
		return RC_OK;
	return err_code(err, RC_REFUSED, "InvalidArgument",
		"'partNumber' must be a number from 1 to %d", BS_PARTS_MAX);
}

enum rc multipart_part_alg(struct request *r, struct slice id, enum digest_alg declared,
	enum digest_alg *ret_alg, struct err *err)
{
	struct bs_upload upload;
	struct upload_checksum c;
	enum rc rc = bs_call(
		r->service->store, upload_get, r->bucket, r->key, id, &r->arena, &upload, err);

	if (rc)
		return rc;
	c = multipart_checksum(upload.headers);
	if (c.alg && declared && c.alg != declared)
		return err_code(err, RC_REFUSED, "InvalidRequest",
			"checksum type mismatch: the upload has %s, the part %s",
			checksum_name(c.alg), checksum_name(declared));
	*ret_alg = c.alg ? c.alg : declared;
	return RC_OK;
}

struct upload_part {
	struct slice id;
	uint32_t number;
};

enum rc op_upload_part_begin(struct request *r, struct err *err)
{
	struct upload_part *op = arena_alloc(&r->arena, sizeof(*op));
	struct body *b = &r->body;
	enum rc rc;

	r->op = op;
	if ((rc = multipart_read_id(r, &op->id, err)) ||
		(rc = multipart_read_number(r, &op->number, err)) ||
		(rc = multipart_part_alg(r, op->id, b->declared.alg ? b->declared.alg : b->trailer,
			 &b->extra, err)))
		return rc;
	return bs_call(r->service->store, put_begin, r->bucket, r->key, &b->put, err);
}

static enum rc part_stored(struct request *r, struct err *err)
{
	(void)err;
	reply_header_etag(r, r->body.etag);
	metadata_reply_checksum(r, &r->body.computed);
	return reply_empty(r, 200);
}

enum rc op_upload_part(struct request *r, struct err *err)
{
	struct upload_part *op = r->op;
	struct bs_put *put = r->body.put;
	struct buf headers;

	(void)err;
	buf_init(&headers, OBJECT_HEADERS_MAX);
	metadata_add_checksum(&headers, &r->body.computed);
	r->body.put = NULL;
	bs_part_commit(put, op->id, op->number, r->body.etag, buf_slice(&headers),
		request_wait(r, part_stored));
	buf_release(&headers);
	return RC_OK;
}

struct list_parts {
	struct slice id;
	uint64_t after, max;
	struct bs_upload upload;
	struct bs_part *parts;
	size_t n;
	bool truncated;
};

static void write_part(struct buf *out, const struct bs_part *part)
{
	struct checksum c = metadata_checksum(part->headers);

	s3xml_open(out, "Part");
	s3xml_u64(out, "PartNumber", part->number);
	s3xml_date(out, "LastModified", part->modified_wall_ms);
	s3xml_etag(out, "ETag", slice_str(part->etag));
	s3xml_u64(out, "Size", part->size);
	s3xml_checksum(out, &c);
	s3xml_close(out, "Part");
}

static void write_parts(struct request *r, const struct list_parts *op)
{
	struct upload_checksum c = multipart_checksum(op->upload.headers);
	struct buf *out = &r->reply.document;

	s3xml_begin(out);
	s3xml_open_root(out, "ListPartsResult");
	s3xml_text(out, "Bucket", r->bucket);
	s3xml_text(out, "Key", r->key);
	s3xml_text(out, "UploadId", op->id);
	write_owner(out, "Initiator");
	write_owner(out, "Owner");
	s3xml_str(out, "StorageClass", "STANDARD");
	s3xml_u64(out, "PartNumberMarker", op->after);
	if (op->truncated && op->n)
		s3xml_u64(out, "NextPartNumberMarker", op->parts[op->n - 1].number);
	s3xml_u64(out, "MaxParts", op->max);
	s3xml_bool(out, "IsTruncated", op->truncated);
	if (c.alg) {
		s3xml_str(out, "ChecksumAlgorithm", checksum_name(c.alg));
		s3xml_str(out, "ChecksumType", checksum_type_name(c.type));
	}
	for (size_t i = 0; i < op->n; i++)
		write_part(out, &op->parts[i]);
	s3xml_close(out, "ListPartsResult");
}

static enum rc list_parts_job(struct request *r, struct err *err)
{
	struct list_parts *op = r->op;
	enum rc rc = bs_call(
		r->service->store, upload_get, r->bucket, r->key, op->id, &r->arena, &op->upload, err);

	if (!rc && op->max)
		rc = bs_call(r->service->store, upload_parts, r->bucket, r->key, op->id,
			(uint32_t)op->after, (size_t)op->max, &r->page, &op->parts, &op->n,
			&op->truncated, err);
	if (!rc)
		write_parts(r, op);
	return rc;
}

enum rc op_list_parts(struct request *r, struct err *err)
{
	struct list_parts *op = arena_alloc(&r->arena, sizeof(*op));
	enum rc rc;

	r->op = op;
	if ((rc = multipart_read_id(r, &op->id, err)) ||
		(rc = request_param_u64(r, "part-number-marker", 0, INT32_MAX, &op->after, err)) ||
		(rc = request_param_u64(r, "max-parts", LISTING_MAX, INT32_MAX, &op->max, err)))
		return rc;
	if (op->max > LISTING_MAX)
		op->max = LISTING_MAX;
	return listing_run(r, list_parts_job, err);
}
