/* Stages of the local object store: what crashes leave, who may end them, what is left on disk. */
#include "check.h"

#include <dirent.h>

#include "local_fixture.h"

#include "port/ledger.h"
#include "port/object_store.h"

#define BUCKET "distribution"
#define KEY "2026/01/02/03/bundle-x.tar.gz"

static int setup(void **state)
{
	struct local_fixture *f = xcalloc(1, sizeof(*f));

	fixture_init(f, 5);
	fixture_bucket(f, BUCKET, BS_ENABLED);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fixture_release(*state);
	free(*state);
	return 0;
}

static struct object_store *store_of(struct local_fixture *f)
{
	return local_object_store(f->local);
}

/* Files below blobs/. */
static size_t count_files(const struct local_fixture *f)
{
	size_t n = 0;

	for (int i = 0; i < 256; i++) {
		struct dirent *entry;
		char path[128];
		DIR *dir;

		snprintf(path, sizeof(path), "%s/blobs/%02x", f->folder, i);
		dir = opendir(path);
		assert_non_null(dir);
		while ((entry = readdir(dir)))
			n += entry->d_name[0] != '.';
		closedir(dir);
	}
	return n;
}

/* Files are removed behind the caller's back: within two seconds. */
static void assert_files(const struct local_fixture *f, size_t want)
{
	for (int i = 0; i < 200 && count_files(f) != want; i++)
		clock_sleep_ms(clock_system(), 10);
	assert_int_equal(count_files(f), want);
}

static struct os_stage *begin(struct local_fixture *f, const char *bytes)
{
	struct os_stage *st;

	assert_int_equal(
		os_stage_begin(store_of(f), slice_str(BUCKET), slice_str(KEY), &st, NULL), RC_OK);
	assert_int_equal(os_stage_write(st, slice_str(bytes), NULL), RC_OK);
	return st;
}

static void stage(struct local_fixture *f, const char *bytes, struct buf *record)
{
	struct os_stage *st = begin(f, bytes);

	buf_init(record, LG_STAGED_MAX);
	assert_int_equal(os_stage_finish(st, slice_str(""), record, NULL), RC_OK);
	os_stage_free(st);
}

static enum rc publish(struct local_fixture *f, struct slice record)
{
	return os_publish(store_of(f), slice_str(BUCKET), slice_str(KEY), record, NULL);
}

static enum rc discard(struct local_fixture *f)
{
	return os_discard(store_of(f), slice_str(BUCKET), slice_str(KEY), NULL);
}

static void os5_what_a_crash_leaves_of_an_unfinished_stage_is_swept(void **state)
{
	struct local_fixture *f = *state;
	struct os_stage *st = begin(f, "half a bundle");
	char copy[256];

	/* The crash closes the store it copied, which must not have stages in hand: copy first,
	 * then give up the stage. */
	assert_int_equal(count_files(f), 1);
	snprintf(copy, sizeof(copy), "cp -a %s %s/keep", f->folder, f->root);
	assert_int_equal(system(copy), 0);
	os_stage_free(st);
	local_close(f->local);
	snprintf(f->folder, sizeof(f->folder), "%s/keep", f->root);
	assert_int_equal(count_files(f), 1);
	fixture_start(f);
	assert_files(f, 0);
}

static void os5_a_finished_stage_is_not_swept(void **state)
{
	struct local_fixture *f = *state;
	struct buf record;

	stage(f, "a bundle", &record);
	for (int i = 0; i < 2; i++) {
		fixture_crash(f);
		assert_files(f, 1);
	}
	assert_int_equal(publish(f, buf_slice(&record)), RC_OK);
	fixture_crash(f);
	assert_files(f, 1);
	buf_release(&record);
}

