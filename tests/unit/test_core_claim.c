/* Step 3 of the protocol, rule by rule: whose an object is, and when a claim may be taken over. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/claim.h"
#include "fault.h"
#include "world.h"

#define LEASE_MS 60000

struct fixture {
	struct world w;
	struct batcher batcher;
	struct lease_table leases;
	struct unfinished unfinished;
	struct claim_context c;
	struct unit unit;
	struct lg_plan mine;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	size_t i;

	assert_non_null(f);
	world_open(&f->w, 1);
	batcher_init(&f->batcher, 10000, UINT64_MAX);
	lease_init(&f->leases);
	unfinished_init(&f->unfinished, 2000, 120000);
	f->c = (struct claim_context){.ledger = f->w.ledger,
		.distribution = f->w.store,
		.clock = &f->w.clock.port,
		.leases = &f->leases,
		.unfinished = &f->unfinished,
		.batcher = &f->batcher,
		.lease_ms = LEASE_MS};
	i = world_put(&f->w, "data/a", 10);
	f->unit.object = f->w.objects[i].id;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	lease_release(&f->leases);
	unfinished_release(&f->unfinished);
	batcher_release(&f->batcher);
	world_close(&f->w);
	free(f);
	return 0;
}

static struct lg_plan open_plan(struct fixture *f)
{
	struct lg_plan plan = plan_make(&f->w.arena, &f->w.prng, f->w.clock.wall_ms, slice_str("w"),
		slice_str(WORLD_DISTRIBUTION));

	assert_int_equal(plan_begin(f->w.ledger, &f->w.clock.port, &plan, NULL), RC_OK);
	return plan;
}

/* Another plan that has claimed the object at slot. */
static struct lg_plan other_plan(struct fixture *f, uint32_t slot)
{
	struct lg_plan q = open_plan(f);
	struct lg_claim c = {.object = f->unit.object, .slot = slot};

	assert_int_equal(lg_claim_many(f->w.ledger, &f->w.arena, &q.id, &c, 1, NULL), RC_OK);
	assert_int_equal(c.result, RC_OK);
	return q;
}

/* Stages a bundle for q and seals it: n_slots slots, `excluded` not a member (UINT32_MAX: all
 * are). */
static void seal(struct fixture *f, struct lg_plan *q, uint32_t n_slots, uint32_t excluded)
{
	unsigned char bits[8] = {0};
	struct lg_seal seal = {.n_slots = n_slots};
	struct os_stage *stage;
	struct buf staged;

	if (excluded != UINT32_MAX) {
		bits[excluded / 8] = (unsigned char)(1 << excluded % 8);
		seal.excluded = slice_of(bits, LG_BITMAP_BYTES(n_slots));
	}
	buf_init(&staged, LG_STAGED_MAX);
	assert_int_equal(os_stage_begin(f->w.store, q->bucket, q->key, &stage, NULL), RC_OK);
	assert_int_equal(os_stage_finish(stage, (struct slice){0}, &staged, NULL), RC_OK);
	os_stage_free(stage);
	seal.staged = buf_slice(&staged);
	assert_int_equal(lg_plan_seal(f->w.ledger, &q->id, q->nonce, &seal, NULL), RC_OK);
	buf_release(&staged);
}

static enum unit_claim claim(struct fixture *f)
{
	struct unit *units[] = {&f->unit};

	f->mine = open_plan(f);
	assert_int_equal(claim_units(&f->c, &f->mine, units, 1, NULL), RC_OK);
	return f->unit.claim;
}

static enum plan_state state_of(struct fixture *f, const struct lg_plan *plan)
{
	struct lg_plan now;

	assert_int_equal(lg_plan_get(f->w.ledger, &f->w.arena, &plan->id, &now, NULL), RC_OK);
	return now.state;
}

static bool held_by(struct fixture *f, const struct lg_plan *plan)
{
	struct lg_object rec;

	assert_int_equal(
		lg_object_get(f->w.ledger, &f->w.arena, &f->unit.object, &rec, NULL), RC_OK);
	return memcmp(&rec.plan, &plan->id, sizeof(rec.plan)) == 0;
}

static void a_free_object_is_claimed(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(claim(f), CLAIM_MINE);
	assert_int_equal(f->unit.attempts, 1);
	assert_true(held_by(f, &f->mine));
}

