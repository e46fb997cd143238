#include "serve/memory.h"

#include <malloc.h>

/* The program itself: code and libraries (11 MiB resident), stacks of some twenty threads, logs,
 * keys, and freed memory that the C library keeps. It is not a share, because nothing that others
 * do makes it grow. */
#define PROGRAM_BYTES (UINT64_C(36) << 20)

static const struct {
	const char *name;
	unsigned percent; /* of what the program leaves */
} division[MEMORY_SHARES] = {
	/* 78 KiB each, 92 with TLS: 1,000 connections with the default, 860 with TLS. Full: the
	 * longest idle one makes room. */
	[MEMORY_CONNECTIONS] = {"connections", 38},
	/* Documents that arrive (XML, JSON) with the values read from them, and answers that leave.
	 * Full: 503 SlowDown. */
	[MEMORY_REQUESTS] = {"requests", 11},
	/* Bodies of objects up to 128 KiB until they are in their row. Full: the next body goes to
	 * a file at once. */
	[MEMORY_BODIES] = {"bodies", 7},
	/* Messages in hand and the memory that their plans need: 50,000 objects with keys of 50
	 * bytes. Full: the batch closes early. */
	[MEMORY_MESSAGES] = {"messages", 28},
	/* Blocks being compressed, objects being fetched from another store. Full: fewer at a
	 * time. */
	[MEMORY_BUNDLES] = {"bundles", 8},
	/* SQLite's pages. Full: a page is read again instead of kept. */
	[MEMORY_DATABASE] = {"database", 8},
};

enum rc memory_divide(struct memory *m, uint64_t ceiling_bytes, struct err *err)
{
	uint64_t rest;

	if (ceiling_bytes < MEMORY_MIN_BYTES)
		return err_set(err, RC_REFUSED,
			"'--memory': %llu MiB are too few; %llu MiB is the least that works",
			(unsigned long long)(ceiling_bytes >> 20),
			(unsigned long long)(MEMORY_MIN_BYTES >> 20));
	m->ceiling_bytes = ceiling_bytes;
	rest = ceiling_bytes - PROGRAM_BYTES;
	for (int i = 0; i < MEMORY_SHARES; i++)
		budget_init(&m->shares[i], division[i].name, rest / 100 * division[i].percent);
	return RC_OK;
}

/* By default there may be eight heaps for each processor, and each heap keeps the memory that was
 * freed in it. A limit keeps machines with many processors from taking more. With four heaps the
 * intake waited 3,000 times in 30,000 PUTs for the heap that it shared with a thread of the
 * gateway, with eight heaps 300 times. A fixed threshold keeps large blocks out of the heaps, so
 * that they are unmapped when they are freed. A body of 128 KiB stays below it, because mapping
 * costs more than copying. */
void memory_configure_malloc(void)
{
	mallopt(M_ARENA_MAX, 8);
	mallopt(M_MMAP_THRESHOLD, 256 << 10);
	mallopt(M_TRIM_THRESHOLD, 1 << 20);
}
