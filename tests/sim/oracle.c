#include "oracle.h"

#include <stdio.h>
#include <stdlib.h>

#define BROKEN(...) (snprintf(why, ORACLE_WHY_MAX, __VA_ARGS__), false)

static bool find_plan(
	struct world *w, const struct plan_id *id, struct lg_plan *ret_plan, size_t *ret_index)
{
	bool discarded;

	for (size_t i = 0; mem_ledger_plan(w->ledger, i, ret_plan, &discarded); i++) {
		*ret_index = i;
		if (memcmp(&ret_plan->id, id, sizeof(*id)) == 0)
			return true;
	}
	return false;
}

static bool member(const struct lg_plan *plan, uint32_t slot)
{
	size_t byte = slot / 8;

	if (byte < plan->seal.excluded.n && plan->seal.excluded.p[byte] & 1 << slot % 8)
		return false;
	return slot < plan->seal.n_slots;
}

static bool record_of(struct world *w, size_t i, struct arena *a, struct lg_object *ret)
{
	return lg_object_get(w->ledger, a, &w->objects[i].id, ret, NULL) == RC_OK;
}

/* I1, I2, I11 for one object. */
static bool check_object(struct world *w, struct arena *a, size_t i, char *why)
{
	size_t shipped = w->objects[i].name.n ? world_times_shipped(w, i) : 0, dead, index;
	struct slice code = {0};
	struct lg_object rec;
	struct lg_plan plan;

	dead = world_times_dead(w, i, &code);
	if (shipped > 1)
		return BROKEN("I1: object %zu is in %zu bundles", i, shipped);
	if (!record_of(w, i, a, &rec))
		return BROKEN("I11: object %zu was announced and is not on record", i);
	if (rec.state == LG_REJECTED) {
		if (shipped)
			return BROKEN("I2: object %zu is rejected and in a bundle", i);
		if (!dead)
			return BROKEN("I2: object %zu is rejected and in no dead letter", i);
		if (!slice_eq(code, rec.reason))
			return BROKEN("I2: object %zu has another reason in its dead letter", i);
		/* The faults may have killed every plan that held it. */
		if (slice_eq_str(rec.reason, "poison") && rec.attempts > 7)
			return true;
		if (w->objects[i].name.n && !w->objects[i].removed)
			return BROKEN("I2: object %zu was rejected for nothing", i);
		return true;
	}
	if (!find_plan(w, &rec.plan, &plan, &index))
		return BROKEN("I6: object %zu is claimed by no plan", i);
	if (plan.state != PLAN_DONE || !member(&plan, rec.slot))
		return BROKEN("I11: object %zu is not terminal", i);
	if (shipped != 1)
		return BROKEN("I2: object %zu is recorded as shipped and in no bundle", i);
	if (dead)
		return BROKEN("I2: object %zu is shipped and a dead letter", i);
	return true;
}

static const struct world_bundle *bundle_of(const struct world *w, struct slice key, size_t *ret_n)
{
	const struct world_bundle *found = NULL;

	*ret_n = 0;
	for (size_t i = 0; i < w->n_bundles; i++) {
		if (slice_eq(w->bundles[i].key, key)) {
			found = &w->bundles[i];
			++*ret_n;
		}
	}
	return found;
}

/* I3, I4, I5, I11 for one plan. */
static bool check_plan(
	struct world *w, size_t i, const struct lg_plan *plan, bool discarded, char *why)
{
	size_t n;
	const struct world_bundle *b = bundle_of(w, plan->key, &n);

