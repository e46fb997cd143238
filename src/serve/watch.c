#include "serve/watch.h"

#include <stdlib.h>

#include "base/ticker.h"

struct watch {
	struct op_port *op;
	const struct pipeline *pipeline;
	struct alarms *alarms;
	struct ticker *ticker;
};

/* The first thing that is damaged. */
static const char *name_damage(struct arena *a, const struct op_status *s)
{
	const struct op_damage *d = s->damage;
	char id[OP_ID_BYTES];

	if (s->n_damage == 0)
		return "";
	op_id_format(d->id, id);
	if (!d->key.n)
		return arena_printf(a, "%s %s: " SLICE_FMT, d->kind, id, SLICE_ARG(d->what));
	return arena_printf(a, "%s s3://" SLICE_FMT "/" SLICE_FMT "%s" SLICE_FMT ": " SLICE_FMT,
		d->kind, SLICE_ARG(d->bucket), SLICE_ARG(d->key),
		d->version.n ? "?versionId=" : "", SLICE_ARG(d->version), SLICE_ARG(d->what));
}

/* A reading that fails changes no alarm. The cause of the failure shows in the requests and in
 * the log. */
static void observe(struct watch *w)
{
	struct arena a = ARENA_INIT;
	struct unfinished_report stuck;
	struct op_status s;
	struct err err = {0};

	pipeline_unfinished(w->pipeline, &stuck);
	if (op_status_get(w->op, &a, &s, &err) == RC_OK) {
		struct alarm_reading reading = {.boot_ms = clock_boot_ms(clock_system()),
			.wall_ms = s.now_wall_ms,
			.dead_letters = s.dead_letters,
			.oldest_ms = s.queue_oldest_ms,
			.disk_free_bytes = s.disk_free_bytes,
			.disk_total_bytes = s.disk_total_bytes,
			.is_disk_refusing = s.is_disk_refusing,
			.waiting_bundle = arena_printf(
				&a, SLICE_FMT, SLICE_ARG(s.disk_waiting)),
			.needed_bytes = s.disk_needed_bytes,
			.had_bytes = s.disk_had_bytes,
			.clock_behind_ms = s.clock_behind_ms,
			.damaged = s.n_damaged,
			.stuck_plans = stuck.n_stuck,
			.stuck_plan = stuck.text,
			.damage = name_damage(&a, &s),
			.waiting_bundles = s.waiting_bundles,
			.received_last_minute = s.received,
			.errors = pipeline_stats(w->pipeline).failures};

		alarms_observe(w->alarms, &reading);
	}
	arena_release(&a);
}

static uint64_t tick(void *arg)
{
	observe(arg);
	return WATCH_INTERVAL_MS;
}

struct watch *watch_start(
	struct op_port *op, const struct pipeline *pipeline, struct alarms *alarms)
{
	struct watch *w = xcalloc(1, sizeof(*w));

	w->op = op;
	w->pipeline = pipeline;
	w->alarms = alarms;
	w->ticker = ticker_start(clock_system(), "watch", 0, tick, w);
	return w;
}

void watch_stop(struct watch *w)
{
	if (!w)
		return;
	ticker_stop(w->ticker);
	free(w);
}
