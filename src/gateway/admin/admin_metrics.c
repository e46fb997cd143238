/* GET /-/metrics: what Prometheus collects. */
#include "gateway/admin/admin_ops.h"
#include "gateway/admin/admin_run.h"

static enum rc metrics_job(struct request *r, struct err *err)
{
	struct service *s = r->service;
	struct metrics m = {0};
	enum rc rc = s->metrics.fill(s->metrics.arg, &m, err);

	if (rc)
		return rc;
	m.values[METRIC_REQUESTS] = atomic_load(&s->n_requests);
	m.values[METRIC_REQUEST_ERRORS] = atomic_load(&s->n_failures);
	metrics_read_process(&m);
	metrics_write(&r->reply.document, &m);
	if (s->memory.look)
		s->memory.look(s->memory.look_arg);
	metrics_write_memory(&r->reply.document, s->memory.shares, s->memory.n_shares);
	if (s->alarms)
		metrics_write_alarms(&r->reply.document, s->alarms);
	return RC_OK;
}

static enum rc answer(struct request *r, struct err *err)
{
	(void)err;
	return reply_text(r, 200, METRICS_CONTENT_TYPE);
}

enum rc admin_metrics(struct request *r, struct err *err)
{
	(void)err;
	return admin_run_to(r, metrics_job, answer);
}
