/* http_transfer: the options and callbacks of one request, as libcurl needs them. Only http
 * includes it. */
#ifndef BALER_ADAPTER_AWS_HTTP_HTTP_TRANSFER_H
#define BALER_ADAPTER_AWS_HTTP_HTTP_TRANSFER_H

#include <curl/curl.h>

#include "adapter/aws/http/answer_head.h"
#include "adapter/aws/http/http.h"

/* The part of a request that belongs to libcurl. */
struct http_transfer {
	struct http_request *req;
	struct http_transfer *next, **prev;
	CURL *easy;
	struct curl_slist *headers;
	uint64_t body_given;
	struct answer_head head;
	bool is_paused;
	enum rc caller_rc;  /* what read or data returned */
	char curl_error[CURL_ERROR_SIZE];
};

/* Sets up everything except the multi handle. ca_bundle may be NULL. The caller frees
 * t->headers. */
void http_transfer_setup(struct http_transfer *t, const char *ca_bundle);

#endif
