/* local_internal: what the rooms of adapter/local share. No file outside includes it. */
#ifndef BALER_ADAPTER_LOCAL_LOCAL_INTERNAL_H
#define BALER_ADAPTER_LOCAL_LOCAL_INTERNAL_H

#include "adapter/local/engine/blobs.h"
#include "adapter/local/engine/committer.h"
#include "adapter/local/engine/damage.h"
#include "adapter/local/engine/fill.h"
#include "adapter/local/local.h"
#include "base/budget.h"
#include "base/prng.h"
#include "port/bucket_store.h"

struct local {
	struct db *db;
	struct committer *committer;
	struct blobs *blobs;
	struct damage *damage;
	struct fill *fill; /* NULL: every body has its checksums */
	struct clock *clock;
	struct prng prng; /* the system's: any thread */
	char *region;
	char *notify_bucket; /* NULL: no events */
	char **notify_prefixes;
	size_t n_notify_prefixes;
	uint32_t max_receives;
	struct budget *bodies; /* NULL: no limit */
	uint64_t nonces[64]; /* local_nonce's; the committer's thread alone */
	unsigned n_nonces;

	struct bucket_store bucket_store;
	/* Each made at its first asking, by its own file; freed by local_close through its
	 * ops->close. */
	struct object_store *object_store;
	struct event_queue *event_queue;
	struct ledger *ledger;
	/* Set by the event queue; NULL: nobody waits for messages. Wakes receivers after a commit
	 * that inserted messages; must not block. */
	void (*queue_wake)(struct event_queue *q);
};

/* 64 random bits, for ids that nobody must guess. Inside apply. They are drawn many at a time,
 * because a system call for each put would cost too much. */
static inline uint64_t local_nonce(struct local *local)
{
	if (local->n_nonces == 0) {
		local->n_nonces = sizeof(local->nonces) / sizeof(*local->nonces);
		prng_bytes(&local->prng, local->nonces, sizeof(local->nonces));
	}
	return local->nonces[--local->n_nonces];
}

/* Inserts a message that is visible at once. Inside apply; after the commit call
 * local_queue_wake. */
enum rc local_queue_insert(
	struct local *local, struct db_conn *conn, uint64_t seq, struct slice body, struct err *err);

static inline void local_queue_wake(struct local *local)
{
	if (local->queue_wake)
		local->queue_wake(local->event_queue);
}

extern const struct bucket_store_ops local_bucket_store_ops;

#endif