/* A direct invocation has no plan: what it staged before it died would lie there for ever. */
static void stages_of_no_live_plan_are_swept_by_the_owner(void **state)
{
	struct local_fixture *f = *state;
	struct lg_plan plan = {.state = PLAN_OPEN,
		.id = {{1}},
		.owner = slice_str("test"),
		.bucket = slice_str(BUCKET),
		.key = slice_str(KEY)};
	struct os_stage *manifest;
	struct buf record;
	size_t n;

	assert_int_equal(lg_plan_open(local_ledger(f->local), &plan, NULL), RC_OK);
	assert_int_equal(os_stage_begin(store_of(f), slice_str(BUCKET),
				 slice_str("manifests/" KEY ".json"), &manifest, NULL),
		RC_OK);
	buf_init(&record, LG_STAGED_MAX);
	assert_int_equal(os_stage_finish(manifest, slice_str(""), &record, NULL), RC_OK);
	os_stage_free(manifest);
	buf_release(&record);
	stage(f, "a bundle of a plan", &record);
	fixture_crash(f);
	assert_int_equal(local_sweep_stages(f->local, &n, NULL), RC_OK);
	assert_int_equal(n, 0);
	assert_files(f, 2);
	assert_int_equal(
		lg_plan_abort(local_ledger(f->local), &plan.id, LG_ANY_HEARTBEAT, NULL), RC_OK);
	assert_int_equal(lg_plan_discarded(local_ledger(f->local), &plan.id, NULL), RC_OK);
	assert_int_equal(local_sweep_stages(f->local, &n, NULL), RC_OK);
	assert_int_equal(n, 2);
	assert_files(f, 0);
	assert_int_equal(publish(f, buf_slice(&record)), RC_ABSENT);
	buf_release(&record);
}

#define DIRECT "x-amz-meta-baler-origin:direct-invocation\n"
#define ARCHIVE "archive"

struct invocation {
	struct buf record[3]; /* the bundle's, its copy's, its manifest's */
};

static void invoke(struct local_fixture *f, struct invocation *v)
{
	struct os_stage *st = begin(f, "a bundle"), *manifest;

	for (int i = 0; i < 3; i++)
		buf_init(&v->record[i], LG_STAGED_MAX);
	assert_int_equal(os_stage_finish(st, slice_str(DIRECT), &v->record[0], NULL), RC_OK);
	assert_int_equal(os_stage_copy(st, slice_str(ARCHIVE), slice_str(KEY), slice_str(DIRECT),
				 &v->record[1], NULL),
		RC_OK);
	os_stage_free(st);
	assert_int_equal(os_stage_begin(store_of(f), slice_str(ARCHIVE),
				 slice_str("manifests/" KEY ".json"), &manifest, NULL),
		RC_OK);
	assert_int_equal(os_stage_finish(manifest, slice_str(DIRECT), &v->record[2], NULL), RC_OK);
	os_stage_free(manifest);
}

static void publish_some(struct local_fixture *f, const struct invocation *v, int n)
{
	static const char *const buckets[] = {ARCHIVE, ARCHIVE, BUCKET};
	static const char *const keys[] = {KEY, "manifests/" KEY ".json", KEY};
	static const int order[] = {1, 2, 0};

	for (int i = 0; i < n; i++)
		assert_int_equal(os_publish(store_of(f), slice_str(buckets[i]), slice_str(keys[i]),
					 buf_slice(&v->record[order[i]]), NULL),
			RC_OK);
}

/* Cut off between the archive and the bundle: nobody has seen the bundle, and the archive holds
 * exactly what was published (I12). */
static void what_a_dead_invocation_put_into_the_archive_is_swept_by_the_owner(void **state)
{
	for (int published = 0; published <= 3; published++) {
		struct local_fixture *f;
		struct invocation v;
		size_t n;

		setup(state);
		f = *state;
		fixture_bucket(f, ARCHIVE, BS_ENABLED);
		invoke(f, &v);
		publish_some(f, &v, published);
		fixture_crash(f);
		assert_int_equal(local_sweep_stages(f->local, &n, NULL), RC_OK);
		assert_int_equal(n, 3 - published);
		assert_files(f, published == 3 ? 3 : 0);
		for (int i = 0; i < 3; i++)
			buf_release(&v.record[i]);
		teardown(state);
	}
}

static void os8_a_stage_that_was_discarded_cannot_be_finished(void **state)
{
	struct local_fixture *f = *state;
	struct os_stage *st = begin(f, "an owner that does not know");
	struct buf record;

	buf_init(&record, LG_STAGED_MAX);
	assert_int_equal(discard(f), RC_OK);
	assert_int_equal(os_stage_finish(st, slice_str(""), &record, NULL), RC_ABSENT);
	assert_int_equal(record.n, 0);
	buf_release(&record);
	os_stage_free(st);
	assert_files(f, 0);
}

