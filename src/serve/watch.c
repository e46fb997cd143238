#include "serve/watch.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"

struct watch {
	struct op_port *op;
	const struct pipeline *pipeline;
	struct alarms *alarms;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t change;
	bool stop; /* under lock */
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
	struct op_status s;
	struct err err = {0};

	if (op_status_get(w->op, &a, &s, &err) == RC_OK) {
		struct alarm_reading reading = {.boot_ms = clock_boot_ms(clock_system()),
			.wall_ms = s.now_wall_ms,
			.dead_letters = s.dead_letters,
			.oldest_ms = s.queue_oldest_ms,
			.damaged = s.n_damaged,
			.damage = name_damage(&a, &s),
			.waiting_bundles = s.waiting_bundles,
			.received_last_minute = s.received,
			.errors = pipeline_stats(w->pipeline).failures};

		alarms_observe(w->alarms, &reading);
	}
	arena_release(&a);
}

static void *watch_thread(void *arg)
{
	struct watch *w = arg;
	struct timespec until;

	pthread_mutex_lock(&w->lock);
	while (!w->stop) {
		pthread_mutex_unlock(&w->lock);
		observe(w);
		pthread_mutex_lock(&w->lock);
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += WATCH_INTERVAL_MS / 1000;
		while (!w->stop && pthread_cond_timedwait(&w->change, &w->lock, &until) == 0)
			;
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

struct watch *watch_start(
	struct op_port *op, const struct pipeline *pipeline, struct alarms *alarms)
{
	struct watch *w = xcalloc(1, sizeof(*w));
	pthread_condattr_t monotonic;

	w->op = op;
	w->pipeline = pipeline;
	w->alarms = alarms;
	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&w->change, &monotonic);
	pthread_condattr_destroy(&monotonic);
	if (pthread_create(&w->thread, NULL, watch_thread, w) != 0)
		die("cannot start the watch's thread");
	pthread_setname_np(w->thread, "watch");
	return w;
}

void watch_stop(struct watch *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_signal(&w->change);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	pthread_cond_destroy(&w->change);
	pthread_mutex_destroy(&w->lock);
	free(w);
}
