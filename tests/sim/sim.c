#include "sim.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#define LEASE_MS 5000
#define QUIET_STEPS 6000

static uint64_t boot_ms(struct clock *c)
{
	struct sim_clock *s = (struct sim_clock *)c;

	return s->base->boot_ms + s->boot_offset_ms;
}

static uint64_t wall_ms(struct clock *c)
{
	struct sim_clock *s = (struct sim_clock *)c;

	return s->base->wall_ms + (uint64_t)s->wall_skew_ms;
}

static void sleep_ms(struct clock *c, uint64_t ms)
{
	struct sim_clock *s = (struct sim_clock *)c;

	clock_sleep_ms(&s->base->port, ms);
}

static struct sim_worker *worker_of(struct clock *c)
{
	return (struct sim_worker *)((char *)c - offsetof(struct sim_worker, clock.port));
}

static void tickers_add(struct clock *c, struct ticker *t)
{
	struct sim_clock *s = (struct sim_clock *)c;

	world_clock_add(s->base, (struct world_ticker){
					 t, s->boot_offset_ms, &worker_of(c)->is_frozen});
}

static void tickers_remove(struct clock *c, struct ticker *t)
{
	world_clock_remove(((struct sim_clock *)c)->base, t);
}

static bool chance(struct sim *s, unsigned permille)
{
	return prng_below(&s->r, 1000) < permille;
}

/* Others act while this worker stands still, perhaps for longer than its lease. */
static void stall(struct sim *s, struct sim_worker *worker)
{
	size_t n = 1 + prng_below(&s->r, 12);
	bool was_busy = worker->busy, was_frozen = worker->is_frozen;

	s->depth++;
	worker->is_frozen = true;
	worker->busy = true; /* also when the call came from its heartbeat */
	for (size_t i = 0; i < n && !s->why[0]; i++) {
		struct sim_worker *other = &s->workers[prng_below(&s->r, s->n_workers)];

		if (prng_below(&s->r, 3) == 0)
			clock_sleep_ms(&s->w.clock.port, prng_below(&s->r, 2 * LEASE_MS));
		if (!other->busy)
			sim_step(s, other);
	}
	worker->is_frozen = was_frozen;
	worker->busy = was_busy;
	s->depth--;
}

/* One of first … last. */
static enum fault_action one_of(struct sim *s, enum fault_action first, enum fault_action last)
{
	return (enum fault_action)(
		(unsigned)first + prng_below(&s->r, (unsigned)last - (unsigned)first + 1));
}

static enum fault_action pick_fault(struct sim *s)
{
	/* Crashes are rarer than answers that go wrong. */
	if (prng_below(&s->r, 4) == 0)
		return one_of(s, FAULT_CRASH_BEFORE, FAULT_CRASH_HALF);
	return one_of(s, FAULT_AGAIN, FAULT_DENY);
}

static enum fault_action decide(void *arg, const char *verb)
{
	struct sim_worker *worker = arg;
	struct sim *s = worker->sim;

	s->n_calls++;
	if (!s->why[0] && !oracle_look(&s->watch, &s->w, s->why))
		return FAULT_CRASH_BEFORE;
	if (getenv("SIM_TRACE"))
		fprintf(stderr, "%llu worker %zu %s\n", (unsigned long long)s->n_calls,
			(size_t)(worker - s->workers), verb);
	if (s->n_calls == s->strike_call) {
		s->struck = true;
		return s->strike;
	}
	if (s->depth < 2 && s->n_workers > 1 && chance(s, s->stall_permille))
		stall(s, worker);
	if (s->fault_permille && s->n_calls < s->burst_until)
		return chance(s, 850) ? one_of(s, FAULT_AGAIN, FAULT_LATER) : FAULT_PASS;
	if (s->fault_permille && chance(s, 8))
		s->burst_until = s->n_calls + prng_below(&s->r, 30);
	return chance(s, s->fault_permille) ? pick_fault(s) : FAULT_PASS;
}

