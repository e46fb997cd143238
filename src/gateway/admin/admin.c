#include "gateway/admin/admin.h"

#include "base/json_write.h"
#include "gateway/access/auth.h"
#include "gateway/access/roles.h"
#include "gateway/admin/admin_ops.h"
#include "gateway/admin/admin_run.h"
#include "gateway/admin/admin_token.h"
#include "wire/s3_error.h"

#define UNAUTHORIZED "Unauthorized"

enum admin_right { ADMIN_OPERATE, ADMIN_SEND_EVENTS, ADMIN_KEYS, ADMIN_READ_METRICS };

struct admin_route {
	const char *path; /* below ADMIN_ROOT; one that ends with '/' has an id behind it */
	enum admin_right right;
	enum method method;
	struct operation operation;
};

/* clang-format off */
#define ROUTE(method, body, end) method, {body, NULL, end}

static const struct admin_route routes[] = {
	{"api/v1/status", ADMIN_OPERATE, ROUTE(METHOD_GET, BODY_NONE, admin_status)},
	{"api/v1/where", ADMIN_OPERATE, ROUTE(METHOD_GET, BODY_NONE, admin_where)},
	{"api/v1/deadletters", ADMIN_OPERATE, ROUTE(METHOD_GET, BODY_NONE, admin_dead_list)},
	{"api/v1/deadletters/redrive", ADMIN_OPERATE, ROUTE(METHOD_POST, BODY_DOCUMENT, admin_dead_redrive)},
	{"api/v1/deadletters/", ADMIN_OPERATE, ROUTE(METHOD_GET, BODY_NONE, admin_dead_get)},
	{"api/v1/deadletters/", ADMIN_OPERATE, ROUTE(METHOD_DELETE, BODY_NONE, admin_dead_drop)},
	{"api/v1/keys", ADMIN_KEYS, ROUTE(METHOD_GET, BODY_NONE, admin_key_list)},
	{"api/v1/keys", ADMIN_KEYS, ROUTE(METHOD_POST, BODY_DOCUMENT, admin_key_add)},
	{"api/v1/keys/", ADMIN_KEYS, ROUTE(METHOD_DELETE, BODY_NONE, admin_key_revoke)},
	{"metrics", ADMIN_READ_METRICS, ROUTE(METHOD_GET, BODY_NONE, admin_metrics)},
	{"events", ADMIN_SEND_EVENTS, ROUTE(METHOD_POST, BODY_DOCUMENT, admin_events)},
	{0},
};
/* clang-format on */

static bool is_meant(const struct request *r)
{
	return (slice_has_prefix(r->path, slice_str(ADMIN_ROOT)) || admin_is_short_events(r)) &&
	       !uri_host_has_bucket(request_header(r, "host"), r->service->base_domains);
}

static bool is_path(const struct admin_route *a, struct slice path)
{
	size_t n = strlen(a->path);

	if (a->path[n - 1] != '/')
		return slice_eq_str(path, a->path);
	return path.n > n && slice_has_prefix(path, slice_str(a->path)) &&
	       !memchr(path.p + n, '/', path.n - n);
}

/* The exact path comes first, because "redrive" is no id. *ret_route NULL: there is no route. */
static bool find(const struct request *r, const struct admin_route **ret_route)
{
	struct slice path = admin_path(r);
	bool known = false;

	*ret_route = NULL;
	for (const struct admin_route *a = routes; a->path; a++) {
		if (!is_path(a, path))
			continue;
		known = true;
		if (a->method == r->method) {
			*ret_route = a;
			return true;
		}
		/* exact, with another method: the row behind may have the right one */
		if (a->path[strlen(a->path) - 1] != '/' &&
			(!a[1].path || strcmp(a[1].path, a->path) != 0))
			return true;
	}
	return known;
}

static enum rc check_right(const struct request *r, enum admin_right right, struct err *err)
{
	static const enum action actions[] = {[ADMIN_OPERATE] = ACTION_OPERATE,
		[ADMIN_SEND_EVENTS] = ACTION_SEND_EVENTS,
		[ADMIN_KEYS] = ACTION_MANAGE_KEYS,
		[ADMIN_READ_METRICS] = ACTION_OPERATE};

