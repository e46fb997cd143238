/*
 * hand: the messages that this worker has received and not yet settled, and how they are settled.
 *
 * A message may have several records, and it is settled when each record has a verdict. If any
 * record must be tried again, the whole message goes back. Otherwise, if any record was refused,
 * the message becomes a dead letter. Otherwise the message is acknowledged. A message that would go
 * back because of its own fault, and that was received as often as the queue allows, becomes a dead
 * letter now: the queue would do the same later, but without the reason.
 *
 * Threads: calls may come from any thread; no lock is held during a call of the queue. While
 * hand_extend hides messages, hand_settle leaves the decided messages for its next call, because a
 * hide that arrives late would make a message invisible again that was already handed back.
 *
 * Memory: each message has its own arena, just large enough for its receipt and its units, and the
 * arena is freed when the message is settled. Nothing of a receive (bodies, parsed events) outlives
 * the receive. So the memory depends on how many messages wait, and not on how they came.
 * hand.bytes and the budget count this memory, which is about 0.8 KB and two or three times the key
 * for a message of one object, and HAND_PLAN_BYTES for each record, which its plan will need.
 */
#ifndef BALER_CORE_HAND_H
#define BALER_CORE_HAND_H

#include <pthread.h>

#include "base/budget.h"
#include "base/clock.h"
#include "core/unit.h"
#include "port/event_queue.h"

/* Bytes that a plan needs for each record: claim, name, slot and reason. */
#define HAND_PLAN_BYTES 512

enum verdict_kind { VERDICT_ACK, VERDICT_DEAD, VERDICT_RETRY }; /* the graver wins */

struct verdict {
	enum verdict_kind kind;
	const char *code;   /* code and reason of a dead letter; copies */
	const char *reason; /* the same */
	uint64_t delay_ms;  /* retry; the shortest wins */
	bool counted;       /* retry: the failure is the message's own */
};

struct delivery {
	struct arena arena; /* this struct, and everything that hand_alloc gave for this delivery */
	struct slice receipt;
	uint32_t receive_count;
	size_t n_open; /* records without a verdict */
	size_t bytes;  /* counted for it */
	bool is_let_go; /* the message may become visible to other workers */
	struct verdict verdict;
	struct delivery *prev, *next;
};

struct hand {
	pthread_mutex_t lock;     /* for all below and for the deliveries */
	bool is_extending;        /* a call that hides open messages is under way */
	struct delivery *open;    /* with open records; a list */
	struct delivery *decided; /* decided and not yet settled; singly linked */
	size_t n;                 /* in both */
	size_t bytes;             /* of memory, theirs */
	struct budget *memory;    /* where they are counted too */
	uint64_t
		/* the time at which all messages were last hidden for a whole timeout */
		extended_boot_ms;
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

/* Takes a message with that many records to decide; 0 records: the message is acknowledged, unless
 * delivery_decide decides otherwise. The needed parts of the message are copied. keep_bytes: an
 * estimate of what hand_alloc will be asked for, with alignment to 16 bytes; asking for more is
 * allowed. */
struct delivery *hand_take(
	struct hand *h, const struct eq_message *m, size_t n_records, size_t keep_bytes);
/* Zeroed memory that lives until the delivery is settled. */
void *hand_alloc(struct hand *h, struct delivery *d, size_t n);
/* Gives the verdict of one record, or of the message when it has no records. */
void delivery_decide(struct hand *h, struct delivery *d, const struct verdict *v);
/* The verdict for every message that waits for u; u must not be used again. */
void hand_decide(struct hand *h, struct unit *u, const struct verdict *v);
/* Stops hiding the messages that wait for u, so that another worker can receive them. */
void hand_let_go(struct hand *h, const struct unit *u);
/* Hands every open message back, at once, without counting a receive. The caller must not use their
 * units again. */
void hand_back(struct hand *h);

/* Settles the decided messages with one call each for acknowledgements, delays and dead letters. A
 * message that could not be settled becomes visible again after its visibility timeout, and its
 * objects are terminal by then. RC_FATAL, or RC_OK. */
enum rc hand_settle(struct hand *h, struct event_queue *q, struct err *err);

/* Hides all open messages for another timeout once a third of the timeout has passed. The receive
 * count does not change, so a worker that dies afterwards has done no harm to the messages.
 * RC_FATAL, or RC_OK. */
enum rc hand_extend(struct hand *h, struct event_queue *q, struct clock *clock,
	uint64_t visibility_ms, struct err *err);

#endif
