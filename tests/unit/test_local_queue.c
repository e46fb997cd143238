/* What the local queue promises beyond the contract's suite: restarts, forged receipts, clocks,
 * sums. */
#include "local_queue_help.h"

#include "adapter/local/queue/event_queue.h"
#include "base/prng.h"

/* [EQ-11] The timeout ends while nobody calls; the keeper writes the count. */
static void eq11_an_ended_timeout_counts_though_nobody_receives(void **state)
{
	struct local_fixture *f = *state;
	struct arena a = ARENA_INIT;

	send_text(queue_of(f), "m");
	receive_one(queue_of(f), &a, 30);
	clock_sleep_ms(clock_system(), 400);
	fixture_crash(f);
	assert_int_equal(receive_one(queue_of(f), &a, LONG_MS).receive_count, 2);
	arena_release(&a);
}

/* A machine that is killed again and again must not fill the dead letters. */
static void eq10_deliveries_cut_off_by_crashes_do_not_count(void **state)
{
	struct local_fixture *f = *state;
	struct arena a = ARENA_INIT;

	send_text(queue_of(f), "m");
	for (int i = 0; i < MAX_RECEIVES + 1; i++) {
		assert_int_equal(receive_one(queue_of(f), &a, LONG_MS).receive_count, 1);
		fixture_crash(f);
	}
	assert_int_equal(stat_of(queue_of(f)).dead, 0);
	arena_release(&a);
}

static void eq7_a_message_received_often_enough_before_a_restart_is_buried(void **state)
{
	struct local_fixture *f = *state;
	struct arena a = ARENA_INIT;
	struct eq_message *m;

	send_text(queue_of(f), "m");
	for (int i = 0; i < 2; i++)
		assert_int_equal(
			hide(queue_of(f), receive_one(queue_of(f), &a, LONG_MS).receipt, 0), RC_OK);
	f->max_receives = 2;
	fixture_crash(f);
	send_text(queue_of(f), "behind it");
	assert_int_equal(receive(queue_of(f), &a, 10, LONG_MS, &m), 1);
	assert_slice_is(m[0].body, "behind it");
	assert_int_equal(stat_of(queue_of(f)).dead, 1);
	assert_int_equal(stat_of(queue_of(f)).visible, 0);
	arena_release(&a);
}

static void eq7_a_timeout_can_be_the_last_receive(void **state)
{
	struct local_fixture *f = *state;
	struct arena a = ARENA_INIT;
	struct eq_message *m;

	send_text(queue_of(f), "m");
	for (uint32_t i = 1; i <= MAX_RECEIVES; i++) {
		assert_int_equal(receive_one(queue_of(f), &a, 1000).receive_count, i);
		fixture_pass(&f->clock, 1001);
	}
	assert_int_equal(receive(queue_of(f), &a, 10, 1000, &m), 0);
	assert_int_equal(stat_of(queue_of(f)).dead, 1);
	arena_release(&a);
}

static void a_forged_receipt_is_a_conflict_and_does_nothing(void **state)
{
	struct event_queue *q = queue_of(*state);
	struct arena a = ARENA_INIT;
	struct slice good;
	char text[EQ_RECEIPT_MAX] = "";

	send_text(q, "m");
	good = receive_one(q, &a, LONG_MS).receipt;
	for (size_t i = 0; i < good.n; i++) {
		memcpy(text, good.p, good.n);
		text[i] = text[i] == '7' ? '8' : '7';
		assert_int_equal(ack(q, slice_of(text, good.n)), RC_CONFLICT);
		assert_int_equal(hide(q, slice_of(text, good.n), 0), RC_CONFLICT);
		assert_int_equal(ack(q, slice_of(good.p, i)), RC_CONFLICT);
	}
	memset(text, 'f', sizeof(text));
	assert_int_equal(ack(q, slice_of(text, sizeof(text))), RC_CONFLICT);
	assert_int_equal(ack(q, slice_of(text, good.n)), RC_CONFLICT);
	assert_int_equal(stat_of(q).in_flight, 1);
	assert_int_equal(ack(q, good), RC_OK);
	assert_int_equal(stat_of(q).in_flight, 0);
	arena_release(&a);
}

