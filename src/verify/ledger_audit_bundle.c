/*
 * Every bundle that is still there, against the plan that sealed it: its bytes, and each member against the record of its slot and against
 * the source. Members stand in a bundle in the order of their slots.
 */
#include <errno.h>
#include <unistd.h>

#include "base/digest.h"
#include "model/bundle_key.h"
#include "model/member_name.h"
#include "verify/ledger_audit_internal.h"
#include "verify/untar.h"

#define BLOCK_BYTES 65536

struct bundle_reading {
	struct auditor *a;
	const struct audit_version *version;
	struct arena arena;
	struct audit_plan plan;
	bool has_plan;
	struct object_id *objects; /* by slot; key.p == NULL: no record */
	uint64_t slot;             /* of the next member */
	uint64_t n_members;
};

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
	if (rc == RC_CORRUPT) {
		auditor_note(r->a, FINDING_DAMAGED, "I4", source, &r->plan.id,
			"the source cannot be read: %s", err->text);
		return RC_OK;
	}
	if (rc != RC_OK)
		return rc;
	rc = hash_fd(fd, hash, &size, err);
	close(fd);
	if (rc != RC_OK)
		return rc;
	r->a->sum.sources_compared++;
	if (size != m->size || memcmp(hash, m->sha256, SHA256_BYTES) != 0)
		auditor_note(r->a, FINDING_DAMAGED, "I4", source, &r->plan.id,
			"it has other bytes in the bundle '" SLICE_FMT "'",
			SLICE_ARG(r->version->id.key));
	return RC_OK;
}

struct elsewhere {
	struct auditor *a;
	const struct plan_id *not_this; /* may be NULL */
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
		(e->not_this && memcmp(e->not_this, &c->plan, sizeof(c->plan)) == 0))
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
	struct elsewhere e = {.a = r->a, .not_this = r->has_plan ? &r->plan.id : NULL};
	enum rc rc = audit_call(r->a->source, claims_of_key, name, look_elsewhere, &e, err);
	char other[2 * PLAN_ID_BYTES + 1];

	if (rc != RC_OK)
		return rc;
	if (e.is_found) {
		hex_encode(e.plan.bytes, PLAN_ID_BYTES, other);
		auditor_note(r->a, FINDING_DUPLICATE, "I1", &r->version->id,
			r->has_plan ? &r->plan.id : NULL,
			"its member '" SLICE_FMT "' is a member of plan %s too", SLICE_ARG(name),
			other);
	} else if (r->has_plan) {
		auditor_note(r->a, FINDING_ORPHAN, "I4", &r->version->id, &r->plan.id,
			"its member '" SLICE_FMT "' is not what its slot's record names",
			SLICE_ARG(name));
	}
	return RC_OK;
}

