/* Finds where a bundle comes from; and I12: whether the archive has it, and what its manifest
 * says. */
#include <stdio.h>
#include <unistd.h>

#include "verify/ledger_audit_internal.h"

#define DEVIATIONS_NAMED 10 /* of one manifest; further ones are only counted */

struct slice audit_bundle_of(struct slice key)
{
	struct slice prefix = slice_str(AUDIT_MANIFESTS), suffix = slice_str(AUDIT_MANIFEST_SUFFIX);

	if (!slice_has_prefix(key, prefix) || key.n <= prefix.n + suffix.n ||
		memcmp(key.p + key.n - suffix.n, suffix.p, suffix.n) != 0)
		return (struct slice){0};
	return slice_of(key.p + prefix.n, key.n - prefix.n - suffix.n);
}

struct slice audit_manifest_of(struct arena *a, struct slice bundle_key)
{
	return slice_str(arena_printf(
		a, AUDIT_MANIFESTS SLICE_FMT AUDIT_MANIFEST_SUFFIX, SLICE_ARG(bundle_key)));
}

static enum rc find_current(struct bundle_reading *r, struct slice bucket, struct slice key,
	bool *ret_found, struct audit_version *ret, struct err *err)
{
	enum rc rc = audit_call(r->a->source, current, &r->arena, bucket, key, ret, err);

	*ret_found = rc == RC_OK;
	return rc == RC_ABSENT ? RC_OK : rc;
}

/* The bundle has no plan: it comes from an invocation, or its plan is gone by now, or nobody made
 * it. A replayed bundle is as old as the one in the archive. */
static enum rc origin_without_plan(struct bundle_reading *r, struct err *err)
{
	const struct audit_version *v = r->version;
	struct audit_version archived;
	bool was, by_stage = false, found;
	enum rc rc =
		find_current(r, r->a->source->archive_bucket, v->id.key, &found, &archived, err);

	if (rc == RC_OK && v->is_direct)
		rc = audit_call(
			r->a->source, was_published, v->id.bucket, v->id.key, &was, &by_stage, err);
	if (rc != RC_OK)
		return rc;
	if (by_stage)
		r->origin = ORIGIN_DIRECT;
	else if (auditor_may_be_gone(r->a, v->modified_wall_ms) ||
		 (found && auditor_may_be_gone(r->a, archived.modified_wall_ms)))
		r->origin = ORIGIN_AGED;
	else
		auditor_note(r->a, FINDING_ORPHAN, "I3", &v->id, &r->id,
			"published, and its plan does not exist");
	return RC_OK;
}

enum rc audit_origin(struct bundle_reading *r, struct err *err)
{
	const struct audit_version *v = r->version;
	enum rc rc = audit_call(r->a->source, plan_find, &r->arena, &r->id, &r->plan, err);

	r->origin = ORIGIN_NONE;
	if (rc == RC_ABSENT)
		return origin_without_plan(r, err);
	if (rc != RC_OK)
		return rc;
	if (v->is_archived && r->plan.state == PLAN_ABORTED && r->plan.is_live)
		r->origin = ORIGIN_LEAVING;
	else if (!plan_is_final(&r->plan) || !r->plan.has_seal)
		auditor_note(r->a, FINDING_ORPHAN, "I3", &v->id, &r->id,
			"published, and its plan is not sealed");
	else if (r->plan.n_slots > LG_BATCH_MAX)
		auditor_note(r->a, FINDING_ILLEGAL, "I4", &v->id, &r->id,
			"its plan has %llu slots, more than any can",
			(unsigned long long)r->plan.n_slots);
	else if (!slice_eq(r->plan.key, v->id.key))
		auditor_note(r->a, FINDING_ORPHAN, "I3", &v->id, &r->id,
			"published under another key than its plan's");
	else
		r->origin = ORIGIN_PLAN;
	return RC_OK;
}

