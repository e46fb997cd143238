/* Buckets: made, listed, looked at, removed, versioned. */
#include "gateway/access/roles.h"
#include "gateway/s3/ops.h"
#include "wire/s3xml.h"

#define LIST_BUCKETS_MAX 10000

enum rc bucket_check(struct request *r, struct bs_bucket *ret_bucket, struct err *err)
{
	struct bs_bucket bucket;

	return bs_call(
		r->service->store, bucket_get, r->bucket, ret_bucket ? ret_bucket : &bucket, err);
}

void write_owner(struct buf *out, const char *element)
{
	s3xml_open(out, element);
	s3xml_str(out, "ID", OWNER_ID);
	s3xml_str(out, "DisplayName", OWNER_NAME);
	s3xml_close(out, element);
}

/* 200 for what the store has done. */
static enum rc done_ok(struct request *r, struct err *err)
{
	(void)err;
	return reply_empty(r, 200);
}

static enum rc done_no_content(struct request *r, struct err *err)
{
	(void)err;
	return reply_empty(r, 204);
}

static enum rc bucket_created(struct request *r, struct err *err)
{
	(void)err;
	reply_headerf(r, "Location", "/%s", r->name.bucket);
	return reply_empty(r, 200);
}

/* Versions are how baler keeps its promise, so a bucket has them from its first object on. */
enum rc op_create_bucket(struct request *r, struct err *err)
{
	struct slice region;
	enum rc rc =
		s3xml_read_create_bucket(buf_slice(&r->body.document), &r->arena, &region, err);

	if (rc)
		return rc;
	if (region.n && !slice_eq_str(region, r->service->region))
		return err_code(err, RC_REFUSED, "IllegalLocationConstraintException",
			"buckets here are in '%s'", r->service->region);
	bs_call(r->service->store, bucket_create, r->bucket, BS_ENABLED,
		request_wait(r, bucket_created));
	return RC_OK;
}

enum rc op_head_bucket(struct request *r, struct err *err)
{
	enum rc rc = bucket_check(r, NULL, err);

	if (rc)
		return rc;
	reply_header_str(r, "x-amz-bucket-region", r->service->region);
	reply_header_str(r, "x-amz-access-point-alias", "false");
	return reply_empty(r, 200);
}

enum rc op_delete_bucket(struct request *r, struct err *err)
{
	(void)err;
	bs_call(r->service->store, bucket_delete, r->bucket, request_wait(r, done_no_content));
	return RC_OK;
}

/* us-east-1 is an empty element, for S3's oldest clients. */
enum rc op_get_location(struct request *r, struct err *err)
{
	struct buf *out = &r->reply.document;
	enum rc rc = bucket_check(r, NULL, err);

	if (rc)
		return rc;
	s3xml_begin(out);
	s3xml_open_root(out, "LocationConstraint");
	if (strcmp(r->service->region, "us-east-1") != 0)
		s3xml_escape(out, slice_str(r->service->region));
	s3xml_close(out, "LocationConstraint");
	return reply_document(r);
}

enum rc op_get_versioning(struct request *r, struct err *err)
{
	struct buf *out = &r->reply.document;
	struct bs_bucket bucket;
	enum rc rc = bucket_check(r, &bucket, err);

	if (rc)
		return rc;
	s3xml_begin(out);
	s3xml_open_root(out, "VersioningConfiguration");
	if (bucket.versioning != BS_UNVERSIONED)
		s3xml_str(out, "Status", bucket.versioning == BS_ENABLED ? "Enabled" : "Suspended");
	s3xml_close(out, "VersioningConfiguration");
	return reply_document(r);
}

enum rc op_put_versioning(struct request *r, struct err *err)
{
	enum s3xml_versioning versioning;
	enum rc rc = s3xml_read_versioning(buf_slice(&r->body.document), &versioning, err);

	if (rc)
		return rc;
	if (versioning == S3XML_VERSIONING_NONE)
		return err_code(err, RC_REFUSED, "IllegalVersioningConfigurationException",
			"the versioning configuration has no Status");
	bs_call(r->service->store, bucket_versioning, r->bucket,
		versioning == S3XML_VERSIONING_ENABLED ? BS_ENABLED : BS_SUSPENDED,
		request_wait(r, done_ok));
	return RC_OK;
}

struct bucket_page {
	struct slice prefix, after;
	uint64_t max;
};

static void write_bucket(struct request *r, const struct bs_bucket *bucket)
{
	struct buf *out = &r->reply.document;

	s3xml_open(out, "Bucket");
	s3xml_str(out, "Name", bucket->name);
	s3xml_date(out, "CreationDate", bucket->created_wall_ms);
	s3xml_str(out, "BucketRegion", r->service->region);
	s3xml_close(out, "Bucket");
}

/* Writes those of the page; the name to continue behind, or NULL. */
static const char *write_buckets(struct request *r, const struct bs_bucket *buckets, size_t n,
	const struct bucket_page *page)
{
	const char *last = NULL;
	uint64_t given = 0;

	for (size_t i = 0; i < n; i++) {
		struct slice name = slice_str(buckets[i].name);

		if (!slice_has_prefix(name, page->prefix) || slice_cmp(name, page->after) <= 0 ||
			roles_check(r, ACTION_FIND_BUCKET, name, NULL))
			continue;
		if (given++ == page->max)
			return last;
		write_bucket(r, &buckets[i]);
		last = buckets[i].name;
	}
	return NULL;
}

enum rc op_list_buckets(struct request *r, struct err *err)
{
	struct buf *out = &r->reply.document;
	struct bucket_page page;
	struct bs_bucket *buckets;
	const char *next;
	size_t n;
	enum rc rc;

	if ((rc = request_param(r, "prefix", &page.prefix, err)) ||
		(rc = request_param(r, "continuation-token", &page.after, err)) ||
		(rc = request_param_u64(
			 r, "max-buckets", LIST_BUCKETS_MAX, LIST_BUCKETS_MAX, &page.max, err)) ||
		(rc = bs_call(r->service->store, bucket_list, &r->arena, &buckets, &n, err)))
		return rc;
	s3xml_begin(out);
	s3xml_open_root(out, "ListAllMyBucketsResult");
	write_owner(out, "Owner");
	s3xml_open(out, "Buckets");
	next = write_buckets(r, buckets, n, &page);
	s3xml_close(out, "Buckets");
	if (page.prefix.n)
		s3xml_text(out, "Prefix", page.prefix);
	if (next)
		s3xml_str(out, "ContinuationToken", next);
	s3xml_close(out, "ListAllMyBucketsResult");
	return reply_document(r);
}
