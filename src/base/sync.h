/*
 * sync: a pool of threads that takes whole pieces of work. The only place, beside the committer
 * and the HTTP server, where threads are made.
 */
#ifndef BALER_BASE_SYNC_H
#define BALER_BASE_SYNC_H

#include <pthread.h>
#include <stdint.h>

struct work {
	void (*run)(struct work *w); /* called once, on a pool thread */
	struct work *next;           /* the pool's own */
};

struct work_pool;

/* n_threads ≥ 1; name is shown by ps -L (15 bytes). */
struct work_pool *work_pool_new(unsigned n_threads, const char *name);
unsigned work_pool_threads(const struct work_pool *pool);
/* w stays the caller's and must live until its run has returned. First in, first started. Never
 * blocks. */
void work_pool_submit(struct work_pool *pool, struct work *w);
/* The state of a pool: pieces of work that wait for a thread, and since when the oldest running
 * piece has been running. */
struct work_pool_state {
	unsigned n_waiting, n_running;
	uint64_t longest_ms; /* 0: none runs */
};
struct work_pool_state work_pool_look(struct work_pool *pool);
/* Runs all submitted work, then ends the threads. */
void work_pool_free(struct work_pool *pool);

/* Processors this process may use, at least 1. */
unsigned cpu_count(void);

#endif
