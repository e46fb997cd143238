/* admin_call: one signed request to the admin API (below /-/) of a running baler. The call
 * blocks and retries nothing. */
#ifndef BALER_ADAPTER_AWS_RPC_ADMIN_CALL_H
#define BALER_ADAPTER_AWS_RPC_ADMIN_CALL_H

#include "adapter/aws/identity/credentials.h"
#include "base/buf.h"

#define ADMIN_ANSWER_MAX (16u << 20) /* bytes: a page of 1,000 dead letters */

struct admin_call {
	const char *method;
	const char *path;   /* as sent: "/-/api/v1/status", percent-encoded */
	struct slice query; /* encoded, without '?' */
	struct slice body;  /* JSON; empty: none */
	/* The answer, whatever its status, when the call is RC_OK. */
	unsigned status;
	struct buf answer;
};

/* RC_REFUSED: no endpoint is set, or it cannot be used; else as http.h says. Release it in any
 * case. */
enum rc admin_call_run(
	const struct aws_settings *settings, struct admin_call *call, struct err *err);
void admin_call_release(struct admin_call *call);

#endif
