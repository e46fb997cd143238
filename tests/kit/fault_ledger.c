#include <stdlib.h>

#include "fault_gate.h"

struct fault_ledger {
	struct ledger port;
	struct ledger *inner;
	struct fault *fault;
};

enum write_kind { OPEN, BEAT, SEAL, ABORT, VOID, DONE, DISCARDED, CLAIM, SWAP, REJECT };

/* Arguments of any write, for later. */
struct write {
	enum write_kind kind;
	struct lg_plan plan; /* open: all; else only its id and nonce */
	uint64_t heartbeat;
	struct lg_seal seal;
	struct lg_claim *claims;
	struct lg_reject *rejects;
	size_t n;
};

static struct fault_ledger *self(struct ledger *lg)
{
	return (struct fault_ledger *)lg;
}

static enum rc do_write(struct ledger *lg, struct arena *a, struct write *w, struct err *err)
{
	const struct plan_id *id = &w->plan.id;

	switch (w->kind) {
	case OPEN:
		return lg_plan_open(lg, &w->plan, err);
	case BEAT:
		return lg_plan_beat(lg, id, w->plan.nonce, w->heartbeat, err);
	case SEAL:
		return lg_plan_seal(lg, id, w->plan.nonce, &w->seal, err);
	case ABORT:
		return lg_plan_abort(lg, id, w->heartbeat, err);
	case VOID:
		return lg_plan_void(lg, id, err);
	case DONE:
		return lg_plan_done(lg, id, err);
	case DISCARDED:
		return lg_plan_discarded(lg, id, err);
	case CLAIM:
		return lg_claim_many(lg, a, id, w->claims, w->n, err);
	case SWAP:
		return lg_swap_many(lg, a, id, w->claims, w->n, err);
	case REJECT:
		return lg_reject_many(lg, id, w->rejects, w->n, err);
	}
	return RC_FATAL;
}

static void land(struct fault_late *late)
{
	struct err err;

	do_write(late->inner, &late->arena, late->args, &err);
}

static void keep(struct fault_ledger *f, const struct write *w)
{
	struct fault_late *late = fault_keep(f->fault, land, f->inner, sizeof(*w));
	struct write *copy = late->args;

	*copy = *w;
	copy->plan.owner = fault_copy(late, w->plan.owner);
	copy->plan.bucket = fault_copy(late, w->plan.bucket);
	copy->plan.key = fault_copy(late, w->plan.key);
	copy->seal.staged = fault_copy(late, w->seal.staged);
	copy->seal.excluded = fault_copy(late, w->seal.excluded);
	if (w->claims)
		copy->claims = arena_array(&late->arena, w->n, sizeof(*w->claims));
	if (w->rejects)
		copy->rejects = arena_array(&late->arena, w->n, sizeof(*w->rejects));
	for (size_t i = 0; i < w->n; i++) {
		if (w->claims) {
			copy->claims[i] = w->claims[i];
			copy->claims[i].object = fault_copy_id(late, &w->claims[i].object);
		} else {
			copy->rejects[i].object = fault_copy_id(late, &w->rejects[i].object);
			copy->rejects[i].reason = fault_copy(late, w->rejects[i].reason);
		}
	}
}

static void answer_rest(struct write *w, size_t from, enum rc answer)
{
	for (size_t i = from; i < w->n; i++) {
		if (w->claims)
			w->claims[i].result = answer;
		else
			w->rejects[i].result = answer;
	}
}

/* A batch answers per entry: the call itself is RC_OK unless the process is dead. */
static enum rc write_through(
	struct fault_ledger *f, const char *verb, struct arena *a, struct write *w, struct err *err)
{
	bool batch = w->claims || w->rejects;
	size_t n = batch ? w->n : 1;
	struct fault_gate g = fault_enter(f->fault, verb, n, true);
	enum rc rc = RC_OK;

	if (g.later)
		keep(f, w);
	if (g.apply) {
		w->n = batch ? g.n_apply : 0;
		rc = do_write(f->inner, a, w, err);
		w->n = batch ? n : 0;
	}
	if (!batch || g.answer == RC_FATAL)
		return fault_leave(&g, rc, err);
	if (g.answer != RC_OK)
		answer_rest(w, 0, g.answer);
	else
		answer_rest(w, g.n_apply, RC_UNKNOWN);
	return RC_OK;
}

static struct write of_plan(enum write_kind kind, const struct plan_id *id)
{
	struct write w = {.kind = kind};

	w.plan.id = *id;
	return w;
}

static enum rc fault_plan_open(struct ledger *port, const struct lg_plan *plan, struct err *err)
{
	struct write w = {.kind = OPEN, .plan = *plan};

	w.plan.seal = (struct lg_seal){0};
	return write_through(self(port), "plan_open", NULL, &w, err);
}

