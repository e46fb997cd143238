/*
 * messages: carries a few event messages that somebody else received through the pipeline, exactly
 * once: an SQS event that is given to an invocation. The only result is which messages must come
 * back; the queue that they came from does the rest.
 *
 * A message that would become a dead letter here comes back too, because its own queue has a
 * redrive policy for that.
 */
#ifndef BALER_CORE_MESSAGES_H
#define BALER_CORE_MESSAGES_H

#include <stdatomic.h>

#include "core/pipeline.h"

#define MESSAGES_MAX 10000 /* Lambda's largest batch */

struct message_in {
	struct slice id, body;
	bool must_come_back; /* result */
};

/* cfg: as for a pipeline, without a queue; sole_owner must be false. Gives up at end_boot_ms, or
 * when stopping is true: messages that are not done by then must come back. RC_OK; RC_FATAL: this
 * process cannot go on, and all messages must come back. */
enum rc messages_run(const struct pipeline_config *cfg, struct message_in *messages, size_t n,
	uint64_t end_boot_ms, const atomic_bool *stopping, struct err *err);

#endif
