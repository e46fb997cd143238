/*
 * invoker: a function that can be invoked, as Lambda's API knows it.
 *
 * [IV-1] invoke always answers: a failure inside the function is an answer with error set, as in
 *        Lambda.
 * [IV-2] invoke may take minutes; it ends soon after the owner has asked it to stop, with an error.
 *
 * Any thread; several invocations may run at once.
 */
#ifndef BALER_PORT_INVOKER_H
#define BALER_PORT_INVOKER_H

#include <stdbool.h>

#include "base/buf.h"

#define INVOKE_PAYLOAD_MAX_BYTES (6u << 20) /* Lambda's quota for synchronous invocations */
/* and for invocations of type Event, for which nobody waits */
#define INVOKE_EVENT_MAX_BYTES (1u << 20)
#define INVOKE_TAIL_BYTES 4096

struct invoke_answer {
	struct buf payload; /* JSON */
	bool is_error;      /* the payload is {"errorMessage":…,"errorType":…} */
	size_t tail_n;
	unsigned char tail[INVOKE_TAIL_BYTES]; /* the end of this run's log, JSON lines */
};

struct invoker;

struct invoker_ops {
	/* Whether this is its name, plain, in an ARN or in a part of one, with the only version
	 * there is ($LATEST) or none behind it and as the qualifier; decoded. */
	bool (*is_named)(struct invoker *iv, struct slice name, struct slice qualifier);
	/* Appends the configuration document of GetFunctionConfiguration. */
	void (*describe)(struct invoker *iv, struct buf *out);
	/* payload: one JSON document. ret_answer->payload is the callee's to init and the
	 * caller's to release. */
	void (*invoke)(struct invoker *iv, struct slice payload, struct invoke_answer *ret_answer);
};

struct invoker {
	const struct invoker_ops *ops;
};

#endif
