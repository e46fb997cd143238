#include "core/pipeline.h"

#include <assert.h>
#include <stdlib.h>

#include "core/heartbeat.h"
#include "core/recover.h"
#include "core/round.h"
#include "core/stages.h"
#include "core/triage.h"
#include "obs/log.h"

#define START_TRIES 3 /* of the first look at what the dead have left, before work begins anyway */
#define OVERTIME_MAX_MS                                                                            \
	1000 /* a batch whose window is over goes on taking what the queue gives at once, this long */
#define UNITS_PER_ROOM                                                                             \
	4 /* messages may carry many records: so many times batch_max_objects units, no more */

#define MESSAGE_BYTES                                                                              \
	1536 /* that a message in hand holds, about: how many are asked for when memory is short */

/* After failures of one kind of work. */
struct backoff {
	unsigned n_failures; /* in a row */
	uint64_t resume_boot_ms;
};

struct pipeline {
	struct pipeline_config cfg;
	struct hand hand;
	struct batcher batcher;
	struct lease_table leases, denied;
	struct unfinished unfinished;
	struct heartbeat heartbeat;
	atomic_bool stopping;
	bool started, drained, fatal;
	unsigned n_start_tries; /* scans at the start that failed */
	struct backoff scan, make, receive; /* each pauses for its own failures, and the others go on */
	uint64_t next_scan_boot_ms;
	struct round_context round;
	struct pipeline_stats stats; /* the step's own */
	pthread_mutex_t shown_lock;
	struct pipeline_stats shown; /* under shown_lock: as of the last step's end */
};

void pipeline_config_init(struct pipeline_config *cfg)
{
	static const uint64_t day_ms = UINT64_C(24) * 3600 * 1000;

	*cfg = (struct pipeline_config){.compression = GZIP_BALANCED,
		.batch_max_objects = 10000,
		.batch_max_bytes = UINT64_C(400) << 20,
		.batch_window_ms = 15000,
		.visibility_ms = 200000,
		.lease_ms = 60000,
		/* 5 GiB at 250 KB/s take 5.8 h; and a stage must have 24 h to live when it is sealed */
		.plan_max_open_ms = UINT64_C(6) * 3600 * 1000,
		.scan_interval_ms = 30000,
		.receive_wait_ms = 500,
		.receive_pause_ms = 20,
		.retry_base_ms = 2000,
		.retry_max_ms = 120000,
		.retention_ms = 45 * day_ms,
		.void_wait_ms = 15 * 60 * 1000,
		.stop_grace_ms = 4000};
}

struct pipeline *pipeline_new(const struct pipeline_config *cfg)
{
	struct pipeline *p = xcalloc(1, sizeof(*p));

	assert(cfg->batch_max_objects >= 1 && cfg->batch_max_objects <= LG_BATCH_MAX);
	assert(!cfg->archive_bucket || strcmp(cfg->archive_bucket, cfg->distribution_bucket) != 0);
	assert(cfg->lease_ms && cfg->scan_interval_ms && cfg->retry_base_ms);
	p->cfg = *cfg;
	p->cfg.object_max_bytes = stages_object_max(cfg->ports.distribution, cfg->archive_bucket != NULL);
	if (p->cfg.batch_max_bytes > p->cfg.object_max_bytes)
		p->cfg.batch_max_bytes = p->cfg.object_max_bytes;
	hand_init(&p->hand, cfg->max_receives, cfg->memory);
	batcher_init(&p->batcher, cfg->batch_max_objects, p->cfg.batch_max_bytes);
	lease_init(&p->leases);
	lease_init(&p->denied);
	unfinished_init(&p->unfinished, cfg->retry_base_ms, cfg->retry_max_ms);
	pthread_mutex_init(&p->shown_lock, NULL);
	p->round = (struct round_context){.cfg = &p->cfg,
		.hand = &p->hand,
		.batcher = &p->batcher,
		.leases = &p->leases,
		.unfinished = &p->unfinished,
		.heartbeat = &p->heartbeat,
		.stats = &p->stats,
		.stopping = &p->stopping};
	heartbeat_start(&p->heartbeat, &(struct heartbeat_config){.ledger = cfg->ports.ledger,
						.queue = cfg->ports.queue,
						.clock = cfg->ports.clock,
						.hand = &p->hand,
						.lease_ms = cfg->lease_ms,
						.visibility_ms = cfg->visibility_ms,
						.max_open_ms = cfg->plan_max_open_ms});
	return p;
}

void pipeline_free(struct pipeline *p)
{
	if (!p)
		return;
	heartbeat_stop(&p->heartbeat);
	batcher_release(&p->batcher);
	hand_release(&p->hand);
	lease_release(&p->leases);
	lease_release(&p->denied);
	unfinished_release(&p->unfinished);
	pthread_mutex_destroy(&p->shown_lock);
	free(p);
}

void pipeline_stop(struct pipeline *p)
{
	atomic_store(&p->stopping, true);
}

