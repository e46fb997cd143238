/* The archive's part of the oracle: protocol.md, I12. */
#include "oracle.h"

#include <stdio.h>

#include "base/digest.h"
#include "base/json.h"

#define BROKEN(...) (snprintf(why, ORACLE_WHY_MAX, __VA_ARGS__), false)

static char *manifest_key(struct arena *a, struct slice bundle_key)
{
	return arena_printf(a, "manifests/" SLICE_FMT ".json", SLICE_ARG(bundle_key));
}

static bool is_there(struct world *w, const char *bucket, struct slice key)
{
	struct object_id id = {slice_str(bucket), key, {0}};
	struct arena a = ARENA_INIT;
	struct os_object info;
	bool there = os_head(w->store, &id, &a, &info, NULL) == RC_OK;

	arena_release(&a);
	return there;
}

bool oracle_archived(struct world *w, const struct lg_plan *plan)
{
	struct arena a = ARENA_INIT;
	bool ok = !is_there(w, WORLD_DISTRIBUTION, plan->key) ||
		  (is_there(w, WORLD_ARCHIVE, plan->key) &&
			  is_there(w, WORLD_ARCHIVE, slice_str(manifest_key(&a, plan->key))));

	arena_release(&a);
	return ok;
}

static bool number_is(const json_t *o, const char *name, uint64_t value)
{
	const json_t *n = json_object_get(o, name);

	return json_is_integer(n) && (uint64_t)json_integer_value(n) == value;
}

static bool hash_is(const json_t *o, const unsigned char sum[32])
{
	char hex[65];

	hex_encode(sum, 32, hex);
	return slice_eq_str(json_member_str(o, "sha256"), hex);
}

/* The source named is an object that was put with these bytes. */
static bool source_is(const struct world *w, const json_t *o, const struct world_member *m)
{
	struct object_id id = {json_member_str(o, "bucket"), json_member_str(o, "key"),
		json_member_str(o, "versionId")};

	for (size_t i = 0; i < w->n_objects; i++) {
		if (object_id_eq(&id, &w->objects[i].id))
			return slice_eq(m->name, w->objects[i].name) &&
			       slice_eq(m->body, w->objects[i].body);
	}
	return false;
}

static bool member_is(const struct world *w, const json_t *o, const struct world_member *m)
{
	unsigned char sum[32];

	sha256(m->body, sum);
	return slice_eq(json_member_str(o, "name"), m->name) && number_is(o, "size", m->body.n) &&
	       hash_is(o, sum) && source_is(w, o, m) &&
	       json_is_integer(json_object_get(o, "offset"));
}

static bool check_members(
	const struct world *w, const json_t *list, const struct world_bundle *b, char *why)
{
	size_t n = 0;

	for (size_t i = 0; i < w->n_members; i++) {
		if (!slice_eq(w->members[i].bundle_key, b->key))
			continue;
		if (!member_is(w, json_array_get(list, n++), &w->members[i]))
			return BROKEN("I12: a manifest is wrong about '" SLICE_FMT "'",
				SLICE_ARG(w->members[i].name));
	}
	return n == json_array_size(list)
		       ? true
		       : BROKEN("I12: a manifest has %zu members of %zu", json_array_size(list), n);
}

static bool check_manifest(
	struct world *w, struct slice text, const struct world_bundle *b, char *why)
{
	char hex[2 * PLAN_ID_BYTES + 1];
	json_t *root = NULL;
	struct plan_id id;
	bool ok;

	if (!bundle_key_parse(b->key, &id) ||
		json_parse(text, (size_t)1 << 30, &root, NULL) != RC_OK)
		return BROKEN("I12: a manifest that is not JSON");
	hex_encode(id.bytes, PLAN_ID_BYTES, hex);
	ok = slice_eq_str(json_member_str(root, "plan"), hex) &&
	     slice_eq(json_member_str(root, "bundle"), b->key) &&
	     number_is(root, "size", b->size) && hash_is(root, b->sha256) &&
	     json_member_str(root, "created").n == strlen("2026-01-01T00:00:00.000Z");
	if (!ok)
		snprintf(why, ORACLE_WHY_MAX, "I12: the manifest of another bundle");
	ok = ok && check_members(w, json_object_get(root, "members"), b, why);
	json_decref(root);
	return ok;
}

static const struct world_bundle *published(const struct world *w, struct slice key)
{
	for (size_t i = 0; i < w->n_bundles; i++) {
		if (slice_eq(w->bundles[i].key, key))
			return &w->bundles[i];
	}
	return NULL;
}

static bool check_pair(struct world *w, struct arena *a, const struct world_bundle *b, char *why)
{
	struct slice bucket = slice_str(WORLD_ARCHIVE),
		     manifest = slice_str(manifest_key(a, b->key));
	struct object_id copy = {bucket, b->key, {0}}, described = {bucket, manifest, {0}};
	unsigned char sum[32];
	struct slice headers, bytes;

	if (!is_there(w, WORLD_ARCHIVE, b->key) || !is_there(w, WORLD_ARCHIVE, manifest))
		return BROKEN("I12: '" SLICE_FMT "' is not archived", SLICE_ARG(b->key));
	bytes = world_read(w, &copy, &headers);
	sha256(bytes, sum);
	if (bytes.n != b->size || memcmp(sum, b->sha256, 32) != 0 || !slice_eq(headers, b->headers))
		return BROKEN("I12: '" SLICE_FMT "' is another in the archive", SLICE_ARG(b->key));
	return check_manifest(w, world_read(w, &described, NULL), b, why);
}

/* Nothing but those pairs, one version each. */
static bool count_objects(struct world *w, struct arena *a, char *why)
{
	struct os_list_query q = {
		.bucket = slice_str(WORLD_ARCHIVE), .max = OS_LIST_MAX, .versions = true};
	struct os_list_page page;
	size_t n = 0;

	do {
		if (os_list(w->store, &q, a, &page, NULL) != RC_OK)
			return BROKEN("the archive cannot be listed");
		for (size_t i = 0; i < page.n; i++) {
			if (!slice_has_prefix(page.objects[i].key, slice_str("manifests/")) &&
				!published(w, page.objects[i].key))
				return BROKEN("I12: '" SLICE_FMT "' is archived, not published",
					SLICE_ARG(page.objects[i].key));
		}
		n += page.n;
		q.token = page.next;
	} while (page.next.n);
	return n == 2 * w->n_bundles
		       ? true
		       : BROKEN("I12: the archive has %zu objects of %zu bundles", n, w->n_bundles);
}

bool oracle_archive(struct world *w, char why[ORACLE_WHY_MAX])
{
	struct arena a = ARENA_INIT;
	bool ok = true;

	for (size_t i = 0; ok && i < w->n_bundles; i++)
		ok = check_pair(w, &a, &w->bundles[i], why);
	ok = ok && count_objects(w, &a, why);
	arena_release(&a);
	return ok;
}
