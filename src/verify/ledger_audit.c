/* Checks the records without reading any bytes: versions, plans, claims, stages. */
#include "verify/ledger_audit.h"

#include <stdarg.h>
#include <stdio.h>

#include "model/bundle_key.h"
#include "verify/ledger_audit_internal.h"

#define PROGRESS_EVERY 256

static const char *const kind_names[FINDING_KINDS] = {
	"lost", "duplicate", "orphan", "missing", "damaged", "illegal"};

const char *finding_kind_name(enum finding_kind kind)
{
	return kind_names[kind];
}

void auditor_note(struct auditor *a, enum finding_kind kind, const char *invariant,
	const struct object_id *object, const struct plan_id *plan, const char *fmt, ...)
{
	char text[512];
	struct finding f = {
		.kind = kind, .invariant = invariant, .object = object, .plan = plan, .text = text};
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	a->sum.findings[kind]++;
	a->sum.n_findings++;
	a->o->found(a->o->arg, &f);
}

void auditor_progress(struct auditor *a, enum ledger_audit_phase phase)
{
	if (a->o->progress)
		a->o->progress(a->o->arg, phase, &a->sum);
}

bool plan_has_member(const struct audit_plan *p, uint64_t slot)
{
	if (!p->has_seal || slot >= p->n_slots)
		return false;
	return slot / 8 >= p->excluded.n || !(p->excluded.p[slot / 8] & 1u << slot % 8);
}

/* What the ledger says about an object. */
enum place { PLACE_NONE, PLACE_OPEN, PLACE_MEMBER, PLACE_REJECTED };

static enum rc place_of(struct auditor *a, struct arena *arena, const struct object_id *object,
	struct audit_claim *claim, enum place *ret_place, struct err *err)
{
	struct audit_plan plan;
	enum rc rc = audit_call(a->source, claim_find, arena, object, claim, err);

	*ret_place = PLACE_NONE;
	if (rc != RC_OK)
		return rc == RC_ABSENT ? RC_OK : rc;
	if (claim->state == LG_REJECTED && claim->reason.n > 0) {
		*ret_place = PLACE_REJECTED;
		return RC_OK;
	}
	if (claim->state != LG_CLAIMED || !claim->has_plan_id)
		return RC_OK;
	rc = audit_call(a->source, plan_find, arena, &claim->plan, &plan, err);
	if (rc != RC_OK)
		return rc == RC_ABSENT ? RC_OK : rc;
	if (plan.state == PLAN_OPEN)
		*ret_place = PLACE_OPEN;
	else if (plan_is_final(&plan) && plan_has_member(&plan, claim->slot))
		*ret_place = PLACE_MEMBER;
	return RC_OK;
}

static enum rc judge_version(void *arg, const struct audit_version *v, struct err *err)
{
	struct auditor *a = arg;
	struct arena arena = ARENA_INIT;
	struct audit_claim claim = {0};
	unsigned traces = 0;
	enum place place;
	enum rc rc;

	if (v->is_marker)
		return RC_OK;
	if (a->sum.versions++ % PROGRESS_EVERY == 0)
		auditor_progress(a, AUDIT_VERSIONS);
	rc = place_of(a, &arena, &v->id, &claim, &place, err);
	if (rc == RC_OK && place == PLACE_NONE)
		rc = audit_call(a->source, traces, &v->id, &traces, err);
	a->sum.members += place == PLACE_MEMBER;
	a->sum.claimed += place == PLACE_OPEN;
	a->sum.rejected += place == PLACE_REJECTED;
	if (rc == RC_OK && place == PLACE_NONE) {
		if (traces & AUDIT_WAITING)
			a->sum.waiting++;
		else if (traces)
			a->sum.dead++;
		else
			auditor_note(a, FINDING_LOST, "I2", &v->id,
				claim.has_plan_id ? &claim.plan : NULL,
				"in no bundle, not rejected, and no message is left%s",
				claim.has_plan_id ? ": its record's plan went without it" : "");
	}
	arena_release(&arena);
	return rc;
}