struct pipeline_stats pipeline_stats(const struct pipeline *p)
{
	pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&p->shown_lock;
	struct pipeline_stats st;

	pthread_mutex_lock(lock);
	st = p->shown;
	pthread_mutex_unlock(lock);
	return st;
}

static uint64_t now_boot_ms(const struct pipeline *p)
{
	return clock_boot_ms(p->cfg.ports.clock);
}

void pipeline_unfinished(const struct pipeline *p, struct unfinished_report *ret)
{
	struct unfinished *u = (struct unfinished *)(uintptr_t)&p->unfinished;

	unfinished_look(u, now_boot_ms(p), ret);
}

/* Logs a failure once and says when this kind of work goes on. */
static enum pipeline_status troubled(
	struct pipeline *p, struct backoff *b, const char *what, const struct err *err)
{
	p->stats.failures++;
	b->n_failures++;
	b->resume_boot_ms = now_boot_ms(p) + retry_delay_ms(&p->cfg, b->n_failures);
	log_event(EV_STEP_FAILED, LF_STR(step, what), LF_STR(cause, err->text));
	return PIPELINE_TROUBLED;
}

static enum pipeline_status fatal(struct pipeline *p)
{
	p->fatal = true;
	return PIPELINE_FATAL;
}

/* The scanner's turn; at the first step also what a dead process of ours has left. */
static enum pipeline_status scan(struct pipeline *p, struct err *err)
{
	struct recover_context c = {.ledger = p->cfg.ports.ledger,
		.distribution = p->cfg.ports.distribution,
		.archive_bucket = slice_str(p->cfg.archive_bucket),
		.clock = p->cfg.ports.clock,
		.leases = &p->leases,
		.denied = &p->denied,
		.unfinished = &p->unfinished,
		.lease_ms = p->cfg.lease_ms,
		.void_wait_ms = p->cfg.void_wait_ms};
	uint64_t half = p->cfg.scan_interval_ms / 2;
	enum rc rc = recover_pass(&c, p->cfg.sole_owner && !p->started, err);

	p->stats.plans_aborted += c.n_aborted;
	p->stats.plans_recovered += c.n_published;
	p->next_scan_boot_ms = now_boot_ms(p) + half + prng_below(p->cfg.ports.prng, 2 * half + 1);
	if (rc == RC_FATAL)
		return fatal(p);
	if (rc == RC_OK || ++p->n_start_tries >= START_TRIES)
		p->started = true;
	if (rc != RC_OK)
		return troubled(p, &p->scan, "scan", err);
	p->scan = (struct backoff){0};
	return PIPELINE_WORKED;
}

/* The next plan's worth of units, from open to acknowledged. */
static enum pipeline_status run_batch(struct pipeline *p, struct err *err)
{
	struct arena a = ARENA_INIT;
	struct unit **units = NULL;
	bool by_bytes = false;
	size_t n = batcher_take(&p->batcher, &a, &units, &by_bytes);
	enum rc rc;

	assert(n > 0);
	if (by_bytes)
		log_event(EV_LIMIT_REACHED, LF_U64(objects, n),
			LF_U64(limit_bytes, p->cfg.batch_max_bytes));
	p->drained = false;
	rc = round_run(&p->round, units, n, err);
	arena_release(&a);
	if (rc == RC_FATAL || hand_settle(&p->hand, p->cfg.ports.queue, err) == RC_FATAL)
		return fatal(p);
	if (rc != RC_OK) {
		enum pipeline_status status = troubled(p, &p->make, "bundle", err);

		p->round.n_failures = p->make.n_failures;
		return status;
	}
	p->make = (struct backoff){0};
	p->round.n_failures = 0;
	return PIPELINE_WORKED;
}

/* Bytes for more messages. One message always has room, whatever others use of the share: so every
 * pipeline gets on. */
static uint64_t hand_room(const struct pipeline *p)
{
	uint64_t room = budget_room(p->cfg.memory);

	return room || p->hand.n ? room : 1;
}

static bool is_full(const struct pipeline *p)
{
	return batcher_full(&p->batcher) || (hand_room(p) == 0 && batcher_n(&p->batcher));
}

static bool batch_is_ready(const struct pipeline *p)
{
	uint64_t due = batcher_due_boot_ms(&p->batcher), now = now_boot_ms(p);
	uint64_t overtime =
		p->cfg.batch_window_ms < OVERTIME_MAX_MS ? p->cfg.batch_window_ms : OVERTIME_MAX_MS;

	if (is_full(p))
		return true;
	return due <= now && (p->drained || now - due >= overtime);
}

static void triage_all(
	struct pipeline *p, const struct eq_message *messages, size_t n)
{
	static const struct verdict back = {.kind = VERDICT_RETRY};
	const struct triage t = {.hand = &p->hand,
		.batcher = &p->batcher,
		.landing_bucket = slice_str(p->cfg.landing_bucket),
		.window_ms = p->cfg.batch_window_ms,
		.now_boot_ms = now_boot_ms(p),
		.now_wall_ms = clock_wall_ms(p->cfg.ports.clock)};

