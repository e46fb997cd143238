/*
 * The second trip of a dead letter: redriven, it ends in exactly one bundle or dies again with what
 * it died of then, whatever dies on the way and however often it is asked for. After each the
 * auditor finds nothing.
 */
#define SHOWN_MAX 100
#include "failures_fixture.h"

#include "adapter/local/audit/local_audit.h"
#include "verify/ledger_audit.h"

#define HOUR_MS UINT64_C(3600000)
#define DAY_MS (24 * HOUR_MS)

static void report(void *arg, const struct finding *found)
{
	(void)arg;
	print_error("%s: %s\n", finding_kind_name(found->kind), found->text);
}

static void assert_sound(struct fixture *f)
{
	struct local_audit_config cfg = {f->local.folder, LANDING, "data/", DISTRIBUTION, ARCHIVE};
	struct ledger_audit_options options = {
		.now_wall_ms = clock_wall_ms(&f->local.clock), .found = report};
	struct ledger_audit_summary summary;
	struct err err = {0};

	if (local_audit_open(&cfg, &options.source, &err) != RC_OK ||
		ledger_audit(&options, &summary, &err) != RC_OK)
		fail_msg("%s", err.text);
	audit_close(options.source);
	assert_int_equal(summary.n_findings, 0);
}

static struct op_change redrive(struct fixture *f, const char *id)
{
	struct op_change change = {0};
	struct err err = {0};

	snprintf(change.id, sizeof(change.id), "%s", id);
	if (op_redrive(f->op, "test", &change, (size_t)1, &err) != RC_OK)
		fail_msg("%s", err.text);
	return change;
}

/* Denied until it is dead. */
static struct op_dead dies_denied(struct fixture *f, const struct s3_event_record *rec)
{
	announce(f, rec);
	f->verb = "get_many";
	f->action = FAULT_DENY;
	f->n = MAX_RECEIVES;
	run(f);
	f->verb = NULL;
	assert_shown(f, 0, 0, NULL, 0);
	return the_dead(f);
}

/* Its event came late: the ledger refuses it, an operator may vouch for it. */
static struct op_dead dies_too_old(struct fixture *f, struct s3_event_record *rec)
{
	rec->time_wall_ms -= 40 * DAY_MS;
	announce(f, rec);
	run(f);
	assert_slice_is(the_dead(f).code, "too-old");
	return the_dead(f);
}

/* As kill -9 leaves it. */
static void crash(struct fixture *f)
{
	struct local_operator_config op = {"test", LANDING, "data/", DISTRIBUTION, true};

	pipeline_free(f->p);
	os_close(f->cfg.ports.landing);
	op_close(f->op);
	fixture_crash(&f->local);
	f->op = local_operator_new(f->local.local, &op);
	configure(f);
}

static void mended_it_ships_once_however_often_it_is_redriven(void **state)
{
	for (int how = 0; how < 2; how++) {
		struct s3_event_record rec;
		struct op_change first;
		struct fixture *f;
		struct op_dead dead;

		setup(state);
		f = *state;
		rec = put(f, "data/k", "secret");
		dead = how ? dies_too_old(f, &rec) : dies_denied(f, &rec);
		first = redrive(f, dead.id);
		assert_int_equal(first.outcome, OP_DONE);
		assert_int_equal(first.n_reopened, how); /* a denied object never was rejected */
		assert_int_equal(redrive(f, dead.id).outcome, OP_ALREADY);
		run(f);
		assert_shown(f, 1, 1, &rec, 1);
		assert_none_dead(f);
		assert_int_equal(redrive(f, dead.id).outcome, OP_ALREADY);
		assert_int_equal(redrive(f, first.message_id).outcome, OP_NOT_THERE);
		run(f);
		assert_shown(f, 1, 1, &rec, 1);
		assert_sound(f);
		teardown(state);
	}
}

/* The message names no version: what is there under the key by then. (Where nothing is watched: the
 * event is another store's.) */
static void what_was_missing_and_came_ships_once(void **state)
{
	struct fixture *f = *state;
	struct s3_event_record rec = {.object = {slice_str(LANDING), slice_str("late/k"), {0}},
		.event_name = slice_str("ObjectCreated:Put"),
		.size = strlen("here it is")};

	announce(f, &rec);
	run(f);
	assert_slice_is(the_dead(f).code, "object-missing");
	put(f, "late/k", "here it is");
	redrive(f, the_dead(f).id);
	run(f);
	assert_shown(f, 1, 1, NULL, 0);
	assert_none_dead(f);
	assert_sound(f);
}

static void not_mended_it_dies_again_of_what_is_wrong_then(void **state)
{
	struct fixture *f = *state;
	struct s3_event_record rec = put(f, "data/k", "secret");
	struct op_dead first = dies_denied(f, &rec), second;
	uint64_t redriven_wall_ms;
	struct op_change change;
	enum rc result;

	fixture_pass(&f->local.clock, HOUR_MS);
	redriven_wall_ms = clock_wall_ms(&f->local.clock);
	os_delete_many(f->cfg.ports.distribution, rec.object.bucket, &rec.object, 1, &result, NULL);
	change = redrive(f, first.id);
	run(f);
	second = the_dead(f);
	assert_dead(f, first.message, "object-missing", "is gone", 1);
	assert_string_equal(second.id, change.message_id);
	assert_true(second.died_wall_ms >= redriven_wall_ms);
	assert_shown(f, 0, 0, NULL, 0);
	assert_sound(f);
}