static void rule_a_rejected(void **state)
{
	struct fixture *f = *state;
	struct lg_plan q = other_plan(f, 0);
	struct lg_reject r = {.object = f->unit.object, .reason = slice_str("object-missing")};

	assert_int_equal(lg_reject_many(f->w.ledger, &q.id, &r, 1, NULL), RC_OK);
	assert_int_equal(claim(f), CLAIM_REJECTED);
	assert_string_equal(f->unit.code, "object-missing");
}

static void rule_b_mine_already(void **state)
{
	struct fixture *f = *state;
	struct unit *units[] = {&f->unit};

	assert_int_equal(claim(f), CLAIM_MINE);
	assert_int_equal(claim_units(&f->c, &f->mine, units, 1, NULL), RC_OK);
	assert_int_equal(f->unit.claim, CLAIM_MINE);
	assert_int_equal(f->unit.attempts, 1);
}

/* The second record of one object in one plan: the slot that the ledger has is packed, the other is
 * not. */
static void rule_b_one_slot_for_one_object(void **state)
{
	struct fixture *f = *state;
	struct unit second = f->unit, *units[] = {&f->unit, &second};

	f->mine = open_plan(f);
	assert_int_equal(claim_units(&f->c, &f->mine, units, 2, NULL), RC_OK);
	assert_int_equal(f->unit.claim, CLAIM_MINE);
	assert_int_equal(second.claim, CLAIM_LOST);
}

static void rule_c_done_with_it(void **state)
{
	struct fixture *f = *state;
	struct lg_plan q = other_plan(f, 3);

	seal(f, &q, 4, UINT32_MAX);
	assert_int_equal(lg_plan_done(f->w.ledger, &q.id, NULL), RC_OK);
	assert_int_equal(claim(f), CLAIM_SHIPPED);
	assert_true(held_by(f, &q));
}

static void rule_c_done_without_it(void **state)
{
	struct fixture *f = *state;
	struct lg_plan q = other_plan(f, 3);

	seal(f, &q, 4, 3);
	assert_int_equal(lg_plan_done(f->w.ledger, &q.id, NULL), RC_OK);
	assert_int_equal(claim(f), CLAIM_MINE);
	assert_int_equal(f->unit.attempts, 1); /* being left out is no failure of the object's */
	assert_true(held_by(f, &f->mine));
}

static void rule_c_a_slot_beyond_the_seal_is_no_member(void **state)
{
	struct fixture *f = *state;
	struct lg_plan q = other_plan(f, 7);

	seal(f, &q, 7, UINT32_MAX);
	assert_int_equal(lg_plan_done(f->w.ledger, &q.id, NULL), RC_OK);
	assert_int_equal(claim(f), CLAIM_MINE);
}

static void rule_d_a_sealed_plan_is_helped_at_once(void **state)
{
	struct fixture *f = *state;
	struct lg_plan q = other_plan(f, 0);

	seal(f, &q, 1, UINT32_MAX);
	assert_int_equal(claim(f), CLAIM_SHIPPED);
	assert_int_equal(state_of(f, &q), PLAN_DONE);
	assert_int_equal(f->c.n_helped, 1);
	assert_int_equal(mem_object_store_n_stages(f->w.store), 0); /* published */
}

static void rule_d_sealed_without_it(void **state)
{
	struct fixture *f = *state;
	struct lg_plan q = other_plan(f, 0);

	seal(f, &q, 2, 0);
	assert_int_equal(claim(f), CLAIM_MINE);
	assert_int_equal(state_of(f, &q), PLAN_SEALED);
}

static void rule_d_a_sealed_plan_that_cannot_be_published_is_waited_for(void **state)
{
	struct fixture *f = *state;
	struct lg_plan q = other_plan(f, 0);

	seal(f, &q, 1, UINT32_MAX);
	assert_int_equal(os_discard(f->w.store, q.bucket, q.key, NULL), RC_OK);
	assert_int_equal(claim(f), CLAIM_WAIT);
	assert_int_equal(state_of(f, &q), PLAN_SEALED);
	assert_true(held_by(f, &q));
}

static void rule_e_aborted(void **state)
{
	struct fixture *f = *state;
	struct lg_plan q = other_plan(f, 0);

	assert_int_equal(lg_plan_abort(f->w.ledger, &q.id, LG_ANY_HEARTBEAT, NULL), RC_OK);
	assert_int_equal(claim(f), CLAIM_MINE);
	assert_int_equal(f->unit.attempts, 2);
}

