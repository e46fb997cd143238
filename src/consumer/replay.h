/*
 * replay: bundles of the archive put back into the distribution bucket, under their keys, with their metadata, copied by the
 * server. The oldest first, one after the other, so that whoever takes them sees the versions of a file in their order.
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
	size_t n_listed; /* while the archive is listed: so far; else 0 */
	size_t n, n_done;
	uint64_t total_bytes, done_bytes;
};

struct replay {
	struct object_store *archive;      /* lists and heads */
	struct object_store *distribution; /* copies: the target's region */
	const char *archive_bucket, *distribution_bucket;
	/* These keys; with n_keys 0, every bundle archived from since to until (both included). */
	const struct slice *keys;
	size_t n_keys;
	uint64_t since_wall_ms, until_wall_ms;
	bool dry_run;
	const atomic_bool *stopping;
	void (*tell)(void *arg, const struct replay_result *result);
	/* NULL, or: before the first copy, behind each, and during the listing. */
	void (*progress)(void *arg, const struct replay_progress *progress);
	void *arg;
};

struct replay_totals {
	size_t n, n_copied, n_failed; /* n_copied: would be, when dry */
	uint64_t bytes;
};

/* RC_OK: see the totals for those that failed. Another code: the archive cannot be listed; nothing was copied. */
enum rc replay_run(const struct replay *replay, struct replay_totals *ret_totals, struct err *err);

#endif
