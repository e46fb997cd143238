#include "gateway/lambda/invoke.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/json_write.h"
#include "gateway/access/auth.h"
#include "gateway/access/roles.h"
#include "gateway/http/request.h"
#include "port/invoker.h"
#include "wire/header.h"
#include "wire/s3_error.h"

#define ROOT "/2015-03-31/functions/"

static enum rc end_invoke(struct request *r, struct err *err);
static enum rc end_describe(struct request *r, struct err *err);

static const struct route {
	const char *name;
	enum method method;
	const char *rest; /* of the path, after the function's name */
	struct operation operation;
} routes[] = {
	{"Invoke", METHOD_POST, "/invocations", {BODY_PAYLOAD, NULL, end_invoke}},
	{"GetFunctionConfiguration", METHOD_GET, "/configuration", {BODY_NONE, NULL, end_describe}},
};

/* The service in the credential, before anything is verified: it chooses who verifies. */
static bool has_scope(struct slice text, const char *scope)
{
	return text.n && memmem(text.p, text.n, scope, strlen(scope));
}

static bool is_meant(const struct request *r)
{
	return r->service->invoker && slice_has_prefix(r->path, slice_str(ROOT)) &&
	       (has_scope(request_header(r, "authorization"), "/lambda/aws4_request") ||
		       has_scope(r->query, "%2Flambda%2Faws4_request"));
}

static enum rc verify(struct request *r, struct err *err)
{
	enum rc rc = auth_verify(r, "lambda", err);

	return rc ? rc : roles_check(r, ACTION_INVOKE, (struct slice){0}, err);
}

static enum rc take_slot(struct request *r, struct err *err)
{
	if (atomic_fetch_add(&r->service->n_invocations, 1) < INVOCATIONS_MAX) {
		r->has_slot = true;
		return RC_OK;
	}
	atomic_fetch_sub(&r->service->n_invocations, 1);
	reply_header_str(r, "Retry-After", "1");
	return err_code(err, RC_REFUSED, "TooManyRequestsException",
		"rate exceeded: %d invocations are running", INVOCATIONS_MAX);
}

static void release(struct request *r)
{
	if (r->has_slot)
		atomic_fetch_sub(&r->service->n_invocations, 1);
	r->has_slot = false;
	budget_give(r->service->memory.messages, r->payload_bytes);
	r->payload_bytes = 0;
}

/* NAME and the part after it, "/invocations". */
static bool split_path(const struct request *r, struct slice *ret_name, const char *rest)
{
	struct slice path = slice_of(r->path.p + strlen(ROOT), r->path.n - strlen(ROOT));
	size_t n = strlen(rest);

	if (path.n <= n || memcmp(path.p + path.n - n, rest, n) != 0)
		return false;
	*ret_name = slice_of(path.p, path.n - n);
	return !memchr(ret_name->p, '/', ret_name->n);
}

static enum rc find_route(struct request *r, struct slice *ret_name, struct err *err)
{
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		if (routes[i].method == r->method && split_path(r, ret_name, routes[i].rest)) {
			r->operation = &routes[i].operation;
			return RC_OK;
		}
	return err_code(err, RC_REFUSED, "UnknownOperationException",
		"only Invoke and GetFunctionConfiguration are known here");
}

static enum rc begin(struct request *r, struct err *err)
{
	struct slice raw;
	enum rc rc = auth_parse(r, err);

	if (rc || (rc = find_route(r, &raw, err)))
		return rc;
	if (r->auth.payload == SIGV4_PAYLOAD_UNSTATED && r->method == METHOD_GET)
		sigv4_payload_state(&r->auth, slice_str(""));
	if (r->auth.payload != SIGV4_PAYLOAD_UNSTATED)
		rc = verify(r, err);
	else
		rc = auth_check_key(r, err);
	r->names_key = rc == RC_OK;
	return rc || r->method == METHOD_GET ? rc : take_slot(r, err);
}

/* A POST without a hash was let in for its body; now it is checked. */
static enum rc check_late(struct request *r, struct err *err)
{
	if (r->is_authenticated)
		return RC_OK;
	sigv4_payload_state(&r->auth, buf_slice(&r->body.document));
	return verify(r, err);
}

static enum rc check_name(struct request *r, const char *rest, struct err *err)
{
	struct invoker *iv = r->service->invoker;
	struct slice raw, qualifier;
	struct buf name;
	enum rc rc;

