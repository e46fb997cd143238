#include "adapter/aws/rpc/admin_call.h"

#include "adapter/aws/http/http.h"
#include "adapter/aws/identity/endpoint.h"
#include "base/clock.h"
#include "base/digest.h"
#include "wire/sigv4.h"

#define URL_MAX 16384
#define HEADERS_MAX 8
#define LOOK_STALL_S 10 /* a call that only reads is answered at once, or the server hangs */

struct exchange {
	struct admin_call *call;
	struct http_request http;
	struct header headers[HEADERS_MAX];
	size_t n_headers, sent;
	struct sigv4_headers signature;
	struct buf url;
};

static enum rc read_body(void *arg, void *out, size_t max, size_t *ret_n, struct err *err)
{
	struct exchange *x = arg;
	size_t left = x->call->body.n - x->sent, n = left < max ? left : max;

	(void)err;
	if (n)
		memcpy(out, x->call->body.p + x->sent, n);
	x->sent += n;
	*ret_n = n;
	return RC_OK;
}

static enum rc rewind_body(void *arg, struct err *err)
{
	(void)err;
	((struct exchange *)arg)->sent = 0;
	return RC_OK;
}

static enum rc take_answer(void *arg, struct slice bytes, bool *ret_pause, struct err *err)
{
	struct exchange *x = arg;

	(void)ret_pause;
	if (!buf_add_slice(&x->call->answer, bytes))
		return err_set(err, RC_CORRUPT, "the answer is too long");
	return RC_OK;
}

static void add(struct exchange *x, const char *name, struct slice value)
{
	x->headers[x->n_headers++] = (struct header){slice_str(name), value};
}

static enum rc sign(struct exchange *x, const struct aws_settings *settings, struct err *err)
{
	unsigned char hash[SHA256_BYTES];
	char hex[2 * SHA256_BYTES + 1];
	struct sigv4_signer signer = {
		.access_key = slice_str(settings->access_key),
		.secret = slice_str(settings->secret),
		.token = slice_str(settings->session_token),
		.region = settings->region,
		.service = "s3",
		.now_wall_ms = clock_wall_ms(clock_system()),
	};
	struct sigv4_request req = {
		.method = slice_str(x->call->method),
		.path = slice_str(x->call->path),
		.query = x->call->query,
		.headers = x->headers,
		.n_headers = x->n_headers,
	};
	enum rc rc;

	sha256(x->call->body, hash);
	hex_encode(hash, sizeof(hash), hex);
	rc = sigv4_sign(&req, &signer, hex, &x->signature, err);
	if (rc != RC_OK)
		return rc;
	add(x, "x-amz-date", slice_str(x->signature.amz_date));
	add(x, "x-amz-content-sha256", slice_str(x->signature.content_sha256));
	if (signer.token.n)
		add(x, "x-amz-security-token", signer.token);
	add(x, "authorization", buf_slice(&x->signature.authorization));
	return RC_OK;
}

static enum rc perform(struct exchange *x, const struct aws_settings *settings,
	struct admin_line *line, struct err *err)
{
	struct http_options options = {.ca_bundle = settings->ca_bundle};
	enum rc rc = line->client ? RC_OK : http_client_new(&options, &line->client, err);

	if (rc != RC_OK)
		return rc;
	x->http.method = x->call->method;
	x->http.url = buf_cstr(&x->url);
	x->http.headers = x->headers;
	x->http.n_headers = x->n_headers;
	x->http.data = take_answer;
	x->http.arg = x;
	x->http.total_s = HTTP_DOCUMENT_S;
	if (strcmp(x->call->method, "GET") == 0)
		x->http.stall_s = LOOK_STALL_S;
	if (x->call->body.n) {
		x->http.read = read_body;
		x->http.rewind = rewind_body;
		x->http.body_bytes = x->call->body.n;
	}
	rc = http_perform(line->client, &x->http, err);
	x->call->status = x->http.status;
	http_request_release(&x->http);
	return rc;
}

enum rc admin_call_run(const struct aws_settings *settings, struct admin_line *line,
	struct admin_call *call, struct err *err)
{
	struct exchange x = {.call = call};
	struct endpoint endpoint;
	enum rc rc;

	buf_init(&call->answer, ADMIN_ANSWER_MAX);
	if (!settings->endpoint_url)
		return err_set(err, RC_REFUSED,
			"which baler? set AWS_ENDPOINT_URL or give --endpoint-url");
	rc = endpoint_init(&endpoint, settings->endpoint_url, settings->region, err);
	if (rc != RC_OK)
		return rc;
	buf_init(&x.url, URL_MAX);
	buf_addf(&x.url, "%s://%s%s", endpoint.is_https ? "https" : "http", endpoint.authority,
		call->path);
	if (call->query.n) {
		buf_add_char(&x.url, '?');
		buf_add_slice(&x.url, call->query);
	}
	add(&x, "host", slice_str(endpoint.authority));
	rc = x.url.overflow ? err_set(err, RC_REFUSED, "the request's url is too long")
			    : sign(&x, settings, err);
	if (rc == RC_OK)
		rc = perform(&x, settings, line, err);
	sigv4_headers_release(&x.signature);
	buf_release(&x.url);
	return rc;
}

void admin_line_close(struct admin_line *line)
{
	if (line->client)
		http_client_free(line->client);
	line->client = NULL;
}

void admin_call_release(struct admin_call *call)
{
	buf_release(&call->answer);
}
