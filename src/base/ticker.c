#include "base/ticker.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/err.h"

struct ticker {
	struct clock *clock;
	ticker_fn run;
	void *arg;
	/* for a clock that a test moves */
	uint64_t due_boot_ms;
	bool is_running;
	/* of the system clock */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t change;
	bool is_kicked, is_stopping; /* under lock */
};

/* The time that is ms from now on the clock that pthread_cond_timedwait goes by. */
static struct timespec time_in_ms(uint64_t ms)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_sec += (time_t)(ms / 1000);
	ts.tv_nsec += (long)(ms % 1000) * 1000000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_sec++;
		ts.tv_nsec -= 1000000000;
	}
	return ts;
}

/* Whether the ticker goes on; false when it is to stop. */
static bool wait_ms(struct ticker *t, uint64_t ms)
{
	/* far from an overflow of time_t */
	static const uint64_t longest_ms = UINT64_C(7) * 24 * 3600 * 1000;
	struct timespec until = time_in_ms(ms < longest_ms ? ms : longest_ms);
	bool goes_on;

	pthread_mutex_lock(&t->lock);
	while (!t->is_stopping && !t->is_kicked &&
		pthread_cond_timedwait(&t->change, &t->lock, &until) == 0)
		;
	t->is_kicked = false;
	goes_on = !t->is_stopping;
	pthread_mutex_unlock(&t->lock);
	return goes_on;
}

static void *ticker_thread(void *arg)
{
	struct ticker *t = arg;
	uint64_t next_ms = t->due_boot_ms; /* here: the milliseconds until the first run */

	while (wait_ms(t, next_ms))
		next_ms = t->run(t->arg);
	return NULL;
}

static void start_thread(struct ticker *t, const char *name, uint64_t first_ms)
{
	pthread_condattr_t monotonic;

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&t->change, &monotonic);
	pthread_condattr_destroy(&monotonic);
	pthread_mutex_init(&t->lock, NULL);
	t->due_boot_ms = first_ms;
	if (pthread_create(&t->thread, NULL, ticker_thread, t) != 0)
		die("cannot start the thread '%s'", name);
	pthread_setname_np(t->thread, name);
}

struct ticker *ticker_start(
	struct clock *clock, const char *name, uint64_t first_ms, ticker_fn run, void *arg)
{
	struct ticker *t = xcalloc(1, sizeof(*t));

	t->clock = clock;
	t->run = run;
	t->arg = arg;
	if (clock->tickers_add) {
		t->due_boot_ms = clock_boot_ms(clock) + first_ms;
		clock->tickers_add(clock, t);
	} else {
		start_thread(t, name, first_ms);
	}
	return t;
}

void ticker_kick(struct ticker *t)
{
	if (t->clock->tickers_add) {
		t->due_boot_ms = clock_boot_ms(t->clock);
		return;
	}
	pthread_mutex_lock(&t->lock);
	t->is_kicked = true;
	pthread_cond_signal(&t->change);
	pthread_mutex_unlock(&t->lock);
}

void ticker_stop(struct ticker *t)
{
	if (!t)
		return;
	if (t->clock->tickers_add) {
		t->clock->tickers_remove(t->clock, t);
		free(t);
		return;
	}
	pthread_mutex_lock(&t->lock);
	t->is_stopping = true;
	pthread_cond_signal(&t->change);
	pthread_mutex_unlock(&t->lock);
	pthread_join(t->thread, NULL);
	pthread_cond_destroy(&t->change);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

void ticker_run_due(struct ticker *t, uint64_t now_boot_ms)
{
	uint64_t next_ms;

	if (t->is_running || now_boot_ms < t->due_boot_ms)
		return;
	t->is_running = true;
	t->due_boot_ms = UINT64_MAX; /* a kick during the run makes this smaller */
	next_ms = t->run(t->arg);
	t->is_running = false;
	now_boot_ms = clock_boot_ms(t->clock);
	if (t->due_boot_ms > now_boot_ms)
		t->due_boot_ms = now_boot_ms + next_ms;
}

uint64_t ticker_due_boot_ms(const struct ticker *t)
{
	return t->is_running ? UINT64_MAX : t->due_boot_ms;
}