	return roles_check(r, actions[right], (struct slice){0}, err);
}

/* The one that opens this door without a signature; NULL: there is none. */
static const char *token_of(const struct service *s, enum admin_right right)
{
	return right == ADMIN_SEND_EVENTS    ? s->events_token
	       : right == ADMIN_READ_METRICS ? s->metrics_token
					     : NULL;
}

static bool takes_token(const struct admin_route *route)
{
	return route && (route->right == ADMIN_SEND_EVENTS || route->right == ADMIN_READ_METRICS);
}

/* A token is valid for one path only; on any other path it is no credential. A request to the path
 * of events without any credential is told how to authenticate, because SNS sends the credentials
 * of its URL only when it is asked for them. */
static enum rc authenticate(
	struct request *r, const struct admin_route *route, bool *ret_by_token, struct err *err)
{
	const char *token = route ? token_of(r->service, route->right) : NULL;
	enum admin_token shown =
		takes_token(route) ? admin_token_shown(r, token) : ADMIN_TOKEN_NONE;

	*ret_by_token = shown == ADMIN_TOKEN_RIGHT;
	if (shown == ADMIN_TOKEN_WRONG)
		return err_code(err, RC_REFUSED, "AccessDenied", "this token is not known here");
	if (shown == ADMIN_TOKEN_NOTHING && token && route->right == ADMIN_SEND_EVENTS) {
		reply_header_str(r, "WWW-Authenticate", "Basic realm=\"baler\"");
		return err_code(err, RC_REFUSED, UNAUTHORIZED,
			"show the token: as Bearer, or as the password of Basic");
	}
	if (!*ret_by_token)
		return auth_check(r, err);
	r->by_token = true;
	r->auth.payload = SIGV4_PAYLOAD_UNSIGNED;
	return RC_OK;
}

/* Whether this server has what the right is about. */
static bool has_part(const struct service *s, enum admin_right right)
{
	switch (right) {
	case ADMIN_OPERATE:
		return s->op != NULL;
	case ADMIN_SEND_EVENTS:
		return s->queue != NULL;
	case ADMIN_KEYS:
		return s->key_store != NULL;
	case ADMIN_READ_METRICS:
		return s->metrics.fill != NULL;
	}
	return false;
}

static enum rc begin(struct request *r, struct err *err)
{
	const struct admin_route *route;
	bool known = find(r, &route), by_token;
	enum rc rc = authenticate(r, route, &by_token, err);

	if (rc)
		return rc;
	if (!known)
		return err_code(err, RC_ABSENT, "NoSuchPath", "there is nothing at this path");
	if (!route)
		return err_code(err, RC_REFUSED, "MethodNotAllowed",
			"this method cannot be used at this path");
	if (!by_token && (rc = check_right(r, route->right, err)))
		return rc;
	if (!has_part(r->service, route->right))
		return err_code(err, RC_REFUSED, "NotImplemented", "this server has no such part");
	r->operation = &route->operation;
	return RC_OK;
}

static unsigned status_of(enum rc rc)
{
	switch (rc) {
	case RC_ABSENT:
		return 404;
	case RC_CONFLICT:
		return 409;
	case RC_REFUSED:
		return 400;
	case RC_AGAIN:
		return 503;
	default:
		return 500;
	}
}

static void reply(struct request *r, enum rc rc, const struct err *err)
{
	const struct s3_error *known = s3_error_find(err->code);
	unsigned status = known ? known->status : err_is(err, UNAUTHORIZED) ? 401 : status_of(rc);
	struct buf *out = &r->reply.document;
	bool is_ours = status >= 500 && status != 501;

	buf_reset(out);
	json_open_object(out, NULL);
	json_open_object(out, "error");
	json_str(out, "code", is_ours ? (known ? known->code : "InternalError") : err->code);
	json_str(out, "message",
		is_ours ? "something went wrong here; the log says what" : err->text);
	json_str(out, "request_id", r->id);
	json_close_object(out);
	json_close_object(out);
	buf_add_char(out, '\n');
	reply_json(r, status);
	if (status >= 500)
		reply_log_failure(r, err);
}

const struct dialect admin_dialect = {"admin", is_meant, begin, reply, NULL};
