/*
 * event_queue: a durable queue of messages, delivered at least once. SQS's terms and manners.
 *
 * [EQ-1] A message that send (or the gateway's transaction) has accepted is received at least
 *        once, with the same bytes.
 * [EQ-2] A received message is not received again before its visibility timeout has ended.
 * [EQ-3] After that it is received again, with a new receipt and receive_count one higher.
 * [EQ-4] ack removes a message for good; acknowledging it again with the same receipt is RC_OK.
 *        A receipt that a later delivery has replaced gives RC_CONFLICT or RC_OK, and the later
 *        delivery stays valid.
 * [EQ-5] hide sets the time until the message is visible again, from now; 0 makes it visible at
 *        once. With uncounted, the delivery is taken out of receive_count where the queue can do
 *        so (can_uncount).
 * [EQ-6] dead_letter takes a message out of the queue and keeps its bytes, the reason, the time
 *        and the attempts.
 * [EQ-7] A message received max_receives times (a setting of the queue) and visible again is not
 *        delivered another time but becomes a dead letter with the reason "max-receives".
 * [EQ-8] receive waits at most wait_ms for a first message and returns as soon as there is one;
 *        none is RC_OK with n = 0.
 * [EQ-9] Batches: each receipt has a result of its own; the call's own code is RC_OK unless
 *        nothing could be tried.
 * [EQ-10] What was accepted, acknowledged or dead-lettered is so after a crash. Visibility may
 *         end early by a crash.
 * [EQ-11] receive_count survives a crash for deliveries whose visibility timeout had ended or
 *         was set by hide.
 * [EQ-12] Sends that were started and have not ended share a commit: as many at a time as there
 *         are senders cost one fsync.
 *
 * Calls block and may be made from any thread. Receipts are bytes of the adapter's own, at most
 * EQ_RECEIPT_MAX.
 */
#ifndef BALER_PORT_EVENT_QUEUE_H
#define BALER_PORT_EVENT_QUEUE_H

#include "base/arena.h"
#include "base/err.h"

#define EQ_RECEIPT_MAX 2048
#define EQ_BATCH_MAX 10000 /* messages in one call, any verb */
#define EQ_REASON_MAX 1024 /* bytes; longer is cut */

struct eq_message {
	struct slice id;        /* stable over deliveries; for people and logs */
	struct slice receipt;   /* of this delivery */
	struct slice body;      /* text, as sent */
	uint32_t receive_count; /* with this delivery: 1 at the first */
	uint64_t sent_wall_ms;
};

struct eq_hide {
	struct slice receipt;
	uint64_t delay_ms; /* 0 … 43,200,000 (12 h), SQS's range */
	bool uncounted;
};

struct eq_dead {
	struct slice receipt;
	struct slice code;   /* "object-missing", "INVALID_S3_KEY_LENGTH" … */
	struct slice reason; /* a sentence */
};

struct eq_stat {
	uint64_t visible, in_flight, dead; /* messages */
	/* since the oldest unacknowledged was sent; 0 when empty */
	uint64_t oldest_age_ms;
};

struct event_queue;

/* The result of a send that was started: called once, on a thread of the queue, when the messages
 * are durable or refused. Must not block. */
struct eq_sent {
	void (*fn)(void *arg, enum rc rc, const struct err *err);
	void *arg;
};

struct event_queue_ops {
	/* All memory is from a. max ≥ 1. */
	enum rc (*receive)(struct event_queue *q, struct arena *a, size_t max, uint64_t wait_ms,
		uint64_t visibility_ms, struct eq_message **ret_messages, size_t *ret_n, struct err *err);
	enum rc (*ack)(struct event_queue *q, const struct slice *receipts, size_t n, enum rc *results,
		struct err *err);
	enum rc (*hide)(struct event_queue *q, const struct eq_hide *hides, size_t n, enum rc *results,
		struct err *err);
	enum rc (*dead_letter)(struct event_queue *q, const struct eq_dead *dead, size_t n,
		enum rc *results, struct err *err);
	enum rc (*send)(struct event_queue *q, const struct slice *bodies, size_t n, enum rc *results,
		struct err *err);
	enum rc (*stat)(struct event_queue *q, struct eq_stat *ret_stat, struct err *err);
	void (*close)(struct event_queue *q);
	/* As send, but returns at once; the bodies are copied. All messages are accepted or none.
	 * RC_REFUSED: one has more than body_max bytes. NULL: eq_send_start calls send. */
	void (*send_start)(struct event_queue *q, const struct slice *bodies, size_t n, struct eq_sent sent);
};

struct event_queue {
	const struct event_queue_ops *ops;
	bool can_uncount; /* whether hide's uncounted has an effect */
	size_t body_max;  /* bytes of one message, at most; 0: no limit of the queue's own */
};

static inline enum rc eq_receive(struct event_queue *q, struct arena *a, size_t max, uint64_t wait_ms,
	uint64_t visibility_ms, struct eq_message **ret_messages, size_t *ret_n, struct err *err)
{
	return q->ops->receive(q, a, max, wait_ms, visibility_ms, ret_messages, ret_n, err);
}

static inline enum rc eq_ack(struct event_queue *q, const struct slice *receipts, size_t n,
	enum rc *results, struct err *err)
{
	return q->ops->ack(q, receipts, n, results, err);
}

static inline enum rc eq_hide(struct event_queue *q, const struct eq_hide *hides, size_t n,
	enum rc *results, struct err *err)
{
	return q->ops->hide(q, hides, n, results, err);
}

static inline enum rc eq_dead_letter(struct event_queue *q, const struct eq_dead *dead, size_t n,
	enum rc *results, struct err *err)
{
	return q->ops->dead_letter(q, dead, n, results, err);
}

static inline enum rc eq_send(struct event_queue *q, const struct slice *bodies, size_t n,
	enum rc *results, struct err *err)
{
	return q->ops->send(q, bodies, n, results, err);
}

/* For senders that must not wait for a commit. With a queue that cannot start a send, this function
 * sends and waits. */
static inline void eq_send_start(
	struct event_queue *q, const struct slice *bodies, size_t n, struct eq_sent sent)
{
	enum rc results[16], rc = RC_OK;
	struct err err = {0};

	if (q->ops->send_start) {
		q->ops->send_start(q, bodies, n, sent);
		return;
	}
	for (size_t at = 0, part; rc == RC_OK && at < n; at += part) {
		part = n - at < 16 ? n - at : 16;
		rc = eq_send(q, bodies + at, part, results, &err);
		for (size_t i = 0; rc == RC_OK && i < part; i++)
			if (results[i] != RC_OK)
				rc = err_set(&err, results[i], "a message was not accepted");
	}
	sent.fn(sent.arg, rc, &err);
}

static inline enum rc eq_stat(struct event_queue *q, struct eq_stat *ret_stat, struct err *err)
{
	return q->ops->stat(q, ret_stat, err);
}

static inline void eq_close(struct event_queue *q)
{
	if (q)
		q->ops->close(q);
}

#endif