static enum rc fault_plan_get(struct ledger *port, struct arena *a, const struct plan_id *id,
	struct lg_plan *ret_plan, struct err *err)
{
	struct fault_gate g = fault_enter(self(port)->fault, "plan_get", 1, false);
	enum rc rc = g.apply ? lg_plan_get(self(port)->inner, a, id, ret_plan, err) : RC_OK;

	return fault_leave(&g, rc, err);
}

static enum rc fault_plan_beat(struct ledger *port, const struct plan_id *id,
	const unsigned char nonce[LG_NONCE_BYTES], uint64_t heartbeat, struct err *err)
{
	struct write w = of_plan(BEAT, id);

	memcpy(w.plan.nonce, nonce, LG_NONCE_BYTES);
	w.heartbeat = heartbeat;
	return write_through(self(port), "plan_beat", NULL, &w, err);
}

static enum rc fault_plan_seal(struct ledger *port, const struct plan_id *id,
	const unsigned char nonce[LG_NONCE_BYTES], const struct lg_seal *seal, struct err *err)
{
	struct write w = of_plan(SEAL, id);

	memcpy(w.plan.nonce, nonce, LG_NONCE_BYTES);
	w.seal = *seal;
	return write_through(self(port), "plan_seal", NULL, &w, err);
}

static enum rc fault_plan_abort(
	struct ledger *port, const struct plan_id *id, uint64_t heartbeat, struct err *err)
{
	struct write w = of_plan(ABORT, id);

	w.heartbeat = heartbeat;
	return write_through(self(port), "plan_abort", NULL, &w, err);
}

static enum rc fault_plan_void(struct ledger *port, const struct plan_id *id, struct err *err)
{
	struct write w = of_plan(VOID, id);

	return write_through(self(port), "plan_void", NULL, &w, err);
}

static enum rc fault_plan_done(struct ledger *port, const struct plan_id *id, struct err *err)
{
	struct write w = of_plan(DONE, id);

	return write_through(self(port), "plan_done", NULL, &w, err);
}

static enum rc fault_plan_discarded(struct ledger *port, const struct plan_id *id, struct err *err)
{
	struct write w = of_plan(DISCARDED, id);

	return write_through(self(port), "plan_discarded", NULL, &w, err);
}

static enum rc fault_scan(struct ledger *port, struct arena *a, unsigned states,
	const struct plan_id *after, size_t max, struct lg_plan **ret_plans, size_t *ret_n,
	struct err *err)
{
	struct fault_gate g = fault_enter(self(port)->fault, "scan", 1, false);
	enum rc rc = RC_OK;

	if (g.apply)
		rc = lg_scan(self(port)->inner, a, states, after, max, ret_plans, ret_n, err);
	return fault_leave(&g, rc, err);
}

static enum rc fault_claim(struct ledger *port, struct arena *a, const struct plan_id *plan,
	struct lg_claim *claims, size_t n, struct err *err)
{
	struct write w = of_plan(CLAIM, plan);

	w.claims = claims;
	w.n = n;
	return write_through(self(port), "claim", a, &w, err);
}

static enum rc fault_swap(struct ledger *port, struct arena *a, const struct plan_id *plan,
	struct lg_claim *claims, size_t n, struct err *err)
{
	struct write w = of_plan(SWAP, plan);

	w.claims = claims;
	w.n = n;
	return write_through(self(port), "swap", a, &w, err);
}

static enum rc fault_reject(struct ledger *port, const struct plan_id *plan,
	struct lg_reject *rejects, size_t n, struct err *err)
{
	struct write w = of_plan(REJECT, plan);

	w.rejects = rejects;
	w.n = n;
	return write_through(self(port), "reject", NULL, &w, err);
}

static enum rc fault_object_get(struct ledger *port, struct arena *a,
	const struct object_id *object, struct lg_object *ret_record, struct err *err)
{
	struct fault_gate g = fault_enter(self(port)->fault, "object_get", 1, false);
	enum rc rc = g.apply ? lg_object_get(self(port)->inner, a, object, ret_record, err) : RC_OK;

	return fault_leave(&g, rc, err);
}

static void fault_close(struct ledger *port)
{
	free(port);
}

struct ledger *fault_ledger_new(struct ledger *inner, struct fault *fault)
{
	static const struct ledger_ops ops = {fault_plan_open, fault_plan_get, fault_plan_beat,
		fault_plan_seal, fault_plan_abort, fault_plan_void, fault_plan_done,
		fault_plan_discarded, fault_scan, fault_claim, fault_swap, fault_reject,
		fault_object_get, fault_close};
	struct fault_ledger *f = xcalloc(1, sizeof(*f));

	*f = (struct fault_ledger){{&ops}, inner, fault};
	return &f->port;
}
