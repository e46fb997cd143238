/*
 * staged: what a seal's `staged` bytes say: which stages, of which buckets and keys, publishing
 * a plan means, and in which order.
 *
 * One stage alone is the store's own record as it is: the plan's bundle. Several are
 * 	"baler-stages-1\n", then for each "<bytes of bucket> <of key> <of record>\n" and the three, without anything between.
 * Bytes of a ledger are read as carefully as bytes of a client: staged_decode takes nothing on
 * trust.
 */
#ifndef BALER_CORE_STAGED_H
#define BALER_CORE_STAGED_H

#include "base/buf.h"
#include "base/err.h"
#include "port/ledger.h"

#define STAGED_MAX 4 /* stages of one plan */

struct staged_entry {
	struct slice bucket, key;
	struct slice record; /* the store's */
};

struct staged {
	struct staged_entry
		entries[STAGED_MAX]; /* in the order of publishing: the bundle itself is the last */
	size_t n;
};

/* false: more than out may hold. The last entry is the plan's bundle. */
bool staged_encode(struct buf *out, const struct staged *s);
/* Of a sealed plan; slices are the plan's. RC_CORRUPT: not such bytes, or the last is not the
 * plan's own bundle. */
enum rc staged_decode(const struct lg_plan *plan, struct staged *ret_staged, struct err *err);

#endif