static void denied_again_it_has_as_many_chances_as_before(void **state)
{
	struct fixture *f = *state;
	struct s3_event_record rec = put(f, "data/k", "secret");
	struct op_dead first = dies_denied(f, &rec);

	redrive(f, first.id);
	f->verb = "get_many";
	f->n = MAX_RECEIVES - 1;
	run(f); /* the last chance is taken */
	assert_none_dead(f);
	assert_shown(f, 1, 1, &rec, 1);
	assert_sound(f);
}

/* Another message of the same object was shipped meanwhile. */
static void a_member_by_now_is_not_shipped_again(void **state)
{
	struct fixture *f = *state;
	struct s3_event_record rec = put(f, "data/k", "secret");
	struct op_dead dead = dies_denied(f, &rec);
	struct lg_object before, after;

	announce(f, &rec);
	run(f);
	assert_shown(f, 1, 1, &rec, 1);
	lg_object_get(f->cfg.ports.ledger, &f->arena, &rec.object, &before, NULL);
	assert_int_equal(redrive(f, dead.id).outcome, OP_DONE);
	lg_object_get(f->cfg.ports.ledger, &f->arena, &rec.object, &after, NULL);
	assert_int_equal(after.attempts, before.attempts); /* a member's record is final */
	run(f);
	assert_shown(f, 1, 1, &rec, 1);
	assert_none_dead(f);
	assert_sound(f);
}

/* Two messages of one rejected object, both dead, both redriven. */
static void two_dead_letters_of_one_object_ship_it_once(void **state)
{
	struct fixture *f = *state;
	struct s3_event_record rec = put(f, "data/k", "old");
	struct op_dead_page page;

	rec.time_wall_ms -= 40 * DAY_MS;
	announce(f, &rec);
	announce(f, &rec);
	run(f);
	assert_int_equal(op_dead_list(f->op, &f->arena, "", 10, &page, NULL), RC_OK);
	assert_int_equal(page.n, 2);
	assert_int_equal(redrive(f, page.dead[0].id).n_reopened, 1);
	pipeline_step(f->p, NULL);
	assert_int_equal(redrive(f, page.dead[1].id).n_reopened, 0);
	run(f);
	assert_shown(f, 1, 1, &rec, 1);
	assert_none_dead(f);
	assert_sound(f);
}

/* An operator mends a policy after a month: the ledger knows the object, so its age is no reason
 * against it. */
static void a_month_later_it_ships(void **state)
{
	struct fixture *f = *state;
	struct s3_event_record rec = put(f, "data/k", "secret");
	struct op_dead dead = dies_denied(f, &rec);

	fixture_pass(&f->local.clock, 40 * DAY_MS);
	redrive(f, dead.id);
	run(f);
	assert_none_dead(f);
	assert_shown(f, 1, 1, &rec, 1);
	assert_sound(f);
}

static void killed_before_the_answer_it_ships_once(void **state)
{
	for (size_t n_steps = 0; n_steps < 6; n_steps++) {
		struct s3_event_record rec;
		struct op_dead dead;
		struct fixture *f;
		enum op_outcome outcome;

		setup(state);
		f = *state;
		rec = put(f, "data/k", "secret");
		dead = dies_too_old(f, &rec);
		redrive(f, dead.id);
		for (size_t i = 0; i < n_steps; i++) {
			pipeline_step(f->p, NULL);
			fixture_pass(&f->local.clock, 400);
		}
		crash(f);
		outcome = redrive(f, dead.id).outcome; /* who had no answer asks again */
		assert_int_equal(outcome, OP_ALREADY);
		run(f);
		assert_shown(f, 1, 1, &rec, 1);
		assert_none_dead(f);
		assert_sound(f);
		teardown(state);
	}
}

static enum fault_action die_after(void *arg, const char *verb)
{
	uint64_t *n_left = arg;

	(void)verb;
	return *n_left && --*n_left == 0 ? FAULT_CRASH_AFTER : FAULT_PASS;
}

/* The worker dies once the n-th call of a port has had its effect. false: it was through before
 * that. */
static bool dies_after(struct fixture *f, const char *id, uint64_t n)
{
	uint64_t n_left = n;

	f->fault.decide = die_after;
	f->fault.arg = &n_left;
	redrive(f, id);
	for (int i = 0; i < STEPS_MAX; i++) {
		struct eq_stat st;

		/* asked of the queue itself: the fault counts the worker's calls only */
		assert_int_equal(eq_stat(local_event_queue(f->local.local), &st, NULL), RC_OK);
		if (!st.visible && !st.in_flight)
			break;
		if (step_on(f) == PIPELINE_FATAL)
			restart(f);
	}
	f->fault.decide = decide;
	f->fault.arg = f;
	return n_left == 0;
}

static void whatever_call_its_worker_dies_at_it_ships_once(void **state)
{
	struct fixture *f = *state;
	bool more = true;
	size_t n = 0;

	fault_all_ports(f);
	while (more) {
		struct s3_event_record rec =
			put(f, arena_printf(&f->arena, "data/%zu", n), "secret");
		struct op_dead dead = dies_too_old(f, &rec);

		more = dies_after(f, dead.id, ++n);
		assert_shown(f, n, n, &rec, 1);
		assert_none_dead(f);
	}
	assert_in_range(n, 10, SHOWN_MAX);
	assert_sound(f);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mended_it_ships_once_however_often_it_is_redriven),
		TEST(what_was_missing_and_came_ships_once),
		TEST(not_mended_it_dies_again_of_what_is_wrong_then),
		TEST(denied_again_it_has_as_many_chances_as_before),
		TEST(a_member_by_now_is_not_shipped_again),
		TEST(two_dead_letters_of_one_object_ship_it_once),
		TEST(a_month_later_it_ships),
		cmocka_unit_test(killed_before_the_answer_it_ships_once),
		TEST(whatever_call_its_worker_dies_at_it_ships_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
