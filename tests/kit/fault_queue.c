#include <stdlib.h>

#include "fault_gate.h"

struct fault_queue {
	struct event_queue port;
	struct event_queue *inner;
	struct fault *fault;
};

static struct fault_queue *self(struct event_queue *q)
{
	return (struct fault_queue *)q;
}

struct late_ack {
	struct slice *receipts;
	size_t n;
};

static enum rc fault_receive(struct event_queue *port, struct arena *a, size_t max,
	uint64_t wait_ms, uint64_t visibility_ms, struct eq_message **ret_messages, size_t *ret_n,
	struct err *err)
{
	struct fault_queue *f = self(port);
	struct fault_gate g = fault_enter(f->fault, "receive", 1, true);
	enum rc rc = RC_OK;

	/* An answer that is lost after receiving: the messages are in flight, and nobody has
	 * them. */
	if (g.apply)
		rc = eq_receive(f->inner, a, max, wait_ms, visibility_ms, ret_messages, ret_n, err);
	return g.answer == RC_UNKNOWN ? err_set(err, RC_AGAIN, "a fault on purpose")
				      : fault_leave(&g, rc, err);
}

static void land_ack(struct fault_late *late)
{
	struct late_ack *ack = late->args;
	enum rc *results = arena_array(&late->arena, ack->n, sizeof(*results));
	struct err err;

	eq_ack(late->inner, ack->receipts, ack->n, results, &err);
}

static void keep_ack(struct fault_queue *f, const struct slice *receipts, size_t n)
{
	struct fault_late *late = fault_keep(f->fault, land_ack, f->inner, sizeof(struct late_ack));
	struct late_ack *ack = late->args;

	ack->receipts = arena_array(&late->arena, n, sizeof(*receipts));
	ack->n = n;
	for (size_t i = 0; i < n; i++)
		ack->receipts[i] = fault_copy(late, receipts[i]);
}

static enum rc answer_batch(
	const struct fault_gate *g, enum rc rc, enum rc *results, size_t n, struct err *err)
{
	if (g->answer == RC_FATAL)
		return fault_leave(g, rc, err);
	for (size_t i = g->answer == RC_OK ? g->n_apply : 0; i < n; i++)
		results[i] = g->answer == RC_OK ? RC_UNKNOWN : g->answer;
	return rc;
}

static enum rc fault_ack(struct event_queue *port, const struct slice *receipts, size_t n,
	enum rc *results, struct err *err)
{
	struct fault_queue *f = self(port);
	struct fault_gate g = fault_enter(f->fault, "ack", n, true);
	enum rc rc = RC_OK;

	if (g.later)
		keep_ack(f, receipts, n);
	if (g.apply)
		rc = eq_ack(f->inner, receipts, g.n_apply, results, err);
	return answer_batch(&g, rc, results, n, err);
}

static enum rc fault_hide(struct event_queue *port, const struct eq_hide *hides, size_t n,
	enum rc *results, struct err *err)
{
	struct fault_queue *f = self(port);
	struct fault_gate g = fault_enter(f->fault, "hide", n, true);
	enum rc rc = g.apply ? eq_hide(f->inner, hides, g.n_apply, results, err) : RC_OK;

	return answer_batch(&g, rc, results, n, err);
}

static enum rc fault_dead_letter(struct event_queue *port, const struct eq_dead *dead, size_t n,
	enum rc *results, struct err *err)
{
	struct fault_queue *f = self(port);
	struct fault_gate g = fault_enter(f->fault, "dead_letter", n, true);
	enum rc rc = g.apply ? eq_dead_letter(f->inner, dead, g.n_apply, results, err) : RC_OK;

	return answer_batch(&g, rc, results, n, err);
}

static enum rc fault_send(struct event_queue *port, const struct slice *bodies, size_t n,
	enum rc *results, struct err *err)
{
	struct fault_queue *f = self(port);
	struct fault_gate g = fault_enter(f->fault, "send", n, true);
	enum rc rc = g.apply ? eq_send(f->inner, bodies, g.n_apply, results, err) : RC_OK;

	return answer_batch(&g, rc, results, n, err);
}

static enum rc fault_stat(struct event_queue *port, struct eq_stat *ret_stat, struct err *err)
{
	struct fault_gate g = fault_enter(self(port)->fault, "stat", 1, false);
	enum rc rc = g.apply ? eq_stat(self(port)->inner, ret_stat, err) : RC_OK;

	return fault_leave(&g, rc, err);
}

static void fault_close(struct event_queue *port)
{
	free(port);
}

struct event_queue *fault_event_queue_new(struct event_queue *inner, struct fault *fault)
{
	static const struct event_queue_ops ops = {fault_receive, fault_ack, fault_hide,
		fault_dead_letter, fault_send, fault_stat, fault_close};
	struct fault_queue *f = xcalloc(1, sizeof(*f));

	*f = (struct fault_queue){{&ops, inner->can_uncount}, inner, fault};
	return &f->port;
}
