#include "serve/workers.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "obs/log.h"

struct workers {
	struct pipeline *pipeline;
	atomic_bool *is_recovered, *has_failed;
	atomic_flag is_told; /* the log has said why the pipeline cannot go on */
	unsigned n_threads;
	pthread_t threads[];
};

static void loop(struct workers *w,
	enum pipeline_status (*step)(struct pipeline *p, struct err *err), bool recovers)
{
	enum pipeline_status status;
	struct err err = {0};

	do {
		err = (struct err){0};
		status = step(w->pipeline, &err);
		if (recovers)
			atomic_store(w->is_recovered, true);
	} while (status != PIPELINE_STOPPED && status != PIPELINE_FATAL);
	if (status != PIPELINE_FATAL)
		return;
	/* The thread that met the failure knows why; the others only that there was one, and let
	 * that thread speak first. */
	if (!err.text[0])
		clock_sleep_ms(clock_system(), 200);
	if (!atomic_flag_test_and_set(&w->is_told)) {
		log_event(EV_BUNDLING_ENDED, LF_STR(cause, err.text));
		atomic_store(w->has_failed, true);
		kill(getpid(), SIGTERM);
	}
}

static void *intake(void *arg)
{
	loop(arg, pipeline_intake, false);
	return NULL;
}

static void *scanner(void *arg)
{
	loop(arg, pipeline_scan, true);
	return NULL;
}

static void *maker(void *arg)
{
	loop(arg, pipeline_make, false);
	return NULL;
}

static void start(struct workers *w, const char *name, void *(*run)(void *arg))
{
	pthread_t *thread = &w->threads[w->n_threads++];

	if (pthread_create(thread, NULL, run, w) != 0)
		die("cannot start the thread '%s'", name);
	pthread_setname_np(*thread, name);
}

struct workers *workers_start(
	struct pipeline *p, unsigned n_makers, atomic_bool *is_recovered, atomic_bool *has_failed)
{
	struct workers *w = xcalloc(1, sizeof(*w) + (n_makers + 2) * sizeof(pthread_t));

	w->pipeline = p;
	w->is_recovered = is_recovered;
	w->has_failed = has_failed;
	start(w, "scanner", scanner);
	start(w, "intake", intake);
	for (unsigned i = 0; i < n_makers; i++)
		start(w, "bundler", maker);
	return w;
}

void workers_join(struct workers *w)
{
	if (!w)
		return;
	for (unsigned i = 0; i < w->n_threads; i++)
		pthread_join(w->threads[i], NULL);
	free(w);
}