static void os8_discard_gives_the_room_back(void **state)
{
	struct local_fixture *f = *state;
	struct buf one, two;

	stage(f, "1", &one);
	stage(f, "2", &two);
	assert_int_equal(count_files(f), 2);
	assert_int_equal(discard(f), RC_OK);
	assert_files(f, 0);
	assert_int_equal(publish(f, buf_slice(&one)), RC_ABSENT);
	buf_release(&one);
	buf_release(&two);
}

/* A plan can be undone though its bucket was removed under it. */
static void os8_discard_needs_no_bucket(void **state)
{
	struct local_fixture *f = *state;
	struct fixture_wait w = FIXTURE_WAIT;
	struct buf record;

	stage(f, "1", &record);
	bs_call(local_bucket_store(f->local), bucket_delete, slice_str(BUCKET),
		((struct bs_done){fixture_done, &w}));
	assert_int_equal(fixture_end(&w), RC_OK);
	assert_int_equal(publish(f, buf_slice(&record)), RC_ABSENT);
	assert_int_equal(discard(f), RC_OK);
	assert_files(f, 0);
	buf_release(&record);
}

static void os7_only_the_exact_record_bucket_and_key_publish(void **state)
{
	struct local_fixture *f = *state;
	char text[128] = "";
	struct buf record;

	stage(f, "1", &record);
	assert_true(record.n < sizeof(text));
	for (size_t i = 0; i < record.n; i++) {
		memcpy(text, record.p, record.n);
		text[i] = text[i] == '1' ? '2' : '1';
		assert_int_equal(publish(f, slice_of(text, record.n)), RC_ABSENT);
		assert_int_equal(publish(f, slice_of(record.p, i)), RC_ABSENT);
	}
	assert_int_equal(publish(f, slice_of(NULL, 0)), RC_ABSENT);
	assert_int_equal(os_publish(store_of(f), slice_str(BUCKET), slice_str("other"),
				 buf_slice(&record), NULL),
		RC_ABSENT);
	fixture_bucket(f, "another", BS_ENABLED);
	assert_int_equal(os_publish(store_of(f), slice_str("another"), slice_str(KEY),
				 buf_slice(&record), NULL),
		RC_ABSENT);
	assert_int_equal(publish(f, buf_slice(&record)), RC_OK);
	buf_release(&record);
}

static void os6_a_bundle_that_was_taken_leaves_no_file_and_stays_published(void **state)
{
	struct local_fixture *f = *state;
	struct object_id id = {slice_str(BUCKET), slice_str(KEY), {0}};
	struct arena a = ARENA_INIT;
	struct os_object info;
	struct buf record;
	enum rc result;

	stage(f, "hello", &record);
	assert_int_equal(publish(f, buf_slice(&record)), RC_OK);
	assert_int_equal(os_head(store_of(f), &id, &a, &info, NULL), RC_OK);
	assert_slice_is(info.etag, "5d41402abc4b2a76b9719d911017c592");
	assert_int_equal(info.size, 5);
	id.version = info.version;
	assert_int_equal(os_delete_many(store_of(f), id.bucket, &id, 1, &result, NULL), RC_OK);
	assert_files(f, 0);
	fixture_crash(f);
	assert_int_equal(publish(f, buf_slice(&record)), RC_OK);
	assert_int_equal(os_head(store_of(f), &id, &a, &info, NULL), RC_ABSENT);
	assert_int_equal(discard(f), RC_OK);
	buf_release(&record);
	arena_release(&a);
}

