/* The object store over S3, against the endpoint and with the key of the environment
 * (AWS_ENDPOINT_URL …): a server of the launcher's, whose two buckets are emptied before each
 * test. */
#include "contract.h"

#include <stdlib.h>

#include "adapter/aws/s3/s3_call.h"

static void check(enum rc rc, const struct err *err)
{
	if (rc != RC_OK)
		fail_msg("%s: %s", rc_name(rc), err->text);
}

static void send_put(struct s3 *s3, const char *bucket, const char *query, const char *body)
{
	struct s3_call call = {.method = "PUT",
		.bucket = slice_str(bucket),
		.query = slice_str(query),
		.has_body = true,
		.body = slice_str(body)};
	struct err err = {0};
	enum rc rc = s3_call_run(s3, &call, &err);

	if (rc == RC_CONFLICT)
		rc = RC_OK; /* BucketAlreadyOwnedByYou */
	check(rc, &err);
	s3_call_release(&call);
}

static void delete_page(
	struct object_store *os, const char *bucket, const struct os_list_page *page)
{
	struct object_id ids[OS_LIST_MAX];
	enum rc results[OS_LIST_MAX];
	struct err err = {0};

	for (size_t i = 0; i < page->n; i++)
		ids[i] = (struct object_id){
			slice_str(bucket), page->objects[i].key, page->objects[i].version};
	check(os_delete_many(os, slice_str(bucket), ids, page->n, results, &err), &err);
}

static void empty_bucket(struct object_store *os, const char *bucket)
{
	struct os_list_query query = {
		.bucket = slice_str(bucket), .max = OS_LIST_MAX, .versions = true};
	struct os_list_page page;
	struct arena a = ARENA_INIT;
	struct err err = {0};

	do {
		check(os_list(os, &query, &a, &page, &err), &err);
		if (page.n)
			delete_page(os, bucket, &page);
	} while (page.n);
	check(os_discard(os, slice_str(bucket), slice_str("bundle"), &err), &err);
	check(os_discard(os, slice_str(bucket), slice_str("bundle-other"), &err), &err);
	arena_release(&a);
}

/* Whether a bucket has versions without having been told to, as all of baler's own have. */
static bool is_versioned(struct s3 *s3, const char *bucket)
{
	struct s3_call call = {
		.method = "GET", .bucket = slice_str(bucket), .query = slice_str("versioning=")};
	enum s3xml_versioning versioning;
	struct err err = {0};

	check(s3_call_run(s3, &call, &err), &err);
	check(s3xml_read_versioning(buf_slice(&call.answer), &versioning, &err), &err);
	s3_call_release(&call);
	return versioning != S3XML_VERSIONING_NONE;
}

static void s3_world_open(struct contract_world *w)
{
	struct aws_settings settings;
	struct err err = {0};

	if (!getenv("AWS_ENDPOINT_URL"))
		fail_msg("AWS_ENDPOINT_URL names no server");
	check(aws_settings_from_environment(NULL, NULL, &settings, &err), &err);
	check(s3_open(&settings, &w->store, &err), &err);
	aws_settings_release(&settings);
	send_put((struct s3 *)w->store, CONTRACT_BUCKET, "", "");
	send_put((struct s3 *)w->store, CONTRACT_PLAIN, "", "");
	send_put((struct s3 *)w->store, CONTRACT_BUCKET, "versioning=",
		"<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
		"<Status>Enabled</Status></VersioningConfiguration>");
	w->no_plain_bucket = is_versioned((struct s3 *)w->store, CONTRACT_PLAIN);
	empty_bucket(w->store, CONTRACT_BUCKET);
	empty_bucket(w->store, CONTRACT_PLAIN);
}

static void s3_world_close(struct contract_world *w)
{
	os_close(w->store);
}

int main(void)
{
	static const struct contract_factory s3 = {"s3", s3_world_open, s3_world_close};

	return contract_object_store(&s3);
}
