/*
 * route: which operation a request asks for: method × (service, bucket, object) × subresource.
 * One table; what is not in it is refused.
 */
#ifndef BALER_GATEWAY_S3_ROUTE_H
#define BALER_GATEWAY_S3_ROUTE_H

#include "gateway/http/request.h"
#include "gateway/roles.h"

enum scope { SCOPE_SERVICE, SCOPE_BUCKET, SCOPE_OBJECT };

struct route {
	const char *name; /* S3's: "PutObject" */
	enum method method;
	enum scope scope;
	const char *subresource; /* a query parameter, NULL: none */
	const char *header;      /* must be there too; NULL: none, and routes with one come first */
	enum body_kind body;
	/* Before the body (and before 100 Continue); may be NULL. It may not reply, only refuse. */
	enum rc (*begin)(struct request *r, struct err *err);
	/* The body is there and right. Replies, waits or refuses. */
	enum rc (*end)(struct request *r, struct err *err);
	enum action action; /* who may: roles.h */
};

/* RC_REFUSED: NotImplemented for a subresource or x-amz-* header we do not know (never
 * ignored), MethodNotAllowed, AccessDenied for another expected owner. */
enum rc route_find(struct request *r, const struct route **ret_route, struct err *err);

/* The table, for tests; ends with a NULL name. */
const struct route *route_table(void);

#endif
