/* Bytes that the disk did not keep: what of a body is still given, and what is said of the rest.
 * [BS-10] */
#include "check.h"

#include "damage_help.h"
#include "local_fixture.h"

#include "adapter/local/engine/sums.h"
#include "obs/log.h"

#define BUCKET "landing"
#define KEY "data/a"
#define LARGE (5 * SUMS_BLOCK_BYTES + 1234) /* a file of six blocks */

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

static void put(struct local_fixture *f, const unsigned char *bytes, size_t n)
{
	struct bs_commit commit = {.etag = "00", .event_name = "ObjectCreated:Put"};
	struct fixture_wait w = FIXTURE_WAIT;
	struct bs_put *p;

	assert_int_equal(bs_call(local_bucket_store(f->local), put_begin, slice_str(BUCKET),
				 slice_str(KEY), &p, NULL),
		RC_OK);
	for (size_t at = 0; at < n; at += 10007)
		assert_int_equal(bs_put_write(p, slice_of(bytes + at, n - at < 10007 ? n - at : 10007),
					 NULL),
			RC_OK);
	bs_put_commit(p, &commit, ((struct bs_done){fixture_done, &w}));
	assert_int_equal(fixture_end(&w), RC_OK);
}

static enum rc open_it(struct local_fixture *f, struct bs_reader **ret_reader, struct err *err)
{
	return bs_call(local_bucket_store(f->local), open, slice_str(BUCKET), slice_str(KEY),
		slice_str(""), ret_reader, NULL, err);
}

/* Reads [offset, offset + n) in pieces of step; returns how many bytes came, all of which must be
 * right. */
static uint64_t read_span(struct local_fixture *f, const unsigned char *want, uint64_t offset,
	uint64_t n, size_t step, enum rc *ret_rc)
{
	unsigned char *block = xmalloc(step);
	struct bs_reader *r;
	struct err err = {0};
	uint64_t done = 0;
	size_t got = 1;

	*ret_rc = open_it(f, &r, &err);
	if (*ret_rc == RC_OK) {
		*ret_rc = bs_reader_check(r, offset, &err);
		while (*ret_rc == RC_OK && done < n && got) {
			size_t max = n - done < step ? (size_t)(n - done) : step;

			*ret_rc = bs_reader_read(r, offset + done, block, max, &got, &err);
			if (*ret_rc != RC_OK)
				break;
			assert_memory_equal(block, want + offset + done, got);
			done += got;
		}
		bs_reader_close(r);
	}
	if (*ret_rc != RC_OK && !err_is(&err, "ObjectDamaged"))
		fail_msg("%s: %s", err.code, err.text);
	free(block);
	return done;
}

static void take_path(void *arg, const char *path)
{
	strcpy(arg, path);
}

/* The one file below blobs/. */
static void blob_path(const struct local_fixture *f, char out[600])
{
	each_blob(f->folder, take_path, out);
}

static void bs10_no_byte_of_a_damaged_block_is_given(void **state)
{
	static const size_t steps[] = {1000, 65536, 70000, 262144, 1 << 20};
	struct local_fixture *f = *state;
	unsigned char *bytes = make_bytes(LARGE);
	char path[600];
	enum rc rc;

	put(f, bytes, LARGE);
	blob_path(f, path);
	for (unsigned block = 0; block < 6; block++) {
		uint64_t first = (uint64_t)block * SUMS_BLOCK_BYTES;
		off_t at = (off_t)first + (block == 5 ? 1233 : 77);

		flip_byte(path, at);
		for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
			assert_int_equal(read_span(f, bytes, 0, LARGE, steps[i], &rc), first);
			assert_int_equal(rc, RC_CORRUPT);
			/* a range that begins in the block, one before it, and one behind it */
			assert_int_equal(read_span(f, bytes, first + 5, 10, steps[i], &rc), 0);
			assert_int_equal(rc, RC_CORRUPT);
			if (block > 0) {
				assert_int_equal(
					read_span(f, bytes, first - 100, 100, steps[i], &rc), 100);
				assert_int_equal(rc, RC_OK);
			}
			if (block < 5) {
				assert_int_equal(read_span(f, bytes, first + SUMS_BLOCK_BYTES + 1,
							 LARGE, steps[i], &rc),
					LARGE - first - SUMS_BLOCK_BYTES - 1);
				assert_int_equal(rc, RC_OK);
			}
		}
		flip_byte(path, at);
		assert_int_equal(read_span(f, bytes, 0, LARGE, 65536, &rc), LARGE);
		assert_int_equal(rc, RC_OK);
	}
	free(bytes);
}

