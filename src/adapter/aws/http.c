#include "adapter/aws/http.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>
#include <strings.h>

#include "model/object_headers.h"

#define IDLE_LANES_MAX 64
#define POLL_MS 1000

struct http_client {
	pthread_mutex_t lock;
	struct http_lane *idle; /* under lock */
	unsigned n_idle;        /* under lock */
	char *ca_bundle;
};

struct http_lane {
	struct http_client *client;
	struct http_lane *next; /* in client->idle */
	CURLM *multi;
	struct http_transfer *active; /* newest first */
	CURL *spare[HTTP_LANE_REQUESTS_MAX];
	size_t n_spare;
};

/* The half of a request that is libcurl's. */
struct http_transfer {
	struct http_request *req;
	struct http_transfer *next, **prev;
	CURL *easy;
	struct curl_slist *headers;
	uint64_t body_given;
	bool is_paused;
	bool is_head_whole; /* the empty line behind the headers has come */
	enum rc caller_rc;  /* of read or data */
	char curl_error[CURL_ERROR_SIZE];
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void curl_start(void)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		die("libcurl cannot be initialised");
}

enum rc http_client_new(
	const struct http_options *options, struct http_client **ret_client, struct err *err)
{
	struct http_client *client;

	(void)err;
	pthread_once(&curl_once, curl_start);
	client = xcalloc(1, sizeof(*client));
	pthread_mutex_init(&client->lock, NULL);
	if (options && options->ca_bundle)
		client->ca_bundle = xstrdup(options->ca_bundle);
	*ret_client = client;
	return RC_OK;
}

static void lane_free(struct http_lane *lane)
{
	for (size_t i = 0; i < lane->n_spare; i++)
		curl_easy_cleanup(lane->spare[i]);
	curl_multi_cleanup(lane->multi);
	free(lane);
}

void http_client_free(struct http_client *client)
{
	struct http_lane *lane;

	if (!client)
		return;
	while ((lane = client->idle)) {
		client->idle = lane->next;
		lane_free(lane);
	}
	pthread_mutex_destroy(&client->lock);
	free(client->ca_bundle);
	free(client);
}

static struct http_lane *lane_new(struct http_client *client)
{
	struct http_lane *lane = xcalloc(1, sizeof(*lane));

	lane->client = client;
	lane->multi = curl_multi_init();
	if (!lane->multi)
		die("no memory for a connection");
	curl_multi_setopt(lane->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
	curl_multi_setopt(lane->multi, CURLMOPT_MAXCONNECTS, (long)HTTP_LANE_REQUESTS_MAX);
	return lane;
}

struct http_lane *http_lane_take(struct http_client *client)
{
	struct http_lane *lane;

	pthread_mutex_lock(&client->lock);
	lane = client->idle;
	if (lane) {
		client->idle = lane->next;
		client->n_idle--;
	}
	pthread_mutex_unlock(&client->lock);
	return lane ? lane : lane_new(client);
}

void http_lane_give(struct http_lane *lane)
{
	struct http_client *client = lane->client;
	bool is_kept;

	while (lane->active)
		http_cancel(lane, lane->active->req);
	pthread_mutex_lock(&client->lock);
	is_kept = client->n_idle < IDLE_LANES_MAX;
	if (is_kept) {
		lane->next = client->idle;
		client->idle = lane;
		client->n_idle++;
	}
	pthread_mutex_unlock(&client->lock);
	if (!is_kept)
		lane_free(lane);
}

/* libcurl's callbacks. Each may be called only between http_start and the end of the request. */

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

/* "HTTP/1.1 200 OK": the status; an interim answer (100) is followed by another such line. */
static unsigned status_of_line(struct slice line)
{
	const unsigned char *space = memchr(line.p, ' ', line.n);
	size_t left = space ? line.n - (size_t)(space - line.p) - 1 : 0;
	uint64_t status;

	if (left < 3 || !slice_to_u64(slice_of(space + 1, 3), &status))
		return 0;
	return (unsigned)status;
}

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
	struct http_transfer *t = arg;
	struct slice line = slice_of(p, size * n);
	const unsigned char *colon;
	size_t name_bytes;

	if (slice_has_prefix(line, slice_str("HTTP/"))) {
		t->req->status = status_of_line(line);
		t->is_head_whole = false;
		buf_reset(&t->req->response_headers);
		return line.n;
	}
	while (line.n && (line.p[line.n - 1] == '\n' || line.p[line.n - 1] == '\r'))
		line.n--;
	colon = line.n ? memchr(line.p, ':', line.n) : NULL;
	if (line.n == 0)
		t->is_head_whole = true;
	if (!colon)
		return size * n;
	name_bytes = (size_t)(colon - line.p);
	object_headers_add(&t->req->response_headers, slice_of(line.p, name_bytes),
		header_trim(slice_of(colon + 1, line.n - name_bytes - 1)));
	if (!t->req->response_headers.overflow)
		return size * n;
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

/* Setting up. */

/* "http://127.0.0.1:9000/x" and the like. */
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

static void set_headers(struct http_transfer *t)
{
	const struct http_request *req = t->req;
	struct buf line;

	buf_init(&line, HTTP_RESPONSE_HEADERS_MAX);
	for (size_t i = 0; i < req->n_headers; i++) {
		const struct header *h = &req->headers[i];

		/* "name;" is how libcurl is told to send an empty value. */
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

static void set_options(struct http_lane *lane, struct http_transfer *t)
{
	CURL *easy = t->easy;

	curl_easy_setopt(easy, CURLOPT_PRIVATE, t);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->curl_error);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_URL, t->req->url);
	curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)HTTP_CONNECT_TIMEOUT_MS);
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)HTTP_STALL_S);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 131072L);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "baler/" BALER_VERSION);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
	if (lane->client->ca_bundle)
		curl_easy_setopt(easy, CURLOPT_CAINFO, lane->client->ca_bundle);
	if (is_loopback(t->req->url))
		curl_easy_setopt(easy, CURLOPT_PROXY, "");
}

