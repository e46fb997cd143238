/*
 * Every S3 action × every role × every kind of bucket, written down a second time from the
 * contract, by name: what differs from roles.c is a mistake in one of the two. And each denial
 * comes before the store is touched: the store here has no operations.
 */
#include "check.h"
#include "gateway/access/roles.h"
#include "gateway/http/request.h"
#include "gateway/s3/route.h"

/* Where each role may do it: L(anding) D(istribution) A(rchive) O(ther). Admin: wherever it
 * applies. */
struct expectation {
	const char *name, *supplier, *consumer, *processor;
};

static const struct expectation expectations[] = {
	{"CreateBucket", "", "", ""},
	{"HeadBucket", "L", "D", "LDA"},
	{"DeleteBucket", "", "", ""},
	{"GetBucketLocation", "L", "D", "LDA"},
	{"GetBucketVersioning", "", "", ""},
	{"PutBucketVersioning", "", "", ""},
	{"ListObjects", "", "D", "LDA"},
	{"ListObjectVersions", "", "D", "LDA"},
	{"ListMultipartUploads", "", "", "DA"},
	{"DeleteObjects", "", "D", ""},
	{"GetBucketAcl", "", "", ""},
	{"PutBucketAcl", "", "", ""},
	{"GetBucketPolicy", "", "", ""},
	{"GetBucketCors", "", "", ""},
	{"GetBucketTagging", "", "", ""},
	{"GetBucketLifecycleConfiguration", "", "", ""},
	{"GetBucketEncryption", "", "", ""},
	{"GetObjectLockConfiguration", "", "", ""},
	{"GetBucketRequestPayment", "", "", ""},
	{"CopyObject", "L", "", "DA"}, /* the target; the source needs GetObject */
	{"PutObject", "L", "", "DA"},
	{"GetObject", "", "D", "LDA"},
	{"HeadObject", "", "D", "LDA"},
	{"DeleteObject", "", "D", ""},
	{"GetObjectAcl", "", "D", "LDA"},
	{"PutObjectAcl", "", "", ""},
	{"GetObjectTagging", "", "D", "LDA"},
	{"CreateMultipartUpload", "L", "", "DA"},
	{"UploadPartCopy", "L", "", "DA"},
	{"UploadPart", "L", "", "DA"},
	{"ListParts", "L", "", "DA"},
	{"CompleteMultipartUpload", "L", "", "DA"},
	{"AbortMultipartUpload", "L", "", "DA"},
};

enum { N_EXPECTATIONS = sizeof(expectations) / sizeof(expectations[0]) };

static const struct expectation *expected(const char *name)
{
	for (size_t i = 0; i < N_EXPECTATIONS; i++)
		if (strcmp(expectations[i].name, name) == 0)
			return &expectations[i];
	return NULL;
}

static bool is_expected(const struct expectation *e, enum key_role role, enum bucket_kind kind)
{
	const char *where = role == ROLE_SUPPLIER    ? e->supplier
			    : role == ROLE_CONSUMER  ? e->consumer
			    : role == ROLE_PROCESSOR ? e->processor
			    : role == ROLE_ADMIN     ? "LDAO"
						     : "";

	return kind != BUCKET_NONE && strchr(where, "-LDAO"[kind]) != NULL;
}

static void test_every_action_of_every_role(void **state)
{
	size_t n = 0;

	(void)state;
	for (const struct route *route = route_table(); route->name; route++) {
		const struct expectation *e = expected(route->name);

		if (route->scope == SCOPE_SERVICE)
			continue;
		assert_non_null(e); /* a new action needs a decision */
		for (unsigned role = 0; role < N_ROLES; role++)
			for (unsigned kind = 0; kind < N_BUCKET_KINDS; kind++, n++)
				if (roles_allow((enum key_role)role, route->action,
					    (enum bucket_kind)kind) !=
					is_expected(e, (enum key_role)role, (enum bucket_kind)kind))
					fail_msg("%s by role %u on kind %u", route->name, role,
						kind);
	}
	assert_int_equal(n, N_EXPECTATIONS * N_ROLES * N_BUCKET_KINDS);
}

static void test_actions_without_a_bucket(void **state)
{
	static const struct {
		enum action action;
		const char *roles; /* S C P A */
	} rows[] = {{ACTION_NONE, ""}, {ACTION_LIST_BUCKETS, "SCPA"}, {ACTION_INVOKE, "PA"},
		{ACTION_SEND_EVENTS, "A"}, {ACTION_OPERATE, "A"}, {ACTION_MANAGE_KEYS, "A"}};
	bool is_decided[N_ACTIONS] = {false};

	(void)state;
	for (const struct route *route = route_table(); route->name; route++)
		is_decided[route->action] = true;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		is_decided[rows[i].action] = true;
	for (unsigned action = 0; action < N_ACTIONS; action++)
		assert_true(is_decided[action]); /* a new one needs a row */
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (unsigned role = 0; role < N_ROLES; role++)
			for (unsigned kind = 0; kind < N_BUCKET_KINDS; kind++)
				assert_int_equal(roles_allow((enum key_role)role, rows[i].action,
							 (enum bucket_kind)kind),
					kind == BUCKET_NONE && role != ROLE_NONE &&
						strchr(rows[i].roles, "-SCPA"[role]) != NULL);
}

