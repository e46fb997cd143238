/*
 * pull: the consumer of a distribution bucket. Every bundle in it (a key that contains
 * "bundle-") is downloaded, checked, extracted, noted in the journal, and then deleted. Several
 * bundles are processed at a time, the oldest first.
 *
 * INVARIANT: a bundle is deleted only after all its files and their folders are on disk and the
 * journal has a line for it. pull may end at any moment, also by kill -9. When it runs again,
 * it repeats the bundles that it had begun; repeating changes nothing that was done before.
 *
 * A bundle that fails stays in the bucket and does not delay the others. Memory: the listing of
 * one round, at most PULL_ROUND_MAX bundles, and for each job what extract.h says. Disk: one
 * bundle and one member for each job, in the state folder.
 */
#ifndef BALER_CONSUMER_PULL_H
#define BALER_CONSUMER_PULL_H

#include "base/clock.h"
#include "consumer/extract.h"
#include "port/object_store.h"

#define PULL_ROUND_MAX 10000
#define PULL_JOBS_MAX 64

/* The result for one bundle. */
struct pull_result {
	/* The key. "": the result is of listing the bucket; with RC_OK the bucket can be
	 * listed again. */
	const char *bundle;
	enum rc rc; /* RC_ABSENT: another consumer took the bundle; this is no failure */
	const struct err *err;
	uint64_t bytes;
	struct extract_counts counts;
	/* the journal says that it was extracted before; now it is only deleted */
	bool was_extracted;
	bool is_deleted;
};

struct pull_progress {
	uint64_t n_listed;                /* objects listed so far; 0 after the listing */
	uint64_t n_bundles, n_done;       /* of this round */
	uint64_t total_bytes, done_bytes; /* sizes of the bundles in the bucket */
	uint64_t elapsed_ms;              /* of this round */
};

struct pull_options {
	struct object_store *store;
	const char *bucket;
	const char *dir;
	enum on_conflict policy;
	unsigned jobs;     /* 1 … PULL_JOBS_MAX */
	bool keep;         /* delete nothing in the bucket */
	uint64_t watch_ms; /* how often to list the bucket; 0: end when nothing is left */
	const atomic_bool *stopping;
	struct clock *clock;
	/* These two may be called from any thread, one call at a time. */
	void (*tell)(void *arg, const struct pull_result *result);
	/* Called many times a second; progress is NULL at the end of a round. */
	void (*progress)(void *arg, const struct pull_progress *progress);
	void *arg;
};

struct pull_totals {
	uint64_t n_bundles; /* extracted by this run */
	uint64_t n_failed;  /* left in the bucket; with watch_ms, after the last round */
	uint64_t bytes;
	struct extract_counts counts;
	bool was_stopped;
};

/* RC_OK: the totals say how many bundles failed. Any other code: pull could not begin, because of
 * the folder or the bucket. */
enum rc pull_run(
	const struct pull_options *options, struct pull_totals *ret_totals, struct err *err);

#endif
