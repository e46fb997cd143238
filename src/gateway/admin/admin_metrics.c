/* GET /-/metrics: what Prometheus collects. */
#include "gateway/admin/admin_ops.h"
#include "gateway/admin/admin_run.h"
#include "gateway/http/server.h"

static void add_connections(struct metrics *m, const struct service *s)
{
	struct connection_counts counts = server_connections(s->server);

	m->values[METRIC_CONNECTIONS_KNOWN] = counts.known;
	m->values[METRIC_CONNECTIONS_STRANGERS] = counts.strangers;
	m->values[METRIC_CONNECTIONS_ROOM] = counts.ended_for_room;
	m->values[METRIC_CONNECTIONS_SLOW] = counts.ended_as_too_slow;
	m->values[METRIC_CONNECTIONS_REFUSED] = counts.refused;
}

static void add_pools(struct metrics *m, const struct service *s)
{
	static const enum metric_id waiting[SERVICE_POOLS] = {METRIC_WAITING_COPIES,
		METRIC_WAITING_READS, METRIC_WAITING_ADMIN, METRIC_WAITING_STATUS};
	static const enum metric_id longest[SERVICE_POOLS] = {METRIC_LONGEST_COPIES_MS,
		METRIC_LONGEST_READS_MS, METRIC_LONGEST_ADMIN_MS, METRIC_LONGEST_STATUS_MS};
	struct service_pool pools[SERVICE_POOLS];

	service_pools(s, pools);
	for (size_t i = 0; i < SERVICE_POOLS; i++) {
		m->values[waiting[i]] = pools[i].state.n_waiting;
		m->values[longest[i]] = pools[i].state.longest_ms;
	}
}

static enum rc metrics_job(struct request *r, struct err *err)
{
	struct service *s = r->service;
	struct metrics m = {0};
	enum rc rc = s->metrics.fill(s->metrics.arg, &m, err);

	if (rc)
		return rc;
	m.values[METRIC_REQUESTS] = atomic_load(&s->n_requests);
	m.values[METRIC_REQUEST_ERRORS] = atomic_load(&s->n_failures);
	add_connections(&m, s);
	add_pools(&m, s);
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
	return admin_run_status_to(r, metrics_job, answer);
}
