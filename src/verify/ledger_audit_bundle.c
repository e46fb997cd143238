/*
 * Every bundle that is still there, against the plan that sealed it: its bytes, and each member
 * against the record of its slot, its manifest and the source. Members stand in a bundle in the
 * order of their slots. A direct invocation's has no plan: there the manifest alone says what
 * should be in it.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/digest.h"
#include "model/bundle_key.h"
#include "model/member_name.h"
#include "verify/ledger_audit_internal.h"

#define BLOCK_BYTES 65536

static enum rc hash_fd(
	int fd, unsigned char out[SHA256_BYTES], uint64_t *ret_bytes, struct err *err)
{
	struct digest *d = digest_new(DIGEST_SHA256);
	unsigned char block[BLOCK_BYTES], hash[DIGEST_MAX_BYTES];
	enum rc rc = RC_OK;
	ssize_t n;

	*ret_bytes = 0;
	while ((n = read(fd, block, sizeof(block))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			rc = err_errno(err, errno, "read");
			break;
		}
		digest_update(d, slice_of(block, (size_t)n));
		*ret_bytes += (uint64_t)n;
	}
	digest_final(d, DIGEST_SHA256, hash);
	memcpy(out, hash, SHA256_BYTES);
	digest_free(d);
	return rc;
}

/* The source, if it is still there, must have the member's bytes. */
static enum rc compare_source(struct bundle_reading *r, const struct object_id *source,
	const struct untar_member *m, struct err *err)
{
	unsigned char hash[SHA256_BYTES];
	uint64_t size;
	int fd;
	enum rc rc = audit_call(r->a->source, open, source, &fd, err);

	if (rc == RC_ABSENT)
		return RC_OK;
	if (rc == RC_CORRUPT) /* reported as a stored body (I13) */
		return RC_OK;
	if (rc != RC_OK)
		return rc;
	rc = hash_fd(fd, hash, &size, err);
	close(fd);
	if (rc != RC_OK)
		return rc;
	r->a->sum.sources_compared++;
	if (size != m->size || memcmp(hash, m->sha256, SHA256_BYTES) != 0)
		auditor_note(r->a, FINDING_DAMAGED, "I4", source, &r->id,
			"it has other bytes in the bundle '" SLICE_FMT "'",
			SLICE_ARG(r->version->id.key));
	return RC_OK;
}

struct elsewhere {
	struct auditor *a;
	const struct plan_id *not_this;
	bool is_found;
	struct plan_id plan;
};

static enum rc look_elsewhere(void *arg, const struct audit_claim *c, struct err *err)
{
	struct elsewhere *e = arg;
	struct arena arena = ARENA_INIT;
	struct audit_plan plan;
	enum rc rc;

	if (c->state != LG_CLAIMED || !c->has_plan_id ||
		memcmp(e->not_this, &c->plan, sizeof(c->plan)) == 0)
		return RC_OK;
	rc = audit_call(e->a->source, plan_find, &arena, &c->plan, &plan, err);
	if (rc == RC_OK && plan_is_final(&plan) && plan_has_member(&plan, c->slot)) {
		e->is_found = true;
		e->plan = c->plan;
	}
	arena_release(&arena);
	return rc == RC_ABSENT ? RC_OK : rc;
}

/* A member that no record of this plan accounts for: is it another plan's? */
static enum rc judge_stray(struct bundle_reading *r, struct slice name, struct err *err)
{
	struct elsewhere e = {.a = r->a, .not_this = &r->id};
	enum rc rc = audit_call(r->a->source, claims_of_key, name, look_elsewhere, &e, err);
	char other[2 * PLAN_ID_BYTES + 1];

	if (rc != RC_OK)
		return rc;
	if (e.is_found) {
		hex_encode(e.plan.bytes, PLAN_ID_BYTES, other);
		auditor_note(r->a, FINDING_DUPLICATE, "I1", &r->version->id, &r->id,
			"its member '" SLICE_FMT "' is a member of plan %s too", SLICE_ARG(name),
			other);
	} else if (r->origin == ORIGIN_PLAN) {
		auditor_note(r->a, FINDING_ORPHAN, "I4", &r->version->id, &r->id,
			"its member '" SLICE_FMT "' is not what its slot's record names",
			SLICE_ARG(name));
	}
	return RC_OK;
}