static bool is_plan_state(uint64_t state)
{
	return state == PLAN_OPEN || state == PLAN_SEALED || state == PLAN_DONE ||
	       state == PLAN_ABORTED;
}

static void judge_state(
	struct auditor *a, const struct audit_plan *p, const struct object_id *bundle)
{
	bool is_done = p->state == PLAN_DONE;

	if (!p->has_id || !is_plan_state(p->state))
		auditor_note(a, FINDING_ILLEGAL, "I7", bundle, p->has_id ? &p->id : NULL,
			"a plan in state %llu, which is none", (unsigned long long)p->state);
	else if (plan_is_final(p) && !p->has_seal)
		auditor_note(a, FINDING_ILLEGAL, "I7", bundle, &p->id, "a %s plan without a seal",
			is_done ? "done" : "sealed");
	else if (!p->is_live && (p->state == PLAN_OPEN || p->state == PLAN_SEALED))
		auditor_note(a, FINDING_ILLEGAL, "I11", bundle, &p->id,
			"a plan that is not finished, and that nobody looks after");
}

/* A done plan's bundle: was it published, has the archive got it? */
static enum rc judge_done(struct auditor *a, const struct audit_plan *p,
	const struct object_id *bundle, struct err *err)
{
	struct arena arena = ARENA_INIT;
	struct audit_version copy;
	bool was, by_stage;
	enum rc rc = audit_call(a->source, was_published, p->bucket, p->key, &was, &by_stage, err);

	/* of an old plan everything may be gone: the bundle, and the memory of its publishing */
	if (rc == RC_OK && !was && !auditor_may_be_gone(a, p->opened_wall_ms))
		auditor_note(a, FINDING_ORPHAN, "I5", bundle, &p->id,
			"done, and its bundle never was published");
	if (rc == RC_OK)
		rc = audit_call(
			a->source, current, &arena, a->source->archive_bucket, p->key, &copy, err);
	if (rc == RC_ABSENT) {
		auditor_note(a, FINDING_MISSING, "I12", bundle, &p->id,
			"published, and not in the archive");
		rc = RC_OK;
	}
	arena_release(&arena);
	return rc;
}

static enum rc judge_plan(void *arg, const struct audit_plan *p, struct err *err)
{
	struct auditor *a = arg;
	struct object_id bundle = {.bucket = p->bucket, .key = p->key};

	if (a->sum.plans++ % PROGRESS_EVERY == 0)
		auditor_progress(a, AUDIT_PLANS);
	judge_state(a, p, &bundle);
	a->sum.open += p->state == PLAN_OPEN;
	a->sum.sealed += p->state == PLAN_SEALED;
	return p->state == PLAN_DONE ? judge_done(a, p, &bundle, err) : RC_OK;
}

/* The records of one plan pass by in order of slots. */
struct claim_walk {
	struct auditor *a;
	struct arena arena;
	struct audit_plan plan;
	bool has_plan, is_known; /* a plan is being checked; and it exists */
	bool has_slot;
	uint64_t slot; /* the last member's */
};

static enum rc next_plan(struct claim_walk *w, const struct audit_claim *c, struct err *err)
{
	enum rc rc;

	if (w->has_plan && memcmp(w->plan.id.bytes, c->plan.bytes, PLAN_ID_BYTES) == 0)
		return RC_OK;
	arena_release(&w->arena);
	w->has_plan = true;
	w->has_slot = false;
	rc = audit_call(w->a->source, plan_find, &w->arena, &c->plan, &w->plan, err);
	w->is_known = rc == RC_OK;
	w->plan.id = c->plan;
	return rc == RC_ABSENT ? RC_OK : rc;
}

