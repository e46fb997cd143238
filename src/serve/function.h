/*
 * function: the processor as something that can be invoked (port/invoker.h), over core/direct and core/messages.
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
	struct pipeline_config pipeline; /* without queue; prng is each run's own */
	const char *name, *environment, *region;
	uint64_t timeout_ms;      /* of a run */
	uint64_t guard_ms;        /* before its end no further object is begun */
	const atomic_bool *ready; /* set once the plans of the dead are undone: runs wait for it */
};

/* Copies config. Never NULL. */
struct invoker *function_new(const struct function_config *config);
/* Runs in hand end soon, with an error. */
void function_stop(struct invoker *iv);
/* None may be running. NULL is fine. */
void function_free(struct invoker *iv);

#endif
