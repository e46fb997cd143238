/*
 * reconcile: looks again and again for versions in another store's landing bucket that are unknown
 * here, and puts an event for each into the queue, because notifications of other stores get lost.
 * Our own do not (docs/protocol.md, step 10).
 *
 * A version is unknown when it is older than after_ms, the ledger has no record of it, and no
 * message or dead letter names it. A version that is so old that the ledger may have forgotten it
 * is left alone. A version without a versionId is left alone too, because two puts of its key
 * cannot be distinguished. A pass is put off while messages older than after_ms wait, because they
 * may name these very objects. An event too many is harmless, because the ledger knows what was
 * shipped.
 *
 * One thread. A pass reads the whole listing below the prefix, page by page.
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
/* Ends after the current page. NULL is allowed. */
void reconcile_stop(struct reconcile *r);

#endif
