/* The pipeline when things go wrong around it: outages, deaths, long bundles, a stop in the
 * middle. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>

#include "fault.h"
#include "obs/log.h"
#include "world.h"

struct fixture {
	struct world w;
	struct prng prng;
	struct fault fault;
	struct pipeline_config cfg;
	struct pipeline *p;
	/* What decide does. */
	const char *verb;
	enum fault_action action;
	int n;            /* how many times; then nothing more */
	uint64_t slow_ms; /* each call of slow_verb takes this long */
	const char *slow_verb;
	bool stop_at_verb; /* pipeline_stop instead of the action */
	int n_seen;        /* calls of verb */
};

static enum fault_action decide(void *arg, const char *verb)
{
	struct fixture *f = arg;

	if (f->slow_verb && strcmp(verb, f->slow_verb) == 0)
		clock_sleep_ms(&f->w.clock.port, f->slow_ms);
	if (!f->verb || strcmp(verb, f->verb) != 0)
		return FAULT_PASS;
	f->n_seen++;
	if (f->n <= 0)
		return FAULT_PASS;
	f->n--;
	if (f->stop_at_verb) {
		pipeline_stop(f->p);
		return FAULT_PASS;
	}
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

static void announce(struct fixture *f, size_t n, size_t bytes)
{
	char key[32];

	for (size_t i = 0; i < n; i++) {
		snprintf(key, sizeof(key), "data/%zu", i);
		world_announce(&f->w, world_put(&f->w, key, bytes));
	}
}

/* Steps until all is done; a dead pipeline is replaced, as a supervisor would. Returns how many
 * died. */
static int run(struct fixture *f)
{
	int deaths = 0;

	for (int i = 0; i < 20000; i++) {
		struct eq_stat st = world_queue(&f->w);

		if (st.visible == 0 && st.in_flight == 0) {
			world_harvest(&f->w);
			return deaths;
		}
		if (pipeline_step(f->p, NULL) != PIPELINE_FATAL)
			continue;
		deaths++;
		pipeline_free(f->p);
		f->fault.dead = false;
		f->p = pipeline_new(&f->cfg);
	}
	fail_msg("the queue does not become empty");
	return 0;
}

static void assert_all_shipped_once(struct fixture *f)
{
	for (size_t i = 0; i < f->w.n_objects; i++)
		assert_int_equal(world_times_shipped(&f->w, i), 1);
	assert_int_equal(world_queue(&f->w).dead, 0);
}

static void an_outage_of_any_port_ends_and_everything_ships(void **state)
{
	static const char *const verbs[] = {"receive", "plan_open", "claim", "stage_begin",
		"get_many", "stage_write", "stage_finish", "plan_seal", "publish", "plan_done",
		"ack", "scan", "hide"};

	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++) {
		struct fixture *f;

		setup(state);
		f = *state;
		announce(f, 20, 50);
		f->verb = verbs[i];
		f->action = FAULT_AGAIN;
		f->n = 40;
		assert_int_equal(run(f), 0);
		assert_all_shipped_once(f);
		teardown(state);
	}
}

/* 40 calls of the verb fail, more than an object may have attempts. */
static void check_outage_counts_nothing(struct fixture *f, const char *verb, enum fault_action action)
{
	struct lg_object rec;

	announce(f, 5, 50);
	f->verb = verb;
	f->action = action;
	f->n = 40;
	run(f);
	assert_int_equal(f->n, 0);
	assert_all_shipped_once(f);
	assert_int_equal(
		lg_object_get(f->w.ledger, &f->w.arena, &f->w.objects[0].id, &rec, NULL), RC_OK);
	assert_int_equal(rec.attempts, 1);
}

static void an_outage_makes_no_object_poison(void **state)
{
	check_outage_counts_nothing(*state, "stage_begin", FAULT_AGAIN);
}

/* The owner of a plan that cannot be sealed gives it up at once. Left open it would be taken for a
 * dead process's. */
static void a_ledger_that_refuses_every_seal_makes_no_object_poison(void **state)
{
	check_outage_counts_nothing(*state, "plan_seal", FAULT_REFUSE);
}

static void a_ledger_that_loses_every_seal_makes_no_object_poison(void **state)
{
	check_outage_counts_nothing(*state, "plan_seal", FAULT_LOST);
}

/* get_many dies whenever the poisonous object is asked for. */
struct poison_store {
	struct object_store port;
	struct object_store *inner;
	struct object_id victim;
	struct fault *fault;
};

static enum rc poison_get_many(struct object_store *os, const struct object_id *objects, size_t n,
	const struct os_sink *sink, struct err *err)
{
	struct poison_store *p = (struct poison_store *)os;

	for (size_t i = 0; i < n; i++) {
		if (object_id_eq(&objects[i], &p->victim)) {
			p->fault->dead = true;
			return RC_FATAL;
		}
	}
	return os_get_many(p->inner, objects, n, sink, err);
}

