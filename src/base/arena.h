/*
 * arena: the memory of one unit of work (a request, a plan), which is allocated piece by piece and
 * freed at once. One thread at a time.
 */
#ifndef BALER_BASE_ARENA_H
#define BALER_BASE_ARENA_H

#include "base/buf.h"

struct arena_chunk;

struct arena {
	struct arena_chunk *chunk; /* newest first */
	size_t used_bytes;         /* sum of the sizes that were handed out, for limits */
	size_t held_bytes;         /* sum of the sizes that were taken from malloc */
	size_t chunk_bytes;        /* the least size of the next chunk; 0: 8 KiB */
};

#define ARENA_INIT ((struct arena){0})
/* For many small arenas that live long: the first chunk has room for exactly n bytes. Count 16
 * bytes of alignment for each allocation. */
#define ARENA_OF(n) ((struct arena){.chunk_bytes = (n)})

/* Zeroed, aligned for any type; never NULL. */
void *arena_alloc(struct arena *a, size_t n);
void *arena_array(struct arena *a, size_t n, size_t size);
/* Terminated copies. */
char *arena_strdup(struct arena *a, struct slice s);
struct slice arena_slice(struct arena *a, struct slice s);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void arena_release(struct arena *a);

#endif
