/* base/ticker: periodic functions, on threads of the system clock and inside a clock that a test
 * moves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/ticker.h"
#include "world.h"

struct count {
	atomic_uint n;
	uint64_t every_ms;
	struct clock *clock;
	uint64_t runs_boot_ms[64];
	uint64_t work_ms; /* how long a run takes */
	bool inside, overlapped;
};

static uint64_t tick(void *arg)
{
	struct count *c = arg;
	unsigned n = atomic_load(&c->n);

	c->overlapped = c->overlapped || c->inside;
	c->inside = true;
	if (c->clock && n < 64)
		c->runs_boot_ms[n] = clock_boot_ms(c->clock);
	if (c->work_ms)
		clock_sleep_ms(c->clock, c->work_ms);
	c->inside = false;
	atomic_fetch_add(&c->n, 1);
	return c->every_ms;
}

static bool reaches(struct count *c, unsigned n)
{
	for (int i = 0; i < 2000 && atomic_load(&c->n) < n; i++)
		clock_sleep_ms(clock_system(), 5);
	return atomic_load(&c->n) >= n;
}

static void runs_again_and_again_on_its_own_thread(void **state)
{
	struct count c = {.every_ms = 2};
	struct ticker *t = ticker_start(clock_system(), "test", 0, tick, &c);

	(void)state;
	assert_true(reaches(&c, 5));
	ticker_stop(t);
	assert_false(c.overlapped);
}

static void a_kick_does_not_wait_for_the_time(void **state)
{
	struct count c = {.every_ms = 3600000};
	struct ticker *t = ticker_start(clock_system(), "test", 3600000, tick, &c);

	(void)state;
	for (unsigned i = 1; i <= 3; i++) {
		ticker_kick(t);
		assert_true(reaches(&c, i));
	}
	ticker_stop(t);
}

static void a_stop_waits_for_the_run_and_ends_a_long_pause(void **state)
{
	struct count c = {.every_ms = UINT64_MAX, .clock = clock_system(), .work_ms = 50};
	struct ticker *t = ticker_start(clock_system(), "test", 0, tick, &c);

	(void)state;
	clock_sleep_ms(clock_system(), 20);
	ticker_stop(t);
	assert_false(c.inside);
	assert_true(atomic_load(&c.n) <= 1);
}

static void a_clock_that_is_moved_runs_what_is_due_on_the_way(void **state)
{
	struct world w;
	struct count c = {.every_ms = 100};
	struct ticker *t;
	uint64_t start;

	(void)state;
	world_open(&w, 1);
	c.clock = &w.clock.port;
	start = w.clock.boot_ms;
	t = ticker_start(c.clock, "test", 50, tick, &c);
	clock_sleep_ms(c.clock, 49);
	assert_int_equal(c.n, 0);
	clock_sleep_ms(c.clock, 301);
	assert_int_equal(c.n, 4);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(c.runs_boot_ms[i], start + 50 + 100 * i);
	assert_int_equal(w.clock.boot_ms, start + 350);
	ticker_kick(t);
	clock_sleep_ms(c.clock, 1);
	assert_int_equal(c.n, 5);
	ticker_stop(t);
	clock_sleep_ms(c.clock, 1000);
	assert_int_equal(c.n, 5);
	world_close(&w);
}

/* A run that sleeps moves the clock too; another ticker runs meanwhile, this one does not run
 * inside itself. */
static void a_slow_run_holds_up_only_itself(void **state)
{
	struct world w;
	struct count slow = {.every_ms = 10, .work_ms = 1000}, other = {.every_ms = 100};
	struct ticker *a, *b;

	(void)state;
	world_open(&w, 1);
	slow.clock = other.clock = &w.clock.port;
	a = ticker_start(slow.clock, "slow", 5, tick, &slow);
	b = ticker_start(slow.clock, "other", 100, tick, &other);
	clock_sleep_ms(slow.clock, 1500);
	assert_false(slow.overlapped);
	assert_in_range(slow.n, 2, 2);
	assert_in_range(other.n, 14, 21);
	ticker_stop(a);
	ticker_stop(b);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_again_and_again_on_its_own_thread),
		cmocka_unit_test(a_kick_does_not_wait_for_the_time),
		cmocka_unit_test(a_stop_waits_for_the_run_and_ends_a_long_pause),
		cmocka_unit_test(a_clock_that_is_moved_runs_what_is_due_on_the_way),
		cmocka_unit_test(a_slow_run_holds_up_only_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
