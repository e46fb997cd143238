/* PutObject and DeleteObject. */
#include "gateway/s3/conditions.h"
#include "gateway/s3/metadata.h"
#include "gateway/s3/ops.h"

static enum rc write_condition(
	struct request *r, struct bs_condition *ret_condition, struct err *err)
{
	struct conditions c = {
		request_header(r, "if-match"), request_header(r, "if-none-match"), {0}, {0}};

	return conditions_of_write(&c, ret_condition, err);
}

/* So that nobody sends a gigabyte to a bucket that does not exist. For a small object the commit's
 * own check is enough; this one would cost a tenth of the whole request. */
static enum rc check_bucket_of_long_body(struct request *r, struct err *err)
{
	return r->body.length > BS_INLINE_MAX ? bucket_check(r, NULL, err) : RC_OK;
}

/* The conditions are decided when the object is committed; here only their form. */
enum rc op_put_object_begin(struct request *r, struct err *err)
{
	struct bs_commit *commit = arena_alloc(&r->arena, sizeof(*commit));
	struct buf headers;
	enum rc rc;

	r->op = commit;
	buf_init(&headers, OBJECT_HEADERS_MAX);
	rc = metadata_read(r, &headers, err);
	if (!rc)
		rc = write_condition(r, &commit->condition, err);
	if (!rc)
		rc = check_bucket_of_long_body(r, err);
	if (!rc)
		rc = bs_call(r->service->store, put_begin, r->bucket, r->key, &r->body.put, err);
	commit->headers = arena_slice(&r->arena, buf_slice(&headers));
	buf_release(&headers);
	return rc;
}

static enum rc object_stored(struct request *r, struct err *err)
{
	const struct bs_object *o = &r->result.object;

	(void)err;
	reply_header_etag(r, o->etag);
	if (o->version[0] && strcmp(o->version, "null") != 0)
		reply_header(r, "x-amz-version-id", slice_str(o->version));
	metadata_reply_checksum(r, &r->body.computed);
	return reply_empty(r, 200);
}

/* Adds the checksum, which is known to be right now. */
static struct slice with_checksum(struct request *r, struct slice headers)
{
	struct slice all = headers;
	struct buf text;

	if (!r->body.computed.alg)
		return all;
	buf_init(&text, OBJECT_HEADERS_MAX + 256);
	buf_add_slice(&text, headers);
	metadata_add_checksum(&text, &r->body.computed);
	all = arena_slice(&r->arena, buf_slice(&text));
	buf_release(&text);
	return all;
}

enum rc op_put_object(struct request *r, struct err *err)
{
	struct bs_commit *commit = r->op;
	struct bs_put *put = r->body.put;

	(void)err;
	commit->headers = with_checksum(r, commit->headers);
	commit->etag = r->body.etag;
	commit->event_name = "ObjectCreated:Put";
	r->body.put = NULL;
	bs_put_commit(put, commit, request_wait(r, object_stored));
	return RC_OK;
}

static enum rc object_deleted(struct request *r, struct err *err)
{
	const struct bs_deletion *d = r->op;

	if (!bs_deletion_is_done(d)) {
		*err = d->err;
		return d->rc;
	}
	if (d->is_delete_marker)
		reply_header_str(r, "x-amz-delete-marker", "true");
	if (d->is_delete_marker && d->marker_version[0])
		reply_header(r, "x-amz-version-id", slice_str(d->marker_version));
	else if (d->version.n)
		reply_header(r, "x-amz-version-id", d->version);
	return reply_empty(r, 204);
}

enum rc op_delete_object(struct request *r, struct err *err)
{
	struct bs_deletion *d = arena_alloc(&r->arena, sizeof(*d));
	struct bs_condition condition;
	enum rc rc = request_version(r, &d->version, err);

	if (!rc)
		rc = write_condition(r, &condition, err);
	if (!rc && condition.if_none_match_any)
		rc = err_code(err, RC_REFUSED, "NotImplemented",
			"a delete's condition can only be If-Match");
	if (rc)
		return rc;
	d->if_match = condition.if_match;
	d->key = r->key;
	r->op = d;
	bs_call(r->service->store, delete_many, r->bucket, d, 1, request_wait(r, object_deleted));
	return RC_OK;
}
