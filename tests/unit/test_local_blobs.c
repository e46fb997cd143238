/* Bodies in files: what is kept, what goes, and when. */
#include "check.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "adapter/local/engine/blobs.h"
#include "base/clock.h"
#include "base/file.h"

struct fixture {
	char folder[64];
	struct db *db;
	struct blobs *blobs;
	struct err err;
};

/* Stands before libc's: each removal takes SLOW_MS when it is told to. */
#define SLOW_MS 20
static atomic_bool is_slow;

int unlink(const char *path)
{
	if (is_slow)
		clock_sleep_ms(clock_system(), SLOW_MS);
	return (int)syscall(SYS_unlink, path);
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	snprintf(f->folder, sizeof(f->folder), "/tmp/baler-blobs-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	assert_int_equal(db_open(f->folder, &f->db, &f->err), RC_OK);
	assert_int_equal(blobs_open(f->folder, db_grants(f->db), &f->blobs, &f->err), RC_OK);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	blobs_close(f->blobs);
	db_close(f->db);
	assert_int_equal(file_remove_tree(f->folder, &f->err), RC_OK);
	free(f);
	return 0;
}

/* Ends the pool's work: what was to be removed is. */
static void settle(struct fixture *f)
{
	blobs_close(f->blobs);
	assert_int_equal(blobs_open(f->folder, db_grants(f->db), &f->blobs, &f->err), RC_OK);
}

static bool is_there(struct fixture *f, struct blob_id id)
{
	int fd = -1;

	if (blobs_fd(f->blobs, &id, &fd, &f->err) != RC_OK)
		return false;
	close(fd);
	return true;
}

static struct blob_file *write_blob(struct fixture *f, size_t n)
{
	unsigned char *bytes = xcalloc(1, n);
	struct blob_file *file;

	assert_int_equal(blob_create(f->blobs, &file, &f->err), RC_OK);
	assert_int_equal(blob_write(file, slice_of(bytes, n), &f->err), RC_OK);
	assert_int_equal(blob_file_size(file), n);
	free(bytes);
	return file;
}

static struct blob_id keep_blob(struct fixture *f)
{
	struct blob_file *file = write_blob(f, 200000);
	struct blob_id id = blob_file_id(file);

	assert_int_equal(blob_sync(file, &f->err), RC_OK);
	assert_int_equal(blob_row_insert(db_writer(f->db), &id, 200000, blob_file_sums(file), &f->err), RC_OK);
	blob_keep(file);
	return id;
}

static void a_discarded_blob_leaves_no_file(void **state)
{
	struct fixture *f = *state;
	struct blob_file *file = write_blob(f, 20000000); /* beyond what is written back early */
	struct blob_id id = blob_file_id(file);

	assert_true(is_there(f, id));
	blob_discard(file);
	blob_discard(NULL);
	settle(f);
	assert_false(is_there(f, id));
}

static void the_sweep_removes_what_has_no_row_and_nothing_else(void **state)
{
	struct fixture *f = *state;
	struct blob_id kept = keep_blob(f), left;
	struct blob_file *file = write_blob(f, 1000);
	char path[128];
	int fd;

	left = blob_file_id(file); /* a put that a crash cut off */
	blob_keep(file);
	snprintf(path, sizeof(path), "%s/blobs/00/notes.txt", f->folder);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(blobs_sweep(f->blobs, f->db, &f->err), RC_OK);
	assert_true(is_there(f, kept));
	assert_false(is_there(f, left));
	assert_int_equal(access(path, F_OK), 0);
}

static void a_dropped_blob_goes_when_its_last_reader_has(void **state)
{
	struct fixture *f = *state;
	struct blob_id id = keep_blob(f);

	blobs_pin(f->blobs, &id);
	blobs_pin(f->blobs, &id);
	blobs_drop(f->blobs, &id);
	assert_true(is_there(f, id));
	blobs_unpin(f->blobs, &id);
	assert_true(is_there(f, id));
	blobs_unpin(f->blobs, &id);
	settle(f);
	assert_false(is_there(f, id));
}

static void an_unpinned_blob_goes_at_once_and_a_read_one_stays(void **state)
{
	struct fixture *f = *state;
	struct blob_id dropped = keep_blob(f), read = keep_blob(f);

	blobs_pin(f->blobs, &read);
	blobs_unpin(f->blobs, &read);
	blobs_drop(f->blobs, &dropped);
	settle(f);
	assert_false(is_there(f, dropped));
	assert_true(is_there(f, read));
}

static void a_missing_file_is_corrupt_not_absent(void **state)
{
	struct fixture *f = *state;
	struct blob_id id = {.bytes = {1, 2, 3}};
	int fd;

	assert_int_equal(blobs_fd(f->blobs, &id, &fd, &f->err), RC_CORRUPT);
}

struct fsync_work {
	struct work work;
	pthread_mutex_t lock;
	pthread_cond_t end;
	bool ended; /* under lock */
};

static void fsync_run(struct work *w)
{
	struct fsync_work *f = (struct fsync_work *)w;

	pthread_mutex_lock(&f->lock);
	f->ended = true;
	pthread_cond_signal(&f->end);
	pthread_mutex_unlock(&f->lock);
}

/* Retention drops files by the hundred; the fsync of a PUT does not stand behind them in a
 * queue. */
static void removals_do_not_hold_up_other_work(void **state)
{
	enum { N = 100 };
	struct fsync_work w = {.work = {.run = fsync_run},
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.end = PTHREAD_COND_INITIALIZER};
	struct fixture *f = *state;
	struct blob_file *files[N];
	uint64_t begun;

	for (int i = 0; i < N; i++)
		files[i] = write_blob(f, 10);
	is_slow = true;
	for (int i = 0; i < N; i++)
		blob_discard(files[i]);
	begun = clock_boot_ms(clock_system());
	work_pool_submit(blobs_pool(f->blobs), &w.work);
	pthread_mutex_lock(&w.lock);
	while (!w.ended)
		pthread_cond_wait(&w.end, &w.lock);
	pthread_mutex_unlock(&w.lock);
	assert_in_range(clock_boot_ms(clock_system()) - begun, 0, N * SLOW_MS / 4);
	is_slow = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_discarded_blob_leaves_no_file, setup, teardown),
		cmocka_unit_test_setup_teardown(removals_do_not_hold_up_other_work, setup, teardown),
		cmocka_unit_test_setup_teardown(
			the_sweep_removes_what_has_no_row_and_nothing_else, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_dropped_blob_goes_when_its_last_reader_has, setup, teardown),
		cmocka_unit_test_setup_teardown(
			an_unpinned_blob_goes_at_once_and_a_read_one_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_missing_file_is_corrupt_not_absent, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
