/*
 * victim: ports over ports in which a test decides what becomes of each call and of each entry of a
 * batch, so that the calls about one thing (a plan, an object, a bundle, a message) fail or are
 * slow while all others pass. For tests and the simulator.
 *
 * fault.h fails whole calls, chosen by their number; here the choice goes by what the call is
 * about.
 */
#ifndef BALER_TESTS_KIT_VICTIM_H
#define BALER_TESTS_KIT_VICTIM_H

#include "base/clock.h"
#include "port/event_queue.h"
#include "port/ledger.h"
#include "port/object_store.h"

/* One call, or one entry of a batch. What it is not about is NULL or empty. */
struct victim_call {
	const char *verb;
	const struct plan_id *plan;     /* ledger */
	/* get_many, head, delete_many, claim, swap, reject, object_get */
	const struct object_id *object;
	struct slice bucket, key;       /* object store: a stage or a bundle */
	struct slice message;           /* queue: the body of the message */
};

/* One worker's. Lives as long as its wrapped ports. */
struct victim {
	/* Before the call is applied. RC_OK: it passes; else its answer, and it is not applied. May
	 * sleep. */
	enum rc (*before)(void *arg, const struct victim_call *call, struct err *err);
	/* After it was applied, with its answer. Returns the answer that the caller gets. May
	 * sleep. */
	enum rc (*after)(void *arg, const struct victim_call *call, enum rc rc, struct err *err);
	/* While get_many is slow: milliseconds that the object's first byte takes; 0: none. */
	uint64_t (*first_byte_ms)(void *arg, const struct object_id *object);
	void *arg;
	struct clock *clock; /* for first_byte_ms */
	struct victim_receipt *receipts; /* which message a receipt is of */
	struct arena arena;
};

struct object_store *victim_object_store_new(struct object_store *inner, struct victim *v);
struct event_queue *victim_event_queue_new(struct event_queue *inner, struct victim *v);
struct ledger *victim_ledger_new(struct ledger *inner, struct victim *v);
/* Closing a wrapped port does not close the inner one. */
void victim_release(struct victim *v);

#endif
