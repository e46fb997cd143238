/*
 * staged: the content of a seal's `staged` bytes: which stages a plan publishes, in which buckets,
 * under which keys, and in which order.
 *
 * A plan with one stage has the store's own record, unchanged: it is the plan's bundle. A plan with
 * several has "baler-stages-1\n", then for each stage "<bytes of bucket> <of key> <of record>\n"
 * and these three, with nothing between them. Bytes from a ledger are read as carefully as bytes
 * from a client: staged_decode checks everything.
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
		entries[STAGED_MAX]; /* in the order of publishing; the bundle itself is the last */
	size_t n;
};

/* false: more than out may hold. The last entry is the plan's bundle. */
bool staged_encode(struct buf *out, const struct staged *s);
/* Reads the record of a sealed plan; slices are the plan's. RC_CORRUPT: the bytes are no such
 * record, or the last stage is not the plan's own bundle. */
enum rc staged_decode(const struct lg_plan *plan, struct staged *ret_staged, struct err *err);

#endif
