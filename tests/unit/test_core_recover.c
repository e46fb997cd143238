/* A plan's moves, and what the scanner does with the plans of the dead. */
#include "check.h"

#include <stdlib.h>

#include "core/lease.h"
#include "core/plan.h"
#include "core/publish.h"
#include "core/recover.h"
#include "fault.h"
#include "obs/log.h"
#include "world.h"

#define LEASE_MS 60000
#define VOID_MS 900000

/* The first n calls of that verb meet the action. */
struct trouble {
	const char *verb;
	enum fault_action action;
	int n;
};

struct fixture {
	struct world w;
	struct trouble trouble;
	struct fault fault;
	struct object_store *store;
	struct ledger *ledger;
	struct lease_table leases, denied;
	struct unfinished unfinished;
	struct recover_context c;
};

static enum fault_action decide(void *arg, const char *verb)
{
	struct trouble *t = arg;

	return t->verb && strcmp(verb, t->verb) == 0 && t->n-- > 0 ? t->action : FAULT_PASS;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	log_configure(LOG_CRITICAL + 1, LOG_FORMAT_JSON);
	world_open(&f->w, 1);
	f->fault = (struct fault){.decide = decide, .arg = &f->trouble};
	f->store = fault_object_store_new(f->w.store, &f->fault);
	f->ledger = fault_ledger_new(f->w.ledger, &f->fault);
	unfinished_init(&f->unfinished, 2000, 120000);
	f->c = (struct recover_context){.ledger = f->ledger,
		.distribution = f->store,
		.clock = &f->w.clock.port,
		.leases = &f->leases,
		.denied = &f->denied,
		.unfinished = &f->unfinished,
		.lease_ms = LEASE_MS,
		.void_wait_ms = VOID_MS};
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	fault_release(&f->fault);
	os_close(f->store);
	lg_close(f->ledger);
	lease_release(&f->leases);
	lease_release(&f->denied);
	unfinished_release(&f->unfinished);
	world_close(&f->w);
	free(f);
	return 0;
}

static void trouble(struct fixture *f, const char *verb, enum fault_action action, int n)
{
	f->trouble = (struct trouble){verb, action, n};
}

static struct lg_plan open_plan(struct fixture *f)
{
	struct lg_plan plan = plan_make(&f->w.arena, &f->w.prng, f->w.clock.wall_ms, slice_str("w"),
		slice_str(WORLD_DISTRIBUTION));

	assert_int_equal(plan_begin(f->ledger, &f->w.clock.port, &plan, NULL), RC_OK);
	return plan;
}

/* With a finished stage. */
static struct lg_seal staged(struct fixture *f, const struct lg_plan *plan)
{
	struct lg_seal seal = {.n_slots = 1};
	struct os_stage *stage;
	struct buf b;

	buf_init(&b, LG_STAGED_MAX);
	assert_int_equal(os_stage_begin(f->w.store, plan->bucket, plan->key, &stage, NULL), RC_OK);
	assert_int_equal(os_stage_finish(stage, (struct slice){0}, &b, NULL), RC_OK);
	os_stage_free(stage);
	seal.staged = arena_slice(&f->w.arena, buf_slice(&b));
	buf_release(&b);
	return seal;
}

static struct lg_plan sealed_plan(struct fixture *f)
{
	struct lg_plan plan = open_plan(f);

	plan.seal = staged(f, &plan);
	assert_int_equal(lg_plan_seal(f->w.ledger, &plan.id, plan.nonce, &plan.seal, NULL), RC_OK);
	plan_moved(&plan, PLAN_SEALED);
	return plan;
}

static enum plan_state state_of(struct fixture *f, const struct lg_plan *plan)
{
	struct lg_plan now;

	assert_int_equal(lg_plan_get(f->w.ledger, &f->w.arena, &plan->id, &now, NULL), RC_OK);
	return now.state;
}

static size_t n_bundles(struct fixture *f)
{
	struct os_list_query q = {
		.bucket = slice_str(WORLD_DISTRIBUTION), .max = OS_LIST_MAX, .versions = true};
	struct os_list_page page;

	assert_int_equal(os_list(f->w.store, &q, &f->w.arena, &page, NULL), RC_OK);
	return page.n;
}

static void pass(struct fixture *f)
{
	assert_int_equal(recover_pass(&f->c, false, NULL), RC_OK);
}

static void i7_the_table_of_moves(void **state)
{
	static const enum plan_state all[] = {PLAN_OPEN, PLAN_SEALED, PLAN_DONE, PLAN_ABORTED};
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		for (size_t j = 0; j < 4; j++)
			n += plan_move_allowed(all[i], all[j]);
	}
	assert_int_equal(n, 4);
	assert_true(plan_move_allowed(PLAN_OPEN, PLAN_SEALED));
	assert_true(plan_move_allowed(PLAN_SEALED, PLAN_DONE));
	assert_true(plan_move_allowed(PLAN_OPEN, PLAN_ABORTED));
	assert_true(plan_move_allowed(PLAN_SEALED, PLAN_ABORTED));
}

