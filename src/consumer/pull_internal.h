/*
 * pull_internal: what pull.c, which lists and waits, and pull_item.c, which processes one
 * bundle, share.
 */
#ifndef BALER_CONSUMER_PULL_INTERNAL_H
#define BALER_CONSUMER_PULL_INTERNAL_H

#include "base/sync.h"
#include "base/table.h"
#include "consumer/journal.h"
#include "consumer/pull.h"

struct backoff;

/* If so many bundles in a row, and at least as many as there are jobs, could not be downloaded,
 * the store cannot be reached. The rest of the round is not tried. */
#define PULL_UNANSWERED_MAX 4

/* If so many bundles in a row found the disk full, the disk is full and it is not one bundle that
 * is too large. No further bundle is begun in this round. */
#define PULL_NO_ROOM_MAX 4

struct pull {
	const struct pull_options *o;
	struct destination *destination;
	struct journal *journal;
	struct table failed; /* key → struct backoff; the caller's thread only */
	struct backoff *backoffs;
	/* The bucket cannot be listed, and the user was told. Used by the caller's thread
	 * only, as full_ms. */
	bool cannot_list;
	uint64_t full_ms;      /* the pause after a round that found no room */
	atomic_uint n_no_room; /* bundles in a row that found the disk full; see PULL_NO_ROOM_MAX */
	/* The user was told that the disk is full; false again after a round that found room
	 * for all. */
	atomic_bool is_full_told;
	/* Bundles in a row that the store did not give; see PULL_UNANSWERED_MAX. */
	atomic_uint n_unanswered;
	_Atomic uint64_t done_bytes; /* of this round */
	pthread_mutex_t lock;
	uint64_t n_done;           /* under lock */
	struct pull_totals totals; /* under lock */
};

struct pull_item {
	struct work work;
	struct pull *pull;
	size_t number; /* in the round */
	struct os_object bundle;            /* the version is known after the download */
	char version[VERSION_ID_MAX + 1]; /* that was downloaded */
	uint64_t published_wall_ms;
	enum rc rc;
	bool is_put_off; /* it was not begun, or it was stopped; it did not fail by itself */
	bool lacks_room;
};

void pull_item_run(struct work *w);
bool pull_has_no_room(struct pull *p);

#endif
