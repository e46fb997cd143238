/*
 * reconcile: looks again and again for versions in another store's landing bucket that nothing
 * here knows of, and puts an event for each into the queue: notifications get lost, our own do
 * not (docs/protocol.md, step 10).
 *
 * A version counts as unknown when it is older than after_ms, the ledger has no record of it and
 * no message or dead letter names it. What is so old that the ledger may have forgotten it is
 * left alone, and so is what has no versionId: nothing tells its puts apart. A pass is put off
 * while messages as old as after_ms wait, for those may be of the very objects. An event too
 * many is harmless: the ledger knows what was shipped.
 *
 * One thread; a pass reads the whole listing below the prefix, a page at a time.
 */
#ifndef BALER_CORE_RECONCILE_H
#define BALER_CORE_RECONCILE_H

#include "port/event_queue.h"
#include "port/object_store.h"
#include "port/operator.h"

/* Everything is borrowed until reconcile_stop. */
struct reconcile_config {
	struct object_store *landing;
	struct op_port *op;
	struct event_queue *queue;
	const char *bucket, *prefix, *region;
	uint64_t interval_ms, after_ms;
	uint64_t ledger_ms; /* how long records are kept; 0: for ever */
};

struct reconcile;

/* The first pass comes after one interval. */
struct reconcile *reconcile_start(const struct reconcile_config *cfg);
/* Ends after the page in hand. NULL is allowed. */
void reconcile_stop(struct reconcile *r);

#endif
