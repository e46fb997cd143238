/* consumer/fetch, pull and replay over adapter/mem: downloads that break off, the order of delete
 * and extract. */
#include "bundle_maker.h"
#include "folder_fixture.h"

#include "adapter/mem/mem.h"
#include "consumer/fetch.h"
#include "consumer/pull.h"
#include "consumer/replay.h"

#define BUCKET "dist"
#define ARCHIVE "arch"

/* A store over another whose downloads break off, and whose deletes can be refused. */
struct world {
	struct object_store base;
	struct object_store_ops ops;
	struct object_store *inner;
	struct folder folder;
	unsigned breaks; /* the next downloads that end in the middle */
	bool refuses_delete;
	atomic_uint n_gets;
	atomic_bool stopping;
	struct buf told; /* "KEY:rc " */
	struct pull_totals totals;
	struct err err;
};

static struct world *w;

static enum rc breaking_end(
	void *arg, size_t i, enum rc outcome, const struct err *why, struct err *err)
{
	static const struct err broken = {"", "the connection broke"};
	const struct os_sink *sink = arg;

	(void)outcome, (void)why;
	return sink->end(sink->arg, i, RC_AGAIN, &broken, err);
}

static const struct os_sink *through;

static enum rc breaking_begin(void *arg, size_t i, const struct os_object *info, struct err *err)
{
	(void)arg;
	return through->begin(through->arg, i, info, err);
}

static enum rc breaking_data(void *arg, size_t i, struct slice bytes, struct err *err)
{
	(void)arg;
	bytes.n /= 2;
	return through->data(through->arg, i, bytes, err);
}

static enum rc world_get_many(struct object_store *os, const struct object_id *objects, size_t n,
	const struct os_sink *sink, struct err *err)
{
	struct os_sink breaking = {
		breaking_begin, breaking_data, breaking_end, (void *)(uintptr_t)sink};

	(void)os;
	w->n_gets++;
	if (w->breaks == 0)
		return os_get_many(w->inner, objects, n, sink, err);
	w->breaks--;
	through = sink;
	return os_get_many(w->inner, objects, n, &breaking, err);
}

static enum rc world_list(struct object_store *os, const struct os_list_query *query,
	struct arena *a, struct os_list_page *ret_page, struct err *err)
{
	(void)os;
	return os_list(w->inner, query, a, ret_page, err);
}

static enum rc world_delete_many(struct object_store *os, struct slice bucket,
	const struct object_id *objects, size_t n, enum rc *results, struct err *err)
{
	(void)os;
	if (w->refuses_delete)
		return err_set(err, RC_REFUSED, "no permission");
	return os_delete_many(w->inner, bucket, objects, n, results, err);
}

static int setup(void **state)
{
	(void)state;
	w = calloc(1, sizeof(*w));
	w->ops = (struct object_store_ops){
		.get_many = world_get_many, .list = world_list, .delete_many = world_delete_many};
	w->base.ops = &w->ops;
	w->inner = mem_object_store_new(clock_system());
	mem_object_store_add_bucket(w->inner, BUCKET, true);
	mem_object_store_add_bucket(w->inner, ARCHIVE, true);
	buf_init(&w->told, 4000);
	folder_make(&w->folder);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	os_close(w->inner);
	buf_release(&w->told);
	folder_remove(&w->folder);
	free(w);
	return 0;
}

struct memory_source {
	struct slice left;
};

static enum rc memory_read(void *arg, void *out, size_t max, size_t *ret_n, struct err *err)
{
	struct memory_source *m = arg;

	(void)err;
	*ret_n = m->left.n < max ? m->left.n : max;
	if (*ret_n)
		memcpy(out, m->left.p, *ret_n);
	m->left = slice_of(m->left.p + *ret_n, m->left.n - *ret_n);
	return RC_OK;
}

