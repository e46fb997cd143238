#include "contract.h"

#include <stdio.h>

#define VISIBILITY_MS 2000

static void send_one(struct event_queue *q, const char *body)
{
	struct slice s = slice_str(body);
	enum rc result = RC_FATAL;

	assert_int_equal(eq_send(q, &s, 1, &result, NULL), RC_OK);
	assert_int_equal(result, RC_OK);
}

static size_t receive(struct event_queue *q, struct arena *a, size_t max, struct eq_message **ret)
{
	size_t n = 999;

	assert_int_equal(eq_receive(q, a, max, 0, VISIBILITY_MS, ret, &n, NULL), RC_OK);
	assert_true(n <= max);
	return n;
}

/* Exactly one message, with this body. */
static struct eq_message receive_one(struct event_queue *q, struct arena *a, const char *body)
{
	struct eq_message *m;

	assert_int_equal(receive(q, a, 10, &m), 1);
	assert_true(slice_eq_str(m[0].body, body));
	assert_true(m[0].receipt.n <= EQ_RECEIPT_MAX);
	return m[0];
}

static void assert_empty(struct event_queue *q)
{
	struct arena a = ARENA_INIT;
	struct eq_message *m;

	assert_int_equal(receive(q, &a, 10, &m), 0);
	arena_release(&a);
}

static enum rc ack(struct event_queue *q, struct slice receipt)
{
	enum rc result = RC_FATAL;

	assert_int_equal(eq_ack(q, &receipt, 1, &result, NULL), RC_OK);
	return result;
}

static enum rc hide(struct event_queue *q, struct slice receipt, uint64_t delay_ms, bool uncounted)
{
	struct eq_hide h = {receipt, delay_ms, uncounted};
	enum rc result = RC_FATAL;

	assert_int_equal(eq_hide(q, &h, 1, &result, NULL), RC_OK);
	return result;
}

static struct eq_stat stat_of(struct event_queue *q)
{
	struct eq_stat st;

	assert_int_equal(eq_stat(q, &st, NULL), RC_OK);
	return st;
}

static void eq1_what_was_sent_is_received_byte_for_byte(void **state)
{
	struct contract_world *w = *state;
	struct arena a = ARENA_INIT;
	char *big = arena_alloc(&a, 200000);
	struct slice bodies[3];
	enum rc results[3];
	struct eq_message *m;

	memset(big, 'x', 199999);
	bodies[0] = slice_str("{\"a\":\"\xc3\xa9\\n\"}\n");
	bodies[1] = slice_str(big);
	bodies[2] = slice_str("z");
	assert_int_equal(eq_send(w->queue, bodies, 3, results, NULL), RC_OK);
	assert_int_equal(receive(w->queue, &a, 10, &m), 3);
	for (size_t i = 0; i < 3; i++) {
		bool found = false;

		assert_int_equal(results[i], RC_OK);
		for (size_t j = 0; j < 3; j++)
			found = found || slice_eq(bodies[i], m[j].body);
		assert_true(found);
	}
	arena_release(&a);
}

static void eq2_a_received_message_is_invisible(void **state)
{
	struct contract_world *w = *state;
	struct arena a = ARENA_INIT;

	send_one(w->queue, "m");
	receive_one(w->queue, &a, "m");
	assert_empty(w->queue);
	w->advance_ms(w, VISIBILITY_MS / 4);
	assert_empty(w->queue);
	arena_release(&a);
}

static void eq3_it_comes_back_after_its_visibility_timeout(void **state)
{
	struct contract_world *w = *state;
	struct arena a = ARENA_INIT;
	struct eq_message first, second;

	send_one(w->queue, "m");
	first = receive_one(w->queue, &a, "m");
	assert_int_equal(first.receive_count, 1);
	w->advance_ms(w, VISIBILITY_MS + 100);
	second = receive_one(w->queue, &a, "m");
	assert_int_equal(second.receive_count, 2);
	assert_false(slice_eq(first.receipt, second.receipt));
	assert_true(slice_eq(first.id, second.id));
	assert_int_equal(first.sent_wall_ms, second.sent_wall_ms);
	arena_release(&a);
}

static void eq4_ack_removes_for_good_and_may_be_repeated(void **state)
{
	struct contract_world *w = *state;
	struct arena a = ARENA_INIT;
	struct eq_message m;

	send_one(w->queue, "m");
	m = receive_one(w->queue, &a, "m");
	assert_int_equal(ack(w->queue, m.receipt), RC_OK);
	assert_int_equal(ack(w->queue, m.receipt), RC_OK);
	w->advance_ms(w, VISIBILITY_MS + 100);
	assert_empty(w->queue);
	arena_release(&a);
}