static void test_what_is_out_of_the_table_is_denied(void **state)
{
	(void)state;
	assert_false(roles_allow(N_ROLES, ACTION_GET, BUCKET_LANDING));
	assert_false(roles_allow(ROLE_ADMIN, N_ACTIONS, BUCKET_LANDING));
	assert_false(roles_allow(ROLE_ADMIN, ACTION_GET, N_BUCKET_KINDS));
	assert_false(roles_allow((enum key_role) - 1, (enum action) - 1, (enum bucket_kind) - 1));
}

static void test_kinds_of_buckets(void **state)
{
	const struct role_buckets buckets = {"in", "out", NULL}, same = {"one", "one", "one"};

	(void)state;
	assert_int_equal(roles_bucket_kind(&buckets, slice_str("in")), BUCKET_LANDING);
	assert_int_equal(roles_bucket_kind(&buckets, slice_str("out")), BUCKET_DISTRIBUTION);
	assert_int_equal(roles_bucket_kind(&buckets, slice_str("in2")), BUCKET_OTHER);
	assert_int_equal(roles_bucket_kind(&buckets, slice_str("i")), BUCKET_OTHER);
	assert_int_equal(roles_bucket_kind(&buckets, slice_of(NULL, 0)), BUCKET_NONE);
	assert_int_equal(roles_bucket_kind(&same, slice_str("one")), BUCKET_LANDING);
}

static const struct bucket_store_ops no_ops;
static struct bucket_store no_store = {&no_ops};

#define COPY_SOURCE "x-amz-copy-source"

static const char *copy_source;

/* Begins the checks a route passes before the store: as role, on bucket, with one header more. */
static enum rc try(enum key_role role, const char *name, const char *bucket, const char *header)
{
	struct service service = {
		.store = &no_store, .buckets = {"landing", "distribution", "archive"}};
	bool is_copy = header && strcmp(header, COPY_SOURCE) == 0;
	struct header headers[] = {
		{slice_str(header ? header : "x"), slice_str(is_copy ? copy_source : "\"v\"")}};
	struct request r = {.service = &service,
		.role = role,
		.is_authenticated = role != ROLE_NONE,
		.bucket = slice_str(bucket),
		.headers = headers,
		.n_headers = 1};
	const struct route *found = NULL;
	struct err err = {0};
	enum rc rc;

	for (const struct route *route = route_table(); route->name; route++)
		if (strcmp(route->name, name) == 0)
			found = route;
	assert_non_null(found);
	rc = route_check_role(&r, found, &err);
	if (rc)
		assert_string_equal(err.code, "AccessDenied");
	return rc;
}

static void test_a_write_that_looks_needs_get(void **state)
{
	(void)state;
	assert_int_equal(try(ROLE_SUPPLIER, "PutObject", "landing", NULL), RC_OK);
	assert_int_equal(try(ROLE_SUPPLIER, "PutObject", "landing", "If-None-Match"), RC_OK);
	assert_int_equal(try(ROLE_SUPPLIER, "PutObject", "landing", "If-Match"), RC_REFUSED);
	assert_int_equal(try(ROLE_PROCESSOR, "PutObject", "archive", "If-Match"), RC_OK);
	assert_int_equal(try(ROLE_ADMIN, "PutObject", "any", "If-Match"), RC_OK);
}

/* Before the store is asked for the upload or either bucket: it would crash here. */
static void test_a_copy_needs_get_on_its_source(void **state)
{
	static const char *const copies[] = {"CopyObject", "UploadPartCopy"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		copy_source = "/landing/k";
		assert_int_equal(try(ROLE_SUPPLIER, copies[i], "landing", COPY_SOURCE), RC_REFUSED);
		assert_int_equal(try(ROLE_PROCESSOR, copies[i], "archive", COPY_SOURCE), RC_OK);
		assert_int_equal(
			try(ROLE_PROCESSOR, copies[i], "landing", COPY_SOURCE), RC_REFUSED);
		assert_int_equal(try(ROLE_ADMIN, copies[i], "any", COPY_SOURCE), RC_OK);
		copy_source = "/another/k";
		assert_int_equal(
			try(ROLE_PROCESSOR, copies[i], "archive", COPY_SOURCE), RC_REFUSED);
	}
}

static void test_a_role_counts_only_when_authenticated(void **state)
{
	struct service service = {.buckets = {"landing", "distribution", "archive"}};
	struct request r = {.service = &service, .role = ROLE_ADMIN};

	(void)state;
	assert_int_equal(roles_check(&r, ACTION_GET, slice_str("landing"), NULL), RC_REFUSED);
	r.is_authenticated = true;
	assert_int_equal(roles_check(&r, ACTION_GET, slice_str("landing"), NULL), RC_OK);
	assert_int_equal(try(ROLE_NONE, "ListBuckets", "", NULL), RC_REFUSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_action_of_every_role),
		cmocka_unit_test(test_actions_without_a_bucket),
		cmocka_unit_test(test_what_is_out_of_the_table_is_denied),
		cmocka_unit_test(test_kinds_of_buckets),
		cmocka_unit_test(test_a_write_that_looks_needs_get),
		cmocka_unit_test(test_a_copy_needs_get_on_its_source),
		cmocka_unit_test(test_a_role_counts_only_when_authenticated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
