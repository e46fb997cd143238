#include "adapter/local/engine/db_memory.h"

#include <malloc.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdlib.h>

/* KiB; holds the leaves that a burst of random keys reads again and again */
#define WRITER_CACHE_KIB 16384
#define READER_CACHE_KIB 1024
#define READER_CACHE_KIB_MIN 64 /* eight pages: a walk from the root to a leaf, and some leaves */

static atomic_int writer_kib = WRITER_CACHE_KIB, reader_kib = READER_CACHE_KIB;
static _Atomic uint64_t used, peak;

static void count(int64_t n)
{
	uint64_t now = atomic_fetch_add_explicit(&used, (uint64_t)n, memory_order_relaxed) + (uint64_t)n;
	uint64_t most = atomic_load_explicit(&peak, memory_order_relaxed);

	while (now > most && !atomic_compare_exchange_weak_explicit(&peak, &most, now,
				     memory_order_relaxed, memory_order_relaxed))
		;
}

static int size_of(void *p)
{
	return p ? (int)malloc_usable_size(p) : 0;
}

static void *allocate(int n)
{
	void *p = malloc((size_t)n);

	count(size_of(p));
	return p;
}

static void release(void *p)
{
	count(-(int64_t)size_of(p));
	free(p);
}

static void *reallocate(void *p, int n)
{
	int before = size_of(p);
	void *moved = realloc(p, (size_t)n);

	if (moved)
		count((int64_t)size_of(moved) - before);
	return moved;
}

static int round_up(int n)
{
	return (n + 7) & ~7;
}

static int start(void *arg)
{
	(void)arg;
	return SQLITE_OK;
}

static void stop(void *arg)
{
	(void)arg;
}

static void configure(void)
{
	static const sqlite3_mem_methods methods = {
		allocate, release, reallocate, size_of, round_up, start, stop, NULL};

	/* A program that has used SQLite before it opens a folder (a test) keeps SQLite's own
	 * allocator, and db_memory then shows 0. */
	if (sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0) == SQLITE_OK)
		sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
}

void db_memory_prepare(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, configure);
}

void db_limit_memory(uint64_t bytes)
{
	uint64_t kib = bytes >> 10, of_reader = kib / 4 / DB_READERS_MAX;

	atomic_store(&writer_kib, (int)(kib / 4 * 3));
	atomic_store(&reader_kib, (int)(of_reader > READER_CACHE_KIB_MIN ? of_reader : READER_CACHE_KIB_MIN));
}

int db_cache_kib(bool writes)
{
	return atomic_load(writes ? &writer_kib : &reader_kib);
}

void db_memory(uint64_t *ret_used, uint64_t *ret_peak)
{
	*ret_used = atomic_load_explicit(&used, memory_order_relaxed);
	*ret_peak = atomic_load_explicit(&peak, memory_order_relaxed);
}
