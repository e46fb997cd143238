/*
 * request: one S3 request, from its headers to the last byte of its answer. Knows no HTTP
 * library: the server calls, in this order,
 *
 *     request_new → request_begin → request_body … → request_end [→ request_resumed] → the reply
 *     is sent → request_free
 *
 * and looks at phase in between. One thread at a time. Memory of a request is its arena's.
 */
#ifndef BALER_GATEWAY_HTTP_REQUEST_H
#define BALER_GATEWAY_HTTP_REQUEST_H

#include "base/arena.h"
#include "gateway/http/body.h"
#include "gateway/http/reply.h"
#include "gateway/http/service.h"
#include "wire/sigv4.h"
#include "wire/uri.h"

enum method { METHOD_OTHER, METHOD_GET, METHOD_HEAD, METHOD_PUT, METHOD_POST, METHOD_DELETE };

enum request_phase {
	PHASE_BODY,  /* wants its body, then request_end */
	PHASE_WAIT,  /* suspended until the store has answered; then request_resumed */
	PHASE_REPLY, /* the reply is ready; what is left of the body is of no interest */
};

struct route;
struct connection;

struct request {
	struct service *service;
	void *connection; /* the server's */
	struct connection *peer; /* the server's: its socket, connections.h */
	bool has_begun;   /* the server's: request_begin was called */
	uint64_t taken;   /* the server's: bytes of the body as they came */
	enum request_phase phase;
	struct arena arena;
	char id[REQUEST_ID_BYTES + 1];
	uint64_t now_wall_ms; /* when it began */

	/* As sent; borrowed from the server until the reply is sent. */
	struct slice target, path, query;
	struct slice method_text;
	enum method method;
	struct header *headers;
	size_t n_headers;

	struct sigv4_auth auth; /* trusted once is_authenticated */
	struct sigv4_seed seed; /* of signed chunks */
	bool is_authenticated;
	enum key_role role; /* ROLE_NONE until then */
	bool is_lambda; /* invoke.h; errors are Lambda's */
	bool has_slot;  /* of the invocations at a time */
	bool is_admin; /* below /-/: admin.h; errors are JSON */
	struct uri_target name;   /* bucket and key */
	struct slice bucket, key; /* the same */
	const struct route *route;
	struct body body;
	void *op; /* the operation's own state */

	/* While waiting. */
	enum rc (*after)(struct request *r, struct err *err);
	struct bs_result result; /* its slices are gone */
	struct work work;
	enum rc (*job)(struct request *r, struct err *err);

	struct reply reply;
};

/* target: raw, copied. */
struct request *request_new(struct service *service, const char *target);
/* Authenticates, finds the route, prepares the body. method, headers and n_headers are set. */
void request_begin(struct request *r);
void request_body(struct request *r, struct slice bytes);
void request_end(struct request *r);
void request_resumed(struct request *r);
void request_free(struct request *r);

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
/* The same on another pool than the one of large copies. */
void request_run_on(struct request *r, struct work_pool *pool,
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
