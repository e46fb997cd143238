/*
 * retry: an object store over another object store; it repeats the calls that may be repeated.
 * S3 calls are repeated here and nowhere else.
 *
 * RC_AGAIN is repeated for every call except the calls of a stage. RC_UNKNOWN is repeated only
 * where a second call does no harm: publish, discard, delete_many, copy, and every call that
 * only reads. A put that was perhaps applied is not repeated, because it would make a second
 * version; the caller looks it up. A put is repeated only when its source can be rewound.
 * get_many continues after the last object that has ended: an object that was not begun is
 * requested again, and an object that broke after its begin is reported, as [OS-2] demands.
 *
 * Waiting: a random time up to base · 2^n, at most max (full jitter), until the attempts or the
 * deadline are used up. All calls of the store share a budget: each repetition costs one token,
 * and each success gives a tenth of a token back. When most calls fail, the budget is empty and
 * nothing is repeated, so that a server in trouble is not flooded.
 */
#ifndef BALER_ADAPTER_WRAP_RETRY_H
#define BALER_ADAPTER_WRAP_RETRY_H

#include "base/clock.h"
#include "port/object_store.h"

struct retry_policy {
	unsigned attempts;    /* attempts in all, at least 1 */
	uint64_t base_ms;     /* the longest first wait */
	uint64_t max_ms;      /* the longest wait */
	uint64_t deadline_ms; /* no attempt begins later than this after the first attempt */
	unsigned budget;      /* tokens */
};

/* Defaults: 5 attempts, waits of 100 ms to 5 s, a deadline of 60 s, 100 tokens. */
extern const struct retry_policy retry_defaults;

/* Takes over inner: os_close closes both stores. seed is for the jitter. */
struct object_store *retry_object_store_new(struct object_store *inner,
	const struct retry_policy *policy, struct clock *clock, uint64_t seed);

#endif
