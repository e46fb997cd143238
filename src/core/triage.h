/*
 * triage: what a received message becomes: units for the batcher, or a verdict at once.
 *
 * Text that is no JSON, or has no records → dead letter. s3:TestEvent, and events other than
 * ObjectCreated → acknowledged. A bucket that is not the landing bucket → dead letter, and the
 * object is never fetched. A key whose name is refused becomes a unit that is claimed and rejected,
 * so that the refusal is on record.
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

/* The needed parts of m are copied. */
void triage_message(const struct triage *t, const struct eq_message *m);

#endif