static CURL *easy_take(struct http_lane *lane)
{
	CURL *easy;

	if (lane->n_spare)
		return lane->spare[--lane->n_spare];
	easy = curl_easy_init();
	if (!easy)
		die("no memory for a request");
	return easy;
}

void http_start(struct http_lane *lane, struct http_request *req)
{
	struct http_transfer *t = xcalloc(1, sizeof(*t));

	t->req = req;
	t->easy = easy_take(lane);
	req->transfer = t;
	req->status = 0;
	req->err = (struct err){0};
	buf_release(&req->response_headers);
	buf_init(&req->response_headers, HTTP_RESPONSE_HEADERS_MAX);
	set_options(lane, t);
	set_method(t);
	set_headers(t);
	t->next = lane->active;
	t->prev = &lane->active;
	if (t->next)
		t->next->prev = &t->next;
	lane->active = t;
	if (curl_multi_add_handle(lane->multi, t->easy) != CURLM_OK)
		die("a request cannot be added");
}

/* Ending. */

static void transfer_end(struct http_lane *lane, struct http_transfer *t)
{
	curl_multi_remove_handle(lane->multi, t->easy);
	*t->prev = t->next;
	if (t->next)
		t->next->prev = t->prev;
	curl_slist_free_all(t->headers);
	curl_easy_reset(t->easy);
	if (lane->n_spare < HTTP_LANE_REQUESTS_MAX)
		lane->spare[lane->n_spare++] = t->easy;
	else
		curl_easy_cleanup(t->easy);
	t->req->transfer = NULL;
	free(t);
}

void http_cancel(struct http_lane *lane, struct http_request *req)
{
	if (req->transfer)
		transfer_end(lane, req->transfer);
}

/* Whether the server can have acted on it: not before all of the request was sent. */
static bool was_sent(const struct http_transfer *t)
{
	curl_off_t uploaded = 0;
	long request_bytes = 0;

	curl_easy_getinfo(t->easy, CURLINFO_REQUEST_SIZE, &request_bytes);
	curl_easy_getinfo(t->easy, CURLINFO_SIZE_UPLOAD_T, &uploaded);
	return request_bytes > 0 && (uint64_t)uploaded >= t->req->body_bytes;
}

static enum rc rc_of_curl(const struct http_transfer *t, CURLcode code)
{
	switch (code) {
	case CURLE_OK:
		return RC_OK;
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
		return RC_REFUSED;
	case CURLE_WEIRD_SERVER_REPLY:
		return RC_CORRUPT;
	default:
		/* CURLE_OUT_OF_MEMORY too: libcurl says so of a header line that is too long. */
		return was_sent(t) ? RC_UNKNOWN : RC_AGAIN;
	}
}

static struct http_request *finish(struct http_lane *lane, struct http_transfer *t, CURLcode code)
{
	struct http_request *req = t->req;

	/* libcurl takes an answer that ends inside its headers for a whole one. */
	if (code == CURLE_OK && !t->is_head_whole)
		code = CURLE_GOT_NOTHING;
	req->rc = rc_of_curl(t, code);
	if (t->caller_rc != RC_OK)
		req->rc = t->caller_rc;
	else if (req->rc != RC_OK)
		err_set(&req->err, req->rc, "%s",
			t->curl_error[0] ? t->curl_error : curl_easy_strerror(code));
	transfer_end(lane, t);
	return req;
}

static struct http_request *next_ended(struct http_lane *lane)
{
	struct http_transfer *t = NULL;
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(lane->multi, &left))) {
		if (msg->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&t);
		return finish(lane, t, msg->data.result);
	}
	return NULL;
}

static bool all_paused(const struct http_lane *lane)
{
	for (const struct http_transfer *t = lane->active; t; t = t->next)
		if (!t->is_paused)
			return false;
	return true;
}

struct http_request *http_wait(struct http_lane *lane)
{
	struct http_request *req;
	int running;

	for (;;) {
		if (curl_multi_perform(lane->multi, &running) != CURLM_OK)
			die("libcurl cannot go on");
		req = next_ended(lane);
		if (req || all_paused(lane))
			return req;
		curl_multi_poll(lane->multi, NULL, 0, POLL_MS, NULL);
	}
}

void http_resume(struct http_lane *lane, struct http_request *req)
{
	(void)lane;
	if (!req->transfer || !req->transfer->is_paused)
		return;
	req->transfer->is_paused = false;
	curl_easy_pause(req->transfer->easy, CURLPAUSE_CONT);
}

enum rc http_perform(struct http_client *client, struct http_request *req, struct err *err)
{
	struct http_lane *lane = http_lane_take(client);

	http_start(lane, req);
	http_wait(lane);
	http_lane_give(lane);
	if (req->rc != RC_OK && err)
		*err = req->err;
	return req->rc;
}

void http_request_release(struct http_request *req)
{
	buf_release(&req->response_headers);
}
