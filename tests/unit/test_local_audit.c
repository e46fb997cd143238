/* adapter/local/local_audit: what an auditor of a stopped server's folder is told when a server
 * starts in the middle. */
#include "check.h"

#include "adapter/local/audit/local_audit.h"
#include "operator_fixture.h"

static void remove_version(
	struct local_fixture *f, const char *bucket, const char *key, const char *version)
{
	struct fixture_wait w = FIXTURE_WAIT;
	struct bs_deletion d = {.key = slice_str(key), .version = slice_str(version)};

	bs_call(local_bucket_store(f->local), delete_many, slice_str(bucket), &d, (size_t)1,
		((struct bs_done){fixture_done, &w}));
	assert_int_equal(fixture_end(&w), RC_OK);
	assert_int_equal(d.rc, RC_OK);
}

/* Its file is gone while the database that the auditor reads has the row still: that is no
 * damage. */
static void what_a_new_server_removes_is_not_called_damaged(void **state)
{
	struct local_fixture f;
	struct local_audit_config cfg = {.folder = f.folder,
		.landing_bucket = LANDING,
		.event_prefix = PREFIX,
		.distribution_bucket = DISTRIBUTION,
		.archive_bucket = "archive"};
	char version[BS_VERSION_MAX];
	struct audit_source *source;
	struct object_id bundle;
	struct err err = {0};
	enum rc rc;
	int fd;

	(void)state;
	fixture_init(&f, 3);
	fixture_bucket(&f, LANDING, BS_ENABLED);
	fixture_bucket(&f, DISTRIBUTION, BS_ENABLED);
	fixture_bucket(&f, "archive", BS_ENABLED);
	op_put(&f, DISTRIBUTION, "bundle", 200000, version); /* a file */
	local_close(f.local);
	if (local_audit_open(&cfg, &source, &err) != RC_OK)
		fail_msg("%s", err.text);
	fixture_start(&f);
	remove_version(&f, DISTRIBUTION, "bundle", version);
	bundle = (struct object_id){
		slice_str(DISTRIBUTION), slice_str("bundle"), slice_str(version)};
	while ((rc = audit_call(source, open, &bundle, &fd, &err)) == RC_OK)
		close(fd); /* its removal is on its way */
	if (rc != RC_AGAIN)
		fail_msg("%s: %s", rc_name(rc), err.text);
	assert_non_null(strstr(err.text, "a server began to work"));
	source->ops->close(source);
	fixture_release(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_new_server_removes_is_not_called_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
