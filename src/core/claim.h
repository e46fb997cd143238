/*
 * claim: step 3: making the units of a plan its own in the ledger, or learning whose they are.
 *
 * INVARIANT (I9): a claim is taken from a plan Q only if Q is aborted, or sealed or done without
 * it. A plan that stands still for a lease is aborted first: that write is the fence.
 */
#ifndef BALER_CORE_CLAIM_H
#define BALER_CORE_CLAIM_H

#include "core/batcher.h"
#include "core/lease.h"
#include "core/plan.h"
#include "core/unfinished.h"

#define CLAIM_ROUNDS 8 /* rounds of writes, until every answer is definite */

struct claim_context {
	struct ledger *ledger;
	struct object_store *distribution; /* where sealed plans of others are helped to publish */
	struct clock *clock;
	struct lease_table *leases;
	struct unfinished *unfinished; /* plans that failed are not helped before their next try */
	const struct batcher *batcher; /* for the company a suspect may keep */
	uint64_t lease_ms;
	uint64_t n_aborted, n_helped; /* plans of others, counted up */
};

/*
 * Sets claim of each unit, and where claim says so also attempts, wait_ms and code; the slot of a
 * unit is its index. Slices in codes are copies. A unit whose claim could not be settled is
 * CLAIM_LOST: leaving it out of the bundle is safe even if the claim lands later, because
 * membership counts and not the claim. RC_OK, or a code that stopped everything: then the caller
 * may rely on no claim, and must abort the plan.
 */
enum rc claim_units(struct claim_context *c, const struct lg_plan *plan, struct unit **units,
	size_t n, struct err *err);

#endif
