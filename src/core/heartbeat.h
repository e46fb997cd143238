/*
 * heartbeat: the sign of life of every open plan of a pipeline, sent from threads of its own
 * (base/ticker) for as long as the process lives.
 *
 * A plan beats from its opening to its seal, also while its round waits for a GET that stalls, for
 * compression, or for the upload of its stage. So when a lease runs out, the process died, was
 * suspended, or could not reach the ledger for a whole lease. Another thread keeps the messages in
 * hand invisible (hand_extend), also while a sealed plan is published.
 *
 * A beat that hangs holds up no other plan, because there are as many threads as plans that may be
 * open at once. A queue that hangs holds up no beat.
 *
 * A round that hangs would beat for ever. Therefore no plan stays open longer than max_open_ms:
 * then a thread aborts the plan as an owner that gives it up alive (LG_GIVEN_UP: no attempt is
 * counted), logs plan-overdue, and lets other workers receive the plan's messages.
 *
 * Threads: calls may come from any thread. No lock is held during a call of a port.
 * heartbeat_remove waits for a beat of that plan that is under way, because a beat that lands after
 * LG_GIVEN_UP would overwrite that mark.
 */
#ifndef BALER_CORE_HEARTBEAT_H
#define BALER_CORE_HEARTBEAT_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/ticker.h"
#include "core/hand.h"
#include "port/ledger.h"

struct beat {
	const struct lg_plan *plan;
	/* Called once, on the heartbeat's thread, when the plan has been open for too long; the
	 * function may call hand_let_go. */
	void (*on_overdue)(void *arg);
	void *arg;
	/* heartbeat's own, under its lock */
	uint64_t number, opened_boot_ms, next_boot_ms;
	bool is_calling, is_leaving, is_fenced, is_overdue;
	struct beat *next;
};

struct heartbeat_config {
	struct ledger *ledger;
	struct event_queue *queue;
	struct clock *clock;
	struct hand *hand;
	uint64_t lease_ms, visibility_ms;
	uint64_t max_open_ms;
	unsigned n_plans; /* plans that may be open at once, at least 1; the number of threads */
};

struct heartbeat {
	struct heartbeat_config cfg;
	pthread_mutex_t lock;
	pthread_cond_t idle; /* a call has ended */
	struct beat *beats;
	atomic_bool has_failed; /* a port said RC_FATAL: the process cannot go on */
	struct ticker *extender;
	struct ticker **beaters; /* cfg.n_plans */
};

void heartbeat_start(struct heartbeat *hb, const struct heartbeat_config *cfg);
/* No plan may be left. */
void heartbeat_stop(struct heartbeat *hb);

/* b and its plan, which is open in the ledger with heartbeat 0, are borrowed until
 * heartbeat_remove. */
void heartbeat_add(struct heartbeat *hb, struct beat *b);
/* RC_OK: the plan is still ours. RC_CONFLICT: it is not, because another worker has aborted it or
 * it was overdue. RC_FATAL. */
enum rc heartbeat_check(struct heartbeat *hb, const struct beat *b, struct err *err);
/* No beat after it returns. A plan that was removed before is fine. */
void heartbeat_remove(struct heartbeat *hb, struct beat *b);

#endif
