/* http_transfer: one request as libcurl sees it: its options and callbacks. Inside http only. */
#ifndef BALER_ADAPTER_AWS_HTTP_HTTP_TRANSFER_H
#define BALER_ADAPTER_AWS_HTTP_HTTP_TRANSFER_H

#include <curl/curl.h>

#include "adapter/aws/http/http.h"

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

/* Everything but adding it to a multi handle. ca_bundle may be NULL. t->headers is the caller's to free. */
void http_transfer_setup(struct http_transfer *t, const char *ca_bundle);

#endif
