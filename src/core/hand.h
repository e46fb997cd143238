/*
 * hand: the messages this worker has received and not yet settled, and how they are settled.
 *
 * A message may carry several records. It is acknowledged only when each has a verdict: any that
 * must be tried again sends the whole message back; else any that was refused makes it a dead
 * letter; else it is acknowledged. A message that would be sent back for a fault of its own, and
 * was received as often as the queue allows, is a dead letter now: the queue would make one of it
 * anyway, but does not know the reason.
 *
 * Threads: calls may come from any thread; the lock is held by no call of the queue. While
 * hand_extend hides messages, hand_settle leaves what is decided to its next call: a hide that is
 * late would make a message that was handed back invisible again.
 *
 * Memory: each message has an arena of its own, just large enough for its receipt and its units,
 * which is freed when the message is settled. Nothing of a receive (bodies, parsed events) outlives
 * the receive, so what is held depends on how many messages wait and not on how they came. Counted
 * in hand.bytes and in the budget: this memory, about 0.8 KB for a message of one object and its
 * key twice or three times, and HAND_PLAN_BYTES for each record, which its plan will need.
 */
#ifndef BALER_CORE_HAND_H
#define BALER_CORE_HAND_H

#include <pthread.h>

#include "base/budget.h"
#include "base/clock.h"
#include "core/unit.h"
#include "port/event_queue.h"

/* Of a record's claim, name, slot and reason while a plan is made of it; measured. */
#define HAND_PLAN_BYTES 512

enum verdict_kind { VERDICT_ACK, VERDICT_DEAD, VERDICT_RETRY }; /* the graver wins */

struct verdict {
	enum verdict_kind kind;
	const char *code;   /* dead, and what is counted: copied */
	const char *reason; /* the same */
	uint64_t delay_ms;  /* retry; the shortest wins */
	bool counted;       /* retry: the failure is the message's own */
};

struct delivery {
	struct arena arena; /* this delivery itself, and all that hand_alloc gave for it */
	struct slice receipt;
	uint32_t receive_count;
	size_t n_open; /* records without a verdict */
	size_t bytes;  /* counted for it */
	bool is_let_go; /* its message may become visible to others */
	struct verdict verdict;
	struct delivery *prev, *next;
};

struct hand {
	pthread_mutex_t lock;     /* for all below and for the deliveries */
	bool is_extending;        /* a call that hides open messages is under way */
	struct delivery *open;    /* with open records; a list */
	struct delivery *decided; /* to be settled; singly linked */
	size_t n;                 /* in both */
	size_t bytes;             /* of memory, theirs */
	struct budget *memory;    /* where they are counted too */
	uint64_t
		extended_boot_ms; /* when the visibility of all was last good for a whole timeout */
	uint64_t n_dead, n_retried; /* since start */
	uint32_t max_receives;      /* as in pipeline_config */
};

/* memory: borrowed; NULL: counted nowhere else. */
void hand_init(struct hand *h, uint32_t max_receives, struct budget *memory);
/* Frees; tells the queue nothing. */
void hand_release(struct hand *h);

struct hand_level {
	size_t n, bytes;
	uint64_t n_dead, n_retried;
};

struct hand_level hand_level(struct hand *h);

/* A message with that many records to decide; 0: it is acknowledged unless delivery_decide says
 * otherwise. The message is copied as far as it is needed. keep_bytes: about how much hand_alloc
 * will be asked for, alignment to 16 bytes included; more is allowed. */
struct delivery *hand_take(
	struct hand *h, const struct eq_message *m, size_t n_records, size_t keep_bytes);
/* Zeroed memory that lives until the delivery is settled. */
void *hand_alloc(struct hand *h, struct delivery *d, size_t n);
/* One record's verdict, or, where it has none, the message's. */
void delivery_decide(struct hand *h, struct delivery *d, const struct verdict *v);
/* The verdict for every message that waits for u; u must not be used again. */
void hand_decide(struct hand *h, struct unit *u, const struct verdict *v);
/* The messages that wait for u are hidden no longer: whoever receives them next may have them. */
void hand_let_go(struct hand *h, const struct unit *u);
/* Everything still open goes back, at once and uncounted. Units of it must not be used again. */
void hand_back(struct hand *h);

/* Settles what is decided: one call each for acknowledgements, delays and dead letters. A
 * message that could not be settled comes back by itself after its visibility timeout and finds
 * its objects terminal. RC_FATAL, or RC_OK. */
enum rc hand_settle(struct hand *h, struct event_queue *q, struct err *err);

/* Makes everything in hand invisible for another timeout when a third of it has gone; uncounted,
 * so that a worker that dies after it holds nothing against the messages. RC_FATAL, or RC_OK. */
enum rc hand_extend(struct hand *h, struct event_queue *q, struct clock *clock,
	uint64_t visibility_ms, struct err *err);

#endif
