#include "adapter/aws/s3/s3.h"

#include <stdio.h>
#include <stdlib.h>

#include "adapter/aws/s3/s3_call.h"

bool s3_is_version(struct slice version)
{
	return version.n && !slice_eq_str(version, "null") &&
	       !slice_has_prefix(version, slice_str("seq:"));
}

void s3_query_version(struct buf *query, struct slice version)
{
	if (s3_is_version(version))
		s3_query_add(query, "versionId", version);
}

static enum rc s3_head(struct object_store *os, const struct object_id *object, struct arena *a,
	struct os_object *ret_info, struct err *err)
{
	struct s3 *s3 = (struct s3 *)os;
	struct s3_call call = {.method = "HEAD", .bucket = object->bucket, .key = object->key};
	struct buf query;
	enum rc rc;

	buf_init(&query, S3_URL_MAX);
	s3_query_version(&query, object->version);
	call.query = buf_slice(&query);
	rc = s3_call_run(s3, &call, err);
	if (rc == RC_OK)
		s3_call_object(&call, object->key, a, ret_info);
	s3_call_release(&call);
	buf_release(&query);
	return rc;
}

static enum rc take_region(struct slice region, char ret_region[OS_REGION_MAX])
{
	snprintf(ret_region, OS_REGION_MAX, SLICE_FMT, SLICE_ARG(region));
	return RC_OK;
}

static enum rc region_by_location(
	struct s3 *s3, struct slice bucket, char ret_region[OS_REGION_MAX], struct err *err)
{
	struct s3_call call = {.method = "GET", .bucket = bucket, .query = slice_str("location=")};
	struct arena a = ARENA_INIT;
	struct slice region = {0};
	enum rc rc = s3_call_run(s3, &call, err);

	if (rc == RC_OK) {
		rc = s3xml_read_location(buf_slice(&call.answer), &a, &region, err);
		if (rc != RC_OK)
			rc = s3_bad_document(&call, err);
	}
	if (rc == RC_OK)
		take_region(region, ret_region);
	s3_call_release(&call);
	arena_release(&a);
	return rc;
}

/* HeadBucket names the region also in a 301 and in a 403. Without any answer that names it, the
 * region is us-east-1. */
static enum rc s3_bucket_region(struct object_store *os, struct slice bucket,
	char ret_region[OS_REGION_MAX], struct err *err)
{
	struct s3 *s3 = (struct s3 *)os;
	struct s3_call call = {.method = "HEAD", .bucket = bucket};
	enum rc rc = s3_call_run(s3, &call, err);
	struct slice region = s3_call_header(&call, "x-amz-bucket-region");

	if (call.http.rc == RC_OK && region.n && rc != RC_ABSENT)
		rc = take_region(region, ret_region);
	else if (call.http.rc == RC_OK && (rc == RC_OK || rc == RC_REFUSED)) {
		rc = region_by_location(s3, bucket, ret_region, err);
		if (rc == RC_REFUSED)
			rc = take_region(slice_str("us-east-1"), ret_region);
	}
	s3_call_release(&call);
	return rc;
}

/* The user has chosen the endpoint. One that says wrongly that it is baler harms only itself. */
static bool s3_keeps_evidence(struct object_store *os)
{
	return atomic_load(&((struct s3 *)os)->is_baler);
}

static void s3_close(struct object_store *os)
{
	struct s3 *s3 = (struct s3 *)os;

	http_client_free(s3->http);
	sigv4_keys_release(&s3->keys);
	aws_settings_release(&s3->settings);
	free(s3);
}

static const struct object_store_ops s3_ops = {
	.put = s3_put,
	.get_many = s3_get_many,
	.head = s3_head,
	.list = s3_list,
	.delete_many = s3_delete_many,
	.copy = s3_copy,
	.bucket_region = s3_bucket_region,
	.stage_begin = s3_stage_begin,
	.stage_max = s3_stage_max,
	.stage_write = s3_stage_write,
	.stage_finish = s3_stage_finish,
	.stage_copy = s3_stage_copy,
	.stage_free = s3_stage_free,
	.publish = s3_publish,
	.discard = s3_discard,
	.close = s3_close,
	.keeps_evidence = s3_keeps_evidence,
};

static char *copy(const char *s)
{
	return s ? xstrdup(s) : NULL;
}

void s3_limit_memory(struct object_store *store, struct budget *memory)
{
	((struct s3 *)store)->memory = memory;
}

enum rc s3_open(
	const struct aws_settings *settings, struct object_store **ret_store, struct err *err)
{
	struct http_options options = {.ca_bundle = settings->ca_bundle};
	struct s3 *s3 = xcalloc(1, sizeof(*s3));
	enum rc rc;

	s3->base.ops = &s3_ops;
	s3->clock = clock_system();
	s3->settings = (struct aws_settings){
		.access_key = copy(settings->access_key),
		.secret = copy(settings->secret),
		.session_token = copy(settings->session_token),
		.endpoint_url = copy(settings->endpoint_url),
		.region = copy(settings->region),
		.ca_bundle = copy(settings->ca_bundle),
		.stall_s = settings->stall_s,
	};
	sigv4_keys_init(&s3->keys);
	rc = endpoint_init(&s3->endpoint, s3->settings.endpoint_url, s3->settings.region, err);
	if (rc == RC_OK)
		rc = http_client_new(&options, &s3->http, err);
	if (rc != RC_OK) {
		s3_close(&s3->base);
		return rc;
	}
	*ret_store = &s3->base;
	return RC_OK;
}
