#include "adapter/aws/http/http_transfer.h"

#include <stdlib.h>
#include <strings.h>

#include "model/object_headers.h"

/* The callbacks. libcurl calls them only between http_start and the end of the request. */

static size_t on_read(char *out, size_t size, size_t n, void *arg)
{
	struct http_transfer *t = arg;
	uint64_t left = t->req->body_bytes - t->body_given;
	size_t max = size * n, got = 0;

	if (max > left)
		max = (size_t)left;
	if (max == 0)
		return 0;
	t->caller_rc = t->req->read(t->req->arg, out, max, &got, &t->req->err);
	if (t->caller_rc == RC_OK && got == 0)
		t->caller_rc = err_set(&t->req->err, RC_REFUSED,
			"the body ended after %llu of %llu bytes",
			(unsigned long long)t->body_given, (unsigned long long)t->req->body_bytes);
	if (t->caller_rc != RC_OK)
		return CURL_READFUNC_ABORT;
	t->body_given += got;
	return got;
}

static int on_seek(void *arg, curl_off_t offset, int origin)
{
	struct http_transfer *t = arg;
	struct err ignored;

	if (offset != 0 || origin != SEEK_SET || !t->req->rewind)
		return CURL_SEEKFUNC_CANTSEEK;
	if (t->req->rewind(t->req->arg, &ignored) != RC_OK)
		return CURL_SEEKFUNC_FAIL;
	t->body_given = 0;
	return CURL_SEEKFUNC_OK;
}

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
	struct http_transfer *t = arg;

	if (answer_head_line(&t->head, slice_of(p, size * n))) {
		t->req->status = t->head.status;
		return size * n;
	}
	t->caller_rc = err_set(&t->req->err, RC_CORRUPT, "the answer's headers are too long");
	return 0;
}

static size_t on_data(char *p, size_t size, size_t n, void *arg)
{
	struct http_transfer *t = arg;
	bool pause = false;

	if (!t->req->data)
		return size * n;
	t->caller_rc = t->req->data(t->req->arg, slice_of(p, size * n), &pause, &t->req->err);
	if (t->caller_rc != RC_OK)
		return 0;
	t->is_paused = pause;
	return pause ? CURL_WRITEFUNC_PAUSE : size * n;
}

/* The options. */

/* Whether the host of a URL such as "http://127.0.0.1:9000/x" is this machine. */
static bool is_loopback(const char *url)
{
	static const char *const hosts[] = {"localhost", "127.", "[::1]"};
	const char *host = strstr(url, "://");

	if (!host)
		return false;
	host += 3;
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++)
		if (strncasecmp(host, hosts[i], strlen(hosts[i])) == 0)
			return true;
	return false;
}

/* libcurl ignores HTTP_PROXY, but every AWS SDK uses it. NULL: libcurl looks in the environment
 * itself. */
static const char *proxy_for(const char *url)
{
	const char *proxy;

	if (is_loopback(url))
		return "";
	if (strncasecmp(url, "http://", 7) != 0 || getenv("http_proxy") || getenv("REQUEST_METHOD"))
		return NULL;
	proxy = getenv("HTTP_PROXY");
	return proxy && *proxy ? proxy : NULL;
}

static void set_headers(struct http_transfer *t)
{
	const struct http_request *req = t->req;
	struct buf line;

	buf_init(&line, HTTP_RESPONSE_HEADERS_MAX);
	for (size_t i = 0; i < req->n_headers; i++) {
		const struct header *h = &req->headers[i];

		/* "name;" tells libcurl to send a header with an empty value. */
		buf_reset(&line);
		buf_add_slice(&line, h->name);
		buf_add_str(&line, h->value.n ? ": " : ";");
		buf_add_slice(&line, h->value);
		t->headers = curl_slist_append(t->headers, buf_cstr(&line));
		if (!t->headers)
			die("no memory for a header");
	}
	buf_release(&line);
	curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers);
}

static void set_method(struct http_transfer *t)
{
	const struct http_request *req = t->req;

	if (strcmp(req->method, "HEAD") == 0) {
		curl_easy_setopt(t->easy, CURLOPT_NOBODY, 1L);
		return;
	}
	if (req->read) {
		curl_easy_setopt(t->easy, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(t->easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)req->body_bytes);
		curl_easy_setopt(t->easy, CURLOPT_READFUNCTION, on_read);
		curl_easy_setopt(t->easy, CURLOPT_READDATA, t);
		curl_easy_setopt(t->easy, CURLOPT_SEEKFUNCTION, on_seek);
		curl_easy_setopt(t->easy, CURLOPT_SEEKDATA, t);
		curl_easy_setopt(t->easy, CURLOPT_UPLOAD_BUFFERSIZE, 262144L);
	}
	curl_easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST, req->method);
}

static void set_options(struct http_transfer *t, const char *ca_bundle)
{
	const char *proxy = proxy_for(t->req->url);
	CURL *easy = t->easy;
	long stall_s = t->req->stall_s ? t->req->stall_s : HTTP_STALL_S;
	long connect_ms =
		stall_s * 1000 < HTTP_CONNECT_TIMEOUT_MS ? stall_s * 1000 : HTTP_CONNECT_TIMEOUT_MS;

	curl_easy_setopt(easy, CURLOPT_PRIVATE, t);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->curl_error);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_URL, t->req->url);
	curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, connect_ms);
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, stall_s);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)t->req->total_s);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 131072L);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "baler/" BALER_VERSION);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
	if (ca_bundle)
		curl_easy_setopt(easy, CURLOPT_CAINFO, ca_bundle);
	if (proxy)
		curl_easy_setopt(easy, CURLOPT_PROXY, proxy);
}

void http_transfer_setup(struct http_transfer *t, const char *ca_bundle)
{
	t->head.headers = &t->req->response_headers;
	set_options(t, ca_bundle);
	set_method(t);
	set_headers(t);
}
