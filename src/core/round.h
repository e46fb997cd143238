/*
 * round: carries one plan from open to acknowledged: plan, claim, bundle, reject, seal, publish,
 * done, verdicts.
 *
 * In every case each unit that was given to the round is decided (its messages get a verdict) or
 * put back into the batcher. A plan is given up only while its seal has not been asked for, or
 * after the ledger has said that the plan is aborted.
 */
#ifndef BALER_CORE_ROUND_H
#define BALER_CORE_ROUND_H

#include <stdatomic.h>

#include "core/batcher.h"
#include "core/hand.h"
#include "core/heartbeat.h"
#include "core/lease.h"
#include "core/pipeline.h"
#include "core/unfinished.h"

/* What a round needs; it belongs to the pipeline. */
struct round_context {
	const struct pipeline_config *cfg;
	struct hand *hand;
	struct batcher *batcher;
	pthread_mutex_t *batcher_lock;
	struct lease_table *leases;
	struct unfinished *unfinished;
	struct heartbeat *heartbeat;
	struct pipeline_stats *stats;
	const atomic_bool *stopping;
	unsigned n_failures; /* troubled steps in a row, for the backoff */
};

/* Milliseconds until the n-th try, n ≥ 1: retry_base_ms, doubled at each try, at most retry_max_ms;
 * half of it is random. */
uint64_t retry_delay_ms(const struct pipeline_config *cfg, unsigned n);

/* RC_OK: the plan came to an end of some kind. Also when a sealed plan could not be published:
 * it is noted in unfinished and left to the scanner. RC_AGAIN: a port failed, the plan was
 * undone or left to the scanner. RC_FATAL. err is not NULL. */
enum rc round_run(struct round_context *c, struct unit **units, size_t n, struct err *err);

#endif
