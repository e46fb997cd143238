/*
 * function: a function that somebody else runs, called by name. AWS Lambda's terms.
 *
 * [FN-1] invoke hands the function exactly this payload, once, and returns after it has ended;
 *        nothing is repeated on a failure.
 * [FN-2] An answer of the function is RC_OK, also when the function failed: then is_error is set
 *        and payload says how.
 * [FN-3] With wants_log the answer holds the last bytes of that run's log (4 KB at Lambda),
 *        decoded; without it none.
 * [FN-4] RC_ABSENT: no such function. RC_REFUSED: denied, or a request that is not taken.
 *        RC_AGAIN: certainly not begun (no connection, throttled). RC_UNKNOWN: broken off, or
 *        nothing heard for timeout_ms, after it was sent.
 *
 * Calls block and may be made from any thread.
 */
#ifndef BALER_PORT_FUNCTION_H
#define BALER_PORT_FUNCTION_H

#include "base/arena.h"
#include "base/err.h"

struct fn_call {
	struct slice name;
	struct slice payload; /* JSON */
	bool wants_log;
	uint64_t timeout_ms;
};

struct fn_answer {
	bool is_error;
	struct slice payload;
	struct slice log;
};

struct function;

struct function_ops {
	/* Slices of the answer are from a. */
	enum rc (*invoke)(struct function *fn, const struct fn_call *call, struct arena *a,
		struct fn_answer *ret_answer, struct err *err);
	void (*close)(struct function *fn);
};

struct function {
	const struct function_ops *ops;
};

#define fn_invoke(fn, ...) ((fn)->ops->invoke((fn), __VA_ARGS__))

static inline void fn_close(struct function *fn)
{
	if (fn)
		fn->ops->close(fn);
}

#endif