static void eq4_a_replaced_receipt_does_no_harm(void **state)
{
	struct contract_world *w = *state;
	struct arena a = ARENA_INIT;
	struct eq_message first, second, third;
	enum rc rc;

	send_one(w->queue, "m");
	first = receive_one(w->queue, &a, "m");
	w->advance_ms(w, VISIBILITY_MS + 100);
	second = receive_one(w->queue, &a, "m");
	rc = hide(w->queue, first.receipt, 0, true);
	assert_true(rc == RC_CONFLICT || rc == RC_OK);
	rc = ack(w->queue, first.receipt);
	assert_true(rc == RC_CONFLICT || rc == RC_OK);
	if (rc == RC_CONFLICT) {
		w->advance_ms(w, VISIBILITY_MS + 100);
		third = receive_one(w->queue, &a, "m");
		assert_int_equal(ack(w->queue, third.receipt), RC_OK);
	} else {
		assert_int_equal(ack(w->queue, second.receipt), RC_OK);
	}
	assert_empty(w->queue);
	arena_release(&a);
}

static void eq5_hide_sets_when_it_is_visible_again(void **state)
{
	struct contract_world *w = *state;
	struct arena a = ARENA_INIT;
	struct eq_message m;

	send_one(w->queue, "m");
	m = receive_one(w->queue, &a, "m");
	assert_int_equal(hide(w->queue, m.receipt, 0, false), RC_OK);
	m = receive_one(w->queue, &a, "m"); /* at once */
	assert_int_equal(m.receive_count, 2);
	assert_int_equal(hide(w->queue, m.receipt, 3 * VISIBILITY_MS, false), RC_OK);
	w->advance_ms(w, VISIBILITY_MS + 100);
	assert_empty(w->queue);
	w->advance_ms(w, 2 * VISIBILITY_MS);
	assert_int_equal(receive_one(w->queue, &a, "m").receive_count, 3);
	arena_release(&a);
}

static void eq5_hide_extends_and_the_receipt_stays_good(void **state)
{
	struct contract_world *w = *state;
	struct arena a = ARENA_INIT;
	struct eq_message m;

	send_one(w->queue, "m");
	m = receive_one(w->queue, &a, "m");
	for (int i = 0; i < 3; i++) {
		assert_int_equal(hide(w->queue, m.receipt, VISIBILITY_MS, false), RC_OK);
		w->advance_ms(w, VISIBILITY_MS / 2);
	}
	assert_empty(w->queue);
	assert_int_equal(ack(w->queue, m.receipt), RC_OK);
	w->advance_ms(w, VISIBILITY_MS + 100);
	assert_empty(w->queue);
	arena_release(&a);
}

static void eq5_uncounted_takes_the_delivery_back(void **state)
{
	struct contract_world *w = *state;
	struct arena a = ARENA_INIT;
	struct eq_message m = {0};

	if (!w->queue->can_uncount) {
		print_message("not applicable: the queue cannot uncount\n");
		skip();
	}
	send_one(w->queue, "m");
	for (int i = 0; i < 2 * CONTRACT_MAX_RECEIVES; i++) {
		m = receive_one(w->queue, &a, "m");
		assert_int_equal(m.receive_count, 1);
		assert_int_equal(hide(w->queue, m.receipt, 0, true), RC_OK);
	}
	assert_int_equal(stat_of(w->queue).dead, 0);
	arena_release(&a);
}

static void eq6_a_dead_letter_leaves_the_queue(void **state)
{
	struct contract_world *w = *state;
	struct arena a = ARENA_INIT;
	struct eq_dead dead = {
		.code = slice_str("object-missing"), .reason = slice_str("it is gone")};
	enum rc result = RC_FATAL;

	send_one(w->queue, "m");
	dead.receipt = receive_one(w->queue, &a, "m").receipt;
	assert_int_equal(eq_dead_letter(w->queue, &dead, 1, &result, NULL), RC_OK);
	assert_int_equal(result, RC_OK);
	w->advance_ms(w, VISIBILITY_MS + 100);
	assert_empty(w->queue);
	assert_int_equal(stat_of(w->queue).dead, 1);
	assert_int_equal(stat_of(w->queue).visible, 0);
	arena_release(&a);
}

