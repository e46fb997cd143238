/*
 * name_set: member names that can be extracted side by side, on any file system.
 *
 * Two cannot when they are the same, when they differ only by case (one overwrites the other
 * where case does not count), or when one is a folder on the way to the other ("a" and "a/b").
 */
#ifndef BALER_MODEL_NAME_SET_H
#define BALER_MODEL_NAME_SET_H

#include "base/arena.h"
#include "base/table.h"

struct name_set {
	struct table names, folders; /* folded */
	struct arena arena;
};

#define NAME_SET_INIT ((struct name_set){0})

/* Adds a canonical name (member_name.h), borrowed for the call. false: the name cannot be extracted
 * beside a name of the set, and is not added. */
bool name_set_add(struct name_set *s, struct slice name);
void name_set_release(struct name_set *s);

#endif
