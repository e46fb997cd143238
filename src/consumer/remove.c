#include "consumer/remove.h"

struct removal {
	struct object_store *store;
	struct slice bucket;
	const struct os_object *bundle;
	bool is_found;
	struct object_id taken; /* valid when is_found; its version is in arena */
	struct arena arena;
};

static enum rc delete_all(struct removal *r, const struct object_id *ids, size_t n, struct err *err)
{
	enum rc results[OS_LIST_MAX];
	enum rc rc = n ? os_delete_many(r->store, r->bucket, ids, n, results, err) : RC_OK;

	for (size_t i = 0; rc == RC_OK && i < n; i++)
		if (results[i] != RC_OK)
			rc = err_set(err, results[i], "%s", rc_name(results[i]));
	return rc;
}

static bool is_taken(const struct removal *r, const struct os_object *version)
{
	if (version->is_delete_marker)
		return false;
	if (r->bundle->version.n)
		return slice_eq(version->version, r->bundle->version);
	return slice_eq(version->etag, r->bundle->etag) && version->size == r->bundle->size &&
	       version->modified_wall_ms == r->bundle->modified_wall_ms;
}

/* Deletes the page's versions that are older than the taken one. *ret_is_last: no later page has a
 * version of the key. */
static enum rc delete_older(
	struct removal *r, const struct os_list_page *page, bool *ret_is_last, struct err *err)
{
	struct object_id older[OS_LIST_MAX];
	size_t n = 0;

	*ret_is_last = page->next.n == 0;
	for (size_t i = 0; i < page->n && !*ret_is_last; i++)
		*ret_is_last = !slice_eq(page->objects[i].key, r->bundle->key);
	for (size_t i = 0; i < page->n; i++) {
		const struct os_object *version = &page->objects[i];
		struct object_id id = {r->bucket, r->bundle->key, version->version};

		if (!slice_eq(version->key, r->bundle->key))
			/* a longer key that begins with the key; the key itself comes first */
			break;
		if (r->is_found) {
			older[n++] = id;
		} else if (is_taken(r, version)) {
			r->is_found = true;
			r->taken = id;
			r->taken.version = arena_slice(&r->arena, id.version);
		}
	}
	return delete_all(r, older, n, err);
}

static enum rc delete_versions(struct removal *r, struct err *err)
{
	struct os_list_query query = {
		.bucket = r->bucket, .prefix = r->bundle->key, .max = OS_LIST_MAX, .versions = true};
	struct arena pages[2] = {ARENA_INIT, ARENA_INIT}; /* the token lives in the page before */
	struct os_list_page page;
	bool is_last = false;
	enum rc rc = RC_OK;

	for (unsigned turn = 0; rc == RC_OK && !is_last; turn ^= 1) {
		arena_release(&pages[turn]);
		pages[turn] = ARENA_INIT;
		rc = os_list(r->store, &query, &pages[turn], &page, err);
		if (rc == RC_OK)
			rc = delete_older(r, &page, &is_last, err);
		query.token = page.next;
	}
	if (rc == RC_OK && r->is_found)
		rc = delete_all(r, &r->taken, 1, err);
	arena_release(&pages[0]);
	arena_release(&pages[1]);
	return rc;
}

enum rc remove_bundle(
	struct object_store *store, struct slice bucket, const struct os_object *bundle, struct err *err)
{
	struct removal r = {.store = store, .bucket = bucket, .bundle = bundle};
	struct object_id key = {.bucket = bucket, .key = bundle->key};
	enum rc rc = os_keeps_evidence(store) ? delete_versions(&r, err) : delete_all(&r, &key, 1, err);

	arena_release(&r.arena);
	return rc == RC_OK ? rc : err_ctx(err, rc, "it is extracted, but cannot be deleted");
}