static void eq7_too_many_receives_make_a_dead_letter(void **state)
{
	struct contract_world *w = *state;
	struct arena a = ARENA_INIT;

	send_one(w->queue, "m");
	for (uint32_t i = 1; i <= CONTRACT_MAX_RECEIVES; i++) {
		struct eq_message m = receive_one(w->queue, &a, "m");

		assert_int_equal(m.receive_count, i);
		assert_int_equal(hide(w->queue, m.receipt, 0, false), RC_OK);
	}
	assert_empty(w->queue);
	assert_int_equal(stat_of(w->queue).dead, 1);
	arena_release(&a);
}

static void eq8_receive_returns_when_there_is_nothing(void **state)
{
	struct contract_world *w = *state;
	struct arena a = ARENA_INIT;
	struct eq_message *m;
	size_t n = 1;

	assert_int_equal(eq_receive(w->queue, &a, 10, 50, VISIBILITY_MS, &m, &n, NULL), RC_OK);
	assert_int_equal(n, 0);
	send_one(w->queue, "m");
	assert_int_equal(eq_receive(w->queue, &a, 10, 3600000, VISIBILITY_MS, &m, &n, NULL), RC_OK);
	assert_int_equal(n, 1);
	arena_release(&a);
}

static void eq9_each_receipt_has_its_own_result(void **state)
{
	struct contract_world *w = *state;
	struct arena a = ARENA_INIT;
	struct slice receipts[3];
	enum rc results[3] = {RC_FATAL, RC_FATAL, RC_FATAL};
	struct eq_message *m;

	send_one(w->queue, "one");
	send_one(w->queue, "two");
	assert_int_equal(receive(w->queue, &a, 10, &m), 2);
	receipts[0] = m[0].receipt;
	receipts[1] = slice_str("no receipt of yours");
	receipts[2] = m[1].receipt;
	assert_int_equal(eq_ack(w->queue, receipts, 3, results, NULL), RC_OK);
	assert_int_equal(results[0], RC_OK);
	assert_int_not_equal(results[1], RC_OK);
	assert_int_equal(results[2], RC_OK);
	assert_int_equal(eq_ack(w->queue, receipts, 0, results, NULL), RC_OK);
	arena_release(&a);
}

static void eq9_large_batches(void **state)
{
	enum { N = 2500 };
	struct contract_world *w = *state;
	struct arena a = ARENA_INIT;
	struct slice *bodies = arena_array(&a, N, sizeof(*bodies));
	enum rc *results = arena_array(&a, N, sizeof(*results));
	struct eq_message *m;
	size_t left = N, n;

	for (size_t i = 0; i < N; i++)
		bodies[i] = slice_str(arena_printf(&a, "message %zu", i));
	assert_int_equal(eq_send(w->queue, bodies, N, results, NULL), RC_OK);
	for (int calls = 0; left && calls < N; calls++, left -= n) {
		n = receive(w->queue, &a, EQ_BATCH_MAX, &m);
		for (size_t i = 0; i < n; i++)
			bodies[i] = m[i].receipt;
		assert_int_equal(eq_ack(w->queue, bodies, n, results, NULL), RC_OK);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(results[i], RC_OK);
	}
	assert_int_equal(left, 0);
	assert_empty(w->queue);
	arena_release(&a);
}

static void eq10_what_was_answered_survives_a_crash(void **state)
{
	struct contract_world *w = *state;
	struct arena a = ARENA_INIT;
	struct eq_message *m;
	struct eq_dead dead = {.code = slice_str("not-json"), .reason = slice_str("no")};
	enum rc result;

	if (!w->crash) {
		print_message("not applicable: the adapter survives nothing\n");
		skip();
	}
	send_one(w->queue, "acked");
	send_one(w->queue, "dead");
	assert_int_equal(receive(w->queue, &a, 10, &m), 2);
	for (int i = 0; i < 2; i++) {
		dead.receipt = m[i].receipt;
		if (slice_eq_str(m[i].body, "acked"))
			assert_int_equal(ack(w->queue, m[i].receipt), RC_OK);
		else
			assert_int_equal(eq_dead_letter(w->queue, &dead, 1, &result, NULL), RC_OK);
	}
	send_one(w->queue, "waits");
	w->crash(w);
	receive_one(w->queue, &a, "waits");
	assert_int_equal(stat_of(w->queue).dead, 1);
	arena_release(&a);
}