static void rule_e_given_up_by_its_living_owner_does_not_count(void **state)
{
	struct fixture *f = *state;
	struct lg_plan q = other_plan(f, 0);

	assert_int_equal(lg_plan_beat(f->w.ledger, &q.id, q.nonce, LG_GIVEN_UP, NULL), RC_OK);
	assert_int_equal(lg_plan_abort(f->w.ledger, &q.id, LG_ANY_HEARTBEAT, NULL), RC_OK);
	assert_int_equal(claim(f), CLAIM_MINE);
	assert_int_equal(f->unit.attempts, 1);
}

static void rule_f_a_heartbeat_that_stands_still_for_a_lease(void **state)
{
	struct fixture *f = *state;
	struct lg_plan q = other_plan(f, 0);

	assert_int_equal(claim(f), CLAIM_WAIT); /* never at first sight */
	f->w.clock.boot_ms += LEASE_MS;
	assert_int_equal(claim(f), CLAIM_MINE);
	assert_int_equal(state_of(f, &q), PLAN_ABORTED);
	assert_int_equal(f->c.n_aborted, 1);
}

static enum fault_action no_abort(void *arg, const char *verb)
{
	size_t *n = arg;

	if (strcmp(verb, "plan_abort") != 0)
		return FAULT_PASS;
	++*n;
	return FAULT_AGAIN;
}

/* The ledger does not let the dead plan be aborted. The batch waits for one settling of that write,
 * not for one in each of its rounds. */
static void rule_f_a_plan_that_cannot_be_aborted_is_tried_once(void **state)
{
	struct fixture *f = *state;
	size_t n = 0;
	struct fault fault = {.decide = no_abort, .arg = &n};
	uint64_t before;

	other_plan(f, 0);
	assert_int_equal(claim(f), CLAIM_WAIT);
	f->w.clock.boot_ms += LEASE_MS;
	f->c.ledger = fault_ledger_new(f->w.ledger, &fault);
	before = f->w.clock.boot_ms;
	assert_int_equal(claim(f), CLAIM_WAIT);
	assert_int_equal(f->unit.wait_ms, LEASE_MS);
	assert_int_equal(n, PLAN_SETTLE_TRIES);
	assert_in_range(f->w.clock.boot_ms - before, 1, 1000);
	lg_close(f->c.ledger);
	f->c.ledger = f->w.ledger;
	assert_int_equal(claim(f), CLAIM_MINE);
}

static void rule_f_a_heartbeat_that_moves_starts_the_lease_again(void **state)
{
	struct fixture *f = *state;
	struct lg_plan q = other_plan(f, 0);

	assert_int_equal(claim(f), CLAIM_WAIT);
	f->w.clock.boot_ms += LEASE_MS - 1;
	assert_int_equal(lg_plan_beat(f->w.ledger, &q.id, q.nonce, 1, NULL), RC_OK);
	assert_int_equal(claim(f), CLAIM_WAIT);
	f->w.clock.boot_ms += LEASE_MS - 1;
	assert_int_equal(claim(f), CLAIM_WAIT);
	assert_int_equal(state_of(f, &q), PLAN_OPEN);
}

static void rule_g_the_wait_is_what_is_left_of_the_lease(void **state)
{
	struct fixture *f = *state;

	other_plan(f, 0);
	assert_int_equal(claim(f), CLAIM_WAIT);
	assert_int_equal(f->unit.wait_ms, LEASE_MS);
	f->w.clock.boot_ms += 20000;
	assert_int_equal(claim(f), CLAIM_WAIT);
	assert_int_equal(f->unit.wait_ms, LEASE_MS - 20000);
}

