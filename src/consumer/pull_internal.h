/* pull_internal: between pull.c, which lists and waits, and pull_item.c, which takes one bundle. */
#ifndef BALER_CONSUMER_PULL_INTERNAL_H
#define BALER_CONSUMER_PULL_INTERNAL_H

#include "base/sync.h"
#include "base/table.h"
#include "consumer/journal.h"
#include "consumer/pull.h"

struct backoff;

/* So many in a row, and as many as there are jobs: the store is away, the others of the round need not be tried and told. */
#define PULL_UNANSWERED_MAX 4

/* So many in a row: the disk is full, not one bundle too large for it, and nothing more is begun in this round. */
#define PULL_NO_ROOM_MAX 4

struct pull {
	const struct pull_options *o;
	struct destination *destination;
	struct journal *journal;
	struct table failed; /* key → struct backoff; the caller's thread only */
	struct backoff *backoffs;
	bool cannot_list; /* the bucket, and it has been said; this and the next are the caller's thread's only */
	uint64_t full_ms;      /* the pause after a round that found no room */
	atomic_uint n_no_room; /* bundles in a row that found the disk full; see PULL_NO_ROOM_MAX */
	atomic_bool is_full_told; /* and it has been said; until a round finds room for all */
	atomic_uint
		n_unanswered; /* bundles in a row that the store would not give: see PULL_UNANSWERED_MAX */
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
	bool is_put_off; /* not begun, or stopped: no failure of its own */
	bool lacks_room;
};

void pull_item_run(struct work *w);
bool pull_has_no_room(struct pull *p);

#endif