static void eq10_a_message_in_flight_comes_back_after_a_crash(void **state)
{
	struct contract_world *w = *state;
	struct arena a = ARENA_INIT;

	if (!w->crash) {
		print_message("not applicable: the adapter survives nothing\n");
		skip();
	}
	send_one(w->queue, "m");
	receive_one(w->queue, &a, "m");
	w->crash(w);
	w->advance_ms(w, VISIBILITY_MS + 100);
	receive_one(w->queue, &a, "m");
	arena_release(&a);
}

static void eq11_receive_counts_that_were_settled_survive_a_crash(void **state)
{
	struct contract_world *w = *state;
	struct arena a = ARENA_INIT;
	struct eq_message m;

	if (!w->crash) {
		print_message("not applicable: the adapter survives nothing\n");
		skip();
	}
	send_one(w->queue, "m");
	for (int i = 0; i < 3; i++) {
		m = receive_one(w->queue, &a, "m");
		assert_int_equal(hide(w->queue, m.receipt, 0, false), RC_OK);
	}
	w->crash(w);
	assert_int_equal(receive_one(w->queue, &a, "m").receive_count, 4);
	arena_release(&a);
}

static void stat_counts_what_waits_and_what_is_out(void **state)
{
	struct contract_world *w = *state;
	struct arena a = ARENA_INIT;
	struct eq_message *m;
	struct eq_stat st;

	send_one(w->queue, "one");
	send_one(w->queue, "two");
	assert_int_equal(receive(w->queue, &a, 1, &m), 1);
	w->advance_ms(w, 1000);
	st = stat_of(w->queue);
	assert_int_equal(st.visible, 1);
	assert_int_equal(st.in_flight, 1);
	assert_int_equal(st.dead, 0);
	assert_in_range(st.oldest_age_ms, 900, 60000);
	arena_release(&a);
}

static void eq5_the_last_hide_says_whether_it_counts(void **state)
{
	struct contract_world *w = *state;
	struct arena a = ARENA_INIT;
	struct eq_message m;

	if (!w->queue->can_uncount) {
		print_message("not applicable: the queue cannot uncount\n");
		skip();
	}
	send_one(w->queue, "m");
	for (uint32_t i = 0; i < 4; i++) {
		m = receive_one(w->queue, &a, "m");
		assert_int_equal(m.receive_count, 1 + i / 2);
		for (int again = 0; again < 3; again++)
			assert_int_equal(hide(w->queue, m.receipt, 60000, true), RC_OK);
		assert_int_equal(hide(w->queue, m.receipt, 0, i % 2 == 0), RC_OK);
	}
	arena_release(&a);
}

int contract_event_queue(const struct contract_factory *f)
{
	const struct CMUnitTest tests[] = {
		CONTRACT_TEST(eq1_what_was_sent_is_received_byte_for_byte),
		CONTRACT_TEST(eq2_a_received_message_is_invisible),
		CONTRACT_TEST(eq3_it_comes_back_after_its_visibility_timeout),
		CONTRACT_TEST(eq4_ack_removes_for_good_and_may_be_repeated),
		CONTRACT_TEST(eq4_a_replaced_receipt_does_no_harm),
		CONTRACT_TEST(eq5_hide_sets_when_it_is_visible_again),
		CONTRACT_TEST(eq5_hide_extends_and_the_receipt_stays_good),
		CONTRACT_TEST(eq5_uncounted_takes_the_delivery_back),
		CONTRACT_TEST(eq5_the_last_hide_says_whether_it_counts),
		CONTRACT_TEST(eq6_a_dead_letter_leaves_the_queue),
		CONTRACT_TEST(eq7_too_many_receives_make_a_dead_letter),
		CONTRACT_TEST(eq8_receive_returns_when_there_is_nothing),
		CONTRACT_TEST(eq9_each_receipt_has_its_own_result),
		CONTRACT_TEST(eq9_large_batches),
		CONTRACT_TEST(eq10_what_was_answered_survives_a_crash),
		CONTRACT_TEST(eq10_a_message_in_flight_comes_back_after_a_crash),
		CONTRACT_TEST(eq11_receive_counts_that_were_settled_survive_a_crash),
		CONTRACT_TEST(stat_counts_what_waits_and_what_is_out),
	};

	contract_use(f);
	return cmocka_run_group_tests_name(f->name, tests, NULL, NULL);
}
