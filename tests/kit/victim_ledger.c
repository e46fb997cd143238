#include <stdlib.h>

#include "victim.h"

struct victim_ledger {
	struct ledger port;
	struct ledger *inner;
	struct victim *victim;
};

static struct ledger *inner(struct ledger *lg)
{
	return ((struct victim_ledger *)lg)->inner;
}

static struct victim *victim_of(struct ledger *lg)
{
	return ((struct victim_ledger *)lg)->victim;
}

static enum rc before(struct ledger *lg, const struct victim_call *call, struct err *err)
{
	return victim_of(lg)->before(victim_of(lg)->arg, call, err);
}

static enum rc after(struct ledger *lg, const struct victim_call *call, enum rc rc, struct err *err)
{
	return victim_of(lg)->after(victim_of(lg)->arg, call, rc, err);
}

/* A call about one plan. */
#define ABOUT_PLAN(lg, name, id, err, write)                                                       \
	const struct victim_call call = {.verb = (name), .plan = (id)};                            \
	enum rc rc = before((lg), &call, (err));                                                   \
                                                                                                   \
	if (rc != RC_OK)                                                                           \
		return rc;                                                                         \
	return after((lg), &call, (write), (err))

static enum rc victim_plan_open(struct ledger *lg, const struct lg_plan *plan, struct err *err)
{
	ABOUT_PLAN(lg, "plan_open", &plan->id, err, lg_plan_open(inner(lg), plan, err));
}

static enum rc victim_plan_get(struct ledger *lg, struct arena *a, const struct plan_id *id,
	struct lg_plan *ret_plan, struct err *err)
{
	ABOUT_PLAN(lg, "plan_get", id, err, lg_plan_get(inner(lg), a, id, ret_plan, err));
}

static enum rc victim_plan_beat(struct ledger *lg, const struct plan_id *id,
	const unsigned char nonce[LG_NONCE_BYTES], uint64_t heartbeat, struct err *err)
{
	ABOUT_PLAN(lg, "plan_beat", id, err, lg_plan_beat(inner(lg), id, nonce, heartbeat, err));
}

static enum rc victim_plan_seal(struct ledger *lg, const struct plan_id *id,
	const unsigned char nonce[LG_NONCE_BYTES], const struct lg_seal *seal, struct err *err)
{
	ABOUT_PLAN(lg, "plan_seal", id, err, lg_plan_seal(inner(lg), id, nonce, seal, err));
}

static enum rc victim_plan_abort(
	struct ledger *lg, const struct plan_id *id, uint64_t heartbeat, struct err *err)
{
	ABOUT_PLAN(lg, "plan_abort", id, err, lg_plan_abort(inner(lg), id, heartbeat, err));
}

static enum rc victim_plan_void(struct ledger *lg, const struct plan_id *id, struct err *err)
{
	ABOUT_PLAN(lg, "plan_void", id, err, lg_plan_void(inner(lg), id, err));
}

static enum rc victim_plan_done(struct ledger *lg, const struct plan_id *id, struct err *err)
{
	ABOUT_PLAN(lg, "plan_done", id, err, lg_plan_done(inner(lg), id, err));
}

static enum rc victim_plan_discarded(struct ledger *lg, const struct plan_id *id, struct err *err)
{
	ABOUT_PLAN(lg, "plan_discarded", id, err, lg_plan_discarded(inner(lg), id, err));
}

/* One answer for a page of plans: no plan can fail alone, because the read is of the page. */
static enum rc victim_scan(struct ledger *lg, struct arena *a, unsigned states,
	const struct plan_id *from, size_t max, struct lg_plan **ret_plans, size_t *ret_n,
	struct err *err)
{
	ABOUT_PLAN(lg, "scan", NULL, err,
		lg_scan(inner(lg), a, states, from, max, ret_plans, ret_n, err));
}

static enum rc write_claims(struct ledger *lg, const char *verb, struct arena *a,
	const struct plan_id *plan, struct lg_claim *claims, size_t n, struct err *err)
{
	struct lg_claim *some = xcalloc(n ? n : 1, sizeof(*some));
	size_t *index = xcalloc(n ? n : 1, sizeof(*index)), n_some = 0;
	enum rc rc = RC_OK;

	for (size_t i = 0; i < n; i++) {
		const struct victim_call call = {.verb = verb, .plan = plan, .object = &claims[i].object};

		claims[i].result = before(lg, &call, err);
		if (claims[i].result != RC_OK)
			continue;
		some[n_some] = claims[i];
		index[n_some++] = i;
	}
	if (n_some)
		rc = strcmp(verb, "claim") == 0 ? lg_claim_many(inner(lg), a, plan, some, n_some, err)
						: lg_swap_many(inner(lg), a, plan, some, n_some, err);
	for (size_t i = 0; rc == RC_OK && i < n_some; i++) {
		struct lg_claim *claim = &claims[index[i]];
		const struct victim_call call = {.verb = verb, .plan = plan, .object = &claim->object};

		*claim = some[i];
		claim->result = after(lg, &call, claim->result, err);
	}
	free(some);
	free(index);
	return rc;
}

static enum rc victim_claim(struct ledger *lg, struct arena *a, const struct plan_id *plan,
	struct lg_claim *claims, size_t n, struct err *err)
{
	return write_claims(lg, "claim", a, plan, claims, n, err);
}

static enum rc victim_swap(struct ledger *lg, struct arena *a, const struct plan_id *plan,
	struct lg_claim *claims, size_t n, struct err *err)
{
	return write_claims(lg, "swap", a, plan, claims, n, err);
}

/* Entry by entry: each has a result of its own. */
static enum rc victim_reject(struct ledger *lg, const struct plan_id *plan,
	struct lg_reject *rejects, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		const struct victim_call call = {.verb = "reject", .plan = plan, .object = &rejects[i].object};
		enum rc rc = before(lg, &call, err);

		if (rc != RC_OK) {
			rejects[i].result = rc;
			continue;
		}
		rc = lg_reject_many(inner(lg), plan, &rejects[i], 1, err);
		if (rc != RC_OK)
			return rc;
		rejects[i].result = after(lg, &call, rejects[i].result, err);
	}
	return RC_OK;
}

static enum rc victim_object_get(struct ledger *lg, struct arena *a, const struct object_id *object,
	struct lg_object *ret_record, struct err *err)
{
	const struct victim_call call = {.verb = "object_get", .object = object};
	enum rc rc = before(lg, &call, err);

	if (rc != RC_OK)
		return rc;
	return after(lg, &call, lg_object_get(inner(lg), a, object, ret_record, err), err);
}

static void victim_close(struct ledger *lg)
{
	free(lg);
}

struct ledger *victim_ledger_new(struct ledger *wrapped, struct victim *v)
{
	static const struct ledger_ops ops = {victim_plan_open, victim_plan_get, victim_plan_beat,
		victim_plan_seal, victim_plan_abort, victim_plan_void, victim_plan_done,
		victim_plan_discarded, victim_scan, victim_claim, victim_swap, victim_reject,
		victim_object_get, victim_close};
	struct victim_ledger *lg = xcalloc(1, sizeof(*lg));

	*lg = (struct victim_ledger){{&ops}, wrapped, v};
	return &lg->port;
}
