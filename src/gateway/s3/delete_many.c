/* DeleteObjects: up to 1,000 in one request, one transaction, each with its own outcome. */
#include "gateway/s3/ops.h"
#include "wire/s3_error.h"
#include "wire/s3xml.h"

struct delete_many {
	struct s3xml_delete request;
	struct bs_deletion *deletions; /* the entries that were tried, in the request's order */
	size_t n_deletions;
	struct bs_deletion *refused; /* those not tried */
	size_t n_refused;
};

static void write_deleted(struct buf *out, const struct bs_deletion *d)
{
	s3xml_open(out, "Deleted");
	s3xml_text(out, "Key", d->key);
	if (d->version.n)
		s3xml_text(out, "VersionId", d->version);
	if (d->is_delete_marker) {
		s3xml_bool(out, "DeleteMarker", true);
		s3xml_str(out, "DeleteMarkerVersionId", d->marker_version);
	}
	s3xml_close(out, "Deleted");
}

static void write_error(struct buf *out, const struct bs_deletion *d)
{
	const struct s3_error *e = s3_error_of(d->rc, &d->err);

	s3xml_open(out, "Error");
	s3xml_text(out, "Key", d->key);
	if (d->version.n)
		s3xml_text(out, "VersionId", d->version);
	s3xml_str(out, "Code", e->code);
	s3xml_str(out, "Message", e->status < 500 && d->err.text[0] ? d->err.text : e->message);
	s3xml_close(out, "Error");
}

static enum rc reply_outcomes(struct request *r, struct err *err)
{
	struct delete_many *op = r->op;
	struct buf *out = &r->reply.document;

	(void)err;
	s3xml_begin(out);
	s3xml_open_root(out, "DeleteResult");
	for (size_t i = 0; i < op->n_deletions; i++) {
		const struct bs_deletion *d = &op->deletions[i];

		if (!bs_deletion_is_done(d))
			write_error(out, d);
		else if (!op->request.quiet)
			write_deleted(out, d);
	}
	for (size_t i = 0; i < op->n_refused; i++)
		write_error(out, &op->refused[i]);
	s3xml_close(out, "DeleteResult");
	return reply_document(r);
}

static void sort_out(struct delete_many *op, const struct s3xml_delete_object *o)
{
	struct bs_deletion d = {.key = o->key, .version = o->version_id, .if_match = o->etag};

	if (o->etag.p && !o->etag.n)
		d.rc = err_code(&d.err, RC_REFUSED, "InvalidArgument", "the ETag is empty");
	else if (o->key.n > URI_KEY_MAX_BYTES)
		d.rc = err_code(&d.err, RC_REFUSED, "KeyTooLongError", "the key is too long");
	else if (o->version_id.p && (!o->version_id.n || o->version_id.n >= BS_VERSION_MAX))
		d.rc = err_code(&d.err, RC_REFUSED, "NoSuchVersion", "there is no such version");
	if (d.rc)
		op->refused[op->n_refused++] = d;
	else
		op->deletions[op->n_deletions++] = d;
}

/* S3 asks for it in addition to the signed hash; every SDK sends one or the other. */
static enum rc check_integrity(const struct request *r, struct err *err)
{
	if (r->body.has_md5 || r->body.declared.alg)
		return RC_OK;
	return err_code(err, RC_REFUSED, "InvalidRequest",
		"missing required header for this request: Content-MD5 or x-amz-checksum-*");
}

enum rc op_delete_objects(struct request *r, struct err *err)
{
	struct delete_many *op = arena_alloc(&r->arena, sizeof(*op));
	enum rc rc = check_integrity(r, err);

	if (!rc)
		rc = s3xml_read_delete(buf_slice(&r->body.document), &r->arena, &op->request, err);
	if (!rc)
		rc = bucket_check(r, NULL, err);
	if (rc)
		return rc;
	op->deletions = arena_array(&r->arena, op->request.n_objects, sizeof(*op->deletions));
	op->refused = arena_array(&r->arena, op->request.n_objects, sizeof(*op->refused));
	for (size_t i = 0; i < op->request.n_objects; i++)
		sort_out(op, &op->request.objects[i]);
	r->op = op;
	if (op->n_deletions == 0)
		return reply_outcomes(r, err);
	bs_call(r->service->store, delete_many, r->bucket, op->deletions, op->n_deletions,
		request_wait(r, reply_outcomes));
	return RC_OK;
}
