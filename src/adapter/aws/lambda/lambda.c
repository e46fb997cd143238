#include "adapter/aws/lambda/lambda.h"

#include <stdio.h>
#include <stdlib.h>

#include "adapter/aws/http/http.h"
#include "adapter/aws/identity/endpoint.h"
#include "base/clock.h"
#include "base/json.h"
#include "model/object_headers.h"
#include "wire/sigv4.h"
#include "wire/uri.h"

#define PATH_MAX_BYTES 1024
#define HEADERS_MAX 8

struct lambda {
	struct function base;
	struct endpoint endpoint;
	char *access_key, *secret, *token, *region;
	struct http_client *http;
};

/* One invocation. */
struct invocation {
	const struct fn_call *call;
	struct http_request http;
	struct buf path, url, answer;
	struct header headers[HEADERS_MAX];
	size_t n_headers;
	struct sigv4_headers signature;
	size_t sent;
};

static enum rc read_payload(void *arg, void *out, size_t max, size_t *ret_n, struct err *err)
{
	struct invocation *inv = arg;
	size_t left = inv->call->payload.n - inv->sent, n = left < max ? left : max;

	(void)err;
	if (n)
		memcpy(out, inv->call->payload.p + inv->sent, n);
	inv->sent += n;
	*ret_n = n;
	return RC_OK;
}

static enum rc take_answer(void *arg, struct slice bytes, bool *ret_pause, struct err *err)
{
	struct invocation *inv = arg;

	(void)ret_pause;
	if (!buf_add_slice(&inv->answer, bytes))
		return err_set(
			err, RC_CORRUPT, "the answer is longer than %u bytes", LAMBDA_PAYLOAD_MAX);
	return RC_OK;
}

static void add_header(struct invocation *inv, const char *name, struct slice value)
{
	inv->headers[inv->n_headers++] = (struct header){slice_str(name), value};
}

static enum rc sign(struct lambda *lambda, struct invocation *inv, struct err *err)
{
	unsigned char hash[SHA256_BYTES];
	char hex[2 * SHA256_BYTES + 1];
	struct sigv4_signer signer = {
		.access_key = slice_str(lambda->access_key),
		.secret = slice_str(lambda->secret),
		.token = slice_str(lambda->token),
		.region = lambda->region,
		.service = "lambda",
		.now_wall_ms = clock_wall_ms(clock_system()),
	};
	struct sigv4_request req = {
		.method = slice_str("POST"),
		.path = buf_slice(&inv->path),
		.headers = inv->headers,
		.n_headers = inv->n_headers,
	};
	enum rc rc;

	sha256(inv->call->payload, hash);
	hex_encode(hash, sizeof(hash), hex);
	rc = sigv4_sign(&req, &signer, hex, &inv->signature, err);
	if (rc != RC_OK)
		return rc;
	add_header(inv, "x-amz-date", slice_str(inv->signature.amz_date));
	if (signer.token.n)
		add_header(inv, "x-amz-security-token", signer.token);
	add_header(inv, "authorization", buf_slice(&inv->signature.authorization));
	return RC_OK;
}

static enum rc prepare(struct lambda *lambda, struct invocation *inv, struct err *err)
{
	const struct fn_call *call = inv->call;

	if (call->payload.n > LAMBDA_PAYLOAD_MAX)
		return err_set(
			err, RC_REFUSED, "the payload is longer than %u bytes", LAMBDA_PAYLOAD_MAX);
	buf_add_str(&inv->path, "/2015-03-31/functions/");
	uri_encode(&inv->path, call->name, false);
	buf_add_str(&inv->path, "/invocations");
	buf_addf(&inv->url, "%s://%s", lambda->endpoint.is_https ? "https" : "http",
		lambda->endpoint.authority);
	buf_add_slice(&inv->url, buf_slice(&inv->path));
	if (inv->path.overflow || inv->url.overflow)
		return err_set(err, RC_REFUSED, "the function's name is too long");
	add_header(inv, "host", slice_str(lambda->endpoint.authority));
	add_header(inv, "content-type", slice_str("application/json"));
	if (call->wants_log)
		add_header(inv, "x-amz-log-type", slice_str("Tail"));
	inv->http = (struct http_request){.method = "POST",
		.url = buf_cstr(&inv->url),
		.headers = inv->headers,
		.stall_s = (unsigned)(call->timeout_ms / 1000 + 1),
		.body_bytes = call->payload.n,
		.read = read_payload,
		.data = take_answer,
		.arg = inv};
	return sign(lambda, inv, err);
}

static struct slice answer_header(const struct invocation *inv, const char *name)
{
	return object_headers_get(buf_slice(&inv->http.response_headers), name);
}

/* Takes the text of {"message":"…"} or {"Message":"…"}; without either, the first 200 bytes of
 * the answer. */
