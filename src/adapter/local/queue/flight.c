#include "adapter/local/queue/flight.h"

#include <assert.h>
#include <stdlib.h>

#include "base/err.h"

#define N_SLOTS (1u << 18) /* at most half full */
#define SLOT_MASK (N_SLOTS - 1)
#define NONE UINT32_MAX

static uint32_t home(uint64_t id)
{
	return (uint32_t)(id * 0x9e3779b97f4a7c15u >> 46); /* Fibonacci hashing: 18 bits */
}

static uint32_t find_slot(const struct flight_table *t, uint64_t id)
{
	uint32_t s = home(id);

	while (t->slots[s] && t->flights[t->slots[s] - 1].id != id)
		s = (s + 1) & SLOT_MASK;
	return s;
}

static bool before(const struct flight_table *t, enum flight_place place, uint32_t a, uint32_t b)
{
	const struct flight *x = &t->flights[a], *y = &t->flights[b];

	if (place == FLIGHT_AWAY && x->visible_boot_ms != y->visible_boot_ms)
		return x->visible_boot_ms < y->visible_boot_ms;
	return x->id < y->id;
}

static struct flight_heap *heap_of(struct flight_table *t, enum flight_place place)
{
	return &t->heaps[place - FLIGHT_AWAY];
}

static void put(struct flight_table *t, struct flight_heap *h, uint32_t at, uint32_t i)
{
	h->flights[at] = i;
	t->flights[i].at = at;
}

static void sift_up(struct flight_table *t, enum flight_place place, uint32_t at)
{
	struct flight_heap *h = heap_of(t, place);
	uint32_t i = h->flights[at];

	while (at > 0 && before(t, place, i, h->flights[(at - 1) / 2])) {
		put(t, h, at, h->flights[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	put(t, h, at, i);
}

static void sift_down(struct flight_table *t, enum flight_place place, uint32_t at)
{
	struct flight_heap *h = heap_of(t, place);
	uint32_t i = h->flights[at];

	for (;;) {
		uint32_t child = 2 * at + 1;

		if (child >= h->n)
			break;
		if (child + 1 < h->n && before(t, place, h->flights[child + 1], h->flights[child]))
			child++;
		if (!before(t, place, h->flights[child], i))
			break;
		put(t, h, at, h->flights[child]);
		at = child;
	}
	put(t, h, at, i);
}

static void heap_remove(struct flight_table *t, enum flight_place place, uint32_t at)
{
	struct flight_heap *h = heap_of(t, place);
	uint32_t last = h->flights[--h->n];

	if (at == h->n)
		return;
	put(t, h, at, last);
	sift_up(t, place, at);
	sift_down(t, place, t->flights[last].at);
}

void flight_table_init(struct flight_table *t)
{
	*t = (struct flight_table){.free_list = NONE};
	t->flights = xcalloc(FLIGHTS_MAX, sizeof(*t->flights));
	t->slots = xcalloc(N_SLOTS, sizeof(*t->slots));
	for (int i = 0; i < 2; i++)
		t->heaps[i].flights = xcalloc(FLIGHTS_MAX, sizeof(uint32_t));
}

void flight_table_release(struct flight_table *t)
{
	free(t->flights);
	free(t->slots);
	for (int i = 0; i < 2; i++)
		free(t->heaps[i].flights);
	*t = (struct flight_table){0};
}

struct flight *flight_find(struct flight_table *t, uint64_t id)
{
	uint32_t s = find_slot(t, id);

	return t->slots[s] ? &t->flights[t->slots[s] - 1] : NULL;
}

struct flight *flight_add(struct flight_table *t, uint64_t id)
{
	uint32_t s = find_slot(t, id);
	uint32_t i = t->free_list;

	assert(t->n < FLIGHTS_MAX && t->slots[s] == 0);
	if (i == NONE)
		i = t->n_used++;
	else
		t->free_list = t->flights[i].at;
	t->flights[i] = (struct flight){.id = id};
	t->slots[s] = i + 1;
	t->n++;
	return &t->flights[i];
}

/* Backward shift: the entries that follow in the same run move up, so that no tombstones remain. */
static void free_slot(struct flight_table *t, uint32_t hole)
{
	for (uint32_t s = (hole + 1) & SLOT_MASK; t->slots[s]; s = (s + 1) & SLOT_MASK) {
		uint32_t want = home(t->flights[t->slots[s] - 1].id);

		if (((s - want) & SLOT_MASK) < ((s - hole) & SLOT_MASK))
			continue;
		t->slots[hole] = t->slots[s];
		hole = s;
	}
	t->slots[hole] = 0;
}

void flight_remove(struct flight_table *t, struct flight *f)
{
	flight_move(t, f, FLIGHT_NOWHERE);
	free_slot(t, find_slot(t, f->id));
	f->at = t->free_list;
	t->free_list = (uint32_t)(f - t->flights);
	t->n--;
}

void flight_move(struct flight_table *t, struct flight *f, enum flight_place place)
{
	if (f->place != FLIGHT_NOWHERE)
		heap_remove(t, (enum flight_place)f->place, f->at);
	f->place = (unsigned char)place;
	if (place == FLIGHT_NOWHERE)
		return;

	struct flight_heap *h = heap_of(t, place);

	put(t, h, h->n++, (uint32_t)(f - t->flights));
	sift_up(t, place, f->at);
}

struct flight *flight_first(struct flight_table *t, enum flight_place place)
{
	struct flight_heap *h = heap_of(t, place);

	return h->n ? &t->flights[h->flights[0]] : NULL;
}

size_t flight_n(const struct flight_table *t, enum flight_place place)
{
	return t->heaps[place - FLIGHT_AWAY].n;
}