static bool is_named(const struct object_id *object, struct slice name)
{
	struct arena a = ARENA_INIT;
	struct slice canonical;
	bool is = member_name_of_key(&a, object->key, &canonical, NULL) == RC_OK &&
		  slice_eq(canonical, name);

	arena_release(&a);
	return is;
}

/* The record of the next member's slot; NULL: none is known, or there are more members than
 * slots. */
static const struct object_id *next_record(struct bundle_reading *r)
{
	const struct object_id *o;

	if (r->origin != ORIGIN_PLAN)
		return NULL;
	while (r->slot < r->plan.n_slots && !plan_has_member(&r->plan, r->slot))
		r->slot++;
	o = r->slot < r->plan.n_slots ? &r->objects[r->slot] : NULL;
	r->slot++;
	return o && o->key.p ? o : NULL;
}

/* No plan says what should be there; what the manifest (e) names can be compared. */
static enum rc judge_planless(struct bundle_reading *r, const struct audit_member *e,
	const struct untar_member *m, struct err *err)
{
	if (r->origin == ORIGIN_NONE)
		return judge_stray(r, m->name, err);
	return e ? compare_source(r, &e->source, m, err) : RC_OK;
}

static enum rc on_member(void *arg, const struct untar_member *m, struct err *err)
{
	struct bundle_reading *r = arg;
	const struct object_id *record = next_record(r);
	bool is_its = record && is_named(record, m->name);
	const struct audit_member *e = audit_manifest_member(r, m, is_its ? record : NULL);

	r->n_members++;
	r->a->sum.bundle_members++;
	if (r->origin != ORIGIN_PLAN)
		return judge_planless(r, e, m, err);
	if (is_its)
		return compare_source(r, record, m, err);
	/* retention takes old records away once their source is gone */
	if (!record && r->slot <= r->plan.n_slots &&
		auditor_may_be_gone(r->a, r->plan.opened_wall_ms))
		return RC_OK;
	return judge_stray(r, m->name, err);
}

static void on_plain(void *arg, struct slice bytes)
{
	struct bundle_reading *r = arg;

	if (r->has_manifest)
		audit_manifest_plain(&r->manifest, bytes);
}

static enum rc keep_object(void *arg, const struct audit_claim *c, struct err *err)
{
	struct bundle_reading *r = arg;

	(void)err;
	if (c->state == LG_CLAIMED && c->slot < r->plan.n_slots && !r->objects[c->slot].key.p)
		r->objects[c->slot] = object_id_copy(&r->arena, &c->object);
	return RC_OK;
}

static uint64_t n_members_sealed(const struct audit_plan *p)
{
	uint64_t n = 0;

	for (uint64_t slot = 0; slot < p->n_slots; slot++)
		n += plan_has_member(p, slot);
	return n;
}

static void judge_bytes(struct bundle_reading *r, uint64_t size, const unsigned char *hash)
{
	char is[2 * SHA256_BYTES + 1], sealed[2 * SHA256_BYTES + 1];

	audit_manifest_bytes(r, size, hash);
	if (r->origin != ORIGIN_PLAN)
		return;
	hex_encode(hash, SHA256_BYTES, is);
	hex_encode(r->plan.sha256, SHA256_BYTES, sealed);
	if (size != r->plan.size_bytes)
		auditor_note(r->a, FINDING_DAMAGED, "I4", &r->version->id, &r->id,
			"it has %llu bytes, sealed were %llu", (unsigned long long)size,
			(unsigned long long)r->plan.size_bytes);
	else if (memcmp(hash, r->plan.sha256, SHA256_BYTES) != 0)
		auditor_note(r->a, FINDING_DAMAGED, "I4", &r->version->id, &r->id,
			"its SHA-256 is %s, sealed was %s", is, sealed);
}

static enum rc read_members(struct bundle_reading *r, int fd, struct err *err)
{
	struct untar_sink sink = {.member = on_member, .plain = on_plain, .arg = r};
	bool has_plan = r->origin == ORIGIN_PLAN;
	enum rc rc = RC_OK;

