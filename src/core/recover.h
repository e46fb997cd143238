/*
 * recover: step 10, the scanner: finishes or undoes the plans that dead workers left. Needs no
 * message.
 *
 * sealed → published → done; open with a heartbeat that stands still for a lease → aborted;
 * aborted → its stage discarded. A sealed plan too is left alone for a lease, for its owner is
 * most likely publishing it; and an aborted one, for its owner may still be staging. A stage
 * that an owner makes after that and then dies is what a lifecycle rule for old uploads is for.
 */
#ifndef BALER_CORE_RECOVER_H
#define BALER_CORE_RECOVER_H

#include <stdatomic.h>

#include "core/lease.h"
#include "core/plan.h"
#include "core/unfinished.h"

struct recover_context {
	struct ledger *ledger;
	struct object_store *distribution;
	struct slice archive_bucket; /* empty: none */
	struct clock *clock;
	struct lease_table *leases;
	struct lease_table *denied; /* sealed plans whose stage the store denies, and since when */
	struct unfinished *unfinished; /* plans that failed: who is tried when */
	uint64_t lease_ms;
	uint64_t void_wait_ms;
	bool only_open;   /* leave sealed and aborted plans to a later pass */
	/* the sealed and aborted plans are a dead process's: their leases are over */
	bool left_behind;
	const atomic_bool *stopping; /* ends the pass early; may be NULL */
	uint64_t n_aborted, n_published; /* counted up */
};

/*
 * One pass over all plans. all_dead: nobody else uses this ledger, so every lease counts as over. A
 * plan that fails is noted in unfinished and is left alone until its next try; the pass goes on
 * with the other plans. RC_OK; RC_AGAIN: the ledger could not be scanned to its end; RC_FATAL.
 */
enum rc recover_pass(struct recover_context *c, bool all_dead, struct err *err);

#endif
