/*
 * reply: the answer of one request, as data; the server sends it.
 */
#ifndef BALER_GATEWAY_HTTP_REPLY_H
#define BALER_GATEWAY_HTTP_REPLY_H

#include "gateway/http/exchange.h"

void reply_init(struct reply *reply);
void reply_release(struct reply *reply);
/* Frees the body of the answer, and the document that came with the request. */
void reply_drop(struct request *r);

/* Adds a header; name is static, value is copied (reply_header_str: static too). */
void reply_header(struct request *r, const char *name, struct slice value);
void reply_header_str(struct request *r, const char *name, const char *value);
/* The first header of this name (any case) gets this value, or it is added. */
void reply_replace_header(struct request *r, const char *name, struct slice value);
void reply_headerf(struct request *r, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void reply_header_date(struct request *r, const char *name, uint64_t wall_ms);
void reply_header_etag(struct request *r, const char *etag);

/* An element of the error document, should there be one. */
void reply_extra(struct request *r, const char *name, struct slice text);

/* Ends the request with no body, or with the document written to r->reply.document. */
enum rc reply_empty(struct request *r, unsigned status);
enum rc reply_document(struct request *r);
/* The same, of another type (static), with a status of its own. */
enum rc reply_text(struct request *r, unsigned status, const char *content_type);
enum rc reply_json(struct request *r, unsigned status);
/* Drops an answer of which nothing is out yet, so that another can be given. */
void reply_forget(struct request *r);
/* Ends the request with the error document of its dialect for rc and err. */
void reply_error(struct request *r, enum rc rc, const struct err *err);
/* Logs a failure of the server, once the reply's status is set. */
void reply_log_failure(const struct request *r, const struct err *err);

#endif
