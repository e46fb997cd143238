#include "consumer/replay.h"

#include <stdlib.h>

#include "model/bundle_key.h"
#include "verify/bundles.h"

struct run {
	const struct replay *o;
	struct arena arena;
	struct os_object *bundles;
	size_t n, cap, n_listed;
	struct replay_totals totals;
};

static void add(struct run *r, const struct os_object *bundle)
{
	if (r->n == r->cap) {
		r->cap = r->cap ? 2 * r->cap : 256;
		r->bundles = xrealloc(r->bundles, r->cap * sizeof(*r->bundles));
	}
	r->bundles[r->n] = *bundle;
	r->bundles[r->n++].key = arena_slice(&r->arena, bundle->key);
}

/* A manifest has its bundle's name in its own. */
static bool is_bundle(struct slice key)
{
	static const char manifests[] = "manifests/", suffix[] = ".tar.gz";
	size_t n = sizeof(suffix) - 1;

	return bundle_key_is_bundle(key) && !slice_has_prefix(key, slice_str(manifests)) &&
	       key.n > n && memcmp(key.p + key.n - n, suffix, n) == 0;
}

static void tell_progress(const struct run *r, const struct replay_progress *now)
{
	if (r->o->progress)
		r->o->progress(r->o->arg, now);
}

static enum rc add_listed(void *arg, const struct os_object *bundle, struct err *err)
{
	struct run *r = arg;

	if (atomic_load(r->o->stopping))
		return err_code(err, RC_AGAIN, "ECANCELED", "stopped");
	tell_progress(r, &(struct replay_progress){.n_listed = ++r->n_listed});
	if (is_bundle(bundle->key) && bundle->modified_wall_ms >= r->o->since_wall_ms &&
		bundle->modified_wall_ms <= r->o->until_wall_ms)
		add(r, bundle);
	return RC_OK;
}

static void tell(struct run *r, const struct os_object *bundle, size_t number, enum rc rc,
	const struct err *err)
{
	struct replay_result result = {bundle, rc, err, number, r->n};

	r->totals.n++;
	if (rc == RC_OK) {
		r->totals.n_copied++;
		r->totals.bytes += bundle->size;
	} else {
		r->totals.n_failed++;
	}
	r->o->tell(r->o->arg, &result);
}

/* The named bundles, with the times that they have; a bundle that does not exist is reported at
 * once. */
static void add_named(struct run *r)
{
	for (size_t i = 0; i < r->o->n_keys; i++) {
		struct object_id id = {
			.bucket = slice_str(r->o->archive_bucket), .key = r->o->keys[i]};
		struct os_object found = {.key = id.key};
		struct err err = {0};
		enum rc rc = RC_OK;

		if (!is_bundle(id.key))
			rc = err_set(&err, RC_REFUSED, "it is no bundle by its name");
		if (rc == RC_OK)
			rc = os_head(r->o->archive, &id, &r->arena, &found, &err);
		if (rc == RC_OK)
			add(r, &found);
		else
			tell(r, &found, 0, rc, &err);
	}
}

static int by_age(const void *x, const void *y)
{
	const struct os_object *a = x, *b = y;

	if (a->modified_wall_ms != b->modified_wall_ms)
		return a->modified_wall_ms < b->modified_wall_ms ? -1 : 1;
	return slice_cmp(a->key, b->key);
}

static enum rc copy_one(struct run *r, const struct os_object *bundle, struct err *err)
{
	struct object_id from = {.bucket = slice_str(r->o->archive_bucket), .key = bundle->key};
	struct arena a = ARENA_INIT;
	struct os_object copy;
	enum rc rc = RC_OK;

	if (!r->o->dry_run)
		rc = os_copy(r->o->distribution, &from, slice_str(r->o->distribution_bucket),
			bundle->key, &a, &copy, err);
	arena_release(&a);
	return rc;
}

static void copy_all(struct run *r)
{
	struct replay_progress now = {.n = r->n};

	for (size_t i = 0; i < r->n; i++)
		now.total_bytes += r->bundles[i].size;
	for (; now.n_done < r->n && !atomic_load(r->o->stopping); now.n_done++) {
		const struct os_object *bundle = &r->bundles[now.n_done];
		struct err why = {0};
		enum rc copied;

		tell_progress(r, &now);
		copied = copy_one(r, bundle, &why);
		tell(r, bundle, now.n_done + 1, copied, &why);
		now.done_bytes += bundle->size;
	}
}

enum rc replay_run(const struct replay *replay, struct replay_totals *ret_totals, struct err *err)
{
	struct run r = {.o = replay};
	enum rc rc = RC_OK;

	if (replay->n_keys)
		add_named(&r);
	else
		rc = bundles_each(
			replay->archive, slice_str(replay->archive_bucket), add_listed, &r, err);
	if (r.n)
		qsort(r.bundles, r.n, sizeof(*r.bundles), by_age);
	if (rc == RC_OK)
		copy_all(&r);
	*ret_totals = r.totals;
	free(r.bundles);
	arena_release(&r.arena);
	if (rc == RC_AGAIN && atomic_load(replay->stopping))
		return RC_OK;
	return rc == RC_OK ? rc : err_ctx(err, rc, "list bucket '%s'", replay->archive_bucket);
}
