#include "gateway/front.h"

#include "gateway/admin/admin.h"
#include "gateway/http/dialect.h"
#include "gateway/http/framing.h"
#include "gateway/http/request.h"
#include "gateway/lambda/invoke.h"
#include "gateway/s3/s3.h"

/* Asked in this order. S3 takes every request that no other dialect claims. */
static const struct dialect *const dialects[] = {&admin_dialect, &lambda_dialect, &s3_dialect};

static const struct dialect *choose_dialect(const struct request *r)
{
	size_t i = 0;

	while (!dialects[i]->is_meant(r))
		i++;
	return dialects[i];
}

/* Everything before the body. */
static enum rc begin(struct request *r, struct err *err)
{
	const struct operation *operation;
	enum rc rc;

	if ((rc = r->dialect->begin(r, err)))
		return rc;
	operation = r->operation;
	if ((rc = body_prepare(r, operation->body, err)))
		return rc;
	if (operation->begin && (rc = operation->begin(r, err)))
		return rc;
	return body_start(r, err);
}

static bool is_health_check(const struct request *r)
{
	return r->method == METHOD_GET && slice_eq_str(r->target, "/-/health") &&
	       !request_header(r, "authorization").p;
}

/* The remaining places are for health checks and the operator. */
static enum rc refuse_regular(struct request *r, struct err *err)
{
	r->reply.close = true;
	reply_header_str(r, "Retry-After", "1");
	return err_code(err, RC_AGAIN, "SlowDown", "all places of connections are taken");
}

void front_begin(struct request *r)
{
	struct err err = {0};
	enum rc rc;

	r->phase = PHASE_BODY;
	r->now_wall_ms = clock_wall_ms(r->service->clock);
	r->method = request_method_of(r->method_text);
	uri_split(r->target, &r->path, &r->query);
	r->dialect = choose_dialect(r);
	if ((rc = framing_check(r, &err))) {
		reply_error(r, rc, &err);
		return;
	}
	if (atomic_load(&r->service->stopping)) {
		r->reply.close = true;
		rc = err_code(&err, RC_AGAIN, "ServiceUnavailable", "the server is stopping");
		reply_error(r, rc, &err);
		return;
	}
	if (is_health_check(r)) {
		r->reply.bytes = slice_str("ok\n");
		reply_header_str(r, "Content-Type", "text/plain");
		reply_empty(r, 200);
		return;
	}
	rc = r->is_spare && r->dialect != &admin_dialect ? refuse_regular(r, &err) : begin(r, &err);
	if (rc)
		reply_error(r, rc, &err);
}
