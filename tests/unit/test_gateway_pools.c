/*
 * What if a request never ends? The requests of its kind wait, a bounded number of them; all other
 * kinds go on; and the pool that stands still is named with how long it has (containment of the
 * gateway's threads).
 */
#include "check.h"

#include <semaphore.h>
#include <time.h>

#include "gateway/front.h"
#include "gateway/http/dialect.h"
#include "gateway/http/request.h"
#include "gateway/s3/s3.h"

#define N_REQUESTS (POOL_WAITING_MAX + 40)

static sem_t gate; /* opened once for each job that may end */
static _Atomic int n_running, n_resumed;

static bool no_key(void *arg, const char *access_key, struct key_grant *ret_grant)
{
	(void)arg;
	(void)access_key;
	(void)ret_grant;
	return false;
}

static void suspend(struct request *r)
{
	(void)r;
}

static void resume(struct request *r)
{
	(void)r;
	atomic_fetch_add(&n_resumed, 1);
}

static enum rc stand_still(struct request *r, struct err *err)
{
	(void)r;
	atomic_fetch_add(&n_running, 1);
	sem_wait(&gate);
	return err_set(err, RC_AGAIN, "enough");
}

static enum rc end_at_once(struct request *r, struct err *err)
{
	(void)r;
	return err_set(err, RC_AGAIN, "done");
}

static enum rc after(struct request *r, struct err *err)
{
	(void)err;
	return reply_empty(r, 200);
}

static void wait_for(_Atomic int *number, int value)
{
	for (int i = 0; i < 1000 && atomic_load(number) < value; i++)
		clock_sleep_ms(clock_system(), 5);
	assert_int_equal(atomic_load(number), value);
}

static struct request *make(struct service *s)
{
	struct request *r = request_new(s, "/bucket/key");

	r->dialect = &s3_dialect;
	r->method = METHOD_PUT;
	return r;
}

static struct service_pool pool_of(const struct service *s, const char *name)
{
	struct service_pool pools[SERVICE_POOLS];

	service_pools(s, pools);
	for (size_t i = 0; i < SERVICE_POOLS; i++)
		if (strcmp(pools[i].name, name) == 0)
			return pools[i];
	fail();
	return pools[0];
}

static void one_that_stands_still_stops_no_other_kind(void **state)
{
	struct gateway_config config = {.keys = {no_key, NULL}};
	struct service s = {0};
	struct request *requests[N_REQUESTS], *other;
	int n_refused = 0, n_threads;

	(void)state;
	sem_init(&gate, 0, 0);
	service_init(&s, &config, front_begin);
	s.suspend = suspend;
	s.resume = resume;
	n_threads = (int)work_pool_threads(s.workers);
	for (int i = 0; i < N_REQUESTS; i++) {
		requests[i] = make(&s);
		request_run(requests[i], stand_still, after);
		if (i < n_threads)
			wait_for(&n_running, i + 1);
		if (requests[i]->phase == PHASE_REPLY) {
			n_refused++;
			assert_int_equal(requests[i]->reply.status, 503);
		}
	}
	assert_int_equal(n_refused, N_REQUESTS - n_threads - POOL_WAITING_MAX);
	clock_sleep_ms(clock_system(), 20);
	assert_int_equal(pool_of(&s, "copies").state.n_waiting, POOL_WAITING_MAX);
	assert_int_equal(pool_of(&s, "copies").state.n_running, n_threads);
	assert_true(pool_of(&s, "copies").state.longest_ms >= 20);

	/* the others have no one waiting, and answer */
	for (size_t i = 0; i < 3; i++) {
		struct work_pool *const pools[] = {s.reads, s.admin, s.status};

		other = make(&s);
		request_read_on(other, pools[i], end_at_once, after);
		wait_for(&n_resumed, (int)i + 1);
		request_free(other);
	}
	/* the operator's may stand still as well: status does not */
	for (unsigned i = 0; i < work_pool_threads(s.admin); i++)
		request_read_on(requests[N_REQUESTS - 1 - (int)i], s.admin, stand_still, after);
	wait_for(&n_running, n_threads + (int)work_pool_threads(s.admin));
	other = make(&s);
	request_read_on(other, s.status, end_at_once, after);
	wait_for(&n_resumed, 4);
	request_free(other);

	for (int i = 0; i < N_REQUESTS; i++)
		sem_post(&gate);
	service_release(&s); /* waits */
	for (int i = 0; i < N_REQUESTS; i++)
		request_free(requests[i]);
	sem_destroy(&gate);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_stands_still_stops_no_other_kind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
