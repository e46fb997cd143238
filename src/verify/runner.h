/*
 * runner: one end-to-end run of a scenario, from cleaning up to the verdict.
 *
 * 1. Bundles older than 240 s are deleted; before an idempotency check all of them.
 * 2. The files are hashed, then uploaded by `concurrency` threads.
 * 3. The distribution bucket is looked at until every file has arrived or the time is over; each new
 *    bundle is read whole. idempotency_check: then the same bytes are put in under the same keys, and
 *    a second bundle must bring each of them again.
 * 4. One last look, SETTLE_MS later, for what is too much; then the oracle judges.
 * 5. Unless files are to be kept, a run that passed removes the versions it put in, and the bundles
 *    that hold nothing but its own files. A failed run leaves everything for inspection.
 *
 * Only files under the run's own prefix count, so runs in quick succession, and other producers'
 * files in the same bundles, do not disturb it.
 */
#ifndef BALER_VERIFY_RUNNER_H
#define BALER_VERIFY_RUNNER_H

#include "base/clock.h"
#include "port/object_store.h"
#include "verify/oracle.h"
#include "verify/scenario.h"

#define RUNNER_STALE_MS 240000
#define RUNNER_POLL_MS 250
#define RUNNER_SETTLE_MS 1000

enum run_phase { RUN_CLEANING, RUN_HASHING, RUN_UPLOADING, RUN_WAITING, RUN_REMOVING, RUN_ENDED };

struct run_progress {
	enum run_phase phase;
	unsigned round;      /* 1; 2 when the same files go in again */
	uint64_t n_files;    /* in all */
	uint64_t n_uploaded; /* of this round */
	uint64_t n_found;    /* arrived as often as expected by now, intact */
	uint64_t n_bundles;
	uint64_t elapsed_ms; /* since the run began */
	/* The bundle that has just been read, else empty; and what that came to. */
	struct slice bundle;
	uint64_t bundle_bytes;
	enum rc bundle_rc;
};

struct run_options {
	struct object_store *landing, *distribution; /* may be the same */
	struct clock *clock;
	const struct scenario *scenario;
	bool keep_files;
	/* Told at each change of phase and each look; from the calling thread. May be NULL. */
	void (*progress)(void *arg, const struct run_progress *p);
	void *arg;
};

struct run_result {
	bool is_passed;
	struct oracle_tally tally;
	uint64_t n_files, source_bytes; /* of one round */
	uint64_t upload_ms;             /* of the first round */
	uint64_t arrival_ms;            /* from the end of the first upload until all had arrived */
	uint64_t total_ms;
	uint64_t n_stale; /* bundles deleted before */
	char prefix[64];
	char **texts; /* what is wrong, in sentences */
	size_t n_texts;
};

/* RC_OK: the run took place and result has its verdict. Else it could not be set up: no such bucket,
 * no permission, no connection. texts are from a. */
enum rc runner_run(const struct run_options *options, struct arena *a,
	struct run_result *ret_result, struct err *err);

#endif
