/*
 * fault: ports over ports that fail on purpose, at the call a test chooses. For tests and the
 * simulator.
 *
 * Before each call of any of the three ports, decide is asked what shall happen. It may also do
 * things of its own first: step other workers, move the clock, look at the state of the world.
 * After a crash every call is RC_FATAL and nothing is applied any more, as if the process had died;
 * the wrapped ports live on.
 */
#ifndef BALER_TESTS_KIT_FAULT_H
#define BALER_TESTS_KIT_FAULT_H

#include "port/event_queue.h"
#include "port/ledger.h"
#include "port/object_store.h"

enum fault_action {
	FAULT_PASS,
	FAULT_AGAIN,   /* not applied: RC_AGAIN */
	FAULT_LOST,    /* not applied: RC_UNKNOWN */
	FAULT_APPLIED, /* applied: RC_UNKNOWN all the same */
	FAULT_LATER, /* RC_UNKNOWN; applied by fault_land. Of what cannot be late: as FAULT_LOST */
	/* a batch: its first half is applied and answered, the rest is unknown and not applied.
	 * Else: as FAULT_LOST */
	FAULT_HALF,
	FAULT_OBJECT,       /* get_many: one object breaks after begin. Else: as FAULT_AGAIN */
	FAULT_DENY,         /* get_many: one object is denied. Else: as FAULT_AGAIN */
	FAULT_REFUSE, /* not applied: RC_REFUSED, as of a policy that denies the call */
	FAULT_CRASH_BEFORE, /* not applied, and dead from here */
	FAULT_CRASH_AFTER,  /* applied, and dead from here */
	FAULT_CRASH_HALF,   /* a batch half applied, and dead. Else: as FAULT_CRASH_BEFORE */
};

#define FAULT_ACTIONS (FAULT_CRASH_HALF + 1)

struct fault_late;

/* One worker's. Lives as long as its wrapped ports. */
struct fault {
	enum fault_action (*decide)(void *arg, const char *verb);
	void *arg;
	uint64_t n_calls;
	/* While decide runs: what the call of an object store is about, where it is about one
	 * thing. Else empty. */
	struct slice bucket, key;
	bool dead;
	struct fault_late *late;
};

/* Only reading calls answer RC_UNKNOWN never: FAULT_LOST and the like make them RC_AGAIN. */
struct object_store *fault_object_store_new(struct object_store *inner, struct fault *f);
struct event_queue *fault_event_queue_new(struct event_queue *inner, struct fault *f);
struct ledger *fault_ledger_new(struct ledger *inner, struct fault *f);
/* Closing a wrapped port does not close the inner one. */

/* Applies the oldest late write, if any: also of a worker that is dead. false when there was
 * none. */
bool fault_land(struct fault *f);
/* Drops what is late. */
void fault_release(struct fault *f);

#endif