static void start(struct sim *s, struct sim_worker *worker)
{
	struct pipeline_config cfg = world_config(&s->w, &worker->prng);

	cfg.ports = (struct pipeline_ports){worker->store, worker->store, worker->queue,
		worker->ledger, &worker->clock.port, &worker->prng, NULL};
	cfg.compression = GZIP_NONE;
	cfg.batch_max_objects = 6;
	cfg.batch_max_bytes = 16384;
	cfg.alone_bytes = 3000;
	cfg.batch_window_ms = 1000;
	cfg.visibility_ms = 20000;
	cfg.lease_ms = LEASE_MS;
	cfg.scan_interval_ms = 2000;
	cfg.retry_base_ms = 100;
	cfg.retry_max_ms = 2000;
	cfg.void_wait_ms = 2 * LEASE_MS;
	cfg.sole_owner = s->n_workers == 1;
	worker->fault.dead = false;
	worker->pipeline = pipeline_new(&cfg);
}

void sim_step(struct sim *s, struct sim_worker *worker)
{
	enum pipeline_status status;

	worker->busy = true;
	status = pipeline_step(worker->pipeline, NULL);
	worker->busy = false;
	if (status != PIPELINE_FATAL)
		return;
	if (!worker->fault.dead && !s->why[0])
		snprintf(s->why, sizeof(s->why), "a worker gave up that nobody killed");
	s->n_crashes++;
	pipeline_free(worker->pipeline);
	start(s, worker);
}

void sim_restart(struct sim *s, struct sim_worker *worker)
{
	enum pipeline_status status = PIPELINE_IDLE;

	if (worker->busy)
		return;
	pipeline_stop(worker->pipeline);
	worker->busy = true;
	for (int i = 0; i < 10 && status != PIPELINE_STOPPED && status != PIPELINE_FATAL; i++)
		status = pipeline_step(worker->pipeline, NULL);
	worker->busy = false;
	if (status != PIPELINE_STOPPED && status != PIPELINE_FATAL)
		snprintf(s->why, sizeof(s->why), "a worker does not stop");
	pipeline_free(worker->pipeline);
	start(s, worker);
}

void sim_open(struct sim *s, uint64_t seed, size_t n_workers)
{
	*s = (struct sim){.r = prng_seeded(seed * 2 + 1), .n_workers = n_workers};
	world_open(&s->w, seed);
	for (size_t i = 0; i < n_workers; i++) {
		struct sim_worker *worker = &s->workers[i];

		*worker = (struct sim_worker){.sim = s, .prng = prng_seeded(prng_u64(&s->r))};
		worker->clock = (struct sim_clock){{wall_ms, boot_ms, sleep_ms, tickers_add, tickers_remove}, &s->w.clock, 0, 0};
		worker->clock.boot_offset_ms = prng_below(&s->r, 1000000);
		worker->clock.wall_skew_ms = (int64_t)prng_below(&s->r, 600000) - 300000;
		worker->fault = (struct fault){.decide = decide, .arg = worker};
		worker->store = fault_object_store_new(s->w.store, &worker->fault);
		worker->queue = fault_event_queue_new(s->w.queue, &worker->fault);
		worker->ledger = fault_ledger_new(s->w.ledger, &worker->fault);
		start(s, worker);
	}
}

void sim_close(struct sim *s)
{
	for (size_t i = 0; i < s->n_workers; i++) {
		struct sim_worker *worker = &s->workers[i];

		pipeline_free(worker->pipeline);
		fault_release(&worker->fault);
		os_close(worker->store);
		eq_close(worker->queue);
		lg_close(worker->ledger);
	}
	oracle_watch_release(&s->watch);
	world_close(&s->w);
}

bool sim_settle(struct sim *s)
{
	s->fault_permille = 0;
	s->stall_permille = 0;
	for (size_t i = 0; i < s->n_workers; i++) {
		while (fault_land(&s->workers[i].fault))
			;
	}
	for (size_t i = 0; i < QUIET_STEPS && !s->why[0]; i++) {
		if (oracle_is_quiet(&s->w))
			return true;
		sim_step(s, &s->workers[i % s->n_workers]);
	}
	if (!s->why[0])
		snprintf(s->why, sizeof(s->why), "I11: no rest after %d steps without faults",
			QUIET_STEPS);
	return false;
}
