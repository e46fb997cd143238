/* What is settled with the queue and the ledger when they do not take all of it: doubles of both
 * that refuse what they are told to. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/hand.h"
#include "core/seal.h"

struct refusing_queue {
	struct event_queue port;
	const enum rc *answers;
	size_t n;
};

static enum rc answer(struct event_queue *q, size_t n, enum rc *results)
{
	struct refusing_queue *r = (struct refusing_queue *)q;

	assert_int_equal(n, r->n);
	memcpy(results, r->answers, n * sizeof(*results));
	return RC_OK;
}

static enum rc bury(struct event_queue *q, const struct eq_dead *dead, size_t n, enum rc *results, struct err *err)
{
	(void)dead;
	(void)err;
	return answer(q, n, results);
}

static enum rc hide(struct event_queue *q, const struct eq_hide *hides, size_t n, enum rc *results, struct err *err)
{
	(void)hides;
	(void)err;
	return answer(q, n, results);
}

/* A message that the queue would not bury comes back and is buried then: counting it now would
 * count it twice. */
static void only_what_the_queue_took_is_counted(void **state)
{
	static const struct event_queue_ops ops = {.dead_letter = bury, .hide = hide};
	static const enum rc answers[] = {RC_OK, RC_CONFLICT, RC_AGAIN, RC_OK};
	struct refusing_queue q = {{&ops, true, 0}, answers, 4};
	const struct verdict verdicts[] = {{.kind = VERDICT_DEAD, .code = "c", .reason = "r"}, {.kind = VERDICT_RETRY}};
	struct hand h;
	struct err err;

	(void)state;
	for (size_t kind = 0; kind < 2; kind++) {
		hand_init(&h, 5, NULL);
		for (int i = 0; i < 4; i++) {
			struct eq_message m = {slice_str("id"), slice_str("receipt"), slice_str("body"), 1, 1};

			delivery_decide(&h, hand_take(&h, &m, 0, 0), &verdicts[kind]);
		}
		assert_int_equal(hand_settle(&h, &q.port, &err), RC_OK);
		assert_int_equal(kind ? h.n_retried : h.n_dead, 2);
		assert_int_equal(h.n, 0);
		hand_release(&h);
	}
}

/* A ledger that answers the first entry of a call only at the second call. */
struct slow_ledger {
	struct ledger port;
	int n_calls;
};

static enum rc reject(struct ledger *lg, const struct plan_id *plan, struct lg_reject *rejects, size_t n, struct err *err)
{
	struct slow_ledger *l = (struct slow_ledger *)lg;

	(void)plan;
	(void)err;
	for (size_t i = 0; i < n; i++)
		rejects[i].result = l->n_calls == 0 && i == 1 ? RC_UNKNOWN : RC_OK;
	l->n_calls++;
	return RC_OK;
}

static enum rc not_yet(struct ledger *lg, struct arena *a, const struct object_id *object, struct lg_object *ret, struct err *err)
{
	(void)lg;
	(void)a;
	(void)object;
	*ret = (struct lg_object){.state = LG_CLAIMED};
	(void)err;
	return RC_OK;
}

static void no_pause(struct clock *c, uint64_t ms)
{
	(void)c;
	(void)ms;
}

/* Whoever called marks each of them as recorded: none may be there twice, and none may be
 * missing. */
static void rejections_that_take_two_tries_leave_the_list_as_it_was(void **state)
{
	static const struct ledger_ops ops = {.reject = reject, .object_get = not_yet};
	struct clock clock = {.sleep_ms = no_pause};
	struct slow_ledger lg = {{&ops}, 0};
	struct lg_plan plan = {0};
	struct unit units[3] = {{.claim = CLAIM_MINE}, {.claim = CLAIM_MINE}, {.claim = CLAIM_MINE}};
	struct unit *list[3];
	struct err err;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		units[i].object = (struct object_id){slice_str("b"), slice_str("k"), slice_str("v")};
		snprintf(units[i].code, sizeof(units[i].code), "object-missing");
		list[i] = &units[i];
	}
	assert_int_equal(reject_units(&lg.port, &clock, &plan, list, 3, &err), RC_OK);
	assert_int_equal(lg.n_calls, 2);
	for (size_t i = 0; i < 3; i++) {
		assert_ptr_equal(list[i], &units[i]);
		assert_int_equal(units[i].claim, CLAIM_MINE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_the_queue_took_is_counted),
		cmocka_unit_test(rejections_that_take_two_tries_leave_the_list_as_it_was),
	};

	return cmocka_run_group_tests_name("core: settling", tests, NULL, NULL);
}
