/*
 * unfinished: the plans whose next step failed. Each has its own backoff, so that none of them
 * holds up anything else.
 *
 * Step 7 of docs/protocol.md ends with "anything else: stay sealed and raise an alarm". This module
 * knows which plan may be tried when, and what the alarm says. A sealed plan is stuck when the
 * store refused it finally (RC_REFUSED, RC_CORRUPT, RC_ABSENT), or when it has failed for
 * UNFINISHED_STUCK_MS. An aborted plan whose stage cannot be discarded waits here too; it never
 * counts as stuck, because nothing of value depends on it.
 *
 * Memory: at most UNFINISHED_MAX entries of about 1 KB. All plans beyond them share the longest
 * delay and one time of the next try. Threads: any. While the lock is held only the log is called.
 */
#ifndef BALER_CORE_UNFINISHED_H
#define BALER_CORE_UNFINISHED_H

#include <pthread.h>

#include "base/table.h"
#include "port/ledger.h"

#define UNFINISHED_MAX 4096
#define UNFINISHED_STUCK_MS (5 * 60 * 1000)
/* a key has up to 1,024 bytes, and the cause and the way out stand beside it */
#define UNFINISHED_TEXT_MAX 1600

struct unfinished_plan;

struct unfinished {
	pthread_mutex_t lock;
	struct table by_plan;
	struct unfinished_plan *all;
	size_t n;
	/* the next try of a plan that has no entry because all are taken */
	uint64_t rest_next_boot_ms;
	/* of the delays between tries, which double from the first to the second */
	uint64_t base_ms, max_ms;
};

/* A summary of all of them at one moment. */
struct unfinished_report {
	size_t n_stuck;
	uint64_t oldest_ms;             /* how long the first of them has been failing */
	uint64_t oldest_wall_ms;        /* since when */
	/* the oldest: bundle, plan, since when, cause, what to do; "" when there is none */
	char text[UNFINISHED_TEXT_MAX];
};

void unfinished_init(struct unfinished *u, uint64_t base_ms, uint64_t max_ms);
void unfinished_release(struct unfinished *u);

/* Whether the plan may be tried now. */
bool unfinished_may_try(struct unfinished *u, const struct plan_id *id, uint64_t now_boot_ms);
/* Whether it has failed and was not done since. */
bool unfinished_has(struct unfinished *u, const struct plan_id *id);
/* The plan's step failed with this code and cause. Sets the next try and logs: at the first
 * failure, when the plan becomes stuck, and then at every doubling of the number of failures. */
void unfinished_failed(struct unfinished *u, const struct lg_plan *plan, enum rc rc,
	const struct err *cause, uint64_t now_boot_ms, uint64_t now_wall_ms);
/* The step was done. */
void unfinished_done(struct unfinished *u, const struct plan_id *id);
/* Forgets those that unfinished_may_try and unfinished_failed were not called for since then:
 * others finished them. */
void unfinished_prune(struct unfinished *u, uint64_t before_boot_ms);

void unfinished_look(struct unfinished *u, uint64_t now_boot_ms, struct unfinished_report *ret);

#endif
