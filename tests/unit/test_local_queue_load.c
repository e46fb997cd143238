/* The local queue under load: bounds, wake-ups, many callers at once. */
#include "local_queue_help.h"

#include "adapter/local/queue/event_queue.h"
#include "adapter/local/queue/flight.h"

/* Sends n bodies of size bytes. */
static void send_many(struct event_queue *q, size_t n, size_t size)
{
	struct arena a = ARENA_INIT;
	struct slice *bodies = arena_array(&a, n, sizeof(*bodies));
	enum rc *results = arena_array(&a, n, sizeof(*results));
	unsigned char *body = arena_alloc(&a, size);

	for (size_t i = 0; i < n; i++)
		bodies[i] = slice_of(body, size);
	assert_int_equal(eq_send(q, bodies, n, results, NULL), RC_OK);
	arena_release(&a);
}

static void one_receive_is_bounded_in_bytes(void **state)
{
	enum { N = 100, SIZE = 250000 };
	struct event_queue *q = queue_of(*state);
	size_t left = N, n;

	send_many(q, N, SIZE);
	for (int calls = 0; left > 0; left -= n, calls++) {
		struct arena a = ARENA_INIT;
		struct eq_message *m;

		n = receive(q, &a, N, LONG_MS, &m);
		assert_in_range(n, 1, QUEUE_RECEIVE_BYTES / SIZE + 1);
		assert_true(calls < N);
		if (calls == 0) { /* and of what comes back as well */
			for (size_t i = 0; i < n; i++)
				assert_int_equal(hide(q, m[i].receipt, 0), RC_OK);
			left += n;
		}
		arena_release(&a);
	}
	assert_int_equal(stat_of(q).visible, 0);
	assert_int_equal(stat_of(q).in_flight, N);
}

static void in_flight_is_bounded(void **state)
{
	struct event_queue *q = queue_of(*state);
	struct slice last = {0};
	struct arena kept = ARENA_INIT;
	struct eq_message *m;

	for (int i = 0; i < FLIGHTS_MAX / EQ_BATCH_MAX + 1; i++)
		send_many(q, EQ_BATCH_MAX, 10);
	for (int i = 0; i < FLIGHTS_MAX / EQ_BATCH_MAX; i++) {
		struct arena a = ARENA_INIT;

		assert_int_equal(receive(q, &a, EQ_BATCH_MAX, LONG_MS, &m), EQ_BATCH_MAX);
		last = arena_slice(&kept, m[0].receipt);
		arena_release(&a);
	}
	assert_int_equal(receive(q, &kept, 10, LONG_MS, &m), 0);
	assert_int_equal(stat_of(q).in_flight, FLIGHTS_MAX);
	assert_int_equal(stat_of(q).visible, EQ_BATCH_MAX);
	assert_int_equal(ack(q, last), RC_OK);
	assert_int_equal(receive(q, &kept, 10, LONG_MS, &m), 1);
	arena_release(&kept);
}

struct listener {
	struct event_queue *q;
	_Atomic uint64_t returned_boot_ms;
	_Atomic bool listening;
	size_t n;
};

static void *listen_once(void *arg)
{
	struct listener *l = arg;
	struct arena a = ARENA_INIT;
	struct eq_message *m;

	l->listening = true;
	if (eq_receive(l->q, &a, 10, 10000, LONG_MS, &m, &l->n, NULL) != RC_OK)
		l->n = 0;
	l->returned_boot_ms = clock_boot_ms(clock_system());
	arena_release(&a);
	return NULL;
}

/* [EQ-8] A receiver that waits has the message within 20 ms of its commit: the median of eleven,
 *        for the machine is shared. */
static void eq8_a_waiting_receiver_wakes_at_once(void **state)
{
	enum { N = 11 };
	struct event_queue *q = queue_of(*state);
	int fast = 0;

	for (int i = 0; i < N; i++) {
		struct listener l = {.q = q};
		pthread_t thread;
		uint64_t sent;

		assert_int_equal(pthread_create(&thread, NULL, listen_once, &l), 0);
		while (!l.listening)
			clock_sleep_ms(clock_system(), 1);
		clock_sleep_ms(clock_system(), 10);
		send_text(q, "m");
		sent = clock_boot_ms(clock_system());
		pthread_join(thread, NULL);
		assert_int_equal(l.n, 1);
		fast += l.returned_boot_ms <= sent + 20;
	}
	assert_true(fast > N / 2);
}

/* [EQ-8] It wakes, too, for a message whose visibility timeout ends. */
static void eq8_a_waiting_receiver_sees_timeouts_end(void **state)
{
	struct event_queue *q = queue_of(*state);
	struct arena a = ARENA_INIT;
	uint64_t start = clock_boot_ms(clock_system());
	struct eq_message *m;
	size_t n;

	send_text(q, "m");
	receive_one(q, &a, 100);
	assert_int_equal(eq_receive(q, &a, 10, 10000, LONG_MS, &m, &n, NULL), RC_OK);
	assert_int_equal(n, 1);
	assert_int_equal(m[0].receive_count, 2);
	assert_in_range(clock_boot_ms(clock_system()) - start, 99, 5000);
	arena_release(&a);
}

enum { N_TOGETHER = 1000 };

struct crowd {
	struct event_queue *q;
	_Atomic unsigned seen[N_TOGETHER], acked;
	_Atomic bool failed;
};

static void *crowd_send(void *arg)
{
	struct crowd *c = arg;
	enum rc result;

	for (unsigned i = 0; i < N_TOGETHER; i++) {
		char text[16];
		struct slice body = slice_of(text, (size_t)snprintf(text, sizeof(text), "%u", i));

		if (eq_send(c->q, &body, 1, &result, NULL) != RC_OK)
			c->failed = true;
	}
	return NULL;
}

/* Every third is hidden once before it is acknowledged. */
static void *crowd_receive(void *arg)
{
	struct crowd *c = arg;

	while (c->acked < N_TOGETHER && !c->failed) {
		struct arena a = ARENA_INIT;
		struct eq_message *m;
		enum rc result;
		size_t n;

		if (eq_receive(c->q, &a, 50, 100, LONG_MS, &m, &n, NULL) != RC_OK)
			c->failed = true;
		for (size_t i = 0; i < n && !c->failed; i++) {
			unsigned number = (unsigned)atoi(arena_strdup(&a, m[i].body));
			struct eq_hide h = {m[i].receipt, 0, false};

			c->seen[number]++;
			if (number % 3 == 0 && m[i].receive_count == 1) {
				eq_hide(c->q, &h, 1, &result, NULL);
			} else {
				eq_ack(c->q, &m[i].receipt, 1, &result, NULL);
				c->acked++;
			}
			if (result != RC_OK)
				c->failed = true;
		}
		arena_release(&a);
	}
	return NULL;
}

static void many_callers_get_each_message_once(void **state)
{
	static struct crowd c;
	pthread_t threads[4];

	c.q = queue_of(*state);
	for (int i = 0; i < 4; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, i ? crowd_receive : crowd_send, &c), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_false(c.failed);
	for (unsigned i = 0; i < N_TOGETHER; i++)
		assert_int_equal(c.seen[i], i % 3 == 0 ? 2 : 1);
	assert_int_equal(stat_of(c.q).visible + stat_of(c.q).in_flight, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		QUEUE_TEST(one_receive_is_bounded_in_bytes),
		QUEUE_TEST(in_flight_is_bounded),
		QUEUE_TEST(eq8_a_waiting_receiver_wakes_at_once),
		QUEUE_TEST(eq8_a_waiting_receiver_sees_timeouts_end),
		QUEUE_TEST(many_callers_get_each_message_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
