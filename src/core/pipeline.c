#include "core/pipeline.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>

#include "core/heartbeat.h"
#include "core/recover.h"
#include "core/round.h"
#include "core/stages.h"
#include "core/triage.h"
#include "obs/log.h"

/* tries of the first scan for plans of dead processes; after them work begins anyway */
#define START_TRIES 3
/* a batch whose window is over still takes messages that the queue has at once, for so long */
#define OVERTIME_MAX_MS 1000
/* A message may carry many records: the batcher holds at most so many times batch_max_objects
 * units. */
#define UNITS_PER_ROOM 4

/* about what one message in hand takes; it limits how many are asked for when memory is short */
#define MESSAGE_BYTES 1536

/* After failures of one kind of work. */
struct backoff {
	unsigned n_failures; /* in a row */
	uint64_t resume_boot_ms;
};

/* The ways of bundling. Each has makers of its own, so that objects that are large or slow, or that
 * other plans have claimed, can never take all makers. */
enum lane { LANE_TOGETHER, LANE_ALONE, LANE_CONTESTED, LANES };

/* Units taken for a plan. */
struct job {
	struct arena arena;
	struct unit **units;
	size_t n;
	enum lane lane;
};

struct pipeline {
	struct pipeline_config cfg;
	struct hand hand;
	struct lease_table leases, denied;
	struct unfinished unfinished;
	struct heartbeat heartbeat;
	atomic_bool stopping, started, fatal;
	/* Each kind of work pauses for its own failures, and the others go on. */
	struct backoff scan; /* the scanner's own, as the next three */
	unsigned n_scans;    /* that came to their end */
	unsigned n_start_tries; /* scans at the start that failed */
	uint64_t next_scan_boot_ms;
	struct backoff receive; /* the intake's own */

	pthread_mutex_t lock;  /* for the fields below; not held during a call of a port */
	pthread_cond_t change; /* a batch may be ready, a maker may be free, or it is over */
	struct batcher batcher;
	bool drained; /* the queue had nothing more when the batch's window was over */
	struct backoff make[LANES];
	unsigned n_making[LANES];
	struct pipeline_stats stats;
};

