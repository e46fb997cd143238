/* unit: an object version that is to be bundled once, however many messages announce it, and what
 * becomes of it. */
#ifndef BALER_CORE_UNIT_H
#define BALER_CORE_UNIT_H

#include "model/bundle_key.h"
#include "model/object_id.h"

struct delivery;

/* A message that waits for this unit. Lives in the memory of that message. */
struct unit_link {
	struct delivery *delivery;
	struct unit_link *next;
};

/* What the ledger said. */
enum unit_claim {
	CLAIM_NONE,
	CLAIM_MINE,     /* claimed by the plan in hand */
	CLAIM_SHIPPED,  /* in another's published bundle */
	CLAIM_REJECTED, /* rejected before; code is its reason */
	CLAIM_WAIT,     /* in a plan that may be alive: again after wait_ms */
	CLAIM_SUSPECT,  /* many plans have died with it: only in a smaller plan */
	/* another plan has claimed it: it goes only together with other contested units */
	CLAIM_CONTESTED,
	/* its record, or its plan's, cannot be read; its fate is never guessed */
	CLAIM_DAMAGED,
	CLAIM_LOST,     /* could not be settled: again soon */
};

/* What fetching it came to. */
enum unit_fetch {
	FETCH_NONE,
	FETCH_PACKED,
	FETCH_MISSING,  /* gone: to be rejected */
	FETCH_MISMATCH, /* its bytes are not those that were announced */
	FETCH_DENIED,
	FETCH_TRANSIENT, /* broke off; the store's trouble, not the object's */
	FETCH_ALONE,     /* it is large or slow, and goes in a bundle of its own */
	FETCH_OVER,      /* turned out too large for this bundle */
	FETCH_NO_ROOM,   /* the store has no room for it now: the object waits */
};

struct unit {
	struct object_id object;
	struct slice identity; /* object, as a table's key */
	struct slice name;     /* canonical; empty when the key was refused */
	struct slice etag;
	uint64_t size; /* bytes, as announced */
	bool has_size;
	uint64_t event_wall_ms; /* 0: unknown */
	uint64_t due_boot_ms;   /* when its batch must close */
	uint32_t receive_count; /* the highest of its messages */
	struct unit_link *links;
	struct unit *next; /* in a list of the batcher's */

	bool is_alone;     /* large or slow: no other object may wait for it */
	/* Another plan has claimed it. To settle it needs calls about that plan, and any of them
	 * may hang, so no object that nobody has claimed may wait for it. */
	bool is_contested;
	uint32_t attempts; /* plans that have claimed it, as far as this worker knows */
	/* its record was no first claim when it was found, for example after an operator's
	 * redrive */
	bool is_known;
	uint32_t slot; /* in the plan in hand */
	enum unit_claim claim;
	uint64_t wait_ms;
	enum unit_fetch fetch;
	bool is_recorded; /* the ledger has its rejection */
	/* the code with which it is, or will be, rejected; empty: it is not rejected */
	char code[48];
	char why[160];    /* the sentence to it */
};

/* Its share of batch_max_bytes. */
uint64_t unit_rounded_bytes(const struct unit *u);
/* Why a unit is not in the bundle: "object-missing", "object-mismatch", "access-denied",
 * "store-failed", or its code. */
const char *unit_failure(const struct unit *u);
/* The reason to a code of the core's own. */
const char *unit_sentence(const char *code);
/* Rejects it as too-large: it has size bytes, and the largest object of a bundle has max bytes. */
void unit_refuse_size(struct unit *u, uint64_t bytes, uint64_t max);
/* For one that was rejected before, with that code on record: the sentence is made again, as the
 * record has none. */
void unit_refuse_again(struct unit *u, const char *code);
/* Sets code and why; too long a why is cut in the middle. An empty code: only why, of a fetch
 * that is tried again. */
void unit_refuse(struct unit *u, const char *code, const char *why);

#endif