	if (!split_path(r, &raw, rest))
		return err_code(err, RC_REFUSED, "InvalidParameterValueException", "no name");
	buf_init(&name, raw.n + 1);
	rc = uri_decode_path(&name, raw, err);
	if (rc == RC_OK)
		rc = request_param(r, "Qualifier", &qualifier, err);
	if (rc == RC_OK && !iv->ops->is_named(iv, buf_slice(&name), qualifier))
		rc = err_code(err, RC_ABSENT, "ResourceNotFoundException",
			"Function not found: " SLICE_FMT "%s" SLICE_FMT,
			SLICE_ARG(buf_slice(&name)), qualifier.n ? ":" : "", SLICE_ARG(qualifier));
	buf_release(&name);
	return rc;
}

static enum rc end_describe(struct request *r, struct err *err)
{
	enum rc rc = check_name(r, "/configuration", err);

	if (rc)
		return rc;
	r->service->invoker->ops->describe(r->service->invoker, &r->reply.document);
	return reply_json(r, 200);
}

/* --- a run --- */

struct run {
	struct invoker *invoker;
	struct invoke_answer answer;
	bool want_tail;
	/* of an Event only, because an Event outlives its request */
	struct work work;
	struct service *service;
	char *payload;
	size_t payload_n;
	uint64_t payload_bytes; /* of the share of messages */
};

static enum rc job_invoke(struct request *r, struct err *err)
{
	struct bs_done done = request_job_done(r);
	struct bs_result result = {.rc = RC_OK};
	struct run *run = r->op;

	(void)err;
	run->invoker->ops->invoke(run->invoker, buf_slice(&r->body.document), &run->answer);
	done.fn(done.arg, &result);
	return RC_OK;
}

static void add_tail(struct request *r, const struct invoke_answer *answer)
{
	struct buf text;

	buf_init(&text, 2 * INVOKE_TAIL_BYTES);
	base64_encode(&text, slice_of(answer->tail, answer->tail_n));
	reply_header(r, "X-Amz-Log-Result", buf_slice(&text));
	buf_release(&text);
}

static enum rc after_invoke(struct request *r, struct err *err)
{
	struct run *run = r->op;

	(void)err;
	buf_add_slice(&r->reply.document, buf_slice(&run->answer.payload));
	buf_release(&run->answer.payload);
	reply_header_str(r, "X-Amz-Executed-Version", "$LATEST");
	if (run->answer.is_error)
		reply_header_str(r, "X-Amz-Function-Error", "Unhandled");
	if (run->want_tail)
		add_tail(r, &run->answer);
	release(r);
	return reply_json(r, 200);
}

static enum rc run_now(struct request *r)
{
	struct run *run = arena_alloc(&r->arena, sizeof(*run));

	run->invoker = r->service->invoker;
	run->want_tail = slice_eq_nocase(request_header(r, "x-amz-log-type"), slice_str("Tail"));
	r->op = run;
	request_run_on(r, r->service->invocations, job_invoke, after_invoke);
	return RC_OK;
}

static void event_run(struct work *w)
{
	struct run *run = (struct run *)((char *)w - offsetof(struct run, work));

	run->invoker->ops->invoke(
		run->invoker, slice_of(run->payload, run->payload_n), &run->answer);
	buf_release(&run->answer.payload);
	atomic_fetch_sub(&run->service->n_invocations, 1);
	budget_give(run->service->memory.messages, run->payload_bytes);
	free(run->payload);
	free(run);
}

/* The request is answered at once, and the slot is given to the run. */
static enum rc run_later(struct request *r, struct err *err)
{
	struct run *run;

	if (r->body.document.n > INVOKE_EVENT_MAX_BYTES)
		return err_code(err, RC_REFUSED, "MaxMessageLengthExceeded",
			"an event may have at most %u bytes", INVOKE_EVENT_MAX_BYTES);
	run = xcalloc(1, sizeof(*run));
	run->invoker = r->service->invoker;
	run->service = r->service;
	run->payload = slice_dup(buf_slice(&r->body.document));
	run->payload_n = r->body.document.n;
	run->work.run = event_run;
	run->payload_bytes = r->payload_bytes;
	r->has_slot = false;
	r->payload_bytes = 0;
	work_pool_submit(r->service->invocations, &run->work);
	return reply_empty(r, 202);
}

/* For as long as the invocation lasts: memory for the payload's values, and twice its bytes for the
 * copies that are made of it. */
