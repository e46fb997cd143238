/* admin_call: signed requests to the admin API (below /-/) of a running baler. A call blocks and
 * retries nothing. Calls over one struct admin_line share a connection while the server keeps it
 * open. */
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

struct http_client;

/* Begins zeroed. One thread's. */
struct admin_line {
	struct http_client *client; /* NULL before the first call */
};
void admin_line_close(struct admin_line *line);

/* RC_REFUSED: no endpoint is set, or it cannot be used; else as http.h says. Release it in any
 * case. */
enum rc admin_call_run(const struct aws_settings *settings, struct admin_line *line,
	struct admin_call *call, struct err *err);
void admin_call_release(struct admin_call *call);

#endif
