#include "gateway/admin/admin.h"

#include <stdio.h>
#include <time.h>

#include "base/json.h"
#include "gateway/auth.h"
#include "gateway/s3/route.h"
#include "wire/header.h"
#include "wire/s3_error.h"

#define ROOT "/-/"
#define UNAUTHORIZED "Unauthorized"

static enum rc admin_status(struct request *r, struct err *err);
static enum rc admin_where(struct request *r, struct err *err);

struct admin_route {
	const char *path; /* below ROOT; one that ends with '/' has an id behind it */
	enum admin_right right;
	struct route route;
};

/* clang-format off */
/* roles.h decides by the right, not by the route */
#define ROUTE(method, body, end) {#end, method, SCOPE_SERVICE, NULL, NULL, body, NULL, end, ACTION_NONE}

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
	{NULL},
};
/* clang-format on */

/* POST /events, for senders that were told the short path. In S3 that would be a form upload into a bucket of this name, which is refused here;
 * all other requests to such a bucket are its own. */
static bool is_short_events(const struct request *r)
{
	return r->method == METHOD_POST && r->query.n == 0 &&
	       slice_eq_str(r->path, "/events");
}

bool admin_is_path(const struct request *r)
{
	return (slice_has_prefix(r->path, slice_str(ROOT)) || is_short_events(r)) &&
	       !uri_host_has_bucket(request_header(r, "host"), r->service->base_domains);
}

static struct slice below_root(const struct request *r)
{
	if (is_short_events(r))
		return slice_str("events");
	return slice_of(r->path.p + sizeof(ROOT) - 1, r->path.n - (sizeof(ROOT) - 1));
}

struct slice admin_path_id(const struct request *r)
{
	struct slice path = below_root(r);
	const unsigned char *slash = memrchr(path.p, '/', path.n);

	return slash ? slice_of(slash + 1, (size_t)(path.p + path.n - slash) - 1) : path;
}

static bool is_path(const struct admin_route *a, struct slice path)
{
	size_t n = strlen(a->path);

	if (a->path[n - 1] != '/')
		return slice_eq_str(path, a->path);
	return path.n > n && slice_has_prefix(path, slice_str(a->path)) &&
	       !memchr(path.p + n, '/', path.n - n);
}