/* [EQ-4] over a restart. */
static void eq4_receipts_from_before_a_restart(void **state)
{
	struct local_fixture *f = *state;
	struct arena a = ARENA_INIT;
	struct eq_message *m, *again;

	send_text(queue_of(f), "acknowledged before");
	send_text(queue_of(f), "acknowledged after");
	send_text(queue_of(f), "delivered again");
	assert_int_equal(receive(queue_of(f), &a, 10, LONG_MS, &m), 3);
	assert_int_equal(ack(queue_of(f), m[0].receipt), RC_OK);
	fixture_crash(f);
	assert_int_equal(ack(queue_of(f), m[0].receipt), RC_OK);
	assert_int_equal(ack(queue_of(f), m[1].receipt), RC_OK);
	assert_int_equal(receive(queue_of(f), &a, 10, LONG_MS, &again), 1);
	assert_slice_is(again[0].body, "delivered again");
	assert_int_equal(ack(queue_of(f), m[2].receipt), RC_CONFLICT);
	assert_int_equal(hide(queue_of(f), m[2].receipt, 0), RC_CONFLICT);
	assert_int_equal(stat_of(queue_of(f)).in_flight, 1);
	assert_int_equal(ack(queue_of(f), again[0].receipt), RC_OK);
	assert_int_equal(stat_of(queue_of(f)).oldest_age_ms, 0);
	arena_release(&a);
}

/* [EQ-4] A late acknowledgement, while nobody has received the message again, is one. */
static void eq4_a_receipt_is_good_until_a_later_delivery(void **state)
{
	struct local_fixture *f = *state;
	struct arena a = ARENA_INIT;
	struct eq_message m;

	send_text(queue_of(f), "m");
	m = receive_one(queue_of(f), &a, 1000);
	fixture_pass(&f->clock, 5000);
	assert_int_equal(stat_of(queue_of(f)).visible, 1);
	assert_int_equal(ack(queue_of(f), m.receipt), RC_OK);
	assert_int_equal(stat_of(queue_of(f)).visible, 0);
	arena_release(&a);
}

/* [EQ-6] Burying what was acknowledged, or burying twice. */
static void eq6_burying_again(void **state)
{
	struct event_queue *q = queue_of(*state);
	struct eq_dead dead[2] = {{.code = slice_str("a")}, {.code = slice_str("b")}};
	struct arena a = ARENA_INIT;
	struct eq_message *m;
	enum rc results[2];

	send_text(q, "buried");
	send_text(q, "acknowledged");
	assert_int_equal(receive(q, &a, 10, LONG_MS, &m), 2);
	assert_int_equal(ack(q, m[1].receipt), RC_OK);
	dead[0].receipt = m[0].receipt;
	dead[1].receipt = m[1].receipt;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(eq_dead_letter(q, dead, 2, results, NULL), RC_OK);
		assert_int_equal(results[0], RC_OK);
		assert_int_equal(results[1], RC_CONFLICT);
	}
	assert_int_equal(stat_of(q).dead, 1);
	arena_release(&a);
}

/* What is behind the cursor comes back from the heap, in order of sending, before what is fresh. */
static void nothing_behind_the_cursor_is_missed(void **state)
{
	struct local_fixture *f = *state;
	struct event_queue *q = queue_of(f);
	struct arena a = ARENA_INIT;
	struct eq_message *m;

	for (char c = 'a'; c <= 'f'; c++)
		send_text(q, (char[]){c, '\0'});
	assert_int_equal(receive(q, &a, 4, LONG_MS, &m), 4);
	assert_int_equal(hide(q, m[2].receipt, 5000), RC_OK);
	assert_int_equal(hide(q, m[1].receipt, 3000), RC_OK);
	assert_int_equal(hide(q, m[3].receipt, 0), RC_OK);
	fixture_pass(&f->clock, 5001);
	assert_int_equal(receive(q, &a, 10, LONG_MS, &m), 5);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(m[i].body.p[0], 'b' + i);
	arena_release(&a);
}

/* Somebody sets the clock, by a day, either way: deadlines, order and delivery do not notice. */
/* A receive asks for thousands and mostly gets few: what it takes of the caller's arena follows
 * what it brings. */
