/*
 * retention: removes what is old enough, and gives the disk space back, without a noticeable pause
 * for anyone.
 *
 * Everything is removed in transactions of at most RETENTION_ROWS rows or RETENTION_MS. After each
 * comes a pause as long as the transaction took, with its fsync. So at least half of the
 * committer's time belongs to requests, and no request waits for more than one such transaction.
 * tests/bench/bench_retention.py shows how PUTs are affected. Ages are wall time of the injected
 * clock; when that jumps ahead, the thread removes nothing for a while (retention_clock.h).
 *
 * INVARIANTS: an object in landing below the event prefix is removed only when the ledger says that
 * it was published or rejected. An object that is not bundled yet never expires, and a rejected one
 * stays as long as dead letters do. An object's record is removed only when its plan is older than
 * the ledger's retention and the source version is gone; a plan, only when no record names it. The
 * archive and the user's own buckets are never touched, except for uploads that nobody completed. A
 * delete marker goes with the last version under it, and by its age when there never was one.
 *
 * Source of the numbers: facts about the original's buckets (docs/operations.md, "How long things
 * are kept").
 */
#ifndef BALER_ADAPTER_LOCAL_RETENTION_RETENTION_H
#define BALER_ADAPTER_LOCAL_RETENTION_RETENTION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define RETENTION_ROWS 500
#define RETENTION_MS 10

struct local;
struct local_retention;

/* Durations in ms; 0: for ever. Strings are copied. */
struct retention_config {
	const char *landing_bucket, *event_prefix, *distribution_bucket;
	uint64_t landing_ms, distribution_ms, uploads_ms, ledger_ms, dead_letters_ms;
};

/* What one pass removed. */
struct retention_report {
	uint64_t versions, markers, uploads, dead_letters, records, plans; /* rows of each kind */
	uint64_t pages;      /* given back to the file system */
	uint64_t longest_ms; /* the longest transaction's work */
};

/* One pass over everything, on the caller's thread, which sleeps between the transactions. */
enum rc local_retention_run(struct local *local, const struct retention_config *cfg,
	struct retention_report *ret_report, struct err *err);

/* Starts a thread that makes passes: the first one a minute after the start; then at intervals of a
 * tenth of the shortest duration, at least a second and at most an hour; over the ledger at most
 * once a day; and a minute after a pass that failed. It logs what it removed. Stop it before
 * local_close. */
struct local_retention *local_retention_start(
	struct local *local, const struct retention_config *cfg);
/* Ends the thread after the transaction that is under way. NULL is allowed. */
void local_retention_stop(struct local_retention *r);

#endif
