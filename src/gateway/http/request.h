/*
 * request: one S3 request, from its headers to the last byte of its answer. Knows no HTTP
 * library: the server calls, in this order,
 *
 *     request_new → service.begin → request_body … → request_end [→ request_resumed] → the reply
 *     is sent → request_free
 *
 * and looks at phase in between. One thread at a time. Memory of a request is its arena's.
 */
#ifndef BALER_GATEWAY_HTTP_REQUEST_H
#define BALER_GATEWAY_HTTP_REQUEST_H

#include "gateway/http/body.h"
#include "gateway/http/exchange.h"
#include "gateway/http/reply.h"

/* target: raw, copied. */
struct request *request_new(struct service *service, const char *target);
void request_body(struct request *r, struct slice bytes);
void request_end(struct request *r);
void request_resumed(struct request *r);
/* Before the reply is sent: counts its memory, or makes it a refusal. */
void request_charge_answer(struct request *r);
void request_free(struct request *r);

/* The method that the ASCII text names; METHOD_OTHER for methods that no dialect knows. */
enum method request_method_of(struct slice text);

/* --- for operations; every one returns RC_OK after replying or waiting, else its failure --- */

/* Suspends the request and gives the done to submit a write with. after runs on the server's
 * thread when the write succeeded; a failure becomes the reply. */
struct bs_done request_wait(
	struct request *r, enum rc (*after)(struct request *r, struct err *err));
/* Suspends the request and runs job on another thread. The job submits exactly one write with
 * request_job_done(r), or fails. after as above. */
void request_run(struct request *r, enum rc (*job)(struct request *r, struct err *err),
	enum rc (*after)(struct request *r, struct err *err));
struct bs_done request_job_done(struct request *r);
/* The same on another pool than the one of large copies. Where POOL_WAITING_MAX wait for it
 * already, here and in the others, the request is answered 503 SlowDown instead: one that stands
 * still keeps a bounded number waiting. */
void request_run_on(struct request *r, struct work_pool *pool,
	enum rc (*job)(struct request *r, struct err *err),
	enum rc (*after)(struct request *r, struct err *err));

/* Suspends the request and runs job on a thread of pool. The job reads from the store and may
 * write reply.document, but does not reply; after runs on the server's thread when it succeeded,
 * and replies. What may take long to read is read this way, so that no other connection of the
 * server's thread waits for it. */
void request_read_on(struct request *r, struct work_pool *pool,
	enum rc (*job)(struct request *r, struct err *err),
	enum rc (*after)(struct request *r, struct err *err));

/* The header's trimmed value; p == NULL when absent. */
struct slice request_header(const struct request *r, const char *name);
/* The parameter's decoded value, in the arena; p == NULL when absent. Malformed escapes make it
 * RC_REFUSED InvalidURI. */
enum rc request_param(
	struct request *r, const char *name, struct slice *ret_value, struct err *err);
/* The parameter versionId; empty when absent. RC_REFUSED InvalidArgument: empty or not of a
 * form we make. */
enum rc request_version(struct request *r, struct slice *ret_version, struct err *err);
/* A number with bounds; absent: fallback. RC_REFUSED InvalidArgument, naming it. */
enum rc request_param_u64(struct request *r, const char *name, uint64_t fallback, uint64_t max,
	uint64_t *ret_value, struct err *err);

#endif