static void a_receive_takes_memory_for_what_it_brings(void **state)
{
	struct event_queue *q = queue_of(*state);
	struct arena a = ARENA_INIT;
	struct eq_message *m;

	send_text(q, "m");
	assert_int_equal(receive(q, &a, EQ_BATCH_MAX, LONG_MS, &m), 1);
	assert_in_range(a.used_bytes, 1, 1024);
	arena_release(&a);
}

static void jumps_of_the_wall_clock_do_nothing(void **state)
{
	struct local_fixture *f = *state;
	struct event_queue *q = queue_of(f);
	struct arena a = ARENA_INIT;
	struct eq_message *m;

	send_text(q, "1");
	assert_int_equal(receive(q, &a, 10, 60000, &m), 1);
	f->wall_jump_ms = 86400000;
	send_text(q, "2");
	assert_int_equal(receive(q, &a, 10, 60000, &m), 1);
	f->wall_jump_ms = -86400000;
	send_text(q, "3");
	assert_int_equal(receive(q, &a, 10, 60000, &m), 1);
	assert_slice_is(m[0].body, "3");
	assert_in_range(stat_of(q).oldest_age_ms, 0, 1000); /* as old as the jump */
	fixture_pass(&f->clock, 60001);
	assert_int_equal(receive(q, &a, 10, 60000, &m), 3);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(m[i].body.p[0], '1' + i);
	fixture_crash(f);
	send_text(queue_of(f), "4");
	assert_int_equal(receive(queue_of(f), &a, 10, 60000, &m), 4);
	assert_slice_is(m[3].body, "4");
	arena_release(&a);
}

/* A message that was sent while the clock was a month ahead is as old as the moment when it was
 * put right. */
static void the_oldest_message_ages_after_a_clock_that_was_ahead(void **state)
{
	struct local_fixture *f = *state;

	f->wall_jump_ms = 30 * 86400000ll;
	send_text(queue_of(f), "1");
	f->wall_jump_ms = 0;
	send_text(queue_of(f), "2");
	fixture_pass(&f->clock, 7200000);
	assert_in_range(stat_of(queue_of(f)).oldest_age_ms, 7200000, 7300000);
}

/* stat counts rows once and keeps the sum: over random operations and restarts it must be what a
 * fresh count finds. */
static void stat_keeps_its_sum(void **state)
{
	enum { STEPS = 300 };
	struct local_fixture *f = *state;
	struct prng r = prng_seeded(7);
	struct arena a = ARENA_INIT;
	struct slice receipts[STEPS + 1];
	size_t n_sent = 0, n_gone = 0, n_receipts = 0;

	for (int step = 0; step < STEPS; step++) {
		struct eq_message *m;
		uint64_t dice = prng_below(&r, 100), left;

		if (step == 100 || step == 200) {
			fixture_crash(f);
		} else if (dice < 40) {
			send_text(queue_of(f), "m");
			n_sent++;
		} else if (dice < 60 && receive(queue_of(f), &a, 1, 20000, &m) == 1) {
			receipts[n_receipts++] = m[0].receipt;
		} else if (dice < 80 && n_receipts > 0) {
			size_t i = prng_below(&r, n_receipts);
			uint64_t before =
				stat_of(queue_of(f)).visible + stat_of(queue_of(f)).in_flight;

			/* Whether it was there to be removed, the truth before and after a fresh
			 * look decides. */
			ack(queue_of(f), receipts[i]);
			left = stat_of(queue_of(f)).visible + stat_of(queue_of(f)).in_flight;
			assert_in_range(before - left, 0, 1);
			n_gone += before - left;
			receipts[i] = receipts[--n_receipts];
		} else if (dice >= 95) {
			fixture_pass(&f->clock, 10000);
		}
		left = stat_of(queue_of(f)).visible + stat_of(queue_of(f)).in_flight;
		assert_int_equal(left + stat_of(queue_of(f)).dead, n_sent - n_gone);
	}
	assert_true(n_gone > 20);
	fixture_crash(f);
	assert_int_equal(stat_of(queue_of(f)).visible + stat_of(queue_of(f)).dead, n_sent - n_gone);
	arena_release(&a);
}