/* A deviation of the manifest. */
static void deviates(struct bundle_reading *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void deviates(struct bundle_reading *r, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (r->n_deviations++ >= DEVIATIONS_NAMED)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	auditor_note(r->a, FINDING_DAMAGED, "I12", &r->manifest_id, &r->id, "%s", text);
}

static void judge_head(struct bundle_reading *r)
{
	const struct audit_manifest *m = &r->manifest;
	char id[2 * PLAN_ID_BYTES + 1];

	hex_encode(r->id.bytes, PLAN_ID_BYTES, id);
	if (!slice_eq_str(m->plan, id))
		deviates(r, "it is of plan '" SLICE_FMT "'", SLICE_ARG(m->plan));
	if (!slice_eq(m->bundle, r->version->id.key))
		deviates(r, "it is of the bundle '" SLICE_FMT "'", SLICE_ARG(m->bundle));
	if (r->origin == ORIGIN_PLAN && !slice_eq(m->bucket, r->plan.bucket))
		deviates(r,
			"its bundle is in the bucket '" SLICE_FMT "', the plan's in '" SLICE_FMT
			"'",
			SLICE_ARG(m->bucket), SLICE_ARG(r->plan.bucket));
	if (m->is_direct && r->origin == ORIGIN_PLAN)
		deviates(r, "it says that a direct invocation made a bundle that a plan sealed");
}

static enum rc read_manifest(struct bundle_reading *r, struct err *err)
{
	int fd;
	enum rc rc = audit_call(r->a->source, open, &r->manifest_id, &fd, err);

	if (rc == RC_OK) {
		rc = audit_manifest_read(fd, &r->manifest, err);
		close(fd);
		r->has_manifest = rc == RC_OK;
		if (rc != RC_OK)
			audit_manifest_release(&r->manifest);
	}
	if (rc == RC_CORRUPT)
		deviates(r, "%s", err->text);
	if (r->has_manifest) {
		r->a->sum.manifests++;
		judge_head(r);
	}
	return rc == RC_CORRUPT || rc == RC_ABSENT ? RC_OK : rc;
}

/* Whether what publishes this copy may not have come to its end: the copy is the first of the
 * three, the bundle the last. */
static enum rc is_under_way(
	struct bundle_reading *r, bool *ret_is, bool *ret_was_published, struct err *err)
{
	const struct audit_version *v = r->version;
	bool by_stage;
	enum rc rc = RC_OK;

	*ret_was_published = true;
	*ret_is = r->origin == ORIGIN_PLAN && r->plan.state == PLAN_SEALED;
	if (r->origin != ORIGIN_DIRECT)
		return RC_OK;
	rc = audit_call(r->a->source, was_published, r->a->source->distribution_bucket, v->id.key,
		ret_was_published, &by_stage, err);
	*ret_is = !*ret_was_published && auditor_may_be_at_work(r->a, v->modified_wall_ms);
	return rc;
}

static enum rc judge_copy(struct bundle_reading *r, bool has_manifest, struct err *err)
{
	const struct audit_version *v = r->version;
	bool is, was;
	enum rc rc = is_under_way(r, &is, &was, err);

	r->a->sum.direct += r->origin == ORIGIN_DIRECT;
	if (rc != RC_OK || is)
		return rc;
	if (!has_manifest)
		auditor_note(r->a, FINDING_MISSING, "I12", &v->id, &r->id,
			"archived, and its manifest is not there");
	if (!was)
		auditor_note(r->a, FINDING_ORPHAN, "I12", &v->id, &r->id,
			"archived by an invocation that never published it");
	return RC_OK;
}

enum rc audit_archived(struct bundle_reading *r, struct err *err)
{
	const struct audit_version *v = r->version;
	struct slice archive = r->a->source->archive_bucket;
	struct audit_version copy, manifest;
	bool has_copy = true, has_manifest;
	enum rc rc = find_current(
		r, archive, audit_manifest_of(&r->arena, v->id.key), &has_manifest, &manifest, err);

	if (rc != RC_OK || (v->is_archived && !v->is_current))
		return rc;
	if (v->is_archived)
		rc = judge_copy(r, has_manifest, err);
	else
		rc = find_current(r, archive, v->id.key, &has_copy, &copy, err);
	/* for a done plan this is reported with the plan */
	if (rc == RC_OK && !has_copy && !(r->origin == ORIGIN_PLAN && r->plan.state == PLAN_DONE))
		auditor_note(r->a, FINDING_MISSING, "I12", &v->id, &r->id,
			"published, and not in the archive");
	if (rc != RC_OK || !has_manifest || (!v->is_archived && r->origin == ORIGIN_PLAN))
		return rc;
	r->manifest_id = manifest.id;
	return read_manifest(r, err);
}

enum rc audit_manifest_object(struct auditor *a, const struct audit_version *v, struct err *err)
{
	struct slice bundle = audit_bundle_of(v->id.key);
	struct arena arena = ARENA_INIT;
	struct audit_version copy;
	enum rc rc = RC_ABSENT;

	if (!v->is_current)
		return RC_OK;
	if (bundle.p)
		rc = audit_call(a->source, current, &arena, v->id.bucket, bundle, &copy, err);
	arena_release(&arena);
	if (rc == RC_ABSENT)
		auditor_note(a, FINDING_ORPHAN, "I12", &v->id, NULL, "a manifest of no bundle");
	return rc == RC_ABSENT ? RC_OK : rc;
}

static void judge_source(
	struct bundle_reading *r, const struct audit_member *e, const struct object_id *record)
{
	const struct object_id *s = &e->source;

	if (!slice_eq(s->bucket, record->bucket))
		deviates(r,
			"member '" SLICE_FMT "' is said to be of the bucket '" SLICE_FMT
			"', the ledger has '" SLICE_FMT "'",
			SLICE_ARG(e->name), SLICE_ARG(s->bucket), SLICE_ARG(record->bucket));
	else if (!slice_eq(s->key, record->key))
		deviates(r,
			"member '" SLICE_FMT "' is said to be of the key '" SLICE_FMT
			"', the ledger has '" SLICE_FMT "'",
			SLICE_ARG(e->name), SLICE_ARG(s->key), SLICE_ARG(record->key));
	else if (!slice_eq(s->version, record->version))
		deviates(r,
			"member '" SLICE_FMT "' is said to be version '" SLICE_FMT
			"', the ledger has '" SLICE_FMT "'",
			SLICE_ARG(e->name), SLICE_ARG(s->version), SLICE_ARG(record->version));
}

const struct audit_member *audit_manifest_member(
	struct bundle_reading *r, const struct untar_member *m, const struct object_id *record)
{
	const struct audit_member *e;

	if (!r->has_manifest)
		return NULL;
	e = audit_manifest_seen(&r->manifest, m);
	if (!e)
		deviates(r, "it does not name '" SLICE_FMT "', which is in the bundle",
			SLICE_ARG(m->name));
	else if (record)
		judge_source(r, e, record);
	return e;
}

static void judge_entry(struct bundle_reading *r, const struct audit_member *e)
{
	if (!e->is_seen)
		deviates(r, "it names '" SLICE_FMT "', which is not in the bundle",
			SLICE_ARG(e->name));
	else if (e->seen_bytes != e->size_bytes)
		deviates(r, "member '" SLICE_FMT "' has %llu bytes, not %llu", SLICE_ARG(e->name),
			(unsigned long long)e->seen_bytes, (unsigned long long)e->size_bytes);
	else if (memcmp(e->seen_sha256, e->sha256, SHA256_BYTES) != 0)
		deviates(r, "member '" SLICE_FMT "' has another SHA-256", SLICE_ARG(e->name));
	else if (!e->is_tried || memcmp(e->tried_sha256, e->seen_sha256, SHA256_BYTES) != 0)
		deviates(r, "member '" SLICE_FMT "' is not at offset %llu", SLICE_ARG(e->name),
			(unsigned long long)e->offset_bytes);
}

void audit_manifest_end(struct bundle_reading *r)
{
	if (!r->has_manifest)
		return;
	for (size_t i = 0; i < r->manifest.n; i++)
		judge_entry(r, &r->manifest.members[i]);
}

void audit_manifest_close(struct bundle_reading *r)
{
	if (r->n_deviations > DEVIATIONS_NAMED)
		auditor_note(r->a, FINDING_DAMAGED, "I12", &r->manifest_id, &r->id,
			"%u more deviations", r->n_deviations - DEVIATIONS_NAMED);
	if (r->has_manifest)
		audit_manifest_release(&r->manifest);
}

void audit_manifest_bytes(struct bundle_reading *r, uint64_t size, const unsigned char *sha256)
{
	const struct audit_manifest *m = &r->manifest;

	if (!r->has_manifest)
		return;
	if (size != m->size_bytes)
		deviates(r, "the bundle in '" SLICE_FMT "' has %llu bytes, not %llu",
			SLICE_ARG(r->version->id.bucket), (unsigned long long)size,
			(unsigned long long)m->size_bytes);
	else if (memcmp(sha256, m->sha256, SHA256_BYTES) != 0)
		deviates(r, "the bundle in '" SLICE_FMT "' has another SHA-256",
			SLICE_ARG(r->version->id.bucket));
}
