#include "verify/key_set.h"

#include <stdlib.h>

#include "base/digest.h"
#include "base/err.h"

#define HASHED_BYTES 16

/* FNV-1a: the keys come from our own system, so nobody chooses them to collide. */
static size_t hash(struct slice key)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (size_t i = 0; i < key.n; i++)
		h = (h ^ key.p[i]) * 0x100000001b3u;
	return (size_t)(h ^ h >> 32);
}

static struct slice *find_slot(struct slice *slots, size_t n_slots, struct slice key)
{
	size_t i = hash(key) & (n_slots - 1);

	while (slots[i].p && !slice_eq(slots[i], key))
		i = (i + 1) & (n_slots - 1);
	return &slots[i];
}

bool key_set_has(const struct key_set *set, struct slice key)
{
	return set->n_slots && find_slot(set->slots, set->n_slots, key)->p;
}

static void grow(struct key_set *set)
{
	size_t n_slots = set->n_slots ? 2 * set->n_slots : 256;
	struct slice *slots = xcalloc(n_slots, sizeof(*slots));

	for (size_t i = 0; i < set->n_slots; i++)
		if (set->slots[i].p)
			*find_slot(slots, n_slots, set->slots[i]) = set->slots[i];
	free(set->slots);
	set->slots = slots;
	set->n_slots = n_slots;
}

bool key_set_add(struct key_set *set, struct slice key)
{
	struct slice *slot;

	if (2 * (set->n + 1) > set->n_slots)
		grow(set);
	slot = find_slot(set->slots, set->n_slots, key);
	if (slot->p)
		return false;
	*slot = slice_of(arena_strdup(&set->arena, key), key.n);
	set->n++;
	return true;
}

bool key_set_add_hashed(struct key_set *set, struct slice key)
{
	unsigned char digest[SHA256_BYTES];

	sha256(key, digest);
	return key_set_add(set, slice_of(digest, HASHED_BYTES));
}

void key_set_release(struct key_set *set)
{
	free(set->slots);
	arena_release(&set->arena);
	*set = (struct key_set){0};
}