	for (size_t i = 0; i < n; i++) {
		if (batcher_n(&p->batcher) / UNITS_PER_ROOM < p->cfg.batch_max_objects &&
			hand_room(p) > 0)
			triage_message(&t, &messages[i]);
		else
			delivery_decide(
				&p->hand, hand_take(&p->hand, &messages[i], 0, 0), &back);
	}
}

/* How long to wait for a first message: never beyond the batch's window. */
static uint64_t wait_ms(const struct pipeline *p)
{
	uint64_t due = batcher_due_boot_ms(&p->batcher), now = now_boot_ms(p);
	uint64_t left = due > now ? due - now : 0;

	if (p->make.resume_boot_ms > now + left) /* no bundle is begun before */
		left = p->make.resume_boot_ms - now;
	return left < p->cfg.receive_wait_ms ? left : p->cfg.receive_wait_ms;
}

/* A queue that answers as soon as there is one message would otherwise be asked for each alone. */
static void pause_between_receives(struct pipeline *p, size_t n, size_t max)
{
	uint64_t left = wait_ms(p);

	if (n < max / 2 && !batcher_full(&p->batcher))
		clock_sleep_ms(p->cfg.ports.clock,
			left < p->cfg.receive_pause_ms ? left : p->cfg.receive_pause_ms);
}

static enum pipeline_status receive(struct pipeline *p, struct err *err)
{
	size_t held = batcher_n(&p->batcher), n = 0;
	size_t max = p->cfg.batch_max_objects > held ? p->cfg.batch_max_objects - held : 1;
	struct arena received = ARENA_INIT;
	struct eq_message *messages = NULL;
	enum rc rc;

	if (max > hand_room(p) / MESSAGE_BYTES + 1)
		max = hand_room(p) / MESSAGE_BYTES + 1;
	max = max < EQ_BATCH_MAX ? max : EQ_BATCH_MAX;
	rc = eq_receive(p->cfg.ports.queue, &received, max, wait_ms(p), p->cfg.visibility_ms,
		&messages, &n, err);
	if (rc == RC_OK)
		triage_all(p, messages, n);
	arena_release(&received);
	if (rc == RC_FATAL || hand_settle(&p->hand, p->cfg.ports.queue, err) == RC_FATAL)
		return fatal(p);
	if (rc != RC_OK)
		return troubled(p, &p->receive, "receive", err);
	p->receive = (struct backoff){0};
	if (n == 0) {
		p->drained = batcher_due_boot_ms(&p->batcher) <= now_boot_ms(p);
		return PIPELINE_IDLE;
	}
	pause_between_receives(p, n, max);
	return PIPELINE_WORKED;
}

static enum pipeline_status stop(struct pipeline *p, struct err *err)
{
	batcher_clear(&p->batcher);
	hand_back(&p->hand);
	return hand_settle(&p->hand, p->cfg.ports.queue, err) == RC_FATAL ? fatal(p)
									  : PIPELINE_STOPPED;
}

/* Everything that could be done has failed lately, or waits for what has. */
static enum pipeline_status wait_for_any(struct pipeline *p, uint64_t now)
{
	const struct backoff *all[] = {&p->scan, &p->make, &p->receive};
	uint64_t ms = p->cfg.receive_wait_ms;

	for (size_t i = 0; i < 3; i++) {
		if (all[i]->resume_boot_ms > now && all[i]->resume_boot_ms - now < ms)
			ms = all[i]->resume_boot_ms - now;
	}
	clock_sleep_ms(p->cfg.ports.clock, ms);
	return PIPELINE_IDLE;
}

static enum pipeline_status step(struct pipeline *p, struct err *err)
{
	uint64_t now = now_boot_ms(p);

	if (p->fatal)
		return PIPELINE_FATAL;
	if (atomic_load(&p->stopping))
		return stop(p, err);
	if (atomic_load(&p->heartbeat.has_failed)) {
		err_set(err, RC_FATAL, "the heartbeat could not go on");
		return fatal(p);
	}
	if ((!p->started || now >= p->next_scan_boot_ms) && now >= p->scan.resume_boot_ms)
		return scan(p, err);
	if (p->started && batch_is_ready(p) && now >= p->make.resume_boot_ms)
		return run_batch(p, err);
	if (p->started && !is_full(p) && now >= p->receive.resume_boot_ms)
		return receive(p, err);
	return wait_for_any(p, now);
}

static void show(struct pipeline *p)
{
	p->stats.dead_letters = p->hand.n_dead;
	p->stats.retries = p->hand.n_retried;
	p->stats.in_hand = p->hand.n;
	p->stats.in_hand_bytes = p->hand.bytes;
	pthread_mutex_lock(&p->shown_lock);
	p->shown = p->stats;
	pthread_mutex_unlock(&p->shown_lock);
}

enum pipeline_status pipeline_step(struct pipeline *p, struct err *err)
{
	struct err own = {0};
	enum pipeline_status status = step(p, err ? err : &own);

	show(p);
	return status;
}