static void bs10_a_file_of_another_length_is_damage(void **state)
{
	static const off_t lengths[] = {0, 1, LARGE - 1, LARGE + 1, LARGE + SUMS_BLOCK_BYTES};
	struct local_fixture *f = *state;
	unsigned char *bytes = make_bytes(LARGE);
	char path[600], aside[300];
	enum rc rc;

	put(f, bytes, LARGE);
	blob_path(f, path);
	snprintf(aside, sizeof(aside), "%s/aside", f->root);
	assert_int_equal(rename(path, aside), 0);
	assert_int_equal(read_span(f, bytes, 0, LARGE, 65536, &rc), 0);
	assert_int_equal(rc, RC_CORRUPT);
	assert_int_equal(rename(aside, path), 0);
	assert_int_equal(read_span(f, bytes, 0, LARGE, 65536, &rc), LARGE);
	assert_int_equal(rc, RC_OK);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		assert_int_equal(truncate(path, lengths[i]), 0);
		assert_int_equal(read_span(f, bytes, 0, 10, 65536, &rc), 0);
		assert_int_equal(rc, RC_CORRUPT);
	}
	free(bytes);
}

static void bs10_a_damaged_row_is_refused_whole(void **state)
{
	static const size_t sizes[] = {16, 1000, 4096, 70000, BS_INLINE_MAX};
	struct local_fixture *f = *state;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		unsigned char *bytes = make_bytes(sizes[i]);
		char path[256];
		off_t at;
		enum rc rc;

		put(f, bytes, sizes[i]);
		local_close(f->local);
		snprintf(path, sizeof(path), "%s/baler.db", f->folder);
		/* the last bytes: of a large row they stand in an overflow page of their own */
		at = find_in_database(path, bytes + sizes[i] - 16, 16);
		flip_byte(path, at + 7);
		fixture_start(f);
		assert_int_equal(read_span(f, bytes, 0, sizes[i], 65536, &rc), 0);
		assert_int_equal(rc, RC_CORRUPT);
		local_close(f->local);
		flip_byte(path, at + 7);
		fixture_start(f);
		assert_int_equal(read_span(f, bytes, 0, sizes[i], 65536, &rc), sizes[i]);
		assert_int_equal(rc, RC_OK);
		free(bytes);
	}
}

static void a_body_without_checksums_is_given_unchecked(void **state)
{
	static const size_t sizes[] = {1000, LARGE};
	struct local_fixture *f = *state;

	for (size_t i = 0; i < 2; i++) {
		unsigned char *bytes = make_bytes(sizes[i]);
		enum rc rc;

		put(f, bytes, sizes[i]);
		run_sql(f->folder, "UPDATE body SET sum = NULL; UPDATE blob SET sums = NULL");
		assert_int_equal(read_span(f, bytes, 0, sizes[i], 65536, &rc), sizes[i]);
		assert_int_equal(rc, RC_OK);
		free(bytes);
	}
}

