/*
 * One bad thing stops nothing (docs/protocol.md 2.7, docs/failures.md): while one plan, one object
 * or one call fails for ever or is slow, all other objects come out within their window and 2 s,
 * and nothing healthy becomes a dead letter.
 */
#include "check.h"

#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/heartbeat.h"
#include "core/plan.h"
#include "fault.h"
#include "obs/log.h"
#include "victim.h"
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

/* Every bundle stays sealed while the archive denies all of them; when it is mended, each comes out
 * once. */
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

/* A duplicate event of a member of the stuck plan brings its batch no delay, and asks the store no
 * more often. */
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

/* A plan whose beats hang, and another. Threads and time are real here. */
struct hanging {
	struct lg_plan plans[2];
	sem_t released;
	atomic_uint n_beats[2];
};

static enum rc hang(void *arg, const struct victim_call *call, struct err *err)
{
	struct hanging *h = arg;
	size_t i = memcmp(call->plan, &h->plans[1].id, sizeof(*call->plan)) == 0;

	(void)err;
	if (strcmp(call->verb, "plan_beat") != 0)
		return RC_OK;
	atomic_fetch_add(&h->n_beats[i], 1);
	if (i == 0)
		sem_wait(&h->released);
	return RC_OK;
}

static enum rc pass(void *arg, const struct victim_call *call, enum rc rc, struct err *err)
{
	(void)arg;
	(void)call;
	(void)err;
	return rc;
}

static void a_beat_that_hangs_holds_up_no_other_plan(void **state)
{
	struct fixture *f = *state;
	struct hanging h = {0};
	struct victim victim = {.before = hang, .after = pass, .arg = &h};
	struct hand hand;
	struct heartbeat hb;
	struct beat beats[2];
	struct ledger *ledger = victim_ledger_new(f->w.ledger, &victim);
	uint64_t start;

	sem_init(&h.released, 0, 0);
	hand_init(&hand, 0, NULL);
	for (size_t i = 0; i < 2; i++) {
		h.plans[i] = plan_make(&f->w.arena, &f->w.prng, f->w.clock.wall_ms, slice_str("w"),
			slice_str(WORLD_DISTRIBUTION));
		assert_int_equal(lg_plan_open(f->w.ledger, &h.plans[i], NULL), RC_OK);
		beats[i] = (struct beat){.plan = &h.plans[i]};
	}
	heartbeat_start(&hb, &(struct heartbeat_config){.ledger = ledger, .queue = f->w.queue,
		.clock = clock_system(), .hand = &hand, .lease_ms = 60, .visibility_ms = 60000,
		.max_open_ms = 3600000, .n_plans = 2});
	heartbeat_add(&hb, &beats[1]);
	heartbeat_add(&hb, &beats[0]); /* the first in the list */
	start = clock_boot_ms(clock_system());
	while (clock_boot_ms(clock_system()) - start < 20000 &&
		(atomic_load(&h.n_beats[0]) == 0 || atomic_load(&h.n_beats[1]) < 5))
		clock_sleep_ms(clock_system(), 5);
	assert_int_equal(atomic_load(&h.n_beats[0]), 1);
	assert_in_range(atomic_load(&h.n_beats[1]), 5, UINT32_MAX);
	heartbeat_remove(&hb, &beats[1]);
	for (size_t i = 0; i < 100; i++)
		sem_post(&h.released);
	heartbeat_remove(&hb, &beats[0]);
	heartbeat_stop(&hb);
	hand_release(&hand);
	lg_close(ledger);
	sem_destroy(&h.released);
}

/* Two workers over one world. While one waits for its slow call, the other goes on, and the clock
 * with it. */
struct pair;

struct worker {
	struct pair *pair;
	struct prng prng;
	struct fault fault;
	struct pipeline_config cfg;
	struct pipeline *p;
	bool busy;
};

struct pair {
	struct world w;
	struct worker workers[2];
	const char *slow_verb, *slow_bucket;
	uint64_t slow_ms;
	int n_slow; /* calls that were slow */
	int n_stages;
};

static void step_worker(struct worker *worker)
{
	worker->busy = true;
	assert_int_not_equal(pipeline_step(worker->p, NULL), PIPELINE_FATAL);
	worker->busy = false;
}

static enum fault_action decide_slow(void *arg, const char *verb)
{
	struct worker *worker = arg;
	struct pair *pair = worker->pair;
	uint64_t until = pair->w.clock.boot_ms + pair->slow_ms;

	pair->n_stages += strcmp(verb, "stage_begin") == 0 &&
			  slice_eq_str(worker->fault.bucket, WORLD_DISTRIBUTION);
	if (strcmp(verb, pair->slow_verb) != 0)
		return FAULT_PASS;
	pair->n_slow++;
	while (pair->w.clock.boot_ms < until) {
		struct worker *other = &pair->workers[worker == &pair->workers[0]];

		clock_sleep_ms(&pair->w.clock.port, 500);
		if (!other->busy)
			step_worker(other);
	}
	return FAULT_PASS;
}

static void pair_open(struct pair *pair)
{
	log_configure(LOG_CRITICAL + 1, LOG_FORMAT_JSON);
	world_open(&pair->w, 1);
	for (size_t i = 0; i < 2; i++) {
		struct worker *worker = &pair->workers[i];

		worker->pair = pair;
		worker->prng = prng_seeded(i + 1);
		worker->fault = (struct fault){.decide = decide_slow, .arg = worker};
		worker->cfg = world_config(&pair->w, &worker->prng);
		worker->cfg.batch_window_ms = 1000;
		worker->cfg.ports.landing = fault_object_store_new(pair->w.store, &worker->fault);
		worker->cfg.ports.distribution = worker->cfg.ports.landing;
		worker->cfg.ports.queue = fault_event_queue_new(pair->w.queue, &worker->fault);
		worker->cfg.ports.ledger = fault_ledger_new(pair->w.ledger, &worker->fault);
		worker->p = pipeline_new(&worker->cfg);
	}
}

