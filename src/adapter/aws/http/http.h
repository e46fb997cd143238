/*
 * http: requests to other machines. The one door to libcurl (with http_transfer).
 *
 * A client keeps idle lanes; a lane is one thread's while it is taken, holds the open connections it
 * made, and can have many requests in flight. Nothing is retried here (libcurl alone may send a
 * request again, once, when a connection it had kept open turns out to be closed), no redirect is
 * followed (the answer is the caller's to judge: credentials never travel to another host), paths
 * go out as they are given ("/../" is part of a key), bodies stream both ways.
 *
 * Timeouts: HTTP_CONNECT_TIMEOUT_MS for a connection, HTTP_STALL_S (or the request's own stall_s)
 * without a byte, which bounds the connection too; none overall.
 * A proxy is taken from the environment: http_proxy, https_proxy, all_proxy, no_proxy, in upper case
 * too (but HTTP_PROXY not in a CGI, where a client's header can set it), never for loopback hosts.
 */
#ifndef BALER_ADAPTER_AWS_HTTP_HTTP_H
#define BALER_ADAPTER_AWS_HTTP_HTTP_H

#include "base/err.h"
#include "wire/header.h"

#define HTTP_CONNECT_TIMEOUT_MS 5000
#define HTTP_STALL_S 30
#define HTTP_RESPONSE_HEADERS_MAX 65536 /* bytes; more is RC_CORRUPT */
#define HTTP_LANE_REQUESTS_MAX 256      /* in flight at a time in one lane */

struct http_client;
struct http_lane;
struct http_transfer;

struct http_request {
	/* The caller's, valid until the request has ended. */
	const char *method;
	const char *url; /* whole, percent-encoded; sent as it stands */
	const struct header *headers;
	size_t n_headers;
	unsigned stall_s; /* 0: HTTP_STALL_S */

	/* The body; read == NULL: none. read gives up to max bytes and 0 only at the end; fewer than
	 * body_bytes in all is RC_REFUSED. rewind (may be NULL) starts again from the front. */
	uint64_t body_bytes;
	enum rc (*read)(void *arg, void *out, size_t max, size_t *ret_n, struct err *err);
	enum rc (*rewind)(void *arg, struct err *err);

	/* Takes a piece of the answer's body; status and response_headers are set by then. With
	 * *ret_pause nothing was taken and the same bytes come again after http_resume. Another
	 * result than RC_OK ends the request with it. */
	enum rc (*data)(void *arg, struct slice bytes, bool *ret_pause, struct err *err);
	void *arg;

	/* What came of it, valid once the request has ended. rc is RC_OK when an answer is complete,
	 * whatever its status. RC_AGAIN: certainly not applied (no connection, body not sent whole).
	 * RC_UNKNOWN: broken off after it was sent. RC_REFUSED: a bad url, a certificate not trusted.
	 * RC_CORRUPT: not HTTP. Else what read or data said. */
	enum rc rc;
	struct err err;
	unsigned status;
	struct buf response_headers; /* model/object_headers.h; freed by http_request_release */

	struct http_transfer *transfer; /* http's own */
};

struct http_options {
	const char *ca_bundle; /* a PEM file; NULL: the system's */
};

enum rc http_client_new(
	const struct http_options *options, struct http_client **ret_client, struct err *err);
/* All lanes must have been given back. */
void http_client_free(struct http_client *client);

struct http_lane *http_lane_take(struct http_client *client);
/* Cancels what is still in flight. */
void http_lane_give(struct http_lane *lane);

/* Begins a request; it makes progress during http_wait. */
void http_start(struct http_lane *lane, struct http_request *req);
/* Blocks until a request has ended and returns it; NULL when none is in flight, or all that are
 * have paused. */
struct http_request *http_wait(struct http_lane *lane);
/* Lets a paused request go on. Not from within a callback. */
void http_resume(struct http_lane *lane, struct http_request *req);
/* Ends a request at once; nothing of it is called again. */
void http_cancel(struct http_lane *lane, struct http_request *req);

/* One request, start to end; returns req->rc, with the story in err. */
enum rc http_perform(struct http_client *client, struct http_request *req, struct err *err);

void http_request_release(struct http_request *req);

#endif