/* The exact path first: "redrive" is no id. *ret_route NULL: there is none. */
static bool find(const struct request *r, const struct admin_route **ret_route)
{
	struct slice path = below_root(r);
	bool known = false;

	*ret_route = NULL;
	for (const struct admin_route *a = routes; a->path; a++) {
		if (!is_path(a, path))
			continue;
		known = true;
		if (a->route.method == r->method) {
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

enum rc admin_allowed(const struct request *r, enum admin_right right, struct err *err)
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

/* A token opens one door only; wherever else it is shown it is no credential at all. Whoever shows nothing to the door of events is told how
 * one may knock: SNS sends what its URL holds only when it is asked. */
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

enum rc admin_begin(struct request *r, struct err *err)
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
	if (!by_token && (rc = admin_allowed(r, route->right, err)))
		return rc;
	if (!has_part(r->service, route->right))
		return err_code(err, RC_REFUSED, "NotImplemented", "this server has no such part");
	r->route = &route->route;
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

void admin_error(struct request *r, enum rc rc, const struct err *err)
{
	const struct s3_error *known = s3_error_find(err->code);
	unsigned status = known ? known->status : err_is(err, UNAUTHORIZED) ? 401 : status_of(rc);
	struct buf *out = &r->reply.document;
	bool is_ours = status >= 500 && status != 501;

	buf_reset(out);
	buf_add_str(out, "{\"error\":{\"code\":");
	json_add_string(
		out, slice_str(is_ours ? (known ? known->code : "InternalError") : err->code));
	buf_add_str(out, ",\"message\":");
	json_add_string(out,
		slice_str(is_ours ? "something went wrong here; the log says what" : err->text));
	buf_addf(out, ",\"request_id\":\"%s\"}}\n", r->id);
	reply_json(r, status);
}

static enum rc answer(struct request *r, struct err *err)
{
	(void)err;
	return reply_json(r, 200);
}

/* On the pool: the operation, then what resumes the request. */
static enum rc run_job(struct request *r, struct err *err)
{
	enum rc (*job)(struct request * r, struct err * err) = r->op;
	enum rc rc = job(r, err);
	struct bs_result result = {.rc = RC_OK};
	struct bs_done done;

	if (rc != RC_OK)
		return rc;
	done = request_job_done(r);
	done.fn(done.arg, &result);
	return RC_OK;
}

enum rc admin_run_to(struct request *r, enum rc (*job)(struct request *r, struct err *err),
	enum rc (*finish)(struct request *r, struct err *err))
{
	r->op = job;
	request_run_on(r, r->service->admin, run_job, finish);
	return RC_OK;
}

enum rc admin_run(struct request *r, enum rc (*job)(struct request *r, struct err *err))
{
	return admin_run_to(r, job, answer);
}

const char *admin_who(const struct request *r)
{
	return r->auth.access_key;
}

void admin_add_time(struct buf *out, uint64_t wall_ms)
{
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm tm;
	char text[32];

	if (!wall_ms) {
		buf_add_str(out, "null");
		return;
	}
	gmtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	buf_addf(out, "\"%s.%03uZ\"", text, (unsigned)(wall_ms % 1000));
}

static void add_u64(struct buf *out, const char *name, uint64_t v)
{
	buf_addf(out, "\"%s\":%llu", name, (unsigned long long)v);
}

static void add_landing(struct buf *out, const struct op_status *s)
{
	buf_add_str(out, "},\"landing\":{\"bucket\":");
	json_add_string(out, slice_str(s->landing_bucket));
	if (s->is_landing_local) {
		buf_add_char(out, ',');
		add_u64(out, "objects", s->landing_objects);
		buf_add_char(out, ',');
		add_u64(out, "bytes", s->landing_bytes);
	}
	buf_add_str(out, "},\"distribution\":{\"bucket\":");
	json_add_string(out, slice_str(s->distribution_bucket));
	buf_add_char(out, ',');
	add_u64(out, "bundles", s->waiting_bundles);
	buf_add_char(out, ',');
	add_u64(out, "bytes", s->waiting_bytes);
}

static void add_last_error(struct buf *out, const struct op_status *s)
{
	buf_add_str(out, ",\"last_error\":");
	if (!s->has_error) {
		buf_add_str(out, "null");
		return;
	}
	buf_add_str(out, "{\"time\":");
	admin_add_time(out, s->error_wall_ms);
	buf_add_str(out, ",\"event\":");
	json_add_string(out, s->error_event);
	buf_add_str(out, ",\"text\":");
	json_add_string(out, s->error_text);
	buf_add_char(out, '}');
}

static void add_alarms(struct buf *out, struct alarms *alarms)
{
	struct alarm raised[ALARM_COUNT];
	size_t n = alarms ? alarms_raised(alarms, raised) : 0;

	buf_add_str(out, ",\"alarms\":[");
	for (size_t i = 0; i < n; i++) {
		buf_addf(out, "%s{\"name\":\"%s\",\"severity\":\"%s\",\"since\":", i ? "," : "",
			raised[i].name, alarm_severity_name(raised[i].severity));
		admin_add_time(out, raised[i].raised_wall_ms);
		buf_add_str(out, ",\"meaning\":");
		json_add_string(out, slice_str(raised[i].meaning));
		buf_add_str(out, ",\"text\":");
		json_add_string(out, slice_str(raised[i].text));
		buf_add_char(out, '}');
	}
	buf_add_char(out, ']');
}

static void add_memory(struct buf *out, const struct gateway_memory *m)
{
	uint64_t resident, peak;

	if (!m->n_shares)
		return;
	metrics_read_resident(&resident, &peak);
	buf_add_str(out, ",\"memory\":{");
	add_u64(out, "ceiling_bytes", m->ceiling_bytes);
	buf_add_char(out, ',');
	add_u64(out, "resident_bytes", resident);
	buf_add_char(out, ',');
	add_u64(out, "resident_peak_bytes", peak);
	buf_add_str(out, ",\"shares\":[");
	for (size_t i = 0; i < m->n_shares; i++) {
		const struct budget *b = &m->shares[i];

		buf_addf(out, "%s{\"name\":\"%s\",", i ? "," : "", b->name);
		add_u64(out, "used_bytes", atomic_load(&b->used));
		buf_add_char(out, ',');
		add_u64(out, "peak_bytes", atomic_load(&b->peak));
		buf_add_char(out, ',');
		add_u64(out, "max_bytes", b->max);
		buf_add_char(out, ',');
		add_u64(out, "refused", atomic_load(&b->refused));
		buf_add_char(out, '}');
	}
	buf_add_str(out, "]}");
}

static enum rc status_job(struct request *r, struct err *err)
{
	struct buf *out = &r->reply.document;
	struct op_status s;
	enum rc rc = op_status_get(r->service->op, &r->arena, &s, err);

	if (rc)
		return rc;
	buf_add_str(out, "{\"version\":");
	json_add_string(out, slice_str(s.version));
	buf_add_str(out, ",\"time\":");
	admin_add_time(out, s.now_wall_ms);
	buf_addf(out,
		",\"uptime_ms\":%llu,\"queue\":{\"visible\":%llu,\"in_flight\":%llu,\"oldest_ms\":%"
		"llu,"
		"\"dead_letters\":%llu},\"plans\":{\"open\":%llu,\"sealed\":%llu",
		(unsigned long long)s.uptime_ms, (unsigned long long)s.queue_visible,
		(unsigned long long)s.queue_in_flight, (unsigned long long)s.queue_oldest_ms,
		(unsigned long long)s.dead_letters, (unsigned long long)s.plans_open,
		(unsigned long long)s.plans_sealed);
	add_landing(out, &s);
	buf_addf(out,
		"},\"last_minute\":{\"received_objects\":%llu,\"bundled_objects\":%llu,\"bundles\":"
		"%llu}",
		(unsigned long long)s.received, (unsigned long long)s.bundled,
		(unsigned long long)s.bundles);
	add_memory(out, &r->service->memory);
	add_alarms(out, r->service->alarms);
	add_last_error(out, &s);
	buf_add_str(out, "}\n");
	return RC_OK;
}

static enum rc admin_status(struct request *r, struct err *err)
{
	(void)err;
	return admin_run(r, status_job);
}

static void add_str(struct buf *out, const char *name, struct slice v)
{
	if (v.n == 0)
		return;
	buf_addf(out, ",\"%s\":", name);
	json_add_string(out, v);
}

static enum rc where_job(struct request *r, struct err *err)
{
	struct buf *out = &r->reply.document;
	struct object_id id = {0};
	struct op_where w;
	enum rc rc;

	if ((rc = request_param(r, "bucket", &id.bucket, err)) ||
		(rc = request_param(r, "key", &id.key, err)) ||
		(rc = request_param(r, "version", &id.version, err)))
		return rc;
	if (id.bucket.n == 0 || id.key.n == 0)
		return err_code(err, RC_REFUSED, "InvalidArgument", "which bucket and key?");
	if (id.bucket.n > BUCKET_NAME_MAX || id.key.n > OBJECT_KEY_MAX ||
		id.version.n > VERSION_ID_MAX + 4)
		return err_code(err, RC_REFUSED, "InvalidArgument",
			"the bucket, the key or the version is too long");
	rc = op_where_is(r->service->op, &r->arena, &id, &w, err);
	if (rc)
		return rc;
	buf_addf(out, "{\"place\":\"%s\"", op_place_name(w.place));
	add_str(out, "bucket", w.object.bucket);
	add_str(out, "key", w.object.key);
	add_str(out, "version", w.object.version);
	add_str(out, "bundle_bucket", w.bundle_bucket);
	add_str(out, "bundle_key", w.bundle_key);
	if (w.place == OP_MEMBER)
		buf_addf(out,
			",\"published\":%s,\"bundle_bytes\":%llu,\"taken\":%s,\"archived\":%s",
			w.is_published ? "true" : "false", (unsigned long long)w.bundle_bytes,
			w.is_taken ? "true" : "false", w.is_archived ? "true" : "false");
	if (w.is_gone)
		buf_add_str(out, ",\"source_gone\":true");
	if (w.attempts)
		buf_addf(out, ",\"attempts\":%u", w.attempts);
	add_str(out, "code", w.code);
	add_str(out, "dead_letter", slice_str(w.dead_id));
	add_str(out, "why", w.why);
	buf_add_str(out, "}\n");
	return RC_OK;
}

static enum rc admin_where(struct request *r, struct err *err)
{
	(void)err;
	return admin_run(r, where_job);
}
