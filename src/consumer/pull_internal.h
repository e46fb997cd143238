/* pull_internal: between pull.c, which lists and waits, and pull_item.c, which takes one bundle. */
#ifndef BALER_CONSUMER_PULL_INTERNAL_H
#define BALER_CONSUMER_PULL_INTERNAL_H

#include "base/sync.h"
#include "base/table.h"
#include "consumer/journal.h"
#include "consumer/pull.h"

struct backoff;

struct pull {
	const struct pull_options *o;
	struct destination *destination;
	struct journal *journal;
	struct table failed; /* key → struct backoff; the caller's thread only */
	struct backoff *backoffs;
	atomic_bool no_room;         /* the disk is full: begin nothing more in this round */
	_Atomic uint64_t done_bytes; /* of this round */
	pthread_mutex_t lock;
	uint64_t n_done;           /* under lock */
	struct pull_totals totals; /* under lock */
};

struct pull_item {
	struct work work;
	struct pull *pull;
	size_t number; /* in the round */
	struct os_object bundle;
	uint64_t published_wall_ms;
	enum rc rc;
	bool is_put_off; /* not failed: stopped, or no room for it */
};

void pull_item_run(struct work *w);

#endif
