#include "adapter/aws/http/http.h"

#include <pthread.h>
#include <stdlib.h>

#include "adapter/aws/http/http_transfer.h"

#define IDLE_LANES_MAX 64
#define LANE_CONNECTIONS_MAX 32 /* connections that a lane keeps open */
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
	curl_multi_setopt(lane->multi, CURLMOPT_MAXCONNECTS, (long)LANE_CONNECTIONS_MAX);
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
	http_transfer_setup(t, lane->client->ca_bundle);
	t->next = lane->active;
	t->prev = &lane->active;
	if (t->next)
		t->next->prev = &t->next;
	lane->active = t;
	if (curl_multi_add_handle(lane->multi, t->easy) != CURLM_OK)
		die("a request cannot be added");
}

/* The end of a request. */

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

/* Whether the server can have acted on the request. It can only after the whole request was
 * sent. */
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
		/* This includes CURLE_OUT_OF_MEMORY, which libcurl reports for a header line
		 * that is too long. */
		return was_sent(t) ? RC_UNKNOWN : RC_AGAIN;
	}
}

static struct http_request *finish(struct http_lane *lane, struct http_transfer *t, CURLcode code)
{
	struct http_request *req = t->req;

	/* libcurl reports success for a response that ends inside its headers. */
	if (code == CURLE_OK && !t->head.is_whole)
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

/* Lets the requests make progress. Whether there is something to tell: *ret_req has ended, or,
 * when that is NULL, all are paused. */
static bool make_progress(struct http_lane *lane, struct http_request **ret_req)
{
	int running;

	if (curl_multi_perform(lane->multi, &running) != CURLM_OK)
		die("libcurl cannot go on");
	*ret_req = next_ended(lane);
	return *ret_req || all_paused(lane);
}

struct http_request *http_wait(struct http_lane *lane)
{
	struct http_request *req;

	while (!make_progress(lane, &req))
		curl_multi_poll(lane->multi, NULL, 0, POLL_MS, NULL);
	return req;
}

struct http_request *http_wait_for(struct http_lane *lane, int max_ms)
{
	struct http_request *req;

	if (!make_progress(lane, &req)) {
		curl_multi_poll(lane->multi, NULL, 0, max_ms, NULL);
		make_progress(lane, &req);
	}
	return req;
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