static void pair_close(struct pair *pair)
{
	for (size_t i = 0; i < 2; i++) {
		struct worker *worker = &pair->workers[i];

		pipeline_free(worker->p);
		fault_release(&worker->fault);
		os_close(worker->cfg.ports.landing);
		eq_close(worker->cfg.ports.queue);
		lg_close(worker->cfg.ports.ledger);
	}
	world_close(&pair->w);
}

static void check_slow(const char *verb, uint64_t slow_ms)
{
	struct pair pair = {.slow_verb = verb, .slow_ms = slow_ms};
	struct lg_plan plan;
	bool discarded;
	char key[32];

	pair_open(&pair);
	for (size_t i = 0; i < 20; i++) {
		snprintf(key, sizeof(key), "data/%zu", i);
		world_announce(&pair.w, world_put(&pair.w, key, 1000));
	}
	for (unsigned n = 0; n < 20000; n++) {
		struct eq_stat st = world_queue(&pair.w);

		if (st.visible + st.in_flight == 0)
			break;
		step_worker(&pair.workers[n % 2]);
	}
	world_harvest(&pair.w);
	if (pair.w.n_bundles != 1 || world_queue(&pair.w).dead || pair.n_stages != 1)
		fail_msg("%s of %llu s: %zu bundles, %llu dead letters, %d uploads", verb,
			(unsigned long long)slow_ms / 1000, pair.w.n_bundles,
			(unsigned long long)world_queue(&pair.w).dead, pair.n_stages);
	assert_true(pair.n_slow >= 1);
	for (size_t i = 0; i < 20; i++) {
		struct lg_object rec;

		assert_int_equal(world_times_shipped(&pair.w, i), 1);
		assert_int_equal(lg_object_get(pair.w.ledger, &pair.w.arena, &pair.w.objects[i].id,
					 &rec, NULL),
			RC_OK);
		assert_int_equal(rec.attempts, 1);
	}
	assert_true(mem_ledger_plan(pair.w.ledger, 0, &plan, &discarded));
	assert_int_equal(plan.state, PLAN_DONE);
	pair_close(&pair);
}

/* A lease is 60 s. Exactly one bundle, one upload, no dead letter, one attempt, however long a call
 * takes (docs/protocol.md, step 5). */
static void a_slow_upload_outlasts_the_lease(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++)
		check_slow("stage_finish", (uint64_t[]){30, 65, 90, 300}[i] * 1000);
}

static void a_slow_copy_for_the_archive_outlasts_the_lease(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++)
		check_slow("stage_copy", (uint64_t[]){30, 65, 90, 300}[i] * 1000);
}

static void a_slow_publication_outlasts_the_lease(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++)
		check_slow("publish", (uint64_t[]){30, 65, 90, 300}[i] * 1000);
}

static void a_get_that_stalls_outlasts_the_lease(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++)
		check_slow("get_many", (uint64_t[]){30, 65, 90, 300}[i] * 1000);
}

static void a_slow_write_of_the_stage_outlasts_the_lease(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++)
		check_slow("stage_write", (uint64_t[]){30, 65, 90, 300}[i] * 1000);
}

/* A round that hangs beats no longer than plan_max_open_ms. Its owner gives it up alive: another
 * worker ships its objects, no attempt is counted, and when the round comes back it publishes
 * nothing. */
static void a_round_that_hangs_is_given_up_after_its_time(void **state)
{
	struct pair pair = {.slow_verb = "stage_finish", .slow_ms = 5 * 3600 * 1000};
	struct lg_object rec;

	(void)state;
	pair_open(&pair);
	for (size_t i = 0; i < 2; i++) {
		pipeline_free(pair.workers[i].p);
		pair.workers[i].cfg.plan_max_open_ms = 3600 * 1000;
		pair.workers[i].p = pipeline_new(&pair.workers[i].cfg);
	}
	world_announce(&pair.w, world_put(&pair.w, "data/a", 1000));
	for (unsigned n = 0; n < 2000 && pair.n_slow < 1; n++)
		step_worker(&pair.workers[0]);
	pair.slow_ms = 0;
	for (unsigned n = 0; n < 2000; n++)
		step_worker(&pair.workers[n % 2]);
	world_harvest(&pair.w);
	assert_int_equal(pair.w.n_bundles, 1);
	assert_int_equal(world_times_shipped(&pair.w, 0), 1);
	assert_int_equal(world_queue(&pair.w).dead, 0);
	assert_int_equal(lg_object_get(pair.w.ledger, &pair.w.arena, &pair.w.objects[0].id, &rec,
				 NULL),
		RC_OK);
	assert_int_equal(rec.attempts, 1);
	assert_int_equal(mem_object_store_n_stages(pair.w.store), 0);
	pair_close(&pair);
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
		TEST(a_beat_that_hangs_holds_up_no_other_plan),
		cmocka_unit_test(a_slow_upload_outlasts_the_lease),
		cmocka_unit_test(a_slow_copy_for_the_archive_outlasts_the_lease),
		cmocka_unit_test(a_slow_publication_outlasts_the_lease),
		cmocka_unit_test(a_get_that_stalls_outlasts_the_lease),
		cmocka_unit_test(a_slow_write_of_the_stage_outlasts_the_lease),
		cmocka_unit_test(a_round_that_hangs_is_given_up_after_its_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