static void an_object_that_kills_every_worker_is_isolated_and_rejected(void **state)
{
	struct fixture *f = *state;
	static struct object_store_ops ops;
	struct poison_store store = {{&ops}, f->w.store, {{0}}, &f->fault};
	struct slice code = {0};
	int deaths;

	ops = (struct object_store_ops){.get_many = poison_get_many};
	announce(f, 30, 50);
	store.victim = f->w.objects[7].id;
	f->cfg.ports.landing = &store.port;
	f->cfg.visibility_ms = 30000;
	pipeline_free(f->p);
	f->p = pipeline_new(&f->cfg);
	deaths = run(f);
	assert_in_range(deaths, 4, 10);
	for (size_t i = 0; i < 30; i++)
		assert_int_equal(world_times_shipped(&f->w, i), i == 7 ? 0 : 1);
	assert_int_equal(world_times_dead(&f->w, 7, &code), 1);
	assert_slice_is(code, "poison");
}

static void a_dead_process_of_ours_does_not_block_its_objects(void **state)
{
	struct fixture *f = *state;
	uint64_t died;

	announce(f, 10, 50);
	f->verb = "plan_seal";
	f->action = FAULT_CRASH_BEFORE;
	f->n = 1;
	while (pipeline_step(f->p, NULL) != PIPELINE_FATAL)
		;
	died = f->w.clock.boot_ms;
	pipeline_free(f->p);
	f->fault.dead = false;
	f->p = pipeline_new(&f->cfg);
	assert_int_equal(
		pipeline_step(f->p, NULL), PIPELINE_WORKED); /* the first step undoes the plan */
	assert_int_equal(f->w.clock.boot_ms, died);
	assert_int_equal(pipeline_stats(f->p).plans_aborted, 1);
	run(f);
	assert_all_shipped_once(f);
}

static void a_long_bundle_beats_and_keeps_its_messages(void **state)
{
	struct fixture *f = *state;

	/* 64 KiB a piece and 200 s a write: longer than any lease or visibility timeout. */
	announce(f, 30, 200000);
	f->cfg.compression = GZIP_NONE;
	f->cfg.batch_max_bytes = 100 << 20;
	pipeline_free(f->p);
	f->p = pipeline_new(&f->cfg);
	f->slow_verb = "stage_write";
	f->slow_ms = 15000;
	f->verb = "plan_beat";
	run(f);
	assert_true(f->n_seen > 0);
	assert_all_shipped_once(f);
	assert_int_equal(pipeline_stats(f->p).duplicates, 0);
}

static void a_batch_that_waits_longer_than_its_visibility_is_not_delivered_twice(void **state)
{
	struct fixture *f = *state;

	f->cfg.batch_window_ms = 60000;
	f->cfg.visibility_ms = 6000;
	pipeline_free(f->p);
	f->p = pipeline_new(&f->cfg);
	announce(f, 3, 10);
	run(f);
	assert_all_shipped_once(f);
	assert_int_equal(pipeline_stats(f->p).duplicates, 0);
	assert_int_equal(f->w.n_bundles, 1);
}

static void denied_objects_are_retried_and_counted(void **state)
{
	struct fixture *f = *state;

	announce(f, 1, 10);
	f->verb = "get_many";
	f->action = FAULT_DENY;
	f->n = 3;
	run(f);
	assert_all_shipped_once(f);
	assert_int_equal(pipeline_stats(f->p).retries, 3);
	assert_int_equal(pipeline_stats(f->p).failures, 0); /* no trouble of the pipeline's own */
}

/* Bodies of some objects break after their begin, always. */
struct breaking_store {
	struct object_store port;
	struct object_store *inner;
	const struct world_object *bad;
	size_t n_bad;
	enum rc outcome;
};

struct breaking_sink {
	const struct os_sink *inner;
	const struct breaking_store *store;
	const struct object_id *objects;
};

static enum rc breaking_begin(void *arg, size_t i, const struct os_object *info, struct err *err)
{
	struct breaking_sink *s = arg;

	return s->inner->begin(s->inner->arg, i, info, err);
}

static enum rc breaking_data(void *arg, size_t i, struct slice bytes, struct err *err)
{
	struct breaking_sink *s = arg;

	return s->inner->data(s->inner->arg, i, bytes, err);
}

static enum rc breaking_end(
	void *arg, size_t i, enum rc outcome, const struct err *why, struct err *err)
{
	static const struct err broken = {"", "the body is not what it was"};
	struct breaking_sink *s = arg;

	for (size_t k = 0; k < s->store->n_bad; k++) {
		if (object_id_eq(&s->objects[i], &s->store->bad[k].id))
			return s->inner->end(s->inner->arg, i, s->store->outcome, &broken, err);
	}
	return s->inner->end(s->inner->arg, i, outcome, why, err);
}

static enum rc breaking_get_many(struct object_store *os, const struct object_id *objects, size_t n,
	const struct os_sink *sink, struct err *err)
{
	struct breaking_store *b = (struct breaking_store *)os;
	struct breaking_sink mine = {sink, b, objects};
	struct os_sink wrapped = {breaking_begin, breaking_data, breaking_end, &mine};

	return os_get_many(b->inner, objects, n, &wrapped, err);
}