void pipeline_config_init(struct pipeline_config *cfg)
{
	static const uint64_t day_ms = UINT64_C(24) * 3600 * 1000;

	*cfg = (struct pipeline_config){.compression = GZIP_BALANCED,
		.batch_max_objects = 10000,
		.batch_max_bytes = UINT64_C(400) << 20,
		.batch_window_ms = 15000,
		.alone_bytes = UINT64_C(32) << 20,
		.makers = 4,
		.visibility_ms = 200000,
		.lease_ms = 60000,
		/* 5 GiB at 250 KB/s take 5.8 h; and a stage must have 24 h to live when it is
		 * sealed */
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

static void open_lock(struct pipeline *p)
{
	pthread_condattr_t monotonic;

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&p->change, &monotonic);
	pthread_condattr_destroy(&monotonic);
	pthread_mutex_init(&p->lock, NULL);
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
	open_lock(p);
	heartbeat_start(&p->heartbeat, &(struct heartbeat_config){.ledger = cfg->ports.ledger,
						.queue = cfg->ports.queue,
						.clock = cfg->ports.clock,
						.hand = &p->hand,
						.lease_ms = cfg->lease_ms,
						.visibility_ms = cfg->visibility_ms,
						.max_open_ms = cfg->plan_max_open_ms,
						.n_plans = cfg->makers ? cfg->makers : 1});
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
	pthread_cond_destroy(&p->change);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

void pipeline_stop(struct pipeline *p)
{
	atomic_store(&p->stopping, true);
}

struct pipeline_stats pipeline_stats(const struct pipeline *shared)
{
	struct pipeline *p = (struct pipeline *)(uintptr_t)shared;
	struct pipeline_stats st;
	struct hand_level level;

	pthread_mutex_lock(&p->lock);
	st = p->stats;
	pthread_mutex_unlock(&p->lock);
	level = hand_level(&p->hand);
	st.dead_letters = level.n_dead;
	st.retries = level.n_retried;
	st.in_hand = level.n;
	st.in_hand_bytes = level.bytes;
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

static void wake_all(struct pipeline *p)
{
	pthread_mutex_lock(&p->lock);
	pthread_cond_broadcast(&p->change);
	pthread_mutex_unlock(&p->lock);
}

static void wait_locked(struct pipeline *p, uint64_t ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)(ms / 1000);
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_cond_timedwait(&p->change, &p->lock, &until);
}

/* For a thread that has nothing to do: until something changes, receive_wait_ms at most. */
static enum pipeline_status idle(struct pipeline *p)
{
	if (!p->cfg.receive_wait_ms)
		return PIPELINE_IDLE;
	pthread_mutex_lock(&p->lock);
	wait_locked(p, p->cfg.receive_wait_ms);
	pthread_mutex_unlock(&p->lock);
	return PIPELINE_IDLE;
}

/* Logs a failure once, and sets the time at which this kind of work goes on. */
static enum pipeline_status troubled(
	struct pipeline *p, struct backoff *b, const char *what, const struct err *err)
{
	pthread_mutex_lock(&p->lock);
	p->stats.failures++;
	b->n_failures++;
	b->resume_boot_ms = now_boot_ms(p) + retry_delay_ms(&p->cfg, b->n_failures);
	pthread_mutex_unlock(&p->lock);
	log_event(EV_STEP_FAILED, LF_STR(step, what), LF_STR(cause, err->text));
	return PIPELINE_TROUBLED;
}

static enum pipeline_status fatal(struct pipeline *p)
{
	atomic_store(&p->fatal, true);
	wake_all(p);
	return PIPELINE_FATAL;
}

/* The scanner's turn. The first scan of a sole owner only aborts the open plans of dead processes,
 * because all other work waits for it. The second scan looks after plans that were left sealed or
 * aborted. */
static enum pipeline_status scan(struct pipeline *p, struct err *err)
{
	bool is_first = p->cfg.sole_owner && !atomic_load(&p->started);
	struct recover_context c = {.ledger = p->cfg.ports.ledger,
		.distribution = p->cfg.ports.distribution,
		.archive_bucket = slice_str(p->cfg.archive_bucket),
		.clock = p->cfg.ports.clock,
		.leases = &p->leases,
		.denied = &p->denied,
		.unfinished = &p->unfinished,
		.lease_ms = p->cfg.lease_ms,
		.void_wait_ms = p->cfg.void_wait_ms,
		.only_open = is_first,
		.left_behind = p->cfg.sole_owner && p->n_scans < 2,
		.stopping = &p->stopping};
	uint64_t half = p->cfg.scan_interval_ms / 2;
	enum rc rc = recover_pass(&c, is_first, err);

	pthread_mutex_lock(&p->lock);
	p->stats.plans_aborted += c.n_aborted;
	p->stats.plans_recovered += c.n_published;
	pthread_mutex_unlock(&p->lock);
	p->next_scan_boot_ms = now_boot_ms(p);
	if (!is_first)
		p->next_scan_boot_ms += half + prng_below(p->cfg.ports.prng, 2 * half + 1);
	if (rc == RC_FATAL)
		return fatal(p);
	p->n_scans += rc == RC_OK;
	if (rc == RC_OK || ++p->n_start_tries >= START_TRIES)
		atomic_store(&p->started, true);
	wake_all(p);
	if (rc != RC_OK)
		return troubled(p, &p->scan, "scan", err);
	p->scan = (struct backoff){0};
	return PIPELINE_WORKED;
}

/* Bytes that more messages may take. A pipeline that holds no message always has room for one,
 * however much others use of the share, so that every pipeline makes progress. */
static uint64_t hand_room(struct pipeline *p)
{
	uint64_t room = budget_room(p->cfg.memory);

	return room || hand_level(&p->hand).n ? room : 1;
}

/* No room for more messages closes a batch early, but not while another batch is in the making,
 * which will give its room back. */
static bool is_full_locked(struct pipeline *p)
{
	return batcher_full(&p->batcher) || (batcher_n(&p->batcher) && !p->n_making[LANE_TOGETHER] &&
						   hand_room(p) == 0);
}

static bool batch_is_ready_locked(struct pipeline *p)
{
	uint64_t due = batcher_due_boot_ms(&p->batcher), now = now_boot_ms(p);
	uint64_t overtime =
		p->cfg.batch_window_ms < OVERTIME_MAX_MS ? p->cfg.batch_window_ms : OVERTIME_MAX_MS;

	if (is_full_locked(p))
		return true;
	return due <= now && (p->drained || now - due >= overtime);
}

/* At most half of the makers work on objects that go alone, at most half on contested ones, and not
 * all makers on both together: one is always free for the rest. */
static bool may_make_locked(const struct pipeline *p, enum lane lane)
{
	unsigned most = p->cfg.makers;

	if (lane != LANE_TOGETHER && most > 1) {
		if (p->n_making[LANE_ALONE] + p->n_making[LANE_CONTESTED] >= most - 1)
			return false;
		most /= 2;
	}
	return p->n_making[lane] < most && now_boot_ms(p) >= p->make[lane].resume_boot_ms;
}

/* Whether a maker that waits has something to take. Waking all makers at each receive cost 8,000
 * switches of threads in 30,000 PUTs. */
static bool is_work_ready_locked(struct pipeline *p)
{
	return batcher_has_alone(&p->batcher) || batcher_has_contested(&p->batcher) ||
	       batch_is_ready_locked(p);
}

static bool take_locked(struct pipeline *p, struct job *job)
{
	bool by_bytes = false;

	if (may_make_locked(p, LANE_ALONE)) {
		job->lane = LANE_ALONE;
		job->n = batcher_take_alone(&p->batcher, &job->arena, &job->units);
	}
	if (!job->n && may_make_locked(p, LANE_CONTESTED)) {
		job->lane = LANE_CONTESTED;
		job->n = batcher_take_contested(&p->batcher, &job->arena, &job->units, &by_bytes);
	}
	if (!job->n && may_make_locked(p, LANE_TOGETHER) && batch_is_ready_locked(p)) {
		job->lane = LANE_TOGETHER;
		job->n = batcher_take(&p->batcher, &job->arena, &job->units, &by_bytes);
		p->drained = false;
	}
	if (by_bytes)
		log_event(EV_LIMIT_REACHED, LF_U64(objects, job->n),
			LF_U64(limit_bytes, p->cfg.batch_max_bytes));
	p->n_making[job->lane] += job->n > 0;
	return job->n > 0;
}

static bool take(struct pipeline *p, struct job *job)
{
	bool taken;

	*job = (struct job){0};
	pthread_mutex_lock(&p->lock);
	taken = take_locked(p, job);
	pthread_mutex_unlock(&p->lock);
	return taken;
}

/* What a round has counted. */
static void add_stats(struct pipeline_stats *to, const struct pipeline_stats *from)
{
	to->bundles += from->bundles;
	to->objects += from->objects;
	to->object_bytes += from->object_bytes;
	to->bundle_bytes += from->bundle_bytes;
	to->duplicates += from->duplicates;
	to->rejected += from->rejected;
	to->plans_aborted += from->plans_aborted;
	to->plans_recovered += from->plans_recovered;
	to->failures += from->failures;
}

/* Carries one plan from open to acknowledged. */
static enum pipeline_status make(struct pipeline *p, struct job *job, struct err *err)
{
	struct pipeline_stats counted = {0};
	struct round_context round = {.cfg = &p->cfg,
		.hand = &p->hand,
		.batcher = &p->batcher,
		.batcher_lock = &p->lock,
		.leases = &p->leases,
		.unfinished = &p->unfinished,
		.heartbeat = &p->heartbeat,
		.stats = &counted,
		.stopping = &p->stopping,
		.n_failures = p->make[job->lane].n_failures};
	enum rc rc = round_run(&round, job->units, job->n, err);

	arena_release(&job->arena);
	if (rc != RC_FATAL && hand_settle(&p->hand, p->cfg.ports.queue, err) == RC_FATAL)
		rc = RC_FATAL;
	pthread_mutex_lock(&p->lock);
	add_stats(&p->stats, &counted);
	p->n_making[job->lane]--;
	if (rc == RC_OK)
		p->make[job->lane] = (struct backoff){0};
	pthread_cond_broadcast(&p->change);
	pthread_mutex_unlock(&p->lock);
	if (rc == RC_FATAL)
		return fatal(p);
	return rc == RC_OK ? PIPELINE_WORKED : troubled(p, &p->make[job->lane], "bundle", err);
}

static void triage_all_locked(
	struct pipeline *p, const struct eq_message *messages, size_t n)
{
	static const struct verdict back = {.kind = VERDICT_RETRY};
	const struct triage t = {.hand = &p->hand,
		.batcher = &p->batcher,
		.landing_bucket = slice_str(p->cfg.landing_bucket),
		.alone_bytes = p->cfg.alone_bytes ? p->cfg.alone_bytes : UINT64_MAX,
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

/* How long to wait for a first message: never beyond the batch's window, unless the batch waits
 * for something else. */
static uint64_t wait_ms_locked(struct pipeline *p)
{
	uint64_t due = batcher_due_boot_ms(&p->batcher), now = now_boot_ms(p);
	uint64_t left = due > now ? due - now : p->drained ? p->cfg.receive_wait_ms : 0;

	return left < p->cfg.receive_wait_ms ? left : p->cfg.receive_wait_ms;
}

/* A queue that answers as soon as there is one message would otherwise be asked for each alone. */
static void pause_between_receives(struct pipeline *p, size_t n, size_t max)
{
	uint64_t left;
	bool is_full;

	pthread_mutex_lock(&p->lock);
	left = wait_ms_locked(p);
	is_full = batcher_full(&p->batcher);
	pthread_mutex_unlock(&p->lock);
	if (n < max / 2 && !is_full)
		clock_sleep_ms(p->cfg.ports.clock,
			left < p->cfg.receive_pause_ms ? left : p->cfg.receive_pause_ms);
}

/* The intake's look at how much may be received; 0: nothing now. */
static size_t may_receive(struct pipeline *p, uint64_t *ret_wait_ms)
{
	size_t held, max = 0;

	pthread_mutex_lock(&p->lock);
	held = batcher_n(&p->batcher);
	*ret_wait_ms = wait_ms_locked(p);
	if (!batcher_full(&p->batcher) && hand_room(p) > 0 &&
		now_boot_ms(p) >= p->receive.resume_boot_ms) {
		max = p->cfg.batch_max_objects > held ? p->cfg.batch_max_objects - held : 1;
		if (max > hand_room(p) / MESSAGE_BYTES + 1)
			max = hand_room(p) / MESSAGE_BYTES + 1;
	}
	pthread_mutex_unlock(&p->lock);
	return max < EQ_BATCH_MAX ? max : EQ_BATCH_MAX;
}

static enum pipeline_status receive(
	struct pipeline *p, size_t max, uint64_t wait_ms, struct err *err)
{
	struct arena received = ARENA_INIT;
	struct eq_message *messages = NULL;
	size_t n = 0;
	enum rc rc;

	rc = eq_receive(p->cfg.ports.queue, &received, max, wait_ms, p->cfg.visibility_ms,
		&messages, &n, err);
	pthread_mutex_lock(&p->lock);
	if (rc == RC_OK && n)
		triage_all_locked(p, messages, n);
	else if (rc == RC_OK)
		p->drained = batcher_due_boot_ms(&p->batcher) <= now_boot_ms(p);
	if (is_work_ready_locked(p))
		pthread_cond_broadcast(&p->change);
	pthread_mutex_unlock(&p->lock);
	arena_release(&received);
	if (rc == RC_FATAL || hand_settle(&p->hand, p->cfg.ports.queue, err) == RC_FATAL)
		return fatal(p);
	if (rc != RC_OK)
		return troubled(p, &p->receive, "receive", err);
	p->receive = (struct backoff){0};
	if (n == 0)
		return PIPELINE_IDLE;
	pause_between_receives(p, n, max);
	return PIPELINE_WORKED;
}

static enum pipeline_status stop(struct pipeline *p, struct err *err)
{
	pthread_mutex_lock(&p->lock);
	batcher_clear(&p->batcher);
	hand_back(&p->hand);
	pthread_mutex_unlock(&p->lock);
	return hand_settle(&p->hand, p->cfg.ports.queue, err) == RC_FATAL ? fatal(p)
									  : PIPELINE_STOPPED;
}

static bool is_making(struct pipeline *p)
{
	bool making;

	pthread_mutex_lock(&p->lock);
	making = p->n_making[LANE_TOGETHER] || p->n_making[LANE_ALONE] ||
		 p->n_making[LANE_CONTESTED];
	pthread_mutex_unlock(&p->lock);
	return making;
}

static bool scan_is_due(const struct pipeline *p)
{
	uint64_t now = now_boot_ms(p);

	return (!atomic_load(&p->started) || now >= p->next_scan_boot_ms) &&
	       now >= p->scan.resume_boot_ms;
}

/* Whether this process cannot go on. */
static bool has_failed(struct pipeline *p, struct err *err)
{
	if (atomic_load(&p->heartbeat.has_failed) && !atomic_load(&p->fatal)) {
		err_set(err, RC_FATAL, "the heartbeat could not go on");
		fatal(p);
	}
	return atomic_load(&p->fatal);
}

/* Everything that could be done has failed lately, or waits for something that has failed. */
static enum pipeline_status wait_for_any(struct pipeline *p)
{
	const struct backoff *all[] = {&p->scan, &p->receive, &p->make[LANE_TOGETHER],
		&p->make[LANE_ALONE], &p->make[LANE_CONTESTED]};
	uint64_t ms = p->cfg.receive_wait_ms, now = now_boot_ms(p);

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		if (all[i]->resume_boot_ms > now && all[i]->resume_boot_ms - now < ms)
			ms = all[i]->resume_boot_ms - now;
	}
	clock_sleep_ms(p->cfg.ports.clock, ms);
	return PIPELINE_IDLE;
}

enum pipeline_status pipeline_step(struct pipeline *p, struct err *err)
{
	struct err own = {0};
	struct job job;
	uint64_t wait_ms;
	size_t max;

	err = err ? err : &own;
	if (has_failed(p, err))
		return PIPELINE_FATAL;
	if (atomic_load(&p->stopping))
		return stop(p, err);
	if (scan_is_due(p))
		return scan(p, err);
	if (!atomic_load(&p->started))
		return wait_for_any(p);
	if (take(p, &job))
		return make(p, &job, err);
	max = may_receive(p, &wait_ms);
	return max ? receive(p, max, wait_ms, err) : wait_for_any(p);
}

enum pipeline_status pipeline_intake(struct pipeline *p, struct err *err)
{
	uint64_t wait_ms;
	size_t max;

	if (has_failed(p, err))
		return PIPELINE_FATAL;
	if (atomic_load(&p->stopping))
		return is_making(p) ? idle(p) : stop(p, err);
	max = atomic_load(&p->started) ? may_receive(p, &wait_ms) : 0;
	return max ? receive(p, max, wait_ms, err) : idle(p);
}

enum pipeline_status pipeline_make(struct pipeline *p, struct err *err)
{
	struct job job;

	if (has_failed(p, err))
		return PIPELINE_FATAL;
	if (atomic_load(&p->stopping))
		return PIPELINE_STOPPED;
	if (atomic_load(&p->started) && take(p, &job))
		return make(p, &job, err);
	return idle(p);
}

enum pipeline_status pipeline_scan(struct pipeline *p, struct err *err)
{
	if (has_failed(p, err))
		return PIPELINE_FATAL;
	if (atomic_load(&p->stopping))
		return PIPELINE_STOPPED;
	return scan_is_due(p) ? scan(p, err) : idle(p);
}