	if (plan->state == PLAN_OPEN || plan->state == PLAN_SEALED)
		return BROKEN("I11: plan %zu is still %s", i,
			plan->state == PLAN_OPEN ? "open" : "sealed");
	if (plan->state == PLAN_ABORTED) {
		if (b)
			return BROKEN("I3: aborted plan %zu is published", i);
		return discarded
			       ? true
			       : BROKEN("I11: the stage of aborted plan %zu was not discarded", i);
	}
	if (!b)
		return BROKEN("I5: plan %zu is done and was never published", i);
	if (n != 1)
		return BROKEN("I1: plan %zu was published %zu times", i, n);
	if (b->size != plan->seal.size_bytes || memcmp(b->sha256, plan->seal.sha256, 32) != 0)
		return BROKEN("I4: the bundle of plan %zu has other bytes than were sealed", i);
	if (b->n_members != plan->seal.n_slots - lg_count_excluded(plan->seal.excluded) || b->n_members == 0)
		return BROKEN("I4: the bundle of plan %zu has %zu members", i, b->n_members);
	return true;
}

/* Nothing in a bundle that was not announced; no name twice in one. */
static bool check_member(const struct world *w, size_t i, char *why)
{
	const struct world_member *m = &w->members[i];
	bool known = false;

	for (size_t j = 0; j < w->n_objects; j++)
		known = known || (slice_eq(m->name, w->objects[j].name) &&
					 slice_eq(m->body, w->objects[j].body));
	if (!known)
		return BROKEN("I4: a bundle has a member nobody announced: '" SLICE_FMT "'",
			SLICE_ARG(m->name));
	for (size_t j = 0; j < i; j++) {
		if (slice_eq(m->bundle_key, w->members[j].bundle_key) &&
			slice_eq(m->name, w->members[j].name))
			return BROKEN("a bundle has '" SLICE_FMT "' twice", SLICE_ARG(m->name));
	}
	return true;
}

static bool check_bundle(struct world *w, size_t i, char *why)
{
	struct lg_plan plan;
	struct plan_id id;
	size_t index;

	if (!bundle_key_parse(w->bundles[i].key, &id) || !find_plan(w, &id, &plan, &index))
		return BROKEN(
			"I3: a bundle has no plan: '" SLICE_FMT "'", SLICE_ARG(w->bundles[i].key));
	return true;
}

/* I8's other side: what is left behind belongs to an aborted plan, staged by an owner that did not
 * know and died. */
static bool check_stage(struct world *w, struct slice key, bool zombies, char *why)
{
	struct slice prefix = slice_str("manifests/");
	struct lg_plan plan;
	struct plan_id id;
	size_t index;

	if (slice_has_prefix(key, prefix) && key.n > prefix.n + strlen(".json"))
		key = slice_of(key.p + prefix.n, key.n - prefix.n - strlen(".json"));
	if (!bundle_key_parse(key, &id) || !find_plan(w, &id, &plan, &index))
		return BROKEN("a stage without a plan is left behind");
	if (plan.state != PLAN_ABORTED || !zombies)
		return BROKEN("a stage of plan %zu is left behind", index);
	return true;
}

bool oracle_final(struct world *w, bool zombies, char why[ORACLE_WHY_MAX])
{
	struct arena a = ARENA_INIT;
	struct eq_stat st = world_queue(w);
	struct lg_plan plan;
	bool ok = true, discarded;
	struct slice key;

	world_harvest(w);
	for (size_t i = 0; ok && i < w->n_objects; i++)
		ok = check_object(w, &a, i, why);
	for (size_t i = 0; ok && mem_ledger_plan(w->ledger, i, &plan, &discarded); i++)
		ok = check_plan(w, i, &plan, discarded, why);
	for (size_t i = 0; ok && i < w->n_members; i++)
		ok = check_member(w, i, why);
	for (size_t i = 0; ok && i < w->n_bundles; i++)
		ok = check_bundle(w, i, why);
	if (ok && st.visible + st.in_flight)
		ok = BROKEN("I11: %zu messages are left", (size_t)(st.visible + st.in_flight));
	ok = ok && oracle_archive(w, why);
	for (size_t i = 0; ok && mem_object_store_stage(w->store, i, &key); i++)
		ok = check_stage(w, key, zombies, why);
	arena_release(&a);
	return ok;
}

