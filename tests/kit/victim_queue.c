#include <stdlib.h>

#include "victim.h"

struct victim_queue {
	struct event_queue port;
	struct event_queue *inner;
	struct victim *victim;
};

struct victim_receipt {
	struct slice receipt, body;
	struct victim_receipt *next;
};

static struct victim *victim_of(struct event_queue *q)
{
	return ((struct victim_queue *)q)->victim;
}

static struct event_queue *inner(struct event_queue *q)
{
	return ((struct victim_queue *)q)->inner;
}

static struct slice message_of(const struct victim *v, struct slice receipt)
{
	for (const struct victim_receipt *r = v->receipts; r; r = r->next)
		if (slice_eq(r->receipt, receipt))
			return r->body;
	return (struct slice){0};
}

static enum rc before(struct event_queue *q, const struct victim_call *call, struct err *err)
{
	return victim_of(q)->before(victim_of(q)->arg, call, err);
}

static enum rc after(
	struct event_queue *q, const struct victim_call *call, enum rc rc, struct err *err)
{
	return victim_of(q)->after(victim_of(q)->arg, call, rc, err);
}

/* One answer for all that comes: no message can fail alone, because the caller does not know yet
 * which there are. */
static enum rc victim_receive(struct event_queue *q, struct arena *a, size_t max, uint64_t wait_ms,
	uint64_t visibility_ms, struct eq_message **ret_messages, size_t *ret_n, struct err *err)
{
	const struct victim_call call = {.verb = "receive"};
	struct victim *v = victim_of(q);
	enum rc rc = before(q, &call, err);

	if (rc != RC_OK)
		return rc;
	rc = eq_receive(inner(q), a, max, wait_ms, visibility_ms, ret_messages, ret_n, err);
	for (size_t i = 0; rc == RC_OK && i < *ret_n; i++) {
		struct victim_receipt *r = arena_alloc(&v->arena, sizeof(*r));

		*r = (struct victim_receipt){arena_slice(&v->arena, (*ret_messages)[i].receipt),
			arena_slice(&v->arena, (*ret_messages)[i].body), v->receipts};
		v->receipts = r;
	}
	return after(q, &call, rc, err);
}

/* The verbs that settle go entry by entry: each has a result of its own. */
#define EACH(q, name, n, receipt_of, results, err, settle)                                         \
	for (size_t i = 0; i < (n); i++) {                                                         \
		const struct victim_call call = {                                                  \
			.verb = (name), .message = message_of(victim_of(q), (receipt_of))};        \
		enum rc rc = before((q), &call, (err));                                            \
                                                                                                   \
		(results)[i] = rc;                                                                 \
		if (rc != RC_OK)                                                                   \
			continue;                                                                  \
		rc = (settle);                                                                     \
		if (rc != RC_OK)                                                                   \
			return rc;                                                                 \
		(results)[i] = after((q), &call, (results)[i], (err));                             \
	}                                                                                          \
	return RC_OK

static enum rc victim_ack(struct event_queue *q, const struct slice *receipts, size_t n,
	enum rc *results, struct err *err)
{
	EACH(q, "ack", n, receipts[i], results, err,
		eq_ack(inner(q), &receipts[i], 1, &results[i], err));
}

static enum rc victim_hide(struct event_queue *q, const struct eq_hide *hides, size_t n,
	enum rc *results, struct err *err)
{
	EACH(q, "hide", n, hides[i].receipt, results, err,
		eq_hide(inner(q), &hides[i], 1, &results[i], err));
}

static enum rc victim_dead_letter(struct event_queue *q, const struct eq_dead *dead, size_t n,
	enum rc *results, struct err *err)
{
	EACH(q, "dead_letter", n, dead[i].receipt, results, err,
		eq_dead_letter(inner(q), &dead[i], 1, &results[i], err));
}

static enum rc victim_send(struct event_queue *q, const struct slice *bodies, size_t n,
	enum rc *results, struct err *err)
{
	return eq_send(inner(q), bodies, n, results, err);
}

static enum rc victim_stat(struct event_queue *q, struct eq_stat *ret_stat, struct err *err)
{
	return eq_stat(inner(q), ret_stat, err);
}

static void victim_close(struct event_queue *q)
{
	free(q);
}

struct event_queue *victim_event_queue_new(struct event_queue *wrapped, struct victim *v)
{
	static const struct event_queue_ops ops = {victim_receive, victim_ack, victim_hide,
		victim_dead_letter, victim_send, victim_stat, victim_close, NULL};
	struct victim_queue *q = xcalloc(1, sizeof(*q));

	*q = (struct victim_queue){{&ops, wrapped->can_uncount, wrapped->body_max}, wrapped, v};
	return &q->port;
}

void victim_release(struct victim *v)
{
	arena_release(&v->arena);
	v->receipts = NULL;
}
