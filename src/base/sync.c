#include "base/sync.h"

#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/err.h"

struct work_pool {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct work *head, **tail; /* under lock */
	bool closing;              /* under lock */
	unsigned n_threads;
	pthread_t threads[];
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
	if (!pool->head)
		pool->tail = &pool->head;
	return w;
}

static void *pool_thread(void *arg)
{
	struct work_pool *pool = arg;
	struct work *w;

	do {
		pthread_mutex_lock(&pool->lock);
		w = take_locked(pool);
		pthread_mutex_unlock(&pool->lock);
		if (w)
			w->run(w);
	} while (w);
	return NULL;
}

struct work_pool *work_pool_new(unsigned n_threads, const char *name)
{
	struct work_pool *pool = xcalloc(1, sizeof(*pool) + n_threads * sizeof(pthread_t));

	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->more, NULL);
	pool->tail = &pool->head;
	pool->n_threads = n_threads;
	for (unsigned i = 0; i < n_threads; i++) {
		if (pthread_create(&pool->threads[i], NULL, pool_thread, pool) != 0)
			die("cannot start thread '%s' %u", name, i);
		pthread_setname_np(pool->threads[i], name);
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
	pthread_cond_signal(&pool->more);
	pthread_mutex_unlock(&pool->lock);
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
		pthread_join(pool->threads[i], NULL);
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