bool oracle_is_quiet(struct world *w)
{
	struct eq_stat st = world_queue(w);
	struct lg_plan plan;
	bool discarded;

	if (st.visible || st.in_flight)
		return false;
	for (size_t i = 0; mem_ledger_plan(w->ledger, i, &plan, &discarded); i++) {
		if (plan.state != PLAN_DONE && !(plan.state == PLAN_ABORTED && discarded))
			return false;
	}
	return true;
}

static bool move_allowed(enum plan_state from, enum plan_state to, bool voids)
{
	if (from == to)
		return true;
	if (from == PLAN_OPEN)
		return to == PLAN_SEALED || to == PLAN_ABORTED;
	return from == PLAN_SEALED && (to == PLAN_DONE || (voids && to == PLAN_ABORTED));
}

static bool look_at_plans(struct oracle_watch *o, struct world *w, char *why)
{
	struct lg_plan plan;
	bool discarded;

	for (size_t i = 0; mem_ledger_plan(w->ledger, i, &plan, &discarded); i++) {
		if (i == o->n_plans) {
			if (o->n_plans == o->cap_plans) {
				o->cap_plans = o->cap_plans ? o->cap_plans * 2 : 64;
				o->plans = xrealloc(o->plans, o->cap_plans * sizeof(*o->plans));
			}
			o->plans[o->n_plans++] = plan.state;
		}
		if (!move_allowed(o->plans[i], plan.state, o->voids_allowed))
			return BROKEN("I7: plan %zu moved from %d to %d", i, (int)o->plans[i],
				(int)plan.state);
		if (plan.state == PLAN_SEALED && !oracle_archived(w, &plan))
			return BROKEN("I12: plan %zu is published and not archived", i);
		o->plans[i] = plan.state;
	}
	return true;
}

/* I9: whether a claim may have left plan Q, as Q is now. */
static bool may_leave(struct world *w, const struct lg_object *was)
{
	struct lg_plan q;
	size_t index;

	if (!find_plan(w, &was->plan, &q, &index))
		return false;
	return q.state == PLAN_ABORTED ||
	       ((q.state == PLAN_SEALED || q.state == PLAN_DONE) && !member(&q, was->slot));
}

static bool look_at_record(struct oracle_watch *o, struct world *w, size_t i, char *why)
{
	struct lg_object *was = &o->records[i], now;
	struct lg_plan plan;
	size_t index;

	if (!record_of(w, i, &o->arena, &now))
		return was->state ? BROKEN("LG-10: the record of object %zu is gone", i) : true;
	if (!find_plan(w, &now.plan, &plan, &index))
		return BROKEN("I6: object %zu is claimed by a plan that does not exist", i);
	if (was->state == LG_REJECTED &&
		(now.state != LG_REJECTED || memcmp(&was->plan, &now.plan, sizeof(now.plan)) != 0 ||
			!slice_eq(was->reason, now.reason)))
		return BROKEN("I10: the rejection of object %zu has changed", i);
	if (was->state == LG_CLAIMED && memcmp(&was->plan, &now.plan, sizeof(now.plan)) != 0 &&
		!may_leave(w, was))
		return BROKEN("I9: object %zu has left a plan that holds it", i);
	*was = now;
	return true;
}

bool oracle_look(struct oracle_watch *o, struct world *w, char why[ORACLE_WHY_MAX])
{
	if (!look_at_plans(o, w, why))
		return false;
	if (o->cap_records < w->n_objects) {
		o->cap_records = w->n_objects * 2;
		o->records = xrealloc(o->records, o->cap_records * sizeof(*o->records));
	}
	for (; o->n_records < w->n_objects; o->n_records++)
		o->records[o->n_records] = (struct lg_object){0};
	for (size_t i = 0; i < w->n_objects; i++) {
		if (!look_at_record(o, w, i, why))
			return false;
	}
	return true;
}

void oracle_watch_release(struct oracle_watch *o)
{
	free(o->plans);
	free(o->records);
	arena_release(&o->arena);
}
