/*
 * One bad thing stops nothing (docs/protocol.md 2.7, docs/failures.md): while one plan, one object or one call fails for ever or is
 * slow, all other objects come out within their window and 2 s, and nothing healthy becomes a dead letter.
 */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>

#include "fault.h"
#include "obs/log.h"
#include "world.h"

#define WINDOW_MS 15000

struct fixture {
	struct world w;
	struct prng prng;
	struct fault fault;
	struct pipeline_config cfg;
	struct pipeline *p;
	/* Calls of this verb meet the action. */
	const char *verb, *bucket; /* bucket NULL: any */
	enum fault_action action;
	bool only_first_key;       /* only for the first key that comes along */
	char key[BUNDLE_KEY_MAX];  /* that key */
	int n_seen;
};

static enum fault_action decide(void *arg, const char *verb)
{
	struct fixture *f = arg;
	struct slice key = f->fault.key;

	if (!f->verb || strcmp(verb, f->verb) != 0)
		return FAULT_PASS;
	if (f->bucket && !slice_eq_str(f->fault.bucket, f->bucket))
		return FAULT_PASS;
	if (f->only_first_key && !f->key[0])
		snprintf(f->key, sizeof(f->key), SLICE_FMT, SLICE_ARG(key));
	if (f->only_first_key && !slice_eq_str(key, f->key))
		return FAULT_PASS;
	f->n_seen++;
	return f->action;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	log_configure(LOG_CRITICAL + 1, LOG_FORMAT_JSON);
	world_open(&f->w, 1);
	f->prng = prng_seeded(9);
	f->fault = (struct fault){.decide = decide, .arg = f};
	f->cfg = world_config(&f->w, &f->prng);
	f->cfg.ports.landing = fault_object_store_new(f->w.store, &f->fault);
	f->cfg.ports.distribution = f->cfg.ports.landing;
	f->cfg.ports.queue = fault_event_queue_new(f->w.queue, &f->fault);
	f->cfg.ports.ledger = fault_ledger_new(f->w.ledger, &f->fault);
	f->cfg.sole_owner = true;
	f->p = pipeline_new(&f->cfg);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	pipeline_free(f->p);
	fault_release(&f->fault);
	os_close(f->cfg.ports.distribution);
	eq_close(f->cfg.ports.queue);
	lg_close(f->cfg.ports.ledger);
	world_close(&f->w);
	free(f);
	return 0;
}

static void run_until(struct fixture *f, uint64_t boot_ms)
{
	while (f->w.clock.boot_ms < boot_ms)
		assert_int_not_equal(pipeline_step(f->p, NULL), PIPELINE_FATAL);
}

static size_t put(struct fixture *f, const char *key)
{
	size_t i = world_put(&f->w, key, 100);

	world_announce(&f->w, i);
	return i;
}

/* Puts an object every 30 s for that many minutes; each must come out within the window and 2 s. */
static void assert_others_come_out(struct fixture *f, unsigned minutes)
{
	char key[32];

	for (unsigned n = 0; n < 2 * minutes; n++) {
		uint64_t start = f->w.clock.boot_ms;
		size_t i;

		snprintf(key, sizeof(key), "data/other-%u", n);
		i = put(f, key);
		run_until(f, start + WINDOW_MS + 2000);
		world_harvest(&f->w);
		if (world_times_shipped(&f->w, i) != 1)
			fail_msg("object %u of %u is not out", n, 2 * minutes);
		run_until(f, start + 30000);
	}
}

static size_t n_dead(struct fixture *f)
{
	struct eq_stat st = world_queue(&f->w);

	return st.dead;
}

/* The first bundle is refused, in that bucket, until the policy is mended. */
static void check_one_refused_bundle(struct fixture *f, const char *bucket, enum fault_action action)
{
	struct unfinished_report report;
	size_t first;

	f->verb = "publish";
	f->bucket = bucket;
	f->action = action;
	f->only_first_key = true;
	first = put(f, "data/first");
	run_until(f, f->w.clock.boot_ms + WINDOW_MS + 5000);
	assert_int_not_equal(f->key[0], '\0');
	assert_others_come_out(f, 30);
	world_harvest(&f->w);
	assert_int_equal(world_times_shipped(&f->w, first), 0);

	/* The alarm names it. */
	pipeline_unfinished(f->p, &report);
	assert_int_equal(report.n_stuck, 1);
	assert_true(report.oldest_ms >= 29 * 60000);
	assert_non_null(strstr(report.text, f->key));
	assert_non_null(strstr(report.text, "a fault on purpose"));

	/* Its own backoff: once in two minutes at last. */
	assert_in_range(f->n_seen, 10, 40);
	f->verb = NULL;
	run_until(f, f->w.clock.boot_ms + 300000);
	world_harvest(&f->w);
	assert_int_equal(world_times_shipped(&f->w, first), 1);
	pipeline_unfinished(f->p, &report);
	assert_int_equal(report.n_stuck, 0);
	assert_int_equal(n_dead(f), 0);
	assert_true(world_run(&f->w, f->p, 5000));
}