	if (has_plan) {
		r->objects = arena_array(&r->arena, r->plan.n_slots, sizeof(*r->objects));
		rc = audit_call(r->a->source, claims_of_plan, &r->id, keep_object, r, err);
	}
	if (rc == RC_OK)
		rc = untar_fd(fd, &sink, err);
	if (rc == RC_CORRUPT) {
		auditor_note(r->a, FINDING_DAMAGED, "I4", &r->version->id, &r->id, "%s", err->text);
		return RC_OK;
	}
	if (rc == RC_OK)
		audit_manifest_end(r);
	if (rc == RC_OK && has_plan && r->n_members != n_members_sealed(&r->plan))
		auditor_note(r->a, FINDING_DAMAGED, "I4", &r->version->id, &r->id,
			"it has %llu members, sealed were %llu", (unsigned long long)r->n_members,
			(unsigned long long)n_members_sealed(&r->plan));
	return rc;
}

static bool was_judged(const struct bundle_reading *r, uint64_t size, const unsigned char *hash)
{
	const struct auditor *a = r->a;

	return r->origin == ORIGIN_PLAN && slice_eq_str(r->version->id.key, a->judged_key) &&
	       size == a->judged_bytes && memcmp(hash, a->judged_sha256, SHA256_BYTES) == 0;
}

static void remember_judged(
	const struct bundle_reading *r, uint64_t size, const unsigned char *hash)
{
	struct auditor *a = r->a;

	snprintf(a->judged_key, sizeof(a->judged_key), SLICE_FMT, SLICE_ARG(r->version->id.key));
	a->judged_bytes = size;
	memcpy(a->judged_sha256, hash, SHA256_BYTES);
}

static enum rc read_bytes(struct bundle_reading *r, int fd, struct err *err)
{
	unsigned char hash[SHA256_BYTES];
	uint64_t size = 0;
	enum rc rc = hash_fd(fd, hash, &size, err);

	r->a->sum.bundle_bytes += size;
	if (rc == RC_OK)
		judge_bytes(r, size, hash);
	if (rc != RC_OK || was_judged(r, size, hash))
		return rc;
	if (lseek(fd, 0, SEEK_SET) != 0)
		return err_errno(err, errno, "seek");
	rc = read_members(r, fd, err);
	if (rc == RC_OK && r->version->is_archived)
		remember_judged(r, size, hash);
	return rc;
}

static enum rc read_bundle(struct bundle_reading *r, struct err *err)
{
	int fd;
	enum rc rc = audit_call(r->a->source, open, &r->version->id, &fd, err);

	if (rc == RC_ABSENT) {
		r->a->sum.bundles_gone++;
		return RC_OK;
	}
	r->a->sum.bundles++;
	if (rc == RC_CORRUPT) {
		auditor_note(r->a, FINDING_DAMAGED, "I4", &r->version->id, &r->id, "%s", err->text);
		return RC_OK;
	}
	if (rc != RC_OK)
		return rc;
	rc = read_bytes(r, fd, err);
	close(fd);
	return rc;
}

static enum rc read_it(struct bundle_reading *r, struct err *err)
{
	enum rc rc = audit_origin(r, err);

	if (rc != RC_OK || r->origin == ORIGIN_LEAVING)
		return rc;
	if (r->origin != ORIGIN_NONE)
		rc = audit_archived(r, err);
	return rc == RC_OK ? read_bundle(r, err) : rc;
}

static enum rc judge_bundle(void *arg, const struct audit_version *v, struct err *err)
{
	struct bundle_reading r = {.a = arg, .version = v};
	enum rc rc = RC_OK;

	if (v->is_archived && slice_has_prefix(v->id.key, slice_str(AUDIT_MANIFESTS))) {
		rc = audit_manifest_object(r.a, v, err);
	} else if (bundle_key_parse(v->id.key, &r.id)) {
		rc = read_it(&r, err);
		audit_manifest_close(&r);
		r.a->sum.bytes_done += v->size_bytes;
	} else if (v->is_current && bundle_key_is_bundle(v->id.key)) {
		auditor_note(r.a, FINDING_ORPHAN, "I3", &v->id, NULL,
			"it looks like a bundle, and nobody sealed it");
	}
	if (rc != RC_OK)
		err_ctx(err, rc, "'" SLICE_FMT "/" SLICE_FMT "'", SLICE_ARG(v->id.bucket),
			SLICE_ARG(v->id.key));
	arena_release(&r.arena);
	r.a->sum.objects++;
	auditor_progress(r.a, AUDIT_BUNDLES);
	return rc;
}

enum rc audit_bundles(struct auditor *a, struct err *err)
{
	return audit_call(a->source, bundles, judge_bundle, a, err);
}
