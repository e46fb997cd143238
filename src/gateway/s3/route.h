/*
 * route: the operation that a request asks for: method × (service, bucket, object) × subresource.
 * There is one table; a request that is not in it is refused.
 */
#ifndef BALER_GATEWAY_S3_ROUTE_H
#define BALER_GATEWAY_S3_ROUTE_H

#include "gateway/access/roles.h"
#include "gateway/http/exchange.h"

enum scope { SCOPE_SERVICE, SCOPE_BUCKET, SCOPE_OBJECT };

struct route {
	const char *name; /* S3's: "PutObject" */
	enum method method;
	enum scope scope;
	const char *subresource; /* a query parameter, NULL: none */
	const char *header;      /* must be there too; NULL: none, and routes with one come first */
	enum action action;      /* who may: access/roles.h */
	struct operation operation;
};

/* RC_REFUSED: NotImplemented for a subresource or x-amz-* header we do not know (never
 * ignored), MethodNotAllowed, AccessDenied for another expected owner. */
enum rc route_find(struct request *r, const struct route **ret_route, struct err *err);

/* Whether the caller may do what the route does. A copy needs GET on its source, before anything is
 * looked up in either bucket (RC_REFUSED also for a source that cannot be parsed). A write or
 * delete with If-Match tells whether an object exists, so it needs GET as well. */
enum rc route_check_role(const struct request *r, const struct route *route, struct err *err);

/* The table, for tests; ends with a NULL name. */
const struct route *route_table(void);

#endif
