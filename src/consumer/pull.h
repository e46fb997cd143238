/*
 * pull: the consumer of a distribution bucket. Every bundle there (a key containing "bundle-") is downloaded, checked, extracted,
 * noted in the journal and then deleted, several at a time, the oldest first.
 *
 * INVARIANT: a bundle is deleted only after all its files and their folders are on disk, and the journal says so. Whenever this
 * ends, also by kill -9, running it again goes on: what was begun is done again from its start, which changes nothing that was
 * done.
 *
 * A bundle that fails stays in the bucket and does not hold up the others. Memory: a round's listing, at most PULL_ROUND_MAX
 * bundles, and per job what extract.h says; disk: one bundle and one member per job, in the state folder.
 */
#ifndef BALER_CONSUMER_PULL_H
#define BALER_CONSUMER_PULL_H

#include "base/clock.h"
#include "consumer/extract.h"
#include "port/object_store.h"

#define PULL_ROUND_MAX 10000
#define PULL_JOBS_MAX 64

/* What became of one bundle. */
struct pull_result {
	const char *
		bundle; /* its key; "" : the listing itself, which fails, or with RC_OK has come back */
	enum rc rc;     /* RC_ABSENT: someone else took it, no failure */
	const struct err *err;
	uint64_t bytes;
	struct extract_counts counts;
	bool was_extracted; /* before, says the journal: only deleted now */
	bool is_deleted;
};

struct pull_progress {
	uint64_t n_listed;                /* while the bucket is listed: so far; else 0 */
	uint64_t n_bundles, n_done;       /* of this round */
	uint64_t total_bytes, done_bytes; /* as they are in the bucket */
	uint64_t elapsed_ms;              /* of this round */
};

struct pull_options {
	struct object_store *store;
	const char *bucket;
	const char *dir;
	enum on_conflict policy;
	unsigned jobs;     /* 1 … PULL_JOBS_MAX */
	bool keep;         /* delete nothing in the bucket */
	uint64_t watch_ms; /* look again that often, until stopped; 0: end when nothing is left */
	const atomic_bool *stopping;
	struct clock *clock;
	/* One call at a time of these two, from any thread. */
	void (*tell)(void *arg, const struct pull_result *result);
	/* Many times a second; NULL at the end of a round. */
	void (*progress)(void *arg, const struct pull_progress *progress);
	void *arg;
};

struct pull_totals {
	uint64_t n_bundles; /* extracted now */
	uint64_t n_failed;  /* still there for a reason; of the last round when watching */
	uint64_t bytes;
	struct extract_counts counts;
	bool was_stopped;
};

/* RC_OK: see totals for what failed. Another code: it could not begin (the folder, the bucket). */
enum rc pull_run(
	const struct pull_options *options, struct pull_totals *ret_totals, struct err *err);

#endif
