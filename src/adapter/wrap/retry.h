/*
 * retry: an object store over another that tries again what may be tried again. The only place where
 * S3 calls are repeated.
 *
 * RC_AGAIN is repeated for every call but those of a stage. RC_UNKNOWN is repeated only where once more
 * does no harm: publish, discard, delete_many, copy, and what only reads; a put that was perhaps applied is
 * the caller's to look up, since a second one would be a second version. A put is repeated only when its
 * source can be rewound. get_many goes on behind the last object that has ended: one that was not begun
 * is tried again, one that broke after begin is reported, as [OS-2] wants it.
 *
 * Waiting: full jitter, a random time up to base · 2^n, at most max; until attempts or the deadline are used up. A
 * budget shared by all calls of the store stops the repeating when most calls fail (each repetition costs
 * one token, each success gives a tenth back): a server in trouble is not to be trampled.
 */
#ifndef BALER_ADAPTER_WRAP_RETRY_H
#define BALER_ADAPTER_WRAP_RETRY_H

#include "base/clock.h"
#include "port/object_store.h"

struct retry_policy {
	unsigned attempts;    /* in all, at least 1 */
	uint64_t base_ms;     /* the first wait is up to this */
	uint64_t max_ms;      /* no wait is longer */
	uint64_t deadline_ms; /* no attempt begins later than this after the first */
	unsigned budget;      /* tokens */
};

/* 5 attempts, 100 ms to 5 s, 60 s, 100 tokens. */
extern const struct retry_policy retry_defaults;

/* Owns inner: os_close closes both. seed: for the jitter. */
struct object_store *retry_object_store_new(struct object_store *inner,
	const struct retry_policy *policy, struct clock *clock, uint64_t seed);

#endif
