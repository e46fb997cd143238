/*
 * dialect: what the HTTP rooms know of an API. gateway/front.c asks the dialects in order whether a
 * request is theirs. From then on the request and all its errors are the dialect's.
 */
#ifndef BALER_GATEWAY_HTTP_DIALECT_H
#define BALER_GATEWAY_HTTP_DIALECT_H

#include <stdbool.h>

#include "base/err.h"

struct request;

struct dialect {
	const char *name;
	/* Whether the request speaks this dialect, judged only by its first line and headers, of
	 * which nothing has been verified. */
	bool (*is_meant)(const struct request *r);
	/* Authenticates the request, finds r->operation, and checks that the caller may do it. */
	enum rc (*begin)(struct request *r, struct err *err);
	/* Ends the request with the error document for rc and err. */
	void (*error)(struct request *r, enum rc rc, const struct err *err);
	/* Called when the request ends, however it ended; may be NULL. */
	void (*release)(struct request *r);
};

#endif
