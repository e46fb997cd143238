/*
 * A disk that fails: every fsync and every write of a small life fails once, each in a run of its own. Then the folder is opened again
 * and judged (life.h). A failed fsync of a file must have ended the process: the kernel may have dropped what it was asked to keep. (SQLite does
 * not look at that of a folder; db.c and folder.c fsync the same one themselves.)
 */
#include "check.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/file.h"
#include "disk.h"
#include "life.h"

struct world {
	struct life_promise *p;
	char base[64], folder[80];
	bool all; /* BALER_DISK_ALL: every fault at every place */
	unsigned n_runs, n_ended;
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

static void live(struct world *w, enum disk_fault fault, unsigned at, int *ret_exit)
{
	fresh_folder(w);
	disk_begin(w->base, fault, at, false);
	life_live(w->folder, w->p, ret_exit);
	disk_end();
	w->n_runs++;
}

static void check(struct world *w, enum disk_fault fault, unsigned at)
{
	int status;

	live(w, fault, at, &status);
	if (status != 0 && status != 2 && status != 3 && status != 128 + SIGABRT)
		fail_msg("fault %d at %u: ended with %d", fault, at, status);
	w->n_ended += status != 0;
	if (fault == DISK_SYNC_EIO && disk_struck_file() && status == 0)
		fail_msg("the process went on after fsync %u had failed", at);
	if (!life_judge(w->folder, w->p, SIZE_MAX))
		fail_msg("fault %d at %u", fault, at);
	remove_folder(w);
}

static void test_no_fault_is_clean(void **state)
{
	int status;

	(void)state;
	live(&world, DISK_NO_FAULT, 0, &status);
	assert_int_equal(status, 0);
	for (size_t i = 0; i < LIFE_OBJECTS; i++)
		assert_true(world.p->acked[i]);
	assert_true(world.p->n_seen >= 3);
	assert_true(life_judge(world.folder, world.p, SIZE_MAX));
	remove_folder(&world);
}

static void test_each_fsync_fails_once(void **state)
{
	(void)state;
	world.n_ended = 0;
	for (unsigned at = 1; at == 1 || disk_has_struck(); at++)
		check(&world, DISK_SYNC_EIO, at);
	assert_true(world.n_ended > 10);
	for (unsigned at = 1; world.all && (at == 1 || disk_has_struck()); at++)
		check(&world, DISK_SYNC_ENOSPC, at);
}

static void test_each_write_fails_once(void **state)
{
	static const enum disk_fault faults[] = {
		DISK_WRITE_EIO, DISK_WRITE_ENOSPC, DISK_WRITE_SHORT};

	(void)state;
	for (unsigned at = 1; at == 1 || disk_has_struck(); at++)
		for (unsigned i = 0; i < 3; i++)
			if (world.all || at % 3 == i)
				check(&world, faults[i], at);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_fault_is_clean),
		cmocka_unit_test(test_each_fsync_fails_once),
		cmocka_unit_test(test_each_write_fails_once),
	};
	int failed;

	disk_init();
	world.p = life_promise_new();
	world.all = getenv("BALER_DISK_ALL") != NULL;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	fprintf(stderr, "%u lives\n", world.n_runs);
	return failed;
}
