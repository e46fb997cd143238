#include "model/object_id.h"

bool object_id_eq(const struct object_id *a, const struct object_id *b)
{
	return slice_eq(a->version, b->version) && slice_eq(a->key, b->key) &&
	       slice_eq(a->bucket, b->bucket);
}

int object_id_cmp(const struct object_id *a, const struct object_id *b)
{
	int d = slice_cmp(a->bucket, b->bucket);

	if (d == 0)
		d = slice_cmp(a->key, b->key);
	if (d == 0)
		d = slice_cmp(a->version, b->version);
	return d;
}

/* FNV-1a, 64 bit (draft-eastlake-fnv). The lengths go in, so that fields cannot run into each
 * other. */
static uint64_t fnv1a(uint64_t h, struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		h = (h ^ s.p[i]) * 0x100000001b3u;
	return (h ^ s.n) * 0x100000001b3u;
}

uint64_t object_id_hash(const struct object_id *id)
{
	return fnv1a(fnv1a(fnv1a(0xcbf29ce484222325u, id->bucket), id->key), id->version);
}

struct object_id object_id_copy(struct arena *a, const struct object_id *id)
{
	return (struct object_id){
		.bucket = arena_slice(a, id->bucket),
		.key = arena_slice(a, id->key),
		.version = arena_slice(a, id->version),
	};
}
