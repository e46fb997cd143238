/* The judge over a small world made by hand: sound as it is, and one test for each breach of the
 * records. Bundles and the archive: test_verify_ledger_audit_archive.c. */
#include "audit_world.h"

static void a_sound_world_counts_what_there_is(void **state)
{
	struct ledger_audit_summary sum = expect_sound(audit_world_new());

	(void)state;
	assert_int_equal(sum.versions, 4);
	assert_int_equal(sum.members, 2);
	assert_int_equal(sum.claimed, 1);
	assert_int_equal(sum.waiting, 1);
	assert_int_equal(sum.plans, 2);
	assert_int_equal(sum.open, 1);
	assert_int_equal(sum.bundles, 2);
	assert_int_equal(sum.manifests, 1);
	assert_int_equal(sum.bundle_members, 2); /* the copy's are the bundle's */
	assert_int_equal(sum.sources_compared, 2);
	assert_int_equal(sum.direct, 0);
}

static void i1_two_records_for_one_slot(void **state)
{
	struct audit_world *w = audit_world_new();

	(void)state;
	w->claims[2].plan = w->plans[0].id; /* slot 0, as object 0 */
	w->claims[2].slot = 0;
	w->claims[1].slot = 1;
	for (int i = 2; i > 1; i--) { /* records pass by in order of slots */
		struct audit_claim c = w->claims[i];

		w->claims[i] = w->claims[i - 1];
		w->claims[i - 1] = c;
	}
	expect(w, FINDING_DUPLICATE, "I1", "another record has slot 0 too");
}

static void i1_rejected_and_a_member(void **state)
{
	struct audit_world *w = audit_world_new();
	struct ledger_audit_summary sum;

	(void)state;
	w->claims[1].state = LG_REJECTED;
	w->claims[1].reason = slice_str("poison");
	w->n_stored = MANIFEST; /* the copy, and in it the member that nobody claims */
	w->plans[0].state = PLAN_SEALED;
	w->plans[0].is_live = true;
	sum = judge(w);
	assert_int_equal(sum.findings[FINDING_DUPLICATE], 1);
	assert_int_equal(sum.findings[FINDING_ORPHAN], 1);
	assert_int_equal(sum.n_findings, 2);
	audit_world_free(w);
}

static void i2_no_message_is_left(void **state)
{
	struct audit_world *w = audit_world_new();

	(void)state;
	w->traces[3] = 0;
	expect(w, FINDING_LOST, "I2", "no message is left");
}

static void i2_the_plan_was_aborted_and_no_message_is_left(void **state)
{
	struct audit_world *w = audit_world_new();

	(void)state;
	w->plans[1].state = PLAN_ABORTED;
	expect(w, FINDING_LOST, "I2", "its record's plan went without it");
}

static void i2_the_slot_was_excluded_and_no_message_is_left(void **state)
{
	struct audit_world *w = audit_world_new();

	(void)state;
	w->plans[0].n_slots = 3;
	w->plans[0].excluded = slice_of("\4", 1);
	w->claims[2].plan = w->plans[0].id;
	w->claims[2].slot = 2;
	expect(w, FINDING_LOST, "I2", "its record's plan went without it");
}

static void i2_dead_letters_operators_rejections_and_markers_are_not_lost(void **state)
{
	struct audit_world *w = audit_world_new();
	struct ledger_audit_summary sum;

	(void)state;
	w->traces[3] = AUDIT_DEAD;
	w->claims[2].state = LG_REJECTED;
	w->claims[2].reason = slice_str("object-missing");
	sum = expect_sound(w);
	assert_int_equal(sum.rejected + sum.dead, 2);
	w = audit_world_new();
	w->traces[3] = AUDIT_BY_OPERATOR;
	expect_sound(w);
	w = audit_world_new();
	w->traces[3] = 0;
	w->versions[3].is_marker = true;
	expect_sound(w);
}

static void i5_done_and_never_published(void **state)
{
	struct audit_world *w = audit_world_new();

	(void)state;
	w->n_stored = MANIFEST + 1; /* archived it is */
	w->is_forgotten = true;
	expect(w, FINDING_ORPHAN, "I5", "never was published");
}

/* Retention took the bundle, and then what the store remembered of it; the plan stays as long as a
 * source does. */
static void i5_nothing_is_left_of_an_old_bundle(void **state)
{
	struct audit_world *w = audit_world_new();

	(void)state;
	w->n_stored = MANIFEST + 1;
	w->is_forgotten = true;
	w->plans[0].opened_wall_ms = NOW_MS - LEDGER_AUDIT_KEPT_MS;
	expect_sound(w);
}

static void i6_a_record_without_its_plan(void **state)
{
	struct audit_world *w = audit_world_new();

	(void)state;
	w->traces[2] = AUDIT_WAITING;
	w->claims[2].plan.bytes[0] = 9;
	expect(w, FINDING_ORPHAN, "I6", "a plan that does not exist");
	w = audit_world_new();
	w->traces[2] = AUDIT_WAITING;
	w->claims[2].has_plan_id = false;
	expect(w, FINDING_ORPHAN, "I6", "names no plan");
}

static void i7_states_that_there_are_not(void **state)
{
	struct audit_world *w = audit_world_new();

	(void)state;
	w->traces[2] = AUDIT_WAITING;
	w->plans[1].state = 3;
	expect(w, FINDING_ILLEGAL, "I7", "a plan in state 3");
	w = audit_world_new();
	w->traces[2] = AUDIT_WAITING;
	w->claims[2].state = 5;
	expect(w, FINDING_ILLEGAL, "I7", "a record in state 5");
	w = audit_world_new();
	w->traces[2] = AUDIT_WAITING;
	w->plans[1].state = PLAN_SEALED;
	expect(w, FINDING_ILLEGAL, "I7", "a sealed plan without a seal");
}

