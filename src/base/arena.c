#include "base/arena.h"

#include <stdarg.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"

#define CHUNK_BYTES 8192

struct arena_chunk {
	struct arena_chunk *next;
	size_t used, cap;
	alignas(max_align_t) unsigned char data[];
};

void *arena_alloc(struct arena *a, size_t n)
{
	struct arena_chunk *c = a->chunk;
	size_t need = (n + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	void *p;

	if (!c || c->cap - c->used < need) {
		size_t least = a->chunk_bytes ? a->chunk_bytes : CHUNK_BYTES;
		size_t cap = need > least ? need : least;

		c = xmalloc(sizeof(*c) + cap);
		a->held_bytes += sizeof(*c) + cap;
		c->used = 0;
		c->cap = cap;
		c->next = a->chunk;
		a->chunk = c;
	}
	p = c->data + c->used;
	c->used += need;
	a->used_bytes += need;
	return memset(p, 0, need);
}

void *arena_array(struct arena *a, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		die("an array of %zu x %zu bytes", n, size);
	return arena_alloc(a, bytes);
}

char *arena_strdup(struct arena *a, struct slice s)
{
	char *p = arena_alloc(a, s.n + 1);

	if (s.n)
		memcpy(p, s.p, s.n);
	return p;
}

struct slice arena_slice(struct arena *a, struct slice s)
{
	return slice_of(arena_strdup(a, s), s.n);
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *p;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		die("format '%s'", fmt);
	p = arena_alloc(a, (size_t)n + 1);
	va_start(ap, fmt);
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return p;
}

void arena_release(struct arena *a)
{
	while (a->chunk) {
		struct arena_chunk *next = a->chunk->next;

		free(a->chunk);
		a->chunk = next;
	}
	a->used_bytes = a->held_bytes = 0;
}