static void suspects_are_claimed_in_small_company_only(void **state)
{
	struct fixture *f = *state;
	struct unit more[20], *units[21] = {&f->unit};
	struct lg_plan q = {0};

	memset(more, 0, sizeof(more));
	for (uint32_t n = 1; n <= 4; n++) { /* four plans that died with it */
		struct lg_claim c = {.object = f->unit.object, .from = q.id};
		struct lg_plan next = open_plan(f);

		if (n == 1)
			lg_claim_many(f->w.ledger, &f->w.arena, &next.id, &c, 1, NULL);
		else
			lg_swap_many(f->w.ledger, &f->w.arena, &next.id, &c, 1, NULL);
		assert_int_equal(c.result, RC_OK);
		q = next;
	}
	assert_int_equal(lg_plan_abort(f->w.ledger, &q.id, LG_ANY_HEARTBEAT, NULL), RC_OK);
	for (size_t i = 0; i < 20; i++) {
		char key[16];

		snprintf(key, sizeof(key), "data/%zu", i);
		more[i].object = f->w.objects[world_put(&f->w, key, 1)].id;
		units[i + 1] = &more[i];
	}
	f->mine = open_plan(f);
	/* It leaves the others before anything is asked about its plan … */
	assert_int_equal(claim_units(&f->c, &f->mine, units, 21, NULL), RC_OK);
	assert_int_equal(f->unit.claim, CLAIM_CONTESTED);
	assert_int_equal(more[19].claim, CLAIM_MINE);
	/* … and then the company that is too large for it. */
	f->mine = open_plan(f);
	assert_int_equal(claim_units(&f->c, &f->mine, units, 21, NULL), RC_OK);
	assert_int_equal(f->unit.claim, CLAIM_SUSPECT);
	assert_int_equal(f->unit.attempts, 4);
	f->mine = open_plan(f);
	assert_int_equal(claim_units(&f->c, &f->mine, units, 1, NULL), RC_OK);
	assert_int_equal(f->unit.claim, CLAIM_MINE);
	assert_int_equal(f->unit.attempts, 5);
}

/* The first `n` claims and swaps meet the action. */
struct unlucky {
	enum fault_action action;
	int n;
};

static enum fault_action be_unlucky(void *arg, const char *verb)
{
	struct unlucky *u = arg;

	return strcmp(verb, "claim") == 0 && u->n-- > 0 ? u->action : FAULT_PASS;
}

static void unknown_answers_are_settled_by_the_same_write(void **state)
{
	static const enum fault_action actions[] = {
		FAULT_AGAIN, FAULT_LOST, FAULT_APPLIED, FAULT_LATER, FAULT_HALF};

	for (size_t i = 0; i < 5; i++) {
		struct unlucky unlucky = {actions[i], 3};
		struct fault fault = {.decide = be_unlucky, .arg = &unlucky};
		struct fixture *f;

		setup(state);
		f = *state;
		f->c.ledger = fault_ledger_new(f->w.ledger, &fault);
		assert_int_equal(claim(f), CLAIM_MINE);
		assert_int_equal(f->unit.attempts, 1);
		while (fault_land(&fault)) /* what was late changes nothing any more */
			;
		assert_true(held_by(f, &f->mine));
		lg_close(f->c.ledger);
		teardown(state);
	}
}

static void a_claim_that_cannot_be_settled_is_left_out(void **state)
{
	struct fixture *f = *state;
	struct unlucky unlucky = {FAULT_LATER, 1000};
	struct fault fault = {.decide = be_unlucky, .arg = &unlucky};

	f->c.ledger = fault_ledger_new(f->w.ledger, &fault);
	assert_int_equal(claim(f), CLAIM_LOST);
	lg_close(f->c.ledger);
	fault_release(&fault);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_free_object_is_claimed),
		TEST(rule_a_rejected),
		TEST(rule_b_mine_already),
		TEST(rule_b_one_slot_for_one_object),
		TEST(rule_c_done_with_it),
		TEST(rule_c_done_without_it),
		TEST(rule_c_a_slot_beyond_the_seal_is_no_member),
		TEST(rule_d_a_sealed_plan_is_helped_at_once),
		TEST(rule_d_sealed_without_it),
		TEST(rule_d_a_sealed_plan_that_cannot_be_published_is_waited_for),
		TEST(rule_e_aborted),
		TEST(rule_e_given_up_by_its_living_owner_does_not_count),
		TEST(rule_f_a_heartbeat_that_stands_still_for_a_lease),
		TEST(rule_f_a_plan_that_cannot_be_aborted_is_tried_once),
		TEST(rule_f_a_heartbeat_that_moves_starts_the_lease_again),
		TEST(rule_g_the_wait_is_what_is_left_of_the_lease),
		TEST(suspects_are_claimed_in_small_company_only),
		cmocka_unit_test(unknown_answers_are_settled_by_the_same_write),
		TEST(a_claim_that_cannot_be_settled_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
