/* key_set: a set of keys, owned copies. Grows; nothing is ever taken out. One thread. */
#ifndef BALER_VERIFY_KEY_SET_H
#define BALER_VERIFY_KEY_SET_H

#include "base/arena.h"

struct key_set {
	struct slice *slots; /* open addressing, at most half full; p == NULL: free */
	size_t n, n_slots;
	struct arena arena;
};

bool key_set_has(const struct key_set *set, struct slice key);
/* false: it was there already. */
bool key_set_add(struct key_set *set, struct slice key);
/* Adds a hash of the key in place of the key: 16 bytes, however long the key is. One set has either
 * keys or hashes. */
bool key_set_add_hashed(struct key_set *set, struct slice key);
void key_set_release(struct key_set *set);

#endif