/* declared: instead of its hash; NULL: its own. */
static void publish_in(
	const char *bucket, const char *key, const char *declared, const char *const *files)
{
	unsigned char bytes[8192], hash[SHA256_BYTES];
	char hex[2 * SHA256_BYTES + 1], headers[200];
	struct arena a = ARENA_INIT;
	struct os_object info;
	int fd = bundle_of(files);
	struct memory_source m = {slice_of(bytes, (size_t)read(fd, bytes, sizeof(bytes)))};
	struct os_source source = {memory_read, &m, NULL};

	close(fd);
	sha256(m.left, hash);
	hex_encode(hash, sizeof(hash), hex);
	snprintf(headers, sizeof(headers), "x-amz-meta-content-sha256:%s\n",
		declared ? declared : hex);
	assert_int_equal(os_put(w->inner, slice_str(bucket), slice_str(key), slice_str(headers),
				 m.left.n, &source, &a, &info, NULL),
		RC_OK);
	arena_release(&a);
}

#define publish(key, ...) publish_in(BUCKET, key, NULL, (const char *const[]){__VA_ARGS__, NULL})

static void tell(void *arg, const struct pull_result *r)
{
	(void)arg;
	buf_addf(&w->told, "%s:%s%s ", r->bundle, rc_name(r->rc), r->was_extracted ? "+" : "");
}

static enum rc pull(unsigned jobs, bool keep)
{
	struct pull_options o = {.store = &w->base,
		.bucket = BUCKET,
		.dir = w->folder.to,
		.jobs = jobs,
		.keep = keep,
		.stopping = &w->stopping,
		.clock = clock_system(),
		.tell = tell};

	buf_reset(&w->told);
	return pull_run(&o, &w->totals, &w->err);
}

static size_t n_bundles(const char *bucket)
{
	struct arena a = ARENA_INIT;
	struct os_list_query q = {.bucket = slice_str(bucket), .max = OS_LIST_MAX};
	struct os_list_page page;
	size_t n;

	assert_int_equal(os_list(w->inner, &q, &a, &page, NULL), RC_OK);
	n = page.n;
	arena_release(&a);
	return n;
}

static void only_bundles_are_taken(void **state)
{
	(void)state;
	publish("x/bundle-1", "a", "1");
	publish("readme", "b", "2");
	assert_int_equal(pull(1, false), RC_OK);
	assert_string_equal(buf_cstr(&w->told), "x/bundle-1:ok ");
	assert_file(&w->folder, "a", "1");
	assert_file(&w->folder, "b", NULL);
	assert_int_equal(n_bundles(BUCKET), 1);
}

static void a_download_that_breaks_off_begins_again(void **state)
{
	(void)state;
	publish("bundle-1", "a", "1");
	w->breaks = FETCH_TRIES - 1;
	assert_int_equal(pull(1, false), RC_OK);
	assert_int_equal(w->n_gets, FETCH_TRIES);
	assert_int_equal(w->totals.n_failed, 0);
	assert_file(&w->folder, "a", "1");
}

static void a_download_that_always_breaks_off_is_left(void **state)
{
	(void)state;
	publish("bundle-1", "a", "1");
	w->breaks = FETCH_TRIES;
	assert_int_equal(pull(1, false), RC_OK);
	assert_string_equal(buf_cstr(&w->told), "bundle-1:again ");
	assert_int_equal(w->n_gets, FETCH_TRIES);
	assert_int_equal(w->totals.n_failed, 1);
	assert_file(&w->folder, "a", NULL);
	assert_int_equal(n_bundles(BUCKET), 1);
}

static void what_cannot_be_deleted_is_not_extracted_twice(void **state)
{
	(void)state;
	publish("bundle-1", "a", "1");
	w->refuses_delete = true;
	assert_int_equal(pull(1, false), RC_OK);
	assert_string_equal(buf_cstr(&w->told), "bundle-1:refused ");
	assert_file(&w->folder, "a", "1");
	assert_int_equal(unlink(folder_path(&w->folder, "a")), 0);
	w->refuses_delete = false;
	assert_int_equal(pull(1, false), RC_OK);
	assert_string_equal(buf_cstr(&w->told), "bundle-1:ok+ ");
	assert_int_equal(w->n_gets, 1);
	assert_file(&w->folder, "a", NULL);
	assert_int_equal(n_bundles(BUCKET), 0);
}

