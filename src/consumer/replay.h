/*
 * replay: puts bundles of the archive back into the distribution bucket, under the same keys
 * and with the same metadata. The server copies them. The oldest is copied first, one after the
 * other, so that a consumer sees the versions of a file in their order.
 */
#ifndef BALER_CONSUMER_REPLAY_H
#define BALER_CONSUMER_REPLAY_H

#include <stdatomic.h>

#include "port/object_store.h"

struct replay_result {
	const struct os_object *bundle; /* key, size, time, as in the archive */
	enum rc rc;
	const struct err *err;
	size_t number, n; /* 1 … n */
};

struct replay_progress {
	size_t n_listed; /* objects listed so far; 0 after the listing */
	size_t n, n_done;
	uint64_t total_bytes, done_bytes;
};

struct replay {
	struct object_store *archive;      /* for listing and HEAD */
	struct object_store *distribution; /* for copying: S3 copies in the region of the target */
	const char *archive_bucket, *distribution_bucket;
	/* The keys to copy. n_keys 0: every bundle that was archived from since to until, both
	 * included. */
	const struct slice *keys;
	size_t n_keys;
	uint64_t since_wall_ms, until_wall_ms;
	bool dry_run;
	const atomic_bool *stopping;
	void (*tell)(void *arg, const struct replay_result *result);
	/* May be NULL. Called during the listing, before the first copy, and after each copy. */
	void (*progress)(void *arg, const struct replay_progress *progress);
	void *arg;
};

struct replay_totals {
	/* with dry_run, n_copied counts the bundles that would be copied */
	size_t n, n_copied, n_failed;
	uint64_t bytes;
};

/* RC_OK: the totals say how many bundles failed. Any other code: the archive cannot be listed, and
 * nothing was copied. */
enum rc replay_run(const struct replay *replay, struct replay_totals *ret_totals, struct err *err);

#endif
