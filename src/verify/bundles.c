#include "verify/bundles.h"

#include <stdlib.h>

static bool is_bundle(struct slice key)
{
	return key.n && memmem(key.p, key.n, "bundle-", 7);
}

enum rc bundles_each(struct object_store *store, struct slice bucket,
	enum rc (*fn)(void *arg, const struct os_object *bundle, struct err *err), void *arg,
	struct err *err)
{
	struct os_list_query query = {.bucket = bucket, .max = OS_LIST_MAX};
	struct arena pages[2] = {ARENA_INIT, ARENA_INIT}; /* the token lives in the page before */
	struct os_list_page page;
	enum rc rc;

	for (unsigned turn = 0;; turn ^= 1) {
		arena_release(&pages[turn]);
		pages[turn] = ARENA_INIT;
		rc = os_list(store, &query, &pages[turn], &page, err);
		for (size_t i = 0; rc == RC_OK && i < page.n; i++)
			if (is_bundle(page.objects[i].key))
				rc = fn(arg, &page.objects[i], err);
		if (rc != RC_OK || page.next.n == 0)
			break;
		query.token = page.next;
	}
	arena_release(&pages[0]);
	arena_release(&pages[1]);
	return rc;
}

static enum rc add_known(void *arg, const struct os_object *bundle, struct err *err)
{
	(void)err;
	key_set_add(arg, bundle->key);
	return RC_OK;
}

enum rc bundles_note(
	struct object_store *store, struct slice bucket, struct key_set *known, struct err *err)
{
	return bundles_each(store, bucket, add_known, known, err);
}

static enum rc delete_chunk(struct object_store *store, struct slice bucket,
	const struct object_id *objects, size_t n, enum rc *results, struct err *err)
{
	enum rc rc = os_delete_many(store, bucket, objects, n, results, err);

	for (size_t i = 0; rc == RC_OK && i < n; i++)
		if (results[i] != RC_OK)
			rc = err_set(err, results[i], "'" SLICE_FMT "' cannot be deleted: %s",
				SLICE_ARG(objects[i].key), rc_name(results[i]));
	return rc;
}

enum rc delete_in_chunks(struct object_store *store, struct slice bucket,
	const struct object_id *objects, size_t n, struct err *err)
{
	enum rc *results = xcalloc(OS_LIST_MAX, sizeof(*results));
	enum rc rc = RC_OK;

	for (size_t i = 0; i < n; i += OS_LIST_MAX) {
		size_t part = n - i < OS_LIST_MAX ? n - i : OS_LIST_MAX;
		enum rc one = delete_chunk(
			store, bucket, objects + i, part, results, rc == RC_OK ? err : NULL);

		if (rc == RC_OK)
			rc = one;
	}
	free(results);
	return rc;
}

struct stale {
	struct arena arena;
	struct object_id *ids;
	size_t n, cap;
	uint64_t before_wall_ms;
};

static enum rc note_stale(void *arg, const struct os_object *bundle, struct err *err)
{
	struct stale *s = arg;

	(void)err;
	if (bundle->modified_wall_ms >= s->before_wall_ms)
		return RC_OK;
	if (s->n == s->cap) {
		s->cap = s->cap ? 2 * s->cap : 256;
		s->ids = xrealloc(s->ids, s->cap * sizeof(*s->ids));
	}
	s->ids[s->n++] = (struct object_id){.key = arena_slice(&s->arena, bundle->key)};
	return RC_OK;
}

enum rc bundles_delete_older(struct object_store *store, struct slice bucket,
	uint64_t before_wall_ms, uint64_t *ret_n, struct err *err)
{
	struct stale s = {.before_wall_ms = before_wall_ms};
	enum rc rc = bundles_each(store, bucket, note_stale, &s, err);

	for (size_t i = 0; i < s.n; i++)
		s.ids[i].bucket = bucket;
	if (rc == RC_OK && s.n)
		rc = delete_in_chunks(store, bucket, s.ids, s.n, err);
	if (rc == RC_OK)
		*ret_n = s.n;
	free(s.ids);
	arena_release(&s.arena);
	return rc;
}