static void describe(const struct invocation *inv, struct err *err)
{
	struct slice code = answer_header(inv, "x-amzn-errortype"), message = {0};
	json_t *root = NULL;

	if (json_parse(buf_slice(&inv->answer), LAMBDA_PAYLOAD_MAX, &root, NULL) == RC_OK) {
		message = json_member_str(root, "message");
		if (!message.p)
			message = json_member_str(root, "Message");
	}
	if (!message.p)
		message = slice_of(inv->answer.p, inv->answer.n < 200 ? inv->answer.n : 200);
	err_set(err, RC_OK, "HTTP %u%s" SLICE_FMT ": " SLICE_FMT, inv->http.status,
		code.n ? " " : "", SLICE_ARG(code), SLICE_ARG(message));
	json_decref(root);
}

static enum rc refusal(const struct invocation *inv, struct err *err)
{
	describe(inv, err);
	switch (inv->http.status) {
	case 404:
		return RC_ABSENT;
	case 429:
	case 503:
		return RC_AGAIN;
	default:
		return inv->http.status >= 500 ? RC_UNKNOWN : RC_REFUSED;
	}
}

static enum rc take_log(
	const struct invocation *inv, struct arena *a, struct slice *ret_log, struct err *err)
{
	struct slice text = answer_header(inv, "x-amz-log-result");
	unsigned char *log = arena_alloc(a, LAMBDA_LOG_MAX);
	size_t n = 0;

	if (text.n && !base64_decode(text, log, LAMBDA_LOG_MAX, &n))
		return err_set(err, RC_CORRUPT, "X-Amz-Log-Result is not base64, or too long");
	*ret_log = slice_of(log, n);
	return RC_OK;
}

static enum rc outcome(const struct invocation *inv, struct arena *a, struct fn_answer *ret_answer,
	struct err *err)
{
	struct fn_answer answer = {0};

	if (inv->http.rc != RC_OK) {
		if (err)
			*err = inv->http.err;
		return inv->http.rc;
	}
	if (inv->http.status / 100 != 2)
		return refusal(inv, err);
	answer.is_error = answer_header(inv, "x-amz-function-error").n > 0;
	answer.payload = arena_slice(a, buf_slice(&inv->answer));
	if (inv->call->wants_log && take_log(inv, a, &answer.log, err) != RC_OK)
		return RC_CORRUPT;
	*ret_answer = answer;
	return RC_OK;
}

static enum rc lambda_invoke(struct function *fn, const struct fn_call *call, struct arena *a,
	struct fn_answer *ret_answer, struct err *err)
{
	struct lambda *lambda = (struct lambda *)fn;
	struct invocation inv = {.call = call};
	enum rc rc;

	buf_init(&inv.path, PATH_MAX_BYTES);
	buf_init(&inv.url, PATH_MAX_BYTES + ENDPOINT_AUTHORITY_MAX + 16);
	buf_init(&inv.answer, LAMBDA_PAYLOAD_MAX);
	rc = prepare(lambda, &inv, err);
	if (rc == RC_OK) {
		/* prepare() may have added headers after it filled inv.http. */
		inv.http.n_headers = inv.n_headers;
		http_perform(lambda->http, &inv.http, NULL);
		rc = outcome(&inv, a, ret_answer, err);
	}
	http_request_release(&inv.http);
	sigv4_headers_release(&inv.signature);
	buf_release(&inv.path);
	buf_release(&inv.url);
	buf_release(&inv.answer);
	return rc == RC_OK ? rc
			   : err_ctx(err, rc, "function '" SLICE_FMT "'", SLICE_ARG(call->name));
}

static void lambda_close(struct function *fn)
{
	struct lambda *lambda = (struct lambda *)fn;

	if (lambda->http)
		http_client_free(lambda->http);
	if (lambda->secret)
		explicit_bzero(lambda->secret, strlen(lambda->secret));
	free(lambda->access_key);
	free(lambda->secret);
	free(lambda->token);
	free(lambda->region);
	free(lambda);
}

static const struct function_ops lambda_ops = {.invoke = lambda_invoke, .close = lambda_close};

static enum rc find_endpoint(
	struct lambda *lambda, const struct aws_settings *settings, struct err *err)
{
	char url[128];

	if (settings->lambda_endpoint_url)
		return endpoint_init(
			&lambda->endpoint, settings->lambda_endpoint_url, lambda->region, err);
	snprintf(url, sizeof(url), "https://lambda.%.64s.amazonaws.com%s", lambda->region,
		strncmp(lambda->region, "cn-", 3) == 0 ? ".cn" : "");
	return endpoint_init(&lambda->endpoint, url, lambda->region, err);
}

enum rc lambda_open(const struct aws_settings *settings, struct function **ret_fn, struct err *err)
{
	struct http_options options = {.ca_bundle = settings->ca_bundle};
	struct lambda *lambda = xcalloc(1, sizeof(*lambda));
	enum rc rc;

	lambda->base.ops = &lambda_ops;
	lambda->access_key = xstrdup(settings->access_key);
	lambda->secret = xstrdup(settings->secret);
	lambda->token = settings->session_token ? xstrdup(settings->session_token) : NULL;
	lambda->region = xstrdup(settings->region);
	rc = find_endpoint(lambda, settings, err);
	if (rc == RC_OK)
		rc = http_client_new(&options, &lambda->http, err);
	if (rc != RC_OK) {
		lambda_close(&lambda->base);
		return rc;
	}
	*ret_fn = &lambda->base;
	return RC_OK;
}
