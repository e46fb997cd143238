#include "gateway/http/request.h"

#include <stdio.h>
#include <stdlib.h>

#include "gateway/http/charge.h"
#include "gateway/http/dialect.h"

/* Small, because thousands of requests may be under way. */
#define ARENA_CHUNK_BYTES 2048

struct request *request_new(struct service *service, const char *target)
{
	struct request *r = xcalloc(1, sizeof(*r));

	r->service = service;
	r->arena = ARENA_OF(ARENA_CHUNK_BYTES);
	service_new_id(service, r->id);
	r->target = slice_of(arena_strdup(&r->arena, slice_str(target)), strlen(target));
	reply_init(&r->reply);
	return r;
}

void request_free(struct request *r)
{
	if (r->dialect && r->dialect->release)
		r->dialect->release(r);
	body_release(r);
	reply_release(&r->reply);
	arena_release(&r->page);
	arena_release(&r->arena);
	charge_release(r);
	free(r);
}

enum method request_method_of(struct slice text)
{
	static const struct {
		const char *text;
		enum method method;
	} methods[] = {{"PUT", METHOD_PUT}, {"GET", METHOD_GET}, {"HEAD", METHOD_HEAD},
		{"POST", METHOD_POST}, {"DELETE", METHOD_DELETE}};

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (slice_eq_str(text, methods[i].text))
			return methods[i].method;
	return METHOD_OTHER;
}

void request_body(struct request *r, struct slice bytes)
{
	struct err err = {0};
	enum rc rc;

	if (r->phase != PHASE_BODY)
		return;
	rc = body_feed(r, bytes, &err);
	if (rc)
		reply_error(r, rc, &err);
}

void request_end(struct request *r)
{
	struct err err = {0};
	enum rc rc;

	if (r->phase != PHASE_BODY)
		return;
	rc = body_finish(r, &err);
	if (!rc)
		rc = r->operation->end(r, &err);
	if (rc)
		reply_error(r, rc, &err);
}

void request_resumed(struct request *r)
{
	struct err err = {0};
	enum rc rc = r->result.rc;

	if (rc) {
		reply_error(r, rc, &r->result.err);
		return;
	}
	rc = r->after(r, &err);
	if (rc)
		reply_error(r, rc, &err);
}

void request_charge_answer(struct request *r)
{
	struct err err = {0};
	enum rc rc = charge_answer(r, &err);

	if (!rc)
		return;
	reply_drop(r);
	reply_error(r, rc, &err);
	charge_refusal(r);
}

/* On a thread of the store's. */
static void store_answered(void *arg, const struct bs_result *result)
{
	struct request *r = arg;

	r->result = *result;
	r->result.object.key = r->result.object.headers = (struct slice){0};
	r->service->resume(r);
}

struct bs_done request_job_done(struct request *r)
{
	return (struct bs_done){store_answered, r};
}

struct bs_done request_wait(struct request *r, enum rc (*after)(struct request *r, struct err *err))
{
	r->phase = PHASE_WAIT;
	r->after = after;
	r->service->suspend(r);
	return request_job_done(r);
}

/* On a worker thread. */
static void run_job(struct work *w)
{
	struct request *r = (struct request *)((char *)w - offsetof(struct request, work));
	struct err err = {0};
	bool only_reads = r->only_reads;
	enum rc rc = r->job(r, &err);

	if (!rc && !only_reads)
		return; /* submitted: store_answered may have run already, r may be gone */
	r->result.rc = rc;
	r->result.err = err;
	r->service->resume(r);
}

void request_run_on(struct request *r, struct work_pool *pool,
	enum rc (*job)(struct request *r, struct err *err),
	enum rc (*after)(struct request *r, struct err *err))
{
	if (work_pool_look(pool).n_waiting >= POOL_WAITING_MAX) {
		struct err err = {0};

		reply_header_str(r, "Retry-After", "1");
		reply_error(r,
			err_code(&err, RC_AGAIN, "SlowDown",
				"too many requests of this kind wait for their turn"),
			&err);
		return;
	}
	r->job = job;
	r->work.run = run_job;
	request_wait(r, after);
	work_pool_submit(pool, &r->work);
}

void request_read_on(struct request *r, struct work_pool *pool,
	enum rc (*job)(struct request *r, struct err *err),
	enum rc (*after)(struct request *r, struct err *err))
{
	r->only_reads = true;
	request_run_on(r, pool, job, after);
}

void request_run(struct request *r, enum rc (*job)(struct request *r, struct err *err),
	enum rc (*after)(struct request *r, struct err *err))
{
	request_run_on(r, r->service->workers, job, after);
}

struct slice request_header(const struct request *r, const char *name)
{
	return header_value(r->headers, r->n_headers, name);
}

enum rc request_param(struct request *r, const char *name, struct slice *ret_value, struct err *err)
{
	struct slice raw;
	struct buf text;
	enum rc rc;

	*ret_value = (struct slice){0};
	if (!uri_query_find(r->query, name, &raw))
		return RC_OK;
	buf_init(&text, raw.n + 1);
	rc = uri_decode_form(&text, raw, err);
	if (!rc)
		*ret_value = arena_slice(&r->arena, buf_slice(&text));
	buf_release(&text);
	return rc;
}

enum rc request_version(struct request *r, struct slice *ret_version, struct err *err)
{
	enum rc rc = request_param(r, "versionId", ret_version, err);

	if (rc || !ret_version->p)
		return rc;
	if (ret_version->n > 0 && ret_version->n < BS_VERSION_MAX)
		return RC_OK;
	reply_extra(r, "ArgumentName", slice_str("versionId"));
	reply_extra(r, "ArgumentValue", *ret_version);
	return err_code(err, RC_REFUSED, "InvalidArgument", "invalid version id specified");
}

enum rc request_param_u64(struct request *r, const char *name, uint64_t fallback, uint64_t max,
	uint64_t *ret_value, struct err *err)
{
	struct slice text;
	enum rc rc = request_param(r, name, &text, err);

	if (rc)
		return rc;
	*ret_value = fallback;
	if (text.n == 0 || (slice_to_u64(text, ret_value) && *ret_value <= max))
		return RC_OK;
	reply_extra(r, "ArgumentName", slice_str(name));
	reply_extra(r, "ArgumentValue", text);
	return err_code(err, RC_REFUSED, "InvalidArgument", "'%s' must be a number from 0 to %llu",
		name, (unsigned long long)max);
}