static enum rc take_memory(struct request *r, struct err *err)
{
	struct slice text = buf_slice(&r->body.document);
	struct budget *messages = r->service->memory.messages;
	uint64_t n = json_memory_bytes(text) + 2 * (uint64_t)text.n;

	if (messages && n > messages->max)
		return err_code(err, RC_REFUSED, "MaxMessageLengthExceeded",
			"the payload's values need more memory than this server gives to messages");
	if (!budget_grow(messages, 0, n)) {
		reply_header_str(r, "Retry-After", "1");
		return err_code(err, RC_REFUSED, "TooManyRequestsException",
			"rate exceeded: the memory for messages is used up");
	}
	r->payload_bytes = n;
	return RC_OK;
}

static enum rc check_payload(struct request *r, struct err *err)
{
	struct buf *text = &r->body.document;
	json_t *root = NULL;
	struct err why = {0};
	enum rc rc;

	if (text->n == 0)
		buf_add_str(text, "{}");
	rc = json_parse(buf_slice(text), INVOKE_PAYLOAD_MAX_BYTES, &root, &why);
	if (rc == RC_AGAIN)
		return err_code(err, rc, "ServiceException", "%s", why.text);
	if (rc != RC_OK)
		return err_code(err, RC_REFUSED, "InvalidRequestContentException",
			"Could not parse request body into json: %s", why.text);
	json_decref(root);
	return RC_OK;
}

static enum rc end_invoke(struct request *r, struct err *err)
{
	struct slice type = request_header(r, "x-amz-invocation-type");
	enum rc rc;

	if ((rc = check_late(r, err)) || (rc = check_name(r, "/invocations", err)) ||
		(rc = take_memory(r, err)) || (rc = check_payload(r, err)))
		return rc;
	if (!type.n || slice_eq_str(type, "RequestResponse"))
		return run_now(r);
	if (slice_eq_str(type, "Event"))
		return run_later(r, err);
	if (slice_eq_str(type, "DryRun")) {
		release(r);
		return reply_empty(r, 204);
	}
	return err_code(err, RC_REFUSED, "InvalidParameterValueException",
		"'" SLICE_FMT "' is no invocation type", SLICE_ARG(type));
}

/* --- refusals --- */

struct api_error {
	const char *from, *code; /* ours or S3's; Lambda's */
	unsigned status;
};

static struct api_error error_of(enum rc rc, const struct err *err)
{
	static const struct api_error table[] = {
		{"ResourceNotFoundException", NULL, 404},
		{"TooManyRequestsException", NULL, 429},
		{"InvalidRequestContentException", NULL, 400},
		{"InvalidParameterValueException", NULL, 400},
		{"UnknownOperationException", NULL, 404},
		{"MaxMessageLengthExceeded", "RequestTooLargeException", 413},
		{"SignatureDoesNotMatch", "InvalidSignatureException", 403},
		{"RequestTimeTooSkewed", "InvalidSignatureException", 403},
		{"XAmzContentSHA256Mismatch", "InvalidSignatureException", 403},
		{"InvalidAccessKeyId", "UnrecognizedClientException", 403},
		{"AuthorizationHeaderMalformed", "IncompleteSignatureException", 400},
		{"AccessDenied", "AccessDeniedException", 403},
	};
	const struct s3_error *e;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (err_is(err, table[i].from))
			return (struct api_error){table[i].from,
				table[i].code ? table[i].code : table[i].from, table[i].status};
	e = s3_error_of(rc, err);
	if (e->status >= 500)
		return (struct api_error){e->code, "ServiceException", e->status};
	return (struct api_error){e->code, e->code, e->status};
}

static void reply(struct request *r, enum rc rc, const struct err *err)
{
	struct api_error e = error_of(rc, err);
	struct buf *out = &r->reply.document;

	release(r);
	buf_reset(out);
	json_open_object(out, NULL);
	json_str(out, "Type", e.status >= 500 ? "Service" : "User");
	json_str(out, "message", e.status >= 500 ? "the invocation failed here" : err->text);
	json_close_object(out);
	reply_header_str(r, "x-amzn-ErrorType", e.code);
	reply_json(r, e.status);
	/* refusals for want of memory or threads are counted elsewhere, and there are many */
	if (e.status >= 500 && !err_is(err, "ServiceUnavailable") && !err_is(err, "SlowDown"))
		reply_log_failure(r, err);
}

const struct dialect lambda_dialect = {"lambda", is_meant, begin, reply, release};