static void judge_member(struct claim_walk *w, const struct audit_claim *c)
{
	if (!w->is_known || !plan_is_final(&w->plan) || !plan_has_member(&w->plan, c->slot))
		return;
	if (c->state == LG_REJECTED)
		auditor_note(w->a, FINDING_DUPLICATE, "I1", &c->object, &c->plan,
			"rejected, and yet the member in slot %llu", (unsigned long long)c->slot);
	else if (w->has_slot && w->slot == c->slot)
		auditor_note(w->a, FINDING_DUPLICATE, "I1", &c->object, &c->plan,
			"another record has slot %llu too", (unsigned long long)c->slot);
	w->has_slot = true;
	w->slot = c->slot;
}

static enum rc judge_claim(void *arg, const struct audit_claim *c, struct err *err)
{
	struct claim_walk *w = arg;
	enum rc rc;

	if (w->a->sum.claims++ % PROGRESS_EVERY == 0)
		auditor_progress(w->a, AUDIT_RECORDS);
	if (c->state != LG_CLAIMED && c->state != LG_REJECTED)
		auditor_note(w->a, FINDING_ILLEGAL, "I7", &c->object, NULL,
			"a record in state %llu, which is none", (unsigned long long)c->state);
	if (!c->has_plan_id) {
		auditor_note(
			w->a, FINDING_ORPHAN, "I6", &c->object, NULL, "its record names no plan");
		return RC_OK;
	}
	rc = next_plan(w, c, err);
	if (rc == RC_OK && !w->is_known)
		auditor_note(w->a, FINDING_ORPHAN, "I6", &c->object, &c->plan,
			"its record is of a plan that does not exist");
	if (rc == RC_OK)
		judge_member(w, c);
	return rc;
}

/* A stage of a direct invocation, which has no plan: it publishes at once, or has died. */
static void judge_direct_stage(
	struct auditor *a, const struct audit_stage *st, const struct object_id *object)
{
	if (!auditor_may_be_at_work(a, st->staged_wall_ms))
		auditor_note(a, FINDING_ORPHAN, "I8", object, NULL,
			"a stage of a direct invocation that never published it");
}

static enum rc judge_stage(void *arg, const struct audit_stage *st, struct err *err)
{
	struct auditor *a = arg;
	struct object_id object = {.bucket = st->bucket, .key = st->key};
	struct slice bundle = audit_bundle_of(st->key);
	struct arena arena = ARENA_INIT;
	struct audit_plan plan;
	struct plan_id id = {0};
	bool parsed = bundle_key_parse(bundle.p ? bundle : st->key, &id);
	enum rc rc = RC_ABSENT;

	a->sum.stages++;
	if (st->is_published) /* memory of its publishing, which may outlive the plan */
		return RC_OK;
	if (parsed)
		rc = audit_call(a->source, plan_find, &arena, &id, &plan, err);
	if (rc == RC_ABSENT && st->is_direct)
		judge_direct_stage(a, st, &object);
	else if (rc == RC_ABSENT)
		auditor_note(a, FINDING_ORPHAN, "I8", &object, parsed ? &id : NULL,
			"a stage whose plan does not exist");
	arena_release(&arena);
	return rc == RC_ABSENT ? RC_OK : rc;
}

enum rc ledger_audit(const struct ledger_audit_options *options,
	struct ledger_audit_summary *ret_summary, struct err *err)
{
	struct auditor a = {.o = options, .source = options->source};
	struct claim_walk walk = {.a = &a};
	enum rc rc = audit_call(a.source, versions, judge_version, &a, err);

	if (rc == RC_OK)
		rc = audit_call(a.source, plans, judge_plan, &a, err);
	if (rc == RC_OK)
		rc = audit_call(a.source, claims, judge_claim, &walk, err);
	arena_release(&walk.arena);
	if (rc == RC_OK)
		rc = audit_call(a.source, stages, judge_stage, &a, err);
	if (rc == RC_OK)
		rc = a.source->ops->release(a.source, err);
	if (rc == RC_OK)
		rc = audit_bodies(&a, err);
	if (rc == RC_OK)
		rc = audit_bundles(&a, err);
	*ret_summary = a.sum;
	return rc;
}
