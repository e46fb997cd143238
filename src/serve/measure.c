#include "serve/measure.h"

static void take_status(struct metrics *m, const struct op_status *s)
{
	uint64_t *v = m->values;

	v[METRIC_QUEUE_VISIBLE] = s->queue_visible;
	v[METRIC_QUEUE_IN_FLIGHT] = s->queue_in_flight;
	v[METRIC_QUEUE_OLDEST_MS] = s->queue_oldest_ms;
	v[METRIC_DEAD_LETTERS] = s->dead_letters;
	v[METRIC_DISK_FREE] = s->disk_free_bytes;
	v[METRIC_DISK_TOTAL] = s->disk_total_bytes;
	v[METRIC_DAMAGED] = s->n_damaged;
	v[METRIC_PLANS_OPEN] = s->plans_open;
	v[METRIC_PLANS_SEALED] = s->plans_sealed;
	v[METRIC_LANDING_OBJECTS] = s->landing_objects;
	v[METRIC_LANDING_BYTES] = s->landing_bytes;
	v[METRIC_WAITING_BUNDLES] = s->waiting_bundles;
	v[METRIC_WAITING_BYTES] = s->waiting_bytes;
	v[METRIC_START_MS] = s->now_wall_ms - s->uptime_ms;
}

static void take_pipeline(struct metrics *m, const struct pipeline_stats *p)
{
	uint64_t *v = m->values;

	v[METRIC_BUNDLES] = p->bundles;
	v[METRIC_OBJECTS] = p->objects;
	v[METRIC_OBJECT_BYTES] = p->object_bytes;
	v[METRIC_BUNDLE_BYTES] = p->bundle_bytes;
	v[METRIC_DUPLICATES] = p->duplicates;
	v[METRIC_REJECTED] = p->rejected;
	v[METRIC_DEAD_LETTERS_MADE] = p->dead_letters;
	v[METRIC_RETRIES] = p->retries;
	v[METRIC_PLANS_ABORTED] = p->plans_aborted;
	v[METRIC_PLANS_RECOVERED] = p->plans_recovered;
	v[METRIC_ERRORS] = p->failures;
}

static void take_unfinished(struct metrics *m, const struct pipeline *pipeline)
{
	struct unfinished_report stuck;

	pipeline_unfinished(pipeline, &stuck);
	m->values[METRIC_STUCK_PLANS] = stuck.n_stuck;
	m->values[METRIC_STUCK_OLDEST_MS] = stuck.oldest_ms;
}

enum rc measure(
	struct op_port *op, const struct pipeline *pipeline, struct metrics *m, struct err *err)
{
	struct arena a = ARENA_INIT;
	struct pipeline_stats stats;
	struct op_status status;
	enum rc rc = op_status_get(op, &a, &status, err);

	if (rc == RC_OK)
		take_status(m, &status);
	if (rc == RC_OK && pipeline) {
		stats = pipeline_stats(pipeline);
		take_pipeline(m, &stats);
		take_unfinished(m, pipeline);
	}
	arena_release(&a);
	return rc;
}