static int64_t count(const struct local_fixture *f, const char *sql)
{
	char path[600];
	sqlite3 *handle;
	sqlite3_stmt *st;
	int64_t n;

	snprintf(path, sizeof(path), "%s/baler.db", f->folder);
	assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
	sqlite3_busy_timeout(handle, 5000);
	assert_int_equal(sqlite3_prepare_v2(handle, sql, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	n = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	sqlite3_close(handle);
	return n;
}

#define WITHOUT                                                                                    \
	"SELECT (SELECT count(*) FROM body WHERE sum IS NULL)"                                     \
	" + (SELECT count(*) FROM blob WHERE sums IS NULL)"                                        \
	" + (SELECT count(*) FROM meta WHERE name LIKE 'fill%')"

static void wait_until_filled(const struct local_fixture *f)
{
	for (int i = 0; i < 1000 && count(f, WITHOUT) > 0; i++)
		clock_sleep_ms(clock_system(), 10);
	assert_int_equal(count(f, WITHOUT), 0);
}

/* As the upgrade of an older folder leaves it; a stop in the middle loses nothing. */
static void an_older_folder_gets_its_checksums_in_the_background(void **state)
{
	struct local_fixture *f = *state;
	unsigned char *bytes = make_bytes(LARGE);
	char path[600];
	enum rc rc;

	for (size_t i = 0; i < 200; i++)
		put(f, bytes, 100 + i);
	put(f, bytes, LARGE);
	local_close(f->local);
	run_sql(f->folder, "UPDATE body SET sum = NULL; UPDATE blob SET sums = NULL;"
			   "INSERT INTO meta VALUES('fill_body', 0), ('fill_blob', 0)");
	for (int i = 0; i < 3; i++) {
		fixture_start(f);
		local_close(f->local);
	}
	fixture_start(f);
	wait_until_filled(f);
	assert_int_equal(read_span(f, bytes, 0, LARGE, 65536, &rc), LARGE);
	assert_int_equal(rc, RC_OK);
	blob_path(f, path);
	flip_byte(path, 100000);
	assert_int_equal(read_span(f, bytes, 0, LARGE, 65536, &rc), SUMS_BLOCK_BYTES);
	assert_int_equal(rc, RC_CORRUPT);
	free(bytes);
}

static void sums_are_of_each_block_however_the_bytes_come(void **state)
{
	unsigned char *bytes = make_bytes(LARGE);
	struct sums one = {0}, many = {0}, none = {0};
	struct slice a, b;

	(void)state;
	sums_add(&one, slice_of(bytes, LARGE));
	for (size_t at = 0; at < LARGE; at += 333)
		sums_add(&many, slice_of(bytes + at, LARGE - at < 333 ? LARGE - at : 333));
	a = sums_end(&one);
	b = sums_end(&many);
	assert_int_equal(a.n, 24);
	assert_true(slice_eq(a, b));
	assert_true(slice_eq(sums_end(&many), b));
	assert_int_equal(sums_end(&none).n, 0);
	assert_true(sums_fit(a, 0, slice_of(bytes, SUMS_BLOCK_BYTES)));
	assert_false(sums_fit(a, 1, slice_of(bytes, SUMS_BLOCK_BYTES)));
	assert_true(sums_fit(a, 5, slice_of(bytes + 5 * SUMS_BLOCK_BYTES, 1234)));
	assert_false(sums_fit(a, 6, slice_of(bytes, 0)));
	sums_release(&one);
	sums_release(&many);
	sums_release(&none);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_are_of_each_block_however_the_bytes_come),
		cmocka_unit_test_setup_teardown(
			bs10_no_byte_of_a_damaged_block_is_given, setup, teardown),
		cmocka_unit_test_setup_teardown(
			bs10_a_file_of_another_length_is_damage, setup, teardown),
		cmocka_unit_test_setup_teardown(
			bs10_a_damaged_row_is_refused_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_body_without_checksums_is_given_unchecked, setup, teardown),
		cmocka_unit_test_setup_teardown(
			an_older_folder_gets_its_checksums_in_the_background, setup, teardown),
	};

	log_configure(LOG_CRITICAL + 1, LOG_FORMAT_JSON);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
