/* queue_internal: what event_queue.c (the end of deliveries), queue_receive.c, queue_write.c and
 * queue_rows.c share. */
#ifndef BALER_ADAPTER_LOCAL_QUEUE_QUEUE_INTERNAL_H
#define BALER_ADAPTER_LOCAL_QUEUE_QUEUE_INTERNAL_H

#include <pthread.h>

#include "adapter/local/queue/event_queue.h"
#include "adapter/local/queue/flight.h"
#include "adapter/local/queue/queue_receipt.h"

/* The code and reason of a dead letter whose row is damaged. */
#define QUEUE_DAMAGED                                                                              \
	"its bytes are not those that were sent: 'baler verify --ledger' names its object, if it " \
	"is lost; put that again"

struct local_queue {
	struct event_queue base;
	struct local *local; /* db, committer, clock, max_receives */
	unsigned char key[QUEUE_KEY_BYTES];
	pthread_t keeper;

	pthread_mutex_t lock; /* never held across I/O */
	pthread_cond_t news;  /* something that a receiver or a writer waits for has changed */
	pthread_cond_t alarm; /* the keeper has to look at its time again */
	/* under lock */
	struct flight_table flights;
	uint64_t cursor;      /* rows up to here were delivered once, and are in flights or gone */
	uint64_t arrivals;    /* counts wakes: commits that made messages */
	uint64_t next_serial; /* starts at random, so that no serial is used twice over restarts */
	uint64_t keeper_boot_ms; /* when the keeper wakes */
	bool reading;            /* somebody reads rows for a receive */
	bool writing;            /* somebody has the turn to write */
	bool settling;           /* and it is queue_settle_locked */
	bool closing;
};

enum change_kind {
	CHANGE_NOTHING,
	CHANGE_COUNT, /* receive_count becomes count */
	CHANGE_DELETE,
	CHANGE_BURY, /* becomes a dead letter with at least count attempts */
};

struct queue_change {
	enum change_kind kind;
	uint64_t id;
	uint32_t count;
	struct slice code, reason; /* bury */
	bool found;                /* result: there was such a row, or dead letter */
	bool removed;              /* result: and it is gone now */
	/* the verb's own */
	size_t index;
	uint64_t serial;
	uint64_t delay_ms;
	bool was_counted;
};

/* RC_REFUSED: more than EQ_BATCH_MAX. */
enum rc queue_check_batch(size_t n, struct err *err);

/* One transaction (queue_rows.c). Blocks; must not be called with the lock held. */
enum rc queue_write(struct local_queue *q, struct queue_change *changes, size_t n, struct err *err);

/* The turn to write. Only the thread that has the turn takes flights out of the heaps; receivers
 * may take due ones all the same. */
void queue_turn_begin_locked(struct local_queue *q);
void queue_turn_end_locked(struct local_queue *q);

/* The turn to read behind the cursor; with both turns, begin this one second. */
void queue_reading_begin_locked(struct local_queue *q);
void queue_reading_end_locked(struct local_queue *q);

/* Ends the deliveries whose time has come; event_queue.c. Gives the lock away meanwhile; not by
 * one who has the turn. */
void queue_settle_locked(struct local_queue *q);
/* The keeper may have to wake earlier than it means to. */
void queue_alarm_locked(struct local_queue *q);

/* When the next delivery ends; UINT64_MAX: none is away. */
uint64_t queue_next_end_locked(struct local_queue *q);
/* Until then, at most a second. */
void queue_wait_locked(struct local_queue *q, pthread_cond_t *cond, uint64_t until_boot_ms);

/* queue_receive.c */
enum rc queue_receive(struct event_queue *base, struct arena *a, size_t max, uint64_t wait_ms,
	uint64_t visibility_ms, struct eq_message **ret_messages, size_t *ret_n, struct err *err);

/* queue_write.c; send: queue_rows.c */
enum rc queue_ack(struct event_queue *base, const struct slice *receipts, size_t n,
	enum rc *results, struct err *err);
enum rc queue_hide(struct event_queue *base, const struct eq_hide *hides, size_t n,
	enum rc *results, struct err *err);
enum rc queue_dead_letter(struct event_queue *base, const struct eq_dead *dead, size_t n,
	enum rc *results, struct err *err);
void queue_send_start(struct event_queue *base, const struct slice *bodies, size_t n, struct eq_sent sent);
enum rc queue_send(struct event_queue *base, const struct slice *bodies, size_t n, enum rc *results,
	struct err *err);

#endif