/* The record of a member's slot: retention takes old ones away once their source is gone. */
static bool may_lack_records(const struct bundle_reading *r)
{
	return r->version->modified_wall_ms + LEDGER_AUDIT_KEPT_MS <= r->a->o->now_wall_ms;
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

static enum rc on_member(void *arg, const struct untar_member *m, struct err *err)
{
	struct bundle_reading *r = arg;
	const struct object_id *o;

	r->n_members++;
	r->a->sum.bundle_members++;
	if (!r->has_plan)
		return judge_stray(r, m->name, err);
	while (r->slot < r->plan.n_slots && !plan_has_member(&r->plan, r->slot))
		r->slot++;
	if (r->slot >= r->plan.n_slots)
		return judge_stray(r, m->name, err);
	o = &r->objects[r->slot++];
	if (!o->key.p && may_lack_records(r))
		return RC_OK;
	if (!o->key.p || !is_named(o, m->name))
		return judge_stray(r, m->name, err);
	return compare_source(r, o, m, err);
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

	hex_encode(hash, SHA256_BYTES, is);
	hex_encode(r->plan.sha256, SHA256_BYTES, sealed);
	if (size != r->plan.size_bytes)
		auditor_note(r->a, FINDING_DAMAGED, "I4", &r->version->id, &r->plan.id,
			"it has %llu bytes, sealed were %llu", (unsigned long long)size,
			(unsigned long long)r->plan.size_bytes);
	else if (memcmp(hash, r->plan.sha256, SHA256_BYTES) != 0)
		auditor_note(r->a, FINDING_DAMAGED, "I4", &r->version->id, &r->plan.id,
			"its SHA-256 is %s, sealed was %s", is, sealed);
}

static enum rc read_members(struct bundle_reading *r, int fd, struct err *err)
{
	struct untar_sink sink = {.member = on_member, .arg = r};
	enum rc rc = RC_OK;

	if (r->has_plan) {
		r->objects = arena_array(&r->arena, r->plan.n_slots, sizeof(*r->objects));
		rc = audit_call(r->a->source, claims_of_plan, &r->plan.id, keep_object, r, err);
	}
	if (rc == RC_OK)
		rc = untar_fd(fd, &sink, err);
	if (rc == RC_CORRUPT) {
		auditor_note(r->a, FINDING_DAMAGED, "I4", &r->version->id,
			r->has_plan ? &r->plan.id : NULL, "%s", err->text);
		return RC_OK;
	}
	if (rc == RC_OK && r->has_plan && r->n_members != n_members_sealed(&r->plan))
		auditor_note(r->a, FINDING_DAMAGED, "I4", &r->version->id, &r->plan.id,
			"it has %llu members, sealed were %llu", (unsigned long long)r->n_members,
			(unsigned long long)n_members_sealed(&r->plan));
	return rc;
}

static enum rc read_bundle(struct bundle_reading *r, struct err *err)
{
	struct ledger_audit_summary *sum = &r->a->sum;
	unsigned char hash[SHA256_BYTES];
	uint64_t size = 0;
	int fd;
	enum rc rc = audit_call(r->a->source, open, &r->version->id, &fd, err);

	if (rc == RC_ABSENT) {
		sum->bundles_gone++;
		return RC_OK;
	}
	sum->bundles++;
	if (rc == RC_CORRUPT) {
		auditor_note(r->a, FINDING_DAMAGED, "I4", &r->version->id,
			r->has_plan ? &r->plan.id : NULL, "%s", err->text);
		return RC_OK;
	}
	if (rc != RC_OK)
		return rc;
	rc = hash_fd(fd, hash, &size, err);
	sum->bundle_bytes += size;
	if (rc == RC_OK && r->has_plan)
		judge_bytes(r, size, hash);
	if (rc == RC_OK && lseek(fd, 0, SEEK_SET) != 0)
		rc = err_errno(err, errno, "seek");
	if (rc == RC_OK)
		rc = read_members(r, fd, err);
	close(fd);
	return rc;
}

static enum rc find_plan(struct bundle_reading *r, const struct plan_id *id, struct err *err)
{
	const struct audit_version *v = r->version;
	enum rc rc = audit_call(r->a->source, plan_find, &r->arena, id, &r->plan, err);

	if (rc == RC_ABSENT) {
		if (v->modified_wall_ms + LEDGER_AUDIT_KEPT_MS > r->a->o->now_wall_ms)
			auditor_note(r->a, FINDING_ORPHAN, "I3", &v->id, id,
				"published, and its plan does not exist");
		return RC_OK;
	}
	if (rc != RC_OK)
		return rc;
	if (!plan_is_final(&r->plan) || !r->plan.has_seal)
		auditor_note(r->a, FINDING_ORPHAN, "I3", &v->id, id,
			"published, and its plan is not sealed");
	else if (r->plan.n_slots > LG_BATCH_MAX)
		auditor_note(r->a, FINDING_ILLEGAL, "I4", &v->id, id,
			"its plan has %llu slots, more than any can",
			(unsigned long long)r->plan.n_slots);
	else if (!slice_eq(r->plan.key, v->id.key))
		auditor_note(r->a, FINDING_ORPHAN, "I3", &v->id, id,
			"published under another key than its plan's");
	else
		r->has_plan = true;
	return RC_OK;
}

static enum rc judge_bundle(void *arg, const struct audit_version *v, struct err *err)
{
	struct bundle_reading r = {.a = arg, .version = v};
	struct plan_id id;
	enum rc rc;

	if (!bundle_key_parse(v->id.key, &id))
		return RC_OK; /* somebody else's object, a manifest */
	rc = find_plan(&r, &id, err);
	if (rc == RC_OK)
		rc = read_bundle(&r, err);
	if (rc != RC_OK)
		err_ctx(err, rc, "'" SLICE_FMT "/" SLICE_FMT "'", SLICE_ARG(v->id.bucket),
			SLICE_ARG(v->id.key));
	arena_release(&r.arena);
	auditor_progress(r.a, AUDIT_BUNDLES);
	return rc;
}

enum rc audit_bundles(struct auditor *a, struct err *err)
{
	return audit_call(a->source, bundles, judge_bundle, a, err);
}