static void i8_a_stage_without_a_plan(void **state)
{
	struct audit_world *w = audit_world_new();

	(void)state;
	w->stage.key = slice_str(HOUR_KEY ZEROS "7.tar.gz");
	expect(w, FINDING_ORPHAN, "I8", "a stage whose plan does not exist");
	w = audit_world_new();
	w->stage.key = slice_str("manifests/" HOUR_KEY ZEROS "7.tar.gz.json");
	expect(w, FINDING_ORPHAN, "I8", "a stage whose plan does not exist");
	w = audit_world_new();
	w->stage.key = slice_str("manifests/" HOUR_KEY ZEROS "2.tar.gz.json");
	expect_sound(w);
}

/* An invocation has no plan; it is done within minutes. */
static void i8_a_stage_of_an_invocation(void **state)
{
	struct audit_world *w = audit_world_new();

	(void)state;
	w->stage.key = slice_str(HOUR_KEY ZEROS "7.tar.gz");
	w->stage.is_direct = true;
	w->stage.staged_wall_ms = NOW_MS - 60000;
	expect_sound(w);
	w = audit_world_new();
	w->stage.key = slice_str(HOUR_KEY ZEROS "7.tar.gz");
	w->stage.is_direct = true;
	w->stage.staged_wall_ms = NOW_MS - LEDGER_AUDIT_DIRECT_MS;
	expect(w, FINDING_ORPHAN, "I8", "a stage of a direct invocation");
}

/* The claim left a plan that has it as a member: for one that has it again, or for one that never
 * will. */
static void i9_a_claim_that_left_its_bundle(void **state)
{
	struct audit_world *w = audit_world_new();

	(void)state;
	w->claims[1].plan = w->plans[1].id;
	expect(w, FINDING_ORPHAN, "I4", "its member 'data/1' is not what its slot's record names");
}

/* Nobody but an operator's command may change a terminal record: what is seen is that it is
 * gone. */
static void i10_a_members_record_that_is_gone(void **state)
{
	struct audit_world *w = audit_world_new();

	(void)state;
	w->claims[1] = w->claims[2];
	w->n_claims = 2;
	w->traces[1] = AUDIT_WAITING;
	expect(w, FINDING_ORPHAN, "I4", "its member 'data/1' is not what its slot's record names");
}

static void i10_retention_may_take_old_records(void **state)
{
	struct audit_world *w = audit_world_new();

	(void)state;
	w->plans[0].opened_wall_ms = NOW_MS - LEDGER_AUDIT_KEPT_MS;
	w->claims[1] = w->claims[2];
	w->n_claims = 2;
	w->versions[1].is_marker = true; /* its source is gone */
	expect_sound(w);
}

static void i11_a_plan_that_nobody_will_finish(void **state)
{
	struct audit_world *w = audit_world_new();

	(void)state;
	w->plans[1].is_live = false;
	expect(w, FINDING_ILLEGAL, "I11", "nobody looks after");
	w = audit_world_new();
	w->plans[0].state = PLAN_SEALED;
	w->plans[0].is_live = false;
	expect(w, FINDING_ILLEGAL, "I11", "nobody looks after");
}

/* A version, a part and a stage. */
static void i13_a_stored_body_that_is_damaged(void **state)
{
	static const char *const says[] = {
		"as the test says", "part 7 of an upload: as", "a stage that is not published: as"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct audit_world *w = audit_world_new();

		w->checks[i] = RC_CORRUPT;
		expect(w, FINDING_DAMAGED, "I13", says[i]);
	}
}

static void i13_what_is_gone_or_has_no_checksums_is_no_finding(void **state)
{
	struct audit_world *w = audit_world_new();
	struct ledger_audit_summary sum;

	(void)state;
	w->checks[0] = RC_ABSENT;
	w->has_no_sums = true;
	sum = expect_sound(w);
	assert_int_equal(sum.bodies, 3);
	assert_int_equal(sum.unchecked, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sound_world_counts_what_there_is),
		cmocka_unit_test(i1_two_records_for_one_slot),
		cmocka_unit_test(i1_rejected_and_a_member),
		cmocka_unit_test(i2_no_message_is_left),
		cmocka_unit_test(i2_the_plan_was_aborted_and_no_message_is_left),
		cmocka_unit_test(i2_the_slot_was_excluded_and_no_message_is_left),
		cmocka_unit_test(i2_dead_letters_operators_rejections_and_markers_are_not_lost),
		cmocka_unit_test(i5_done_and_never_published),
		cmocka_unit_test(i5_nothing_is_left_of_an_old_bundle),
		cmocka_unit_test(i6_a_record_without_its_plan),
		cmocka_unit_test(i7_states_that_there_are_not),
		cmocka_unit_test(i8_a_stage_without_a_plan),
		cmocka_unit_test(i8_a_stage_of_an_invocation),
		cmocka_unit_test(i9_a_claim_that_left_its_bundle),
		cmocka_unit_test(i10_a_members_record_that_is_gone),
		cmocka_unit_test(i10_retention_may_take_old_records),
		cmocka_unit_test(i11_a_plan_that_nobody_will_finish),
		cmocka_unit_test(i13_a_stored_body_that_is_damaged),
		cmocka_unit_test(i13_what_is_gone_or_has_no_checksums_is_no_finding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