static void a_bundle_that_the_store_refuses_stops_no_other(void **state)
{
	check_one_refused_bundle(*state, WORLD_DISTRIBUTION, FAULT_REFUSE);
}

static void an_archive_that_refuses_one_copy_stops_no_other(void **state)
{
	check_one_refused_bundle(*state, WORLD_ARCHIVE, FAULT_REFUSE);
}

static void a_bundle_whose_publishing_never_gets_an_answer_stops_no_other(void **state)
{
	check_one_refused_bundle(*state, WORLD_DISTRIBUTION, FAULT_LOST);
}

/* Every bundle stays sealed while the archive denies all of them; when it is mended, each comes out once. */
static void an_archive_that_refuses_everything_loses_nothing(void **state)
{
	struct fixture *f = *state;
	struct unfinished_report report;
	char key[32];

	f->verb = "publish";
	f->bucket = WORLD_ARCHIVE;
	f->action = FAULT_REFUSE;
	for (unsigned i = 0; i < 20; i++) {
		snprintf(key, sizeof(key), "data/%u", i);
		put(f, key);
		run_until(f, f->w.clock.boot_ms + 20000);
	}
	pipeline_unfinished(f->p, &report);
	assert_in_range(report.n_stuck, 19, 20);
	f->verb = NULL;
	run_until(f, f->w.clock.boot_ms + 300000);
	world_harvest(&f->w);
	for (size_t i = 0; i < 20; i++)
		assert_int_equal(world_times_shipped(&f->w, i), 1);
	assert_int_equal(n_dead(f), 0);
}

/* A duplicate event of a member of the stuck plan brings its batch no delay, and asks the store no more often. */
static void a_duplicate_of_a_stuck_plans_member_does_not_help_it_again_and_again(void **state)
{
	struct fixture *f = *state;
	size_t first;
	int before;

	f->verb = "publish";
	f->action = FAULT_REFUSE;
	f->only_first_key = true;
	first = put(f, "data/first");
	run_until(f, f->w.clock.boot_ms + 600000);
	before = f->n_seen;
	for (unsigned i = 0; i < 100; i++)
		world_announce(&f->w, first);
	assert_others_come_out(f, 5);
	assert_in_range(f->n_seen - before, 1, 8);
}

/* The ledger cannot be scanned: only the scanner waits. */
static void a_ledger_that_cannot_be_scanned_stops_no_bundle(void **state)
{
	struct fixture *f = *state;

	put(f, "data/first");
	run_until(f, f->w.clock.boot_ms + WINDOW_MS + 5000);
	f->verb = "scan";
	f->action = FAULT_AGAIN;
	assert_others_come_out(f, 30);
	assert_in_range(f->n_seen, 8, 60);
}

/* A stage that cannot be discarded for ever: an aborted plan's. */
static void an_aborted_plan_that_cannot_be_discarded_stops_nothing(void **state)
{
	struct fixture *f = *state;
	struct lg_plan plan = {.id = {{7}}, .state = PLAN_OPEN, .bucket = slice_str(WORLD_DISTRIBUTION),
		.key = slice_str("2026/01/01/00/bundle-07000000000000000000000000000000.tar.gz")};
	struct unfinished_report report;

	assert_int_equal(lg_plan_open(f->w.ledger, &plan, NULL), RC_OK);
	f->verb = "discard";
	f->action = FAULT_REFUSE;
	f->only_first_key = true;
	assert_others_come_out(f, 30);
	assert_in_range(f->n_seen, 8, 40);
	pipeline_unfinished(f->p, &report);
	assert_int_equal(report.n_stuck, 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_bundle_that_the_store_refuses_stops_no_other),
		TEST(an_archive_that_refuses_one_copy_stops_no_other),
		TEST(a_bundle_whose_publishing_never_gets_an_answer_stops_no_other),
		TEST(an_archive_that_refuses_everything_loses_nothing),
		TEST(a_duplicate_of_a_stuck_plans_member_does_not_help_it_again_and_again),
		TEST(a_ledger_that_cannot_be_scanned_stops_no_bundle),
		TEST(an_aborted_plan_that_cannot_be_discarded_stops_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