static void os6_in_a_bucket_without_versions_the_newer_bundle_replaces(void **state)
{
	struct local_fixture *f = *state;
	struct slice bucket = slice_str("plain");
	struct object_id id = {bucket, slice_str(KEY), {0}};
	struct arena a = ARENA_INIT;
	struct os_object info;

	fixture_bucket(f, "plain", BS_UNVERSIONED);
	for (int i = 0; i < 2; i++) {
		struct os_stage *st;
		struct buf record;

		buf_init(&record, LG_STAGED_MAX);
		assert_int_equal(os_stage_begin(store_of(f), bucket, id.key, &st, NULL), RC_OK);
		assert_int_equal(os_stage_write(st, slice_str(i ? "newer" : "old"), NULL), RC_OK);
		assert_int_equal(os_stage_finish(st, slice_str(""), &record, NULL), RC_OK);
		os_stage_free(st);
		assert_int_equal(
			os_publish(store_of(f), bucket, id.key, buf_slice(&record), NULL), RC_OK);
		buf_release(&record);
	}
	assert_int_equal(os_head(store_of(f), &id, &a, &info, NULL), RC_OK);
	assert_int_equal(info.size, 5);
	assert_int_equal(info.version.n, 0);
	assert_files(f, 1);
	arena_release(&a);
}

static void stages_need_a_bucket_and_a_key(void **state)
{
	struct local_fixture *f = *state;
	struct os_stage *st;
	char key[OBJECT_KEY_MAX + 1];

	memset(key, 'k', sizeof(key));
	assert_int_equal(os_stage_begin(store_of(f), slice_str("none"), slice_str(KEY), &st, NULL),
		RC_ABSENT);
	assert_int_equal(os_stage_begin(store_of(f), slice_str(BUCKET), slice_of(key, sizeof(key)),
				 &st, NULL),
		RC_REFUSED);
	assert_files(f, 0);
}

static enum rc count_begin(void *arg, size_t i, const struct os_object *info, struct err *err)
{
	(void)arg;
	(void)i;
	(void)info;
	(void)err;
	return RC_OK;
}

struct largest {
	size_t piece;
	uint64_t bytes;
};

static enum rc count_data(void *arg, size_t i, struct slice bytes, struct err *err)
{
	struct largest *l = arg;

	(void)i;
	(void)err;
	l->piece = bytes.n > l->piece ? bytes.n : l->piece;
	l->bytes += bytes.n;
	return RC_OK;
}

static enum rc count_end(
	void *arg, size_t i, enum rc outcome, const struct err *why, struct err *err)
{
	(void)arg;
	(void)i;
	(void)why;
	(void)err;
	return outcome;
}

/* [OS-4] However large the object, its bytes come in pieces of the stated window. */
static void os4_large_objects_come_in_blocks(void **state)
{
	struct local_fixture *f = *state;
	struct object_id id = {slice_str(BUCKET), slice_str(KEY), {0}};
	struct largest seen = {0};
	struct os_sink sink = {count_begin, count_data, count_end, &seen};
	unsigned char *block = xcalloc(1, 1 << 20);
	struct os_stage *st = begin(f, "");
	struct buf record;

	buf_init(&record, LG_STAGED_MAX);
	for (int i = 0; i < 20; i++)
		assert_int_equal(os_stage_write(st, slice_of(block, 1 << 20), NULL), RC_OK);
	assert_int_equal(os_stage_finish(st, slice_str(""), &record, NULL), RC_OK);
	os_stage_free(st);
	assert_int_equal(publish(f, buf_slice(&record)), RC_OK);
	assert_int_equal(os_get_many(store_of(f), &id, 1, &sink, NULL), RC_OK);
	assert_int_equal(seen.bytes, 20 << 20);
	assert_true(seen.piece <= 1 << 20);
	buf_release(&record);
	free(block);
}

#define STORE_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(os4_large_objects_come_in_blocks),
		STORE_TEST(os5_what_a_crash_leaves_of_an_unfinished_stage_is_swept),
		STORE_TEST(os5_a_finished_stage_is_not_swept),
		STORE_TEST(os6_a_bundle_that_was_taken_leaves_no_file_and_stays_published),
		STORE_TEST(os6_in_a_bucket_without_versions_the_newer_bundle_replaces),
		STORE_TEST(os7_only_the_exact_record_bucket_and_key_publish),
		STORE_TEST(stages_of_no_live_plan_are_swept_by_the_owner),
		cmocka_unit_test(
			what_a_dead_invocation_put_into_the_archive_is_swept_by_the_owner),
		STORE_TEST(os8_a_stage_that_was_discarded_cannot_be_finished),
		STORE_TEST(os8_discard_gives_the_room_back),
		STORE_TEST(os8_discard_needs_no_bucket),
		STORE_TEST(stages_need_a_bucket_and_a_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
