/*
 * table: a hash table from bytes to pointers, with open addressing. The hash is keyed with a random
 * number of the process, so that a client who chooses the keys cannot choose collisions. Not
 * thread-safe. The table has no order: a caller who needs one keeps a list beside it.
 */
#ifndef BALER_BASE_TABLE_H
#define BALER_BASE_TABLE_H

#include "base/buf.h"

struct table_slot;

struct table {
	struct table_slot *slots;
	size_t n;   /* entries */
	size_t cap; /* slots; 0 or a power of two */
};

#define TABLE_INIT ((struct table){0})

/* NULL when there is none. */
void *table_get(const struct table *t, struct slice key);
/* key is borrowed until it is removed; value is not NULL. Returns the value it replaced, or
 * NULL; a replaced entry keeps its first key. */
void *table_put(struct table *t, struct slice key, void *value);
/* Returns the value that was removed, or NULL. */
void *table_remove(struct table *t, struct slice key);
/* Empties; keeps the memory. */
void table_clear(struct table *t);
void table_release(struct table *t);

#endif