static void a_wrong_hash_writes_and_deletes_nothing(void **state)
{
	static const char *const files[] = {"a", "1", NULL};
	static const char zeros[] =
		"0000000000000000000000000000000000000000000000000000000000000000";

	(void)state;
	publish_in(BUCKET, "bundle-1", zeros, files);
	publish_in(BUCKET, "bundle-2", "short", files);
	assert_int_equal(pull(1, false), RC_OK);
	assert_string_equal(buf_cstr(&w->told), "bundle-1:corrupt bundle-2:corrupt ");
	assert_file(&w->folder, "a", NULL);
	assert_int_equal(n_bundles(BUCKET), 2);
}

static void many_at_a_time_the_latest_version_wins(void **state)
{
	(void)state;
	for (int i = 0; i < 40; i++) {
		char key[80], text[32];

		snprintf(key, sizeof(key), "2026/11/23/11/bundle-%032d.tar.gz", i);
		snprintf(text, sizeof(text), "version %d", i);
		publish(key, "same", text, key + 21, text);
	}
	assert_int_equal(pull(8, false), RC_OK);
	assert_int_equal(w->totals.n_bundles, 40);
	assert_int_equal(w->totals.counts.members, 80);
	assert_file(&w->folder, "same", "version 39");
	assert_file(&w->folder, "00000000000000000000000000000007.tar.gz", "version 7");
	assert_int_equal(n_bundles(BUCKET), 0);
}

static void stopped_before_it_begins_it_takes_nothing(void **state)
{
	(void)state;
	publish("bundle-1", "a", "1");
	w->stopping = true;
	assert_int_equal(pull(1, false), RC_OK);
	assert_true(w->totals.was_stopped);
	assert_int_equal(w->n_gets, 0);
	assert_int_equal(n_bundles(BUCKET), 1);
}

static void no_such_bucket_is_an_error(void **state)
{
	struct pull_options o = {.store = &w->base,
		.bucket = "nowhere",
		.dir = w->folder.to,
		.jobs = 1,
		.stopping = &w->stopping,
		.clock = clock_system(),
		.tell = tell};

	(void)state;
	assert_int_equal(pull_run(&o, &w->totals, &w->err), RC_ABSENT);
	assert_non_null(strstr(w->err.text, "'nowhere'"));
}

static void told_replay(void *arg, const struct replay_result *r)
{
	(void)arg;
	buf_addf(&w->told, SLICE_FMT ":%s ", SLICE_ARG(r->bundle->key), rc_name(r->rc));
}

static void replay_copies_bundles_and_no_manifests(void **state)
{
	static const char *const files[] = {"a", "1", NULL};
	struct replay r = {.archive = w->inner,
		.distribution = w->inner,
		.archive_bucket = ARCHIVE,
		.distribution_bucket = BUCKET,
		.until_wall_ms = UINT64_MAX,
		.stopping = &w->stopping,
		.tell = told_replay};
	struct replay_totals totals;

	(void)state;
	publish_in(ARCHIVE, "2026/bundle-1.tar.gz", NULL, files);
	publish_in(ARCHIVE, "manifests/2026/bundle-1.tar.gz", NULL, files);
	publish_in(ARCHIVE, "manifests/2026/bundle-1.json", NULL, files);
	publish_in(ARCHIVE, "other.tar.gz", NULL, files);
	assert_int_equal(replay_run(&r, &totals, NULL), RC_OK);
	assert_string_equal(buf_cstr(&w->told), "2026/bundle-1.tar.gz:ok ");
	assert_int_equal(totals.n_copied, 1);
	assert_int_equal(n_bundles(BUCKET), 1);
	assert_int_equal(pull(1, false), RC_OK);
	assert_file(&w->folder, "a", "1");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(only_bundles_are_taken),
		TEST(a_download_that_breaks_off_begins_again),
		TEST(a_download_that_always_breaks_off_is_left),
		TEST(what_cannot_be_deleted_is_not_extracted_twice),
		TEST(a_wrong_hash_writes_and_deletes_nothing),
		TEST(many_at_a_time_the_latest_version_wins),
		TEST(stopped_before_it_begins_it_takes_nothing),
		TEST(no_such_bucket_is_an_error),
		TEST(replay_copies_bundles_and_no_manifests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