/* The first n_bad of 20 objects break with outcome. */
static void break_some(
	struct fixture *f, struct breaking_store *store, size_t n_bad, enum rc outcome)
{
	static struct object_store_ops ops;

	ops = (struct object_store_ops){.get_many = breaking_get_many};
	announce(f, 20, 50);
	*store = (struct breaking_store){{&ops}, f->w.store, f->w.objects, n_bad, outcome};
	f->cfg.ports.landing = &store->port;
	f->cfg.max_receives = 5;
	f->cfg.batch_max_objects = 1000; /* all in one bundle */
	pipeline_free(f->p);
	f->p = pipeline_new(&f->cfg);
}

/* However many: more than the attempts that one bundle has. */
static void corrupt_objects_become_dead_letters_and_the_others_ship(void **state)
{
	struct fixture *f = *state;
	struct breaking_store store;
	struct slice code = {0};

	break_some(f, &store, 9, RC_CORRUPT);
	assert_int_equal(run(f), 0);
	for (size_t i = 0; i < 20; i++)
		assert_int_equal(world_times_shipped(&f->w, i), i < 9 ? 0 : 1);
	for (size_t i = 0; i < 9; i++) {
		assert_int_equal(world_times_dead(&f->w, i, &code), 1);
		assert_slice_is(code, "object-mismatch");
	}
}

static void bodies_that_break_off_do_not_hold_up_the_others(void **state)
{
	struct fixture *f = *state;
	struct breaking_store store;

	break_some(f, &store, 9, RC_AGAIN);
	for (int i = 0; i < 20000 && f->w.n_members < 11; i++) {
		pipeline_step(f->p, NULL);
		world_harvest(&f->w);
	}
	for (size_t i = 0; i < 20; i++)
		assert_int_equal(world_times_shipped(&f->w, i), i < 9 ? 0 : 1);
	assert_int_equal(world_queue(&f->w).dead, 0); /* the store's trouble, not theirs */
	store.n_bad = 0;
	assert_int_equal(run(f), 0);
	assert_all_shipped_once(f);
}

static void a_stop_in_a_short_bundle_lets_it_finish(void **state)
{
	struct fixture *f = *state;

	announce(f, 5, 10);
	f->verb = "get_many";
	f->n = 1;
	f->stop_at_verb = true;
	for (int i = 0; i < 1000 && pipeline_step(f->p, NULL) != PIPELINE_STOPPED; i++)
		;
	world_harvest(&f->w);
	assert_all_shipped_once(f);
	assert_int_equal(world_queue(&f->w).in_flight, 0);
}

static void a_stop_in_a_long_bundle_undoes_it_in_time(void **state)
{
	struct fixture *f = *state;
	uint64_t asked;

	announce(f, 30, 200000);
	f->cfg.compression = GZIP_NONE;
	pipeline_free(f->p);
	f->p = pipeline_new(&f->cfg);
	f->slow_verb = "stage_write";
	f->slow_ms = 1500;
	f->verb = "stage_write";
	f->n = 1;
	f->stop_at_verb = true;
	while (f->n)
		pipeline_step(f->p, NULL);
	asked = f->w.clock.boot_ms;
	for (int i = 0; i < 10 && pipeline_step(f->p, NULL) != PIPELINE_STOPPED; i++)
		;
	assert_in_range(f->w.clock.boot_ms - asked, 0, 10000);
	world_harvest(&f->w);
	assert_int_equal(f->w.n_bundles, 0);
	assert_int_equal(mem_object_store_n_stages(f->w.store), 0);
	assert_int_equal(pipeline_stats(f->p).in_hand, 0);
}

static void a_fatal_pipeline_stays_fatal(void **state)
{
	struct fixture *f = *state;
	struct err err = {0};

	f->verb = "receive";
	f->action = FAULT_CRASH_BEFORE;
	f->n = 1;
	while (pipeline_step(f->p, &err) != PIPELINE_FATAL)
		;
	assert_true(err.text[0]);
	f->fault.dead = false;
	assert_int_equal(pipeline_step(f->p, NULL), PIPELINE_FATAL);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_outage_of_any_port_ends_and_everything_ships),
		TEST(an_outage_makes_no_object_poison),
		TEST(a_ledger_that_refuses_every_seal_makes_no_object_poison),
		TEST(a_ledger_that_loses_every_seal_makes_no_object_poison),
		TEST(an_object_that_kills_every_worker_is_isolated_and_rejected),
		TEST(a_dead_process_of_ours_does_not_block_its_objects),
		TEST(a_long_bundle_beats_and_keeps_its_messages),
		TEST(a_batch_that_waits_longer_than_its_visibility_is_not_delivered_twice),
		TEST(denied_objects_are_retried_and_counted),
		TEST(corrupt_objects_become_dead_letters_and_the_others_ship),
		TEST(bodies_that_break_off_do_not_hold_up_the_others),
		TEST(a_stop_in_a_short_bundle_lets_it_finish),
		TEST(a_stop_in_a_long_bundle_undoes_it_in_time),
		TEST(a_fatal_pipeline_stays_fatal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
