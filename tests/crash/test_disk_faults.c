/*
 * A disk that fails, under a small life of a data folder (life.h). Each fault is a run of its own,
 * after which the folder is opened again on a disk that works, and judged: nothing that was
 * acknowledged may be lost.
 * - Faults that pass: every fsync and every write fails once. A failed fsync of a file must have
 *   ended the process: the kernel may have dropped what it was asked to keep. (SQLite does not look
 *   at that of a folder; db.c and folder.c fsync the same one themselves.)
 * - Faults that last: from the n-th call of a kind on every call fails, as on a disk that is full
 *   or broken for good. A COMMIT that fails only once is repeated and succeeds; only a lasting
 *   fault shows what is answered when the repetition fails too.
 */
#include "check.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/file.h"
#include "disk.h"
#include "life.h"

#define LASTING_PLACES 6 /* of each fault, when not every place is asked for */

struct world {
	struct life_promise *p;
	char base[64], folder[80];
	bool all; /* BALER_DISK_ALL: every fault at every place */
	unsigned n_runs, n_ended;
	unsigned n_calls[DISK_CALLS]; /* of a life without faults */
};

static struct world world;

static void fresh_folder(struct world *w)
{
	if (!disk_make_folder(w->base))
		fail_msg("cannot make a folder");
	snprintf(w->folder, sizeof(w->folder), "%s/data", w->base);
}

static void remove_folder(struct world *w)
{
	struct err err;

	assert_int_equal(file_remove_tree(w->base, &err), RC_OK);
}

static void live(struct world *w, const struct disk_fault *fault, unsigned at, int *ret_exit)
{
	fresh_folder(w);
	disk_begin(w->base, fault, at, false);
	life_live(w->folder, w->p, ret_exit);
	disk_end();
	w->n_runs++;
}

static void blame(const struct disk_fault *f, unsigned at, const char *what, int status)
{
	fail_msg("call kind %d, errno %d, %s %u: %s (status %d)", f->call, f->error,
		f->lasts ? "from the call on with the number" : "the call with the number", at, what,
		status);
}

/* Ends with 128 + SIGALRM when the life hangs. */
static bool is_known_end(int status)
{
	return status == 0 || status == 2 || status == 3 || status == 128 + SIGABRT;
}

static void check(struct world *w, const struct disk_fault *fault, unsigned at)
{
	int status;

	live(w, fault, at, &status);
	if (!is_known_end(status))
		blame(fault, at, "the life did not end by itself", status);
	w->n_ended += status != 0;
	if (fault->call == DISK_CALL_SYNC && fault->error == EIO && disk_struck_file() && status == 0)
		blame(fault, at, "the process went on after a failed fsync", status);
	if (!life_judge(w->folder, w->p, SIZE_MAX))
		blame(fault, at, "a promise is broken", status);
	remove_folder(w);
}

static void test_no_fault_is_clean(void **state)
{
	int status;

	(void)state;
	live(&world, NULL, 0, &status);
	assert_int_equal(status, 0);
	for (size_t i = 0; i < LIFE_OBJECTS; i++)
		assert_true(world.p->acked[i]);
	assert_true(world.p->n_seen >= 3);
	for (unsigned call = 0; call < DISK_CALLS; call++)
		world.n_calls[call] = disk_n_calls(call);
	assert_true(life_judge(world.folder, world.p, SIZE_MAX));
	remove_folder(&world);
}

static void test_each_fsync_fails_once(void **state)
{
	static const struct disk_fault eio = {.call = DISK_CALL_SYNC, .error = EIO};
	static const struct disk_fault full = {.call = DISK_CALL_SYNC, .error = ENOSPC};

	(void)state;
	world.n_ended = 0;
	for (unsigned at = 1; at == 1 || disk_has_struck(); at++)
		check(&world, &eio, at);
	assert_true(world.n_ended > 10);
	for (unsigned at = 1; world.all && (at == 1 || disk_has_struck()); at++)
		check(&world, &full, at);
}

static void test_each_write_fails_once(void **state)
{
	static const struct disk_fault faults[] = {
		{.call = DISK_CALL_WRITE, .error = EIO},
		{.call = DISK_CALL_WRITE, .error = ENOSPC},
		{.call = DISK_CALL_WRITE, .error = ENOSPC, .is_short = true},
	};

	(void)state;
	for (unsigned at = 1; at == 1 || disk_has_struck(); at++)
		for (unsigned i = 0; i < 3; i++)
			if (world.all || at % 3 == i)
				check(&world, &faults[i], at);
}

static const struct disk_fault lasting[] = {
	{.call = DISK_CALL_WRITE, .error = EIO, .lasts = true},
	{.call = DISK_CALL_WRITE, .error = ENOSPC, .lasts = true},
	{.call = DISK_CALL_WRITE, .error = ENOSPC, .is_short = true, .lasts = true},
	{.call = DISK_CALL_SYNC, .error = EIO, .lasts = true},
	{.call = DISK_CALL_SYNC, .error = ENOSPC, .lasts = true},
	{.call = DISK_CALL_TRUNCATE, .error = EIO, .lasts = true},
	{.call = DISK_CALL_RENAME, .error = EIO, .lasts = true},
	{.call = DISK_CALL_RENAME, .error = ENOSPC, .lasts = true},
	{.call = DISK_CALL_OPEN, .error = EMFILE, .lasts = true},
	{.call = DISK_CALL_OPEN, .error = EIO, .lasts = true},
	{.call = DISK_CALL_OPEN, .error = ENOSPC, .lasts = true},
	{.call = DISK_CALL_LINK, .error = ENOSPC, .lasts = true},
	{.call = DISK_CALL_LINK, .error = EMLINK, .lasts = true},
	{.call = DISK_CALL_UNLINK, .error = EIO, .lasts = true},
	{.call = DISK_CALL_ALLOCATE, .error = ENOSPC, .lasts = true},
	{.call = DISK_CALL_SHARED, .error = ENOMEM, .lasts = true},
	{.call = DISK_CALL_SHARED, .error = ENOSPC, .lasts = true},
	{.call = DISK_CALL_MKDIR, .error = ENOSPC, .lasts = true},
};

/* Some places of each kind of call; every place with BALER_DISK_ALL. The offset differs from
 * fault to fault, so that two errors of one kind look at different places. */
static void test_lasting_faults_lose_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(lasting) / sizeof(*lasting); i++) {
		unsigned n = world.n_calls[lasting[i].call];
		unsigned step = world.all || n < LASTING_PLACES ? 1 : n / LASTING_PLACES;

		for (unsigned at = 1 + (unsigned)i % step; at <= n; at += step)
			check(&world, &lasting[i], at);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_fault_is_clean),
		cmocka_unit_test(test_each_fsync_fails_once),
		cmocka_unit_test(test_each_write_fails_once),
		cmocka_unit_test(test_lasting_faults_lose_nothing),
	};
	int failed;

	disk_init();
	world.p = life_promise_new();
	world.all = getenv("BALER_DISK_ALL") != NULL;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	fprintf(stderr, "%u lives\n", world.n_runs);
	return failed;
}
