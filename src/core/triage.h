/*
 * triage: what a received message is worth: units for the batcher, or a verdict at once.
 *
 * not JSON, no records → dead letter; s3:TestEvent, and events other than ObjectCreated →
 * acknowledged; a bucket that is not the landing bucket → dead letter, never fetched. A key
 * whose name is refused becomes a unit that will be claimed and rejected, so that the refusal is
 * on record.
 */
#ifndef BALER_CORE_TRIAGE_H
#define BALER_CORE_TRIAGE_H

#include "core/batcher.h"
#include "core/hand.h"

struct triage {
	struct hand *hand;
	struct batcher *batcher;
	struct slice landing_bucket;
	uint64_t alone_bytes; /* objects of this size and larger go alone */
	uint64_t window_ms;
	uint64_t now_boot_ms, now_wall_ms;
};

/* m is copied as far as it is needed. */
void triage_message(const struct triage *t, const struct eq_message *m);

#endif