static void bad_arguments_are_refused_one_by_one(void **state)
{
	struct event_queue *q = queue_of(*state);
	struct arena a = ARENA_INIT;
	struct slice bodies[2] = {slice_of(arena_alloc(&a, QUEUE_BODY_MAX + 1), QUEUE_BODY_MAX + 1),
		slice_str("fits")};
	enum rc results[2];

	assert_int_equal(eq_send(q, bodies, 2, results, NULL), RC_OK);
	assert_int_equal(results[0], RC_REFUSED);
	assert_int_equal(results[1], RC_OK);
	bodies[0] = receive_one(q, &a, LONG_MS).receipt;
	assert_int_equal(hide(q, bodies[0], 43200001), RC_REFUSED);
	assert_int_equal(eq_ack(q, bodies, EQ_BATCH_MAX + 1, results, NULL), RC_REFUSED);
	arena_release(&a);
}

struct sends {
	pthread_mutex_t lock;
	pthread_cond_t change;
	size_t n_ok, n_refused; /* under lock */
};

static void was_sent(void *arg, enum rc rc, const struct err *err)
{
	struct sends *s = arg;

	(void)err;
	pthread_mutex_lock(&s->lock);
	s->n_ok += rc == RC_OK;
	s->n_refused += rc == RC_REFUSED;
	pthread_cond_signal(&s->change);
	pthread_mutex_unlock(&s->lock);
}

/* One fsync an event would be 600. One that is too long takes none of the others with it, nor of
 * its own call any. */
static void eq12_sends_that_are_started_share_commits(void **state)
{
	enum { N = 600 };
	struct local_fixture *f = *state;
	struct event_queue *q = queue_of(f);
	struct sends s = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0};
	uint64_t commits = local_stat(f->local).commits;
	struct arena a = ARENA_INIT;
	struct eq_message *m;
	struct slice two[2] = {slice_str("goes with the other"),
		slice_of(arena_alloc(&a, QUEUE_BODY_MAX + 1), QUEUE_BODY_MAX + 1)};
	char text[32];

	assert_int_equal(q->body_max, QUEUE_BODY_MAX);
	for (int i = 0; i < N; i++) {
		struct slice body;

		snprintf(text, sizeof(text), "event %d", i);
		body = slice_str(text);
		eq_send_start(q, &body, 1, (struct eq_sent){was_sent, &s});
		memset(text, 'x', sizeof(text)); /* the call has its own copy */
		if (i == N / 2)
			eq_send_start(q, two, 2, (struct eq_sent){was_sent, &s});
	}
	pthread_mutex_lock(&s.lock);
	while (s.n_ok + s.n_refused < N + 1)
		pthread_cond_wait(&s.change, &s.lock);
	assert_int_equal(s.n_ok, N);
	assert_int_equal(s.n_refused, 1);
	pthread_mutex_unlock(&s.lock);
	assert_true(local_stat(f->local).commits - commits < N / 4);
	assert_int_equal(receive(q, &a, N + 1, LONG_MS, &m), N);
	for (int i = 0; i < N; i++) {
		snprintf(text, sizeof(text), "event %d", i);
		assert_true(slice_eq_str(m[i].body, text));
	}
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		QUEUE_TEST(eq11_an_ended_timeout_counts_though_nobody_receives),
		QUEUE_TEST(eq10_deliveries_cut_off_by_crashes_do_not_count),
		QUEUE_TEST(eq7_a_message_received_often_enough_before_a_restart_is_buried),
		QUEUE_TEST(eq7_a_timeout_can_be_the_last_receive),
		QUEUE_TEST(a_forged_receipt_is_a_conflict_and_does_nothing),
		QUEUE_TEST(eq4_receipts_from_before_a_restart),
		QUEUE_TEST(eq4_a_receipt_is_good_until_a_later_delivery),
		QUEUE_TEST(eq6_burying_again),
		QUEUE_TEST(nothing_behind_the_cursor_is_missed),
		QUEUE_TEST(a_receive_takes_memory_for_what_it_brings),
		QUEUE_TEST(jumps_of_the_wall_clock_do_nothing),
		QUEUE_TEST(the_oldest_message_ages_after_a_clock_that_was_ahead),
		QUEUE_TEST(stat_keeps_its_sum),
		QUEUE_TEST(bad_arguments_are_refused_one_by_one),
		QUEUE_TEST(eq12_sends_that_are_started_share_commits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
