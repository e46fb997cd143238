/*
 * Power loss, as opposed to kill -9: one small life is recorded, and judged (life.h) as it would be
 * found after a loss of power at any moment of it, when of everything that was not fsynced any part
 * may be missing. BALER_POWER_RUNS: how many moments; BALER_SEED: which.
 */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/prng.h"
#include "disk.h"
#include "life.h"

static struct life_promise *promise;
static char base[64];
static unsigned n_runs;
static uint64_t seed;

static uint64_t number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

static int record(void **state)
{
	char folder[80];
	int status;

	(void)state;
	if (!disk_make_folder(base))
		return -1;
	snprintf(folder, sizeof(folder), "%s/data", base);
	disk_begin(base, NULL, 0, true);
	life_live(folder, promise, &status);
	disk_end();
	return status;
}

static int remove_base(void **state)
{
	struct err err;

	(void)state;
	return file_remove_tree(base, &err) == RC_OK ? 0 : -1;
}

static bool is_kept(size_t n, uint64_t run, unsigned keep_percent)
{
	char to[64], folder[80];
	struct err err;
	bool good;

	if (!disk_make_folder(to))
		return false;
	snprintf(folder, sizeof(folder), "%s/data", to);
	disk_after_power_loss(to, n, seed + run, keep_percent);
	good = life_judge(folder, promise, n);
	if (good)
		file_remove_tree(to, &err);
	return good;
}

/* Without a loss the record alone must give the same folder: else nothing below means anything. */
static void test_the_record_is_whole(void **state)
{
	(void)state;
	assert_true(disk_n_recorded() > 100);
	assert_true(is_kept(disk_n_recorded(), 0, 100));
}

static void test_any_moment(void **state)
{
	static const unsigned keep[] = {0, 50, 90, 100};
	struct prng r = prng_seeded(seed);

	(void)state;
	for (unsigned i = 0; i < n_runs; i++) {
		size_t n = 1 + (size_t)prng_below(&r, disk_n_recorded());

		if (!is_kept(n, i, keep[i % 4]))
			fail_msg("seed %llu, run %u: after %zu of %zu changes, %u%% kept",
				(unsigned long long)seed, i, n, disk_n_recorded(), keep[i % 4]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_record_is_whole),
		cmocka_unit_test(test_any_moment),
	};

	disk_init();
	promise = life_promise_new();
	n_runs = (unsigned)number("BALER_POWER_RUNS", 60);
	seed = number("BALER_SEED", 1);
	return cmocka_run_group_tests(tests, record, remove_base);
}
