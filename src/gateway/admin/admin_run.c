#include "gateway/admin/admin_run.h"


bool admin_is_short_events(const struct request *r)
{
	return r->method == METHOD_POST && r->query.n == 0 &&
	       slice_eq_str(r->path, "/events");
}

struct slice admin_path(const struct request *r)
{
	if (admin_is_short_events(r))
		return slice_str("events");
	return slice_of(r->path.p + sizeof(ADMIN_ROOT) - 1, r->path.n - (sizeof(ADMIN_ROOT) - 1));
}

struct slice admin_path_id(const struct request *r)
{
	struct slice path = admin_path(r);
	const unsigned char *slash = memrchr(path.p, '/', path.n);

	return slash ? slice_of(slash + 1, (size_t)(path.p + path.n - slash) - 1) : path;
}

static enum rc answer(struct request *r, struct err *err)
{
	(void)err;
	return reply_json(r, 200);
}

enum rc admin_run(struct request *r, enum rc (*job)(struct request *r, struct err *err))
{
	request_read_on(r, r->service->admin, job, answer);
	return RC_OK;
}

enum rc admin_run_status_to(struct request *r, enum rc (*job)(struct request *r, struct err *err),
	enum rc (*finish)(struct request *r, struct err *err))
{
	request_read_on(r, r->service->status, job, finish);
	return RC_OK;
}

enum rc admin_run_status(struct request *r, enum rc (*job)(struct request *r, struct err *err))
{
	return admin_run_status_to(r, job, answer);
}

const char *admin_who(const struct request *r)
{
	return r->auth.access_key;
}

