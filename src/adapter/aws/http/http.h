/*
 * http: HTTP requests to other machines. Only this module and http_transfer call libcurl.
 *
 * A client keeps a list of idle lanes. A thread takes a lane, uses it alone, and gives it back.
 * A lane keeps its connections open and can have many requests in flight.
 *
 * - This module retries nothing. libcurl itself sends a request once more when it finds that a kept
 *   connection was closed.
 * - No redirect is followed, because credentials must never travel to another host. The caller
 *   judges
 *   the redirect's answer.
 * - A path is sent as it is given, because "/../" can be part of a key.
 * - Bodies are streamed in both directions.
 *
 * Timeouts: making a connection takes at most HTTP_CONNECT_TIMEOUT_MS. A request fails after
 * HTTP_STALL_S seconds (or its own stall_s) without a byte. A request as a whole has no time
 * limit unless its total_s says one: a server that sends a byte now and then could otherwise
 * keep a caller that waits for a short document for ever. Proxies come from the environment
 * variables http_proxy, https_proxy, all_proxy and no_proxy, also in upper case. HTTP_PROXY is
 * ignored in a CGI program, where a client's header can set it. Loopback hosts never use a
 * proxy.
 */
#ifndef BALER_ADAPTER_AWS_HTTP_HTTP_H
#define BALER_ADAPTER_AWS_HTTP_HTTP_H

#include "base/err.h"
#include "wire/header.h"

#define HTTP_CONNECT_TIMEOUT_MS 5000
#define HTTP_STALL_S 30
/* total_s of a request whose answer is one document, such as a page of a listing */
#define HTTP_DOCUMENT_S 60
/* bytes of a response's headers, with those of interim responses (100) and trailers; more is
 * RC_CORRUPT */
#define HTTP_RESPONSE_HEADERS_MAX 65536
#define HTTP_LANE_REQUESTS_MAX 256 /* requests in flight at a time in one lane */

struct http_client;
struct http_lane;
struct http_transfer;

struct http_request {
	/* These belong to the caller and stay valid until the request has ended. */
	const char *method;
	const char *url; /* the whole URL, percent-encoded; it is sent unchanged */
	const struct header *headers;
	size_t n_headers;
	unsigned stall_s; /* 0: HTTP_STALL_S */
	unsigned total_s; /* the most seconds that the request may take in all; 0: no limit */

	/* The request's body; read is NULL when there is none. read gives up to max bytes, and 0
	 * only at the end. If it gives fewer than body_bytes in all, the request ends with
	 * RC_REFUSED. rewind starts the body again at its first byte; rewind may be NULL. */
	uint64_t body_bytes;
	enum rc (*read)(void *arg, void *out, size_t max, size_t *ret_n, struct err *err);
	enum rc (*rewind)(void *arg, struct err *err);

	/* Takes a piece of the response's body. status and response_headers are set before the
	 * first call. When data sets *ret_pause, it has taken nothing, and the same bytes come
	 * again after http_resume. When data returns another code than RC_OK, the request ends
	 * with that code. */
	enum rc (*data)(void *arg, struct slice bytes, bool *ret_pause, struct err *err);
	void *arg;

	/* The result, valid once the request has ended. rc is RC_OK when the response is
	 * complete, whatever its status. RC_AGAIN: the server certainly did not apply the
	 * request (there was no connection, or the body was not sent whole). RC_UNKNOWN: the
	 * connection broke after the request was sent. RC_REFUSED: the URL is bad, or the
	 * certificate is not trusted.
	 * RC_CORRUPT: the peer does not speak HTTP. Any other code came from read or data. */
	enum rc rc;
	struct err err;
	unsigned status;
	/* as model/object_headers.h; http_request_release frees them */
	struct buf response_headers;

	struct http_transfer *transfer; /* private to this module */
};

struct http_options {
	const char *ca_bundle; /* a PEM file; NULL: the certificates of the system */
};

enum rc http_client_new(
	const struct http_options *options, struct http_client **ret_client, struct err *err);
/* All lanes must have been given back. */
void http_client_free(struct http_client *client);

struct http_lane *http_lane_take(struct http_client *client);
/* Cancels the requests that are still in flight. */
void http_lane_give(struct http_lane *lane);

/* Begins a request; it makes progress during http_wait. */
void http_start(struct http_lane *lane, struct http_request *req);
/* Blocks until a request has ended, and returns that request. Returns NULL when no request is in
 * flight, or when every request in flight is paused. */
struct http_request *http_wait(struct http_lane *lane);
/* The same, but returns NULL after about max_ms too. */
struct http_request *http_wait_for(struct http_lane *lane, int max_ms);
/* Lets a paused request continue. Do not call it from within a callback. */
void http_resume(struct http_lane *lane, struct http_request *req);
/* Ends a request at once. None of its callbacks is called again. */
void http_cancel(struct http_lane *lane, struct http_request *req);

/* Runs one request from start to end. Returns req->rc; err tells the reason of a failure. */
enum rc http_perform(struct http_client *client, struct http_request *req, struct err *err);

void http_request_release(struct http_request *req);

#endif
