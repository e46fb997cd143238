#include "base/sync.h"

#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"

struct work_pool {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct work *head, **tail; /* under lock */
	bool closing;              /* under lock */
	unsigned n_waiting;        /* under lock */
	unsigned n_threads;
	struct thread {
		struct work_pool *pool;
		pthread_t id;
		uint64_t since_boot_ms; /* when it began its piece, 0: it has none; under lock */
	} threads[];
};

static struct work *take_locked(struct work_pool *pool)
{
	struct work *w;

	while (!pool->head && !pool->closing)
		pthread_cond_wait(&pool->more, &pool->lock);
	w = pool->head;
	if (!w)
		return NULL;
	pool->head = w->next;
	pool->n_waiting--;
	if (!pool->head)
		pool->tail = &pool->head;
	return w;
}

static void *pool_thread(void *arg)
{
	struct thread *t = arg;
	struct work_pool *pool = t->pool;
	struct work *w;

	do {
		pthread_mutex_lock(&pool->lock);
		t->since_boot_ms = 0;
		w = take_locked(pool);
		t->since_boot_ms = clock_boot_ms(clock_system());
		pthread_mutex_unlock(&pool->lock);
		if (w)
			w->run(w);
	} while (w);
	return NULL;
}

struct work_pool *work_pool_new(unsigned n_threads, const char *name)
{
	struct work_pool *pool = xcalloc(1, sizeof(*pool) + n_threads * sizeof(struct thread));

	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->more, NULL);
	pool->tail = &pool->head;
	pool->n_threads = n_threads;
	for (unsigned i = 0; i < n_threads; i++) {
		struct thread *t = &pool->threads[i];

		t->pool = pool;
		if (pthread_create(&t->id, NULL, pool_thread, t) != 0)
			die("cannot start thread '%s' %u", name, i);
		pthread_setname_np(t->id, name);
	}
	return pool;
}

unsigned work_pool_threads(const struct work_pool *pool)
{
	return pool->n_threads;
}

void work_pool_submit(struct work_pool *pool, struct work *w)
{
	w->next = NULL;
	pthread_mutex_lock(&pool->lock);
	*pool->tail = w;
	pool->tail = &w->next;
	pool->n_waiting++;
	pthread_cond_signal(&pool->more);
	pthread_mutex_unlock(&pool->lock);
}

struct work_pool_state work_pool_look(struct work_pool *pool)
{
	uint64_t now = clock_boot_ms(clock_system());
	struct work_pool_state state = {0};

	pthread_mutex_lock(&pool->lock);
	state.n_waiting = pool->n_waiting;
	for (unsigned i = 0; i < pool->n_threads; i++) {
		uint64_t since = pool->threads[i].since_boot_ms;

		if (!since)
			continue;
		state.n_running++;
		if (now - since > state.longest_ms)
			state.longest_ms = now - since;
	}
	pthread_mutex_unlock(&pool->lock);
	return state;
}

void work_pool_free(struct work_pool *pool)
{
	if (!pool)
		return;
	pthread_mutex_lock(&pool->lock);
	pool->closing = true;
	pthread_cond_broadcast(&pool->more);
	pthread_mutex_unlock(&pool->lock);
	for (unsigned i = 0; i < pool->n_threads; i++)
		pthread_join(pool->threads[i].id, NULL);
	pthread_cond_destroy(&pool->more);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}

unsigned cpu_count(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return 1;
	return (unsigned)CPU_COUNT(&set);
}
