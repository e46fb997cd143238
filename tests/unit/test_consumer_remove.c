/* consumer/remove: what goes with a taken bundle, and what stays. */
#include "check.h"

#include <stdio.h>

#include "adapter/mem/mem.h"
#include "consumer/remove.h"

#define BUCKET "bundles"
#define KEY "2026/bundle-1.tar.gz"

struct fixture {
	struct object_store base; /* over inner; its deletes can fail */
	struct object_store *inner;
	struct object_store_ops ops;
	struct arena arena;
	unsigned n_deletes, n_deletes_left;
};

static struct fixture *fixture;

static enum rc delete_many(struct object_store *os, struct slice bucket,
	const struct object_id *objects, size_t n, enum rc *results, struct err *err)
{
	(void)os;
	if (fixture->n_deletes++ >= fixture->n_deletes_left)
		return err_set(err, RC_AGAIN, "not now");
	return os_delete_many(fixture->inner, bucket, objects, n, results, err);
}

static enum rc list(struct object_store *os, const struct os_list_query *query, struct arena *a,
	struct os_list_page *ret_page, struct err *err)
{
	(void)os;
	return os_list(fixture->inner, query, a, ret_page, err);
}

static bool keeps_evidence(struct object_store *os)
{
	(void)os;
	return true;
}

static int setup(void **state)
{
	struct fixture *f = test_calloc(1, sizeof(*f));

	f->inner = mem_object_store_new(clock_system());
	mem_object_store_add_bucket(f->inner, BUCKET, true);
	f->ops = (struct object_store_ops){
		.delete_many = delete_many, .list = list, .keeps_evidence = keeps_evidence};
	f->base.ops = &f->ops;
	f->n_deletes_left = 1000000;
	fixture = f;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	os_close(f->inner);
	arena_release(&f->arena);
	test_free(f);
	return 0;
}

static enum rc text_read(void *arg, void *out, size_t max, size_t *ret_n, struct err *err)
{
	struct slice *left = arg;

	(void)err;
	*ret_n = left->n < max ? left->n : max;
	memcpy(out, left->p, *ret_n);
	*left = slice_of(left->p + *ret_n, left->n - *ret_n);
	return RC_OK;
}

static struct os_object put(struct fixture *f, const char *key, const char *text)
{
	struct slice left = slice_str(text);
	struct os_source source = {.read = text_read, .arg = &left};
	struct os_object info;

	assert_int_equal(os_put(f->inner, slice_str(BUCKET), slice_str(key), (struct slice){0},
				 left.n, &source, &f->arena, &info, NULL),
		RC_OK);
	info.key = slice_str(key);
	return info;
}

static void put_delete_marker(struct fixture *f, const char *key)
{
	struct object_id id = {slice_str(BUCKET), slice_str(key), {0}};
	enum rc result;

	assert_int_equal(os_delete_many(f->inner, id.bucket, &id, 1, &result, NULL), RC_OK);
}

/* How many versions and delete markers there are, and the newest one's version. */
static size_t count(struct fixture *f, struct slice *ret_newest)
{
	struct os_list_query query = {.bucket = slice_str(BUCKET), .max = OS_LIST_MAX, .versions = true};
	struct os_list_page page;

	assert_int_equal(os_list(f->inner, &query, &f->arena, &page, NULL), RC_OK);
	if (ret_newest && page.n)
		*ret_newest = page.objects[0].version;
	return page.n;
}

static enum rc take(struct fixture *f, const struct os_object *bundle)
{
	struct err err;

	return remove_bundle(&f->base, slice_str(BUCKET), bundle, &err);
}

static void the_taken_version_goes_with_all_that_is_older(void **state)
{
	struct fixture *f = *state;
	struct os_object taken;

	put(f, KEY, "1");
	put_delete_marker(f, KEY);
	taken = put(f, KEY, "2");
	assert_int_equal(take(f, &taken), RC_OK);
	assert_int_equal(count(f, NULL), 0);
}

static void a_newer_version_stays(void **state)
{
	struct fixture *f = *state;
	struct os_object taken, newer;
	struct slice left;

	put(f, KEY, "1");
	taken = put(f, KEY, "2");
	newer = put(f, KEY, "3");
	assert_int_equal(take(f, &taken), RC_OK);
	assert_int_equal(count(f, &left), 1);
	assert_true(slice_eq(left, newer.version));
}

/* After a restart the version is not known, but what the listing says of it. */
static void without_a_version_the_listing_tells_which_it_was(void **state)
{
	struct fixture *f = *state;
	struct os_object taken = put(f, KEY, "12");
	struct slice left;
	struct os_object newer = put(f, KEY, "345");

	taken.version = (struct slice){0};
	assert_int_equal(take(f, &taken), RC_OK);
	assert_int_equal(count(f, &left), 1);
	assert_true(slice_eq(left, newer.version));
}

static void another_key_that_begins_alike_stays(void **state)
{
	struct fixture *f = *state;
	struct os_object taken = put(f, KEY, "1");

	put(f, KEY ".old", "2");
	put(f, "2026/bundle-1.tar.g", "3");
	assert_int_equal(take(f, &taken), RC_OK);
	assert_int_equal(count(f, NULL), 2);
}

static void one_that_is_gone_already_is_no_failure(void **state)
{
	struct fixture *f = *state;
	struct os_object taken = put(f, KEY, "1");

	assert_int_equal(take(f, &taken), RC_OK);
	assert_int_equal(take(f, &taken), RC_OK);
	assert_int_equal(count(f, NULL), 0);
}

/* More versions than a page holds. A failure leaves the taken version, so that the next run finds
 * it. */
static void the_taken_version_goes_last(void **state)
{
	struct fixture *f = *state;
	struct os_object taken = {0};
	struct slice left;

	for (int i = 0; i < OS_LIST_MAX + 500; i++)
		taken = put(f, KEY, "1");
	f->n_deletes_left = 2;
	assert_int_equal(take(f, &taken), RC_AGAIN);
	assert_int_equal(count(f, &left), 1);
	assert_true(slice_eq(left, taken.version));
	f->n_deletes_left = 1000000;
	assert_int_equal(take(f, &taken), RC_OK);
	assert_int_equal(count(f, NULL), 0);
}

static void a_store_that_keeps_no_evidence_keeps_the_delete_marker(void **state)
{
	struct fixture *f = *state;
	struct os_object taken = put(f, KEY, "1");

	f->ops.keeps_evidence = NULL;
	assert_int_equal(take(f, &taken), RC_OK);
	assert_int_equal(count(f, NULL), 2);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_taken_version_goes_with_all_that_is_older),
		TEST(a_newer_version_stays),
		TEST(without_a_version_the_listing_tells_which_it_was),
		TEST(another_key_that_begins_alike_stays),
		TEST(one_that_is_gone_already_is_no_failure),
		TEST(the_taken_version_goes_last),
		TEST(a_store_that_keeps_no_evidence_keeps_the_delete_marker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
