/*
 * function: the processor as something that can be invoked (port/invoker.h), over core/direct
 * and core/messages.
 *
 *   {"e2e_test_direct_invoke":true,"records":[…]}   core/direct: dev and test only
 *   {"Records":[{"messageId":…,"body":…}…]}         core/messages: {"batchItemFailures":[…]}
 *   anything else                                   an error of the function
 */
#ifndef BALER_SERVE_FUNCTION_H
#define BALER_SERVE_FUNCTION_H

#include <stdatomic.h>

#include "core/pipeline.h"
#include "port/invoker.h"

struct function_config {
	struct pipeline_config pipeline; /* has no queue; each run has its own prng */
	const char *name, *environment, *region;
	uint64_t timeout_ms;      /* how long one run may take */
	/* from this long before the end of the run no further object is begun */
	uint64_t guard_ms;
	/* becomes true when the plans of the dead process are undone; runs wait for it */
	const atomic_bool *ready;
};

/* Copies config. Never NULL. */
struct invoker *function_new(const struct function_config *config);
/* Ends the current runs soon, with an error. */
void function_stop(struct invoker *iv);
/* No run may be in progress. NULL is allowed. */
void function_free(struct invoker *iv);

#endif
