/*
 * messages: a handful of event messages that somebody else received, carried through the
 * pipeline once, exactly once as ever: an SQS event given to an invocation. Which of them must
 * come back is all that is said; the queue they came from does the rest.
 *
 * A message that would become a dead letter here comes back too: it belongs to its own queue,
 * whose redrive policy buries it.
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

/* cfg: as for a pipeline of its own, but the queue; sole_owner must be false. Gives up at
 * end_boot_ms or when stopping: what is not done then must come back. RC_OK; RC_FATAL: this
 * process cannot go on (and all must come back). */
enum rc messages_run(const struct pipeline_config *cfg, struct message_in *messages, size_t n,
	uint64_t end_boot_ms, const atomic_bool *stopping, struct err *err);

#endif
