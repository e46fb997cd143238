/* Verbs of the local queue for its tests: one message, no error expected. */
#ifndef BALER_TESTS_UNIT_LOCAL_QUEUE_HELP_H
#define BALER_TESTS_UNIT_LOCAL_QUEUE_HELP_H

#include "check.h"

#include "local_fixture.h"

#include "port/event_queue.h"

#define LONG_MS 600000
#define MAX_RECEIVES 5 /* of the fixture's queue */

static inline int queue_setup(void **state)
{
	struct local_fixture *f = xcalloc(1, sizeof(*f));

	fixture_init(f, MAX_RECEIVES);
	*state = f;
	return 0;
}

static inline int queue_teardown(void **state)
{
	fixture_release(*state);
	free(*state);
	return 0;
}

static inline struct event_queue *queue_of(struct local_fixture *f)
{
	return local_event_queue(f->local);
}

static inline void send_text(struct event_queue *q, const char *text)
{
	struct slice body = slice_str(text);
	enum rc result = RC_FATAL;

	assert_int_equal(eq_send(q, &body, 1, &result, NULL), RC_OK);
	assert_int_equal(result, RC_OK);
}

static inline size_t receive(struct event_queue *q, struct arena *a, size_t max,
	uint64_t visibility_ms, struct eq_message **ret)
{
	size_t n;

	assert_int_equal(eq_receive(q, a, max, 0, visibility_ms, ret, &n, NULL), RC_OK);
	return n;
}

static inline struct eq_message receive_one(
	struct event_queue *q, struct arena *a, uint64_t visibility_ms)
{
	struct eq_message *m;

	assert_int_equal(receive(q, a, 10, visibility_ms, &m), 1);
	return m[0];
}

static inline enum rc ack(struct event_queue *q, struct slice receipt)
{
	enum rc result = RC_FATAL;

	assert_int_equal(eq_ack(q, &receipt, 1, &result, NULL), RC_OK);
	return result;
}

static inline enum rc hide(struct event_queue *q, struct slice receipt, uint64_t delay_ms)
{
	struct eq_hide h = {receipt, delay_ms, false};
	enum rc result = RC_FATAL;

	assert_int_equal(eq_hide(q, &h, 1, &result, NULL), RC_OK);
	return result;
}

static inline struct eq_stat stat_of(struct event_queue *q)
{
	struct eq_stat st;

	assert_int_equal(eq_stat(q, &st, NULL), RC_OK);
	return st;
}

#define QUEUE_TEST(fn) cmocka_unit_test_setup_teardown(fn, queue_setup, queue_teardown)

#endif