static void an_unknown_move_is_settled(void **state)
{
	static const enum fault_action actions[] = {
		FAULT_AGAIN, FAULT_LOST, FAULT_APPLIED, FAULT_LATER};

	for (size_t i = 0; i < 4; i++) {
		struct fixture *f;
		struct lg_plan plan;
		struct lg_seal seal;
		enum plan_state found;

		setup(state);
		f = *state;
		plan = open_plan(f);
		seal = staged(f, &plan);
		trouble(f, "plan_seal", actions[i], 2);
		assert_int_equal(plan_move(f->ledger, &f->w.clock.port, &plan, PLAN_SEALED, &seal,
					 0, &found, NULL),
			RC_OK);
		assert_int_equal(found, PLAN_SEALED);
		assert_int_equal(state_of(f, &plan), PLAN_SEALED);
		teardown(state);
	}
}

static void a_move_nobody_can_settle_stays_unknown(void **state)
{
	struct fixture *f = *state;
	struct lg_plan plan = open_plan(f);
	struct lg_seal seal = staged(f, &plan);
	enum plan_state found;

	trouble(f, "plan_seal", FAULT_LATER, 100);
	assert_int_equal(
		plan_move(f->ledger, &f->w.clock.port, &plan, PLAN_SEALED, &seal, 0, &found, NULL),
		RC_UNKNOWN);
	assert_true(fault_land(&f->fault));
	assert_int_equal(state_of(f, &plan), PLAN_SEALED); /* as it may be at any time after */
}

static void an_open_plan_is_undone_after_a_lease_and_discarded_after_another(void **state)
{
	struct fixture *f = *state;
	struct lg_plan plan = open_plan(f);

	staged(f, &plan);
	pass(f);
	assert_int_equal(state_of(f, &plan), PLAN_OPEN);
	f->w.clock.boot_ms += LEASE_MS - 1;
	pass(f);
	assert_int_equal(state_of(f, &plan), PLAN_OPEN);
	f->w.clock.boot_ms += 1;
	pass(f);
	assert_int_equal(state_of(f, &plan), PLAN_ABORTED);
	pass(f);
	assert_int_equal(
		mem_object_store_n_stages(f->w.store), 1); /* its owner may still be at it */
	f->w.clock.boot_ms += LEASE_MS;
	pass(f);
	assert_int_equal(mem_object_store_n_stages(f->w.store), 0);
	assert_int_equal(f->c.n_aborted, 1);
}

static void a_plan_that_beats_is_left_alone(void **state)
{
	struct fixture *f = *state;
	struct lg_plan plan = open_plan(f);

	for (uint64_t beat = 1; beat < 10; beat++) {
		pass(f);
		f->w.clock.boot_ms += LEASE_MS - 1;
		assert_int_equal(
			lg_plan_beat(f->w.ledger, &plan.id, plan.nonce, beat, NULL), RC_OK);
	}
	assert_int_equal(state_of(f, &plan), PLAN_OPEN);
}

static void a_sealed_plan_is_published_and_done(void **state)
{
	struct fixture *f = *state;
	struct lg_plan plan = sealed_plan(f);

	pass(f);
	assert_int_equal(state_of(f, &plan), PLAN_SEALED); /* its owner is most likely at it */
	f->w.clock.boot_ms += LEASE_MS;
	pass(f);
	assert_int_equal(state_of(f, &plan), PLAN_DONE);
	assert_int_equal(n_bundles(f), 1);
	assert_int_equal(f->c.n_published, 1);
}

static void when_all_others_are_dead_nothing_waits_for_a_lease(void **state)
{
	struct fixture *f = *state;
	struct lg_plan open = open_plan(f), sealed = sealed_plan(f);

	staged(f, &open);
	assert_int_equal(recover_pass(&f->c, true, NULL), RC_OK);
	assert_int_equal(state_of(f, &open), PLAN_ABORTED);
	assert_int_equal(state_of(f, &sealed), PLAN_DONE);
	assert_int_equal(mem_object_store_n_stages(f->w.store), 0);
}

static void publishing_after_the_consumer_took_it_ships_nothing_again(void **state)
{
	struct fixture *f = *state;
	struct lg_plan plan = sealed_plan(f);
	struct object_id taken = {.bucket = slice_str(WORLD_DISTRIBUTION)};
	enum rc result;

	assert_int_equal(
		os_publish(f->w.store, plan.bucket, plan.key, plan.seal.staged, NULL), RC_OK);
	taken.key = plan.key;
	assert_int_equal(os_delete_many(f->w.store, taken.bucket, &taken, 1, &result, NULL), RC_OK);
	assert_int_equal(n_bundles(f), 2); /* the version and the consumer's delete marker */
	pass(f);
	f->w.clock.boot_ms += LEASE_MS;
	pass(f);
	assert_int_equal(state_of(f, &plan), PLAN_DONE);
	assert_int_equal(n_bundles(f), 2);
}

