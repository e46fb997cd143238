#include "base/table.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/prng.h"

struct table_slot {
	struct slice key;
	uint64_t hash;
	void *value; /* NULL: free */
};

static uint64_t hash_seed;
static pthread_once_t hash_seeded = PTHREAD_ONCE_INIT;

static void seed_hash(void)
{
	struct prng r = prng_system();

	hash_seed = prng_u64(&r);
}

/* Folded 64 x 64 multiplication, as the fast hashes of this decade do it. */
static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash_bytes(struct slice s)
{
	uint64_t h, word;

	pthread_once(&hash_seeded, seed_hash);
	h = hash_seed ^ s.n;
	for (; s.n >= 8; s.p += 8, s.n -= 8) {
		memcpy(&word, s.p, 8);
		h = mix(h ^ word, UINT64_C(0x9e3779b97f4a7c15));
	}
	word = 0;
	if (s.n)
		memcpy(&word, s.p, s.n);
	h = mix(h ^ word, UINT64_C(0xd6e8feb86659fd93));
	return h ^ h >> 32;
}

/* The slot of key, or the free slot where it would go. */
static size_t find(const struct table *t, struct slice key, uint64_t hash)
{
	size_t i = hash & (t->cap - 1);

	while (t->slots[i].value && (t->slots[i].hash != hash || !slice_eq(t->slots[i].key, key)))
		i = (i + 1) & (t->cap - 1);
	return i;
}

static void grow(struct table *t)
{
	struct table old = *t;

	t->cap = old.cap ? old.cap * 2 : 16;
	t->slots = xcalloc(t->cap, sizeof(*t->slots));
	for (size_t i = 0; i < old.cap; i++) {
		if (old.slots[i].value)
			t->slots[find(t, old.slots[i].key, old.slots[i].hash)] = old.slots[i];
	}
	free(old.slots);
}

void *table_get(const struct table *t, struct slice key)
{
	return t->cap ? t->slots[find(t, key, hash_bytes(key))].value : NULL;
}

void *table_put(struct table *t, struct slice key, void *value)
{
	uint64_t hash = hash_bytes(key);
	struct table_slot *slot;
	void *old;

	if (t->n >= t->cap / 2)
		grow(t);
	slot = &t->slots[find(t, key, hash)];
	old = slot->value;
	if (!old) {
		slot->key = key;
		slot->hash = hash;
		t->n++;
	}
	slot->value = value;
	return old;
}

void *table_remove(struct table *t, struct slice key)
{
	size_t mask = t->cap - 1, hole, i;
	void *old;

	if (!t->cap)
		return NULL;
	hole = find(t, key, hash_bytes(key));
	old = t->slots[hole].value;
	if (!old)
		return NULL;
	/* Move back the entries that would not be found across the hole. */
	for (i = (hole + 1) & mask; t->slots[i].value; i = (i + 1) & mask) {
		if (((i - t->slots[i].hash) & mask) >= ((i - hole) & mask)) {
			t->slots[hole] = t->slots[i];
			hole = i;
		}
	}
	t->slots[hole] = (struct table_slot){0};
	t->n--;
	return old;
}

void table_clear(struct table *t)
{
	if (t->n)
		memset(t->slots, 0, t->cap * sizeof(*t->slots));
	t->n = 0;
}

void table_release(struct table *t)
{
	free(t->slots);
	*t = TABLE_INIT;
}