static void a_void_takes_its_whole_wait(void **state)
{
	struct fixture *f = *state;
	struct lg_plan plan = sealed_plan(f);

	assert_int_equal(
		os_discard(f->w.store, plan.bucket, plan.key, NULL), RC_OK); /* a lifecycle rule */
	pass(f);
	f->w.clock.boot_ms += LEASE_MS;
	pass(f); /* denied: from here on */
	f->w.clock.boot_ms += VOID_MS - 1;
	pass(f);
	assert_int_equal(state_of(f, &plan), PLAN_SEALED);
	f->w.clock.boot_ms += 120000; /* the longest pause after a failure */
	pass(f);
	assert_int_equal(state_of(f, &plan), PLAN_ABORTED);
	assert_int_equal(n_bundles(f), 0);
}

/* A store that denies a stage twice and then has it after all: a completion of an upload was on its
 * way. */
static int n_denied;

static enum rc late_publish(struct object_store *os, struct slice bucket, struct slice key,
	struct slice record, struct err *err)
{
	(void)os, (void)bucket, (void)key, (void)record;
	return n_denied++ < 2 ? err_set(err, RC_ABSENT, "no such upload") : RC_OK;
}

static enum rc late_discard(
	struct object_store *os, struct slice bucket, struct slice key, struct err *err)
{
	(void)os, (void)bucket, (void)key, (void)err;
	return RC_OK;
}

static void a_bundle_that_lands_at_last_is_not_given_up(void **state)
{
	static const struct object_store_ops ops = {
		.publish = late_publish, .discard = late_discard};
	struct object_store late = {&ops};
	struct fixture *f = *state;
	struct lg_plan plan = sealed_plan(f);

	f->c.distribution = &late;
	pass(f);
	f->w.clock.boot_ms += LEASE_MS;
	pass(f); /* denied the first time */
	f->w.clock.boot_ms += VOID_MS;
	pass(f); /* denied the second time; the last look finds the bundle */
	assert_int_equal(state_of(f, &plan), PLAN_DONE);
	assert_int_equal(f->c.n_aborted, 0);
}

static void one_plan_that_fails_does_not_stop_the_pass(void **state)
{
	struct fixture *f = *state;
	struct lg_plan first = sealed_plan(f), second = sealed_plan(f);

	trouble(f, "publish", FAULT_AGAIN, 1);
	assert_int_equal(recover_pass(&f->c, true, NULL), RC_OK);
	assert_int_equal(state_of(f, &first), PLAN_SEALED);
	assert_int_equal(state_of(f, &second), PLAN_DONE);
	clock_sleep_ms(f->c.clock, 2000); /* its own backoff */
	assert_int_equal(recover_pass(&f->c, true, NULL), RC_OK);
	assert_int_equal(state_of(f, &first), PLAN_DONE);
}

static void more_plans_than_a_page(void **state)
{
	struct fixture *f = *state;
	struct lg_plan plans[250];

	for (size_t i = 0; i < 250; i++)
		plans[i] = i % 2 ? sealed_plan(f) : open_plan(f);
	assert_int_equal(recover_pass(&f->c, true, NULL), RC_OK);
	for (size_t i = 0; i < 250; i++)
		assert_int_equal(state_of(f, &plans[i]), i % 2 ? PLAN_DONE : PLAN_ABORTED);
	assert_int_equal(n_bundles(f), 125);
}

static void membership_is_by_slot_and_exclusion(void **state)
{
	struct lg_plan plan = {.state = PLAN_DONE,
		.seal = {.n_slots = 10, .excluded = slice_of("\x19\x02", 2)}}; /* 0, 3, 4, 9 */
	static const bool want[] = {
		false, true, true, false, false, true, true, true, true, false, false, false};

	(void)state;
	for (uint32_t slot = 0; slot < 12; slot++)
		assert_int_equal(plan_has_slot(&plan, slot), want[slot]);
	assert_false(plan_has_slot(&plan, UINT32_MAX));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(i7_the_table_of_moves),
		cmocka_unit_test(an_unknown_move_is_settled),
		TEST(a_move_nobody_can_settle_stays_unknown),
		TEST(an_open_plan_is_undone_after_a_lease_and_discarded_after_another),
		TEST(a_plan_that_beats_is_left_alone),
		TEST(a_sealed_plan_is_published_and_done),
		TEST(when_all_others_are_dead_nothing_waits_for_a_lease),
		TEST(publishing_after_the_consumer_took_it_ships_nothing_again),
		TEST(a_void_takes_its_whole_wait),
		TEST(a_bundle_that_lands_at_last_is_not_given_up),
		TEST(one_plan_that_fails_does_not_stop_the_pass),
		TEST(more_plans_than_a_page),
		cmocka_unit_test(membership_is_by_slot_and_exclusion),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
