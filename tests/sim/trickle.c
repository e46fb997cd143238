#include "trickle.h"

#include <stdio.h>
#include <stdlib.h>

#include "fibers.h"
#include "victim.h"

#define BURSTS 40 /* of announcements */
#define BURST 3
#define BURST_EVERY_MS 1500
#define VICTIM 9    /* the first of the fourth burst */
/* A thread that had nothing to do looks again after this: while objects are announced, and
 * later. */
#define IDLE_MS 100
#define IDLE_LATER_MS 500
#define CALL_MS 1   /* that each call of a port takes */
#define LONG_PLANS 3 /* of STORY_LONG */
#define MAKERS 4 /* as many as the program has */
#define REST_MS 600000 /* all must be quiet so long after the failure */
#define CLAIMS_MAX 4096
#define ROLES (2 + MAKERS) /* intake, scanner, makers */

struct trickle;

struct role {
	struct trickle *t;
	struct worker *worker;
	enum pipeline_status (*step)(struct pipeline *p, struct err *err);
};

struct worker {
	struct trickle *t;
	struct victim victim;
	struct prng prng;
	struct object_store *store;
	struct event_queue *queue;
	struct ledger *ledger;
	struct pipeline *pipeline;
	struct role roles[ROLES];
};

/* A claim that was granted, or a plan that was opened. */
struct claimed {
	struct plan_id plan;
	size_t object;
};

struct opened {
	struct plan_id plan;
	struct fiber *owner;
};

struct trickle {
	const struct trickle_case *c;
	struct world w;
	struct fibers *fibers;
	struct worker workers[TRICKLE_WORKERS_MAX];
	struct oracle_watch watch;
	uint64_t start_boot_ms, announced_wall_ms[BURSTS * BURST];
	uint64_t idle_ms;
	unsigned n_long;
	/* the failure has ended; plan is known; the story has happened */
	bool is_over, has_plan, told;
	struct plan_id plan;          /* the victim plan */
	char key[BUNDLE_KEY_MAX];     /* and its bundle */
	struct claimed claims[CLAIMS_MAX];
	struct opened plans[CLAIMS_MAX];
	size_t n_claims, n_plans;
	struct trickle_result *result;
	char *why;
};

static bool is_victim_object(const struct trickle *t, const struct object_id *id)
{
	const struct object_id *victim = &t->w.objects[VICTIM].id;

	return t->w.n_objects > VICTIM && slice_eq(id->key, victim->key) &&
	       slice_eq(id->bucket, victim->bucket);
}

static void choose_plan(struct trickle *t, const struct plan_id *id)
{
	struct arena a = ARENA_INIT;
	struct lg_plan plan;

	t->has_plan = true;
	t->plan = *id;
	if (lg_plan_get(t->w.ledger, &a, id, &plan, NULL) == RC_OK)
		snprintf(t->key, sizeof(t->key), SLICE_FMT, SLICE_ARG(plan.key));
	arena_release(&a);
}

static bool is_plan(const struct trickle *t, const struct plan_id *id)
{
	return t->has_plan && memcmp(&t->plan, id, sizeof(*id)) == 0;
}

/* The bundle's key, or its manifest's, which has that key in it. */
static bool is_key(const struct trickle *t, struct slice key)
{
	return t->key[0] && memmem(key.p, key.n, t->key, strlen(t->key));
}

static bool has_verb(const char *verbs, const char *verb)
{
	size_t n = strlen(verb);

	for (const char *at = verbs; (at = strstr(at, verb)); at += n) {
		if ((at == verbs || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0'))
			return true;
	}
	return false;
}

static bool is_about_victim(struct worker *worker, const struct victim_call *call)
{
	struct trickle *t = worker->t;
	const struct trickle_case *c = t->c;

	if (t->is_over || !t->w.n_objects || !has_verb(c->verbs, call->verb) ||
		(c->bucket && !slice_eq_str(call->bucket, c->bucket)))
		return false;
	/* No item can meet these alone: they are slow, or fail, for one of the workers. */
	if (strcmp(call->verb, "receive") == 0 || strcmp(call->verb, "scan") == 0)
		return worker == t->workers;
	if (call->message.n)
		return t->w.n_objects > VICTIM && slice_eq(call->message, t->w.objects[VICTIM].event);
	if (strcmp(call->verb, "plan_open") == 0 && !t->has_plan && t->w.n_objects > VICTIM)
		choose_plan(t, call->plan);
	if (call->key.n)
		return is_key(t, call->key);
	return call->object ? is_victim_object(t, call->object) : is_plan(t, call->plan);
}

/* The call takes so long. While a heartbeat's call is under way, whoever wants to remove that plan
 * from the heartbeat waits. */
static void pass_time(struct trickle *t, const struct victim_call *call, uint64_t ms)
{
	struct fiber *me = fibers_current(t->fibers), *owner = NULL;

	if (!me || !ms)
		return;
	for (size_t i = 0; fiber_is_ticker(me) && call->plan && i < t->n_plans; i++) {
		if (memcmp(&t->plans[i].plan, call->plan, sizeof(*call->plan)) == 0)
			owner = t->plans[i].owner;
	}
	if (owner)
		fiber_hold(owner, true);
	clock_sleep_ms(fibers_clock(t->fibers), ms);
	if (owner)
		fiber_hold(owner, false);
}

static enum rc failure(const struct trickle_case *c, struct err *err)
{
	return c->code ? err_code(err, c->answer, c->code, "a fault on purpose")
		       : err_set(err, c->answer, "a fault on purpose");
}

/* What has to happen to the victim first. RC_OK: the call goes on. */
static enum rc tell_story(struct trickle *t, const struct victim_call *call, struct err *err)
{
	if (t->c->story == STORY_LONG && t->has_plan && t->n_long < LONG_PLANS &&
		strcmp(call->verb, "stage_finish") == 0 && slice_eq_str(call->bucket, WORLD_DISTRIBUTION)) {
		t->n_long++;
		pass_time(t, call, TRICKLE_LONG_MS);
	}
	if (t->told || !call->key.n || !is_key(t, call->key))
		return RC_OK;
	if (t->c->story == STORY_GIVE_UP && strcmp(call->verb, "stage_finish") == 0) {
		t->told = true;
		return err_set(err, RC_AGAIN, "the stage fails once");
	}
	if (t->c->story == STORY_VOID && strcmp(call->verb, "publish") == 0) {
		t->told = true;
		os_discard(t->w.store, slice_str(WORLD_DISTRIBUTION), slice_str(t->key), NULL);
	}
	return RC_OK;
}

static enum rc before(void *arg, const struct victim_call *call, struct err *err)
{
	struct worker *worker = arg;
	struct trickle *t = worker->t;
	struct fiber *me = fibers_current(t->fibers);
	enum rc rc = tell_story(t, call, err);
	bool met;

	if (rc != RC_OK)
		return rc;
	if (me && !fiber_is_ticker(me))
		pass_time(t, call, CALL_MS);
	if (strcmp(call->verb, "plan_open") == 0 && t->n_plans < CLAIMS_MAX)
		t->plans[t->n_plans++] = (struct opened){*call->plan, me};
	met = is_about_victim(worker, call);
	if (met) {
		t->result->n_met++;
		/* get_many waits in pieces: first_byte_ms */
		pass_time(t, call, strcmp(call->verb, "get_many") == 0 ? 0 : t->c->slow_before_ms);
	}
	/* The failure may have ended while the call waited. */
	return met && !t->is_over && t->c->answer != RC_OK && !t->c->is_applied ? failure(t->c, err) : RC_OK;
}

static size_t object_of(const struct trickle *t, const struct object_id *id)
{
	size_t i = 0;

	while (i < t->w.n_objects && !slice_eq(t->w.objects[i].id.key, id->key))
		i++;
	return i;
}

static void note_claim(struct trickle *t, const struct victim_call *call)
{
	size_t i = object_of(t, call->object);

	if (t->n_claims < CLAIMS_MAX)
		t->claims[t->n_claims++] = (struct claimed){*call->plan, i};
	if (i == VICTIM && !t->has_plan)
		choose_plan(t, call->plan);
}

static enum rc after(void *arg, const struct victim_call *call, enum rc rc, struct err *err)
{
	struct worker *worker = arg;
	struct trickle *t = worker->t;

	if (rc == RC_OK && (strcmp(call->verb, "claim") == 0 || strcmp(call->verb, "swap") == 0))
		note_claim(t, call);
	if (!t->why[0] && (call->plan || strcmp(call->verb, "publish") == 0))
		oracle_look(&t->watch, &t->w, t->why);
	if (!is_about_victim(worker, call))
		return rc;
	pass_time(t, call, t->c->slow_after_ms);
	return !t->is_over && t->c->is_applied && rc == RC_OK ? failure(t->c, err) : rc;
}

static uint64_t first_byte_ms(void *arg, const struct object_id *object)
{
	struct worker *worker = arg;
	const struct victim_call call = {.verb = "get_many", .object = object};

	return is_about_victim(worker, &call) ? worker->t->c->slow_before_ms : 0;
}

static void run_role(void *arg)
{
	struct role *r = arg;
	enum pipeline_status status = PIPELINE_WORKED;
	struct err err = {0};

	while (status != PIPELINE_STOPPED && status != PIPELINE_FATAL) {
		status = r->step(r->worker->pipeline, &err);
		clock_sleep_ms(fibers_clock(r->t->fibers), status == PIPELINE_IDLE ? r->t->idle_ms : 0);
	}
	if (status == PIPELINE_FATAL && !r->t->why[0])
		snprintf(r->t->why, ORACLE_WHY_MAX, "a worker gave up: %.400s", err.text);
}

static void start_worker(struct trickle *t, struct worker *worker)
{
	static enum pipeline_status (*const steps[ROLES])(struct pipeline *p, struct err *err) = {
		pipeline_intake, pipeline_scan, pipeline_make, pipeline_make, pipeline_make, pipeline_make};
	struct clock *clock = fibers_clock(t->fibers);
	struct pipeline_config cfg = world_config(&t->w, &worker->prng);

	*worker = (struct worker){.t = t, .prng = prng_seeded(17 + (uint64_t)(worker - t->workers))};
	worker->victim = (struct victim){.before = before,
		.after = after,
		.first_byte_ms = first_byte_ms,
		.arg = worker,
		.clock = clock};
	worker->store = victim_object_store_new(t->w.store, &worker->victim);
	worker->queue = victim_event_queue_new(t->w.queue, &worker->victim);
	worker->ledger = victim_ledger_new(t->w.ledger, &worker->victim);
	cfg.ports = (struct pipeline_ports){worker->store, worker->store, worker->queue,
		worker->ledger, clock, &worker->prng, NULL};
	cfg.compression = GZIP_NONE;
	cfg.makers = MAKERS;
	cfg.batch_max_objects = 20;
	cfg.batch_max_bytes = 65536;
	cfg.alone_bytes = 3000;
	cfg.batch_window_ms = TRICKLE_WINDOW_MS;
	cfg.visibility_ms = TRICKLE_VISIBILITY_MS;
	cfg.lease_ms = TRICKLE_LEASE_MS;
	cfg.scan_interval_ms = TRICKLE_SCAN_MS;
	/* A thread that waits sleeps on the fibers' clock (IDLE_MS), because a fiber may not
	 * block. */
	cfg.receive_wait_ms = 0;
	cfg.receive_pause_ms = 0;
	cfg.retry_base_ms = 100;
	cfg.retry_max_ms = 2000;
	cfg.void_wait_ms = 2 * TRICKLE_LEASE_MS;
	cfg.sole_owner = t->c->n_workers == 1;
	worker->pipeline = pipeline_new(&cfg);
	for (size_t i = 0; i < ROLES; i++) {
		worker->roles[i] = (struct role){t, worker, steps[i]};
		fibers_start(t->fibers, run_role, &worker->roles[i]);
	}
}

/* An owner that claimed the victim and died at once. */
static void make_ghost(struct trickle *t)
{
	struct arena a = ARENA_INIT;
	struct prng prng = prng_seeded(99);
	struct lg_plan plan = {.state = PLAN_OPEN,
		.owner = slice_str("ghost"),
		.bucket = slice_str(WORLD_DISTRIBUTION),
		.opened_wall_ms = t->w.clock.wall_ms};
	struct lg_claim claim = {.object = t->w.objects[VICTIM].id};
	char key[BUNDLE_KEY_MAX];

	prng_bytes(&prng, plan.id.bytes, sizeof(plan.id.bytes));
	prng_bytes(&prng, plan.nonce, sizeof(plan.nonce));
	bundle_key_format(key, &plan.id, plan.opened_wall_ms);
	plan.key = slice_str(key);
	if (lg_plan_open(t->w.ledger, &plan, NULL) != RC_OK ||
		lg_claim_many(t->w.ledger, &a, &plan.id, &claim, 1, NULL) != RC_OK)
		die("the ghost's plan");
	choose_plan(t, &plan.id);
	arena_release(&a);
}

static void announce(struct trickle *t)
{
	for (size_t i = 0; i < BURST; i++) {
		char key[32];
		size_t at = t->w.n_objects;

		snprintf(key, sizeof(key), "data/%zu", at);
		world_put(&t->w, key, 50 + 7 * (at % 40));
		if (at == VICTIM && t->c->story == STORY_GONE)
			world_remove(&t->w, at);
		if (at == VICTIM && t->c->story == STORY_GHOST)
			make_ghost(t);
		t->announced_wall_ms[at] = t->w.clock.wall_ms;
		world_announce(&t->w, at);
	}
	if (t->c->story == STORY_TWICE && t->w.n_objects > VICTIM + BURST)
		world_announce(&t->w, VICTIM);
}

static void look_at_alarms(struct trickle *t)
{
	struct unfinished_report report;

	for (size_t i = 0; i < t->c->n_workers; i++) {
		pipeline_unfinished(t->workers[i].pipeline, &report);
		t->result->has_alarm = t->result->has_alarm || report.n_stuck > 0;
		t->result->is_named = t->result->is_named || (t->key[0] && strstr(report.text, t->key));
	}
}

static uint64_t published_after_ms(const struct trickle *t, size_t i)
{
	for (size_t m = 0; m < t->w.n_members; m++) {
		if (!slice_eq(t->w.members[m].name, t->w.objects[i].name))
			continue;
		for (size_t b = 0; b < t->w.n_bundles; b++)
			if (slice_eq(t->w.bundles[b].key, t->w.members[m].bundle_key))
				return t->w.bundles[b].published_wall_ms - t->announced_wall_ms[i];
	}
	return TRICKLE_NEVER_MS;
}

static bool is_company(const struct trickle *t, size_t i)
{
	for (size_t k = 0; k < t->n_claims; k++)
		if (t->claims[k].object == i && is_plan(t, &t->claims[k].plan))
			return true;
	return false;
}

static void look_at_attempts(struct trickle *t, size_t i, uint32_t *most)
{
	struct arena a = ARENA_INIT;
	struct lg_object record;

	if (lg_object_get(t->w.ledger, &a, &t->w.objects[i].id, &record, NULL) == RC_OK && record.attempts > *most)
		*most = record.attempts;
	arena_release(&a);
}

/* What has come out by now. */
static void measure(struct trickle *t)
{
	struct trickle_result *r = t->result;

	world_harvest(&t->w);
	for (size_t i = 0; i < t->w.n_objects; i++) {
		uint64_t ms = published_after_ms(t, i);

		look_at_attempts(t, i, i == VICTIM || is_company(t, i) ? &r->victim_attempts : &r->others_attempts);
		if (i == VICTIM) {
			r->victim_ms = ms;
		} else if (is_company(t, i)) {
			r->n_company++;
			r->company_ms = ms > r->company_ms ? ms : r->company_ms;
		} else {
			r->n_others++;
			if (ms > r->others_ms)
				r->worst = i;
			r->others_ms = ms > r->others_ms ? ms : r->others_ms;
		}
	}
}

static void run(struct trickle *t, uint64_t ms)
{
	fibers_run(t->fibers, t->w.clock.boot_ms + ms);
}

static void stop(struct trickle *t)
{
	for (size_t i = 0; i < t->c->n_workers; i++)
		pipeline_stop(t->workers[i].pipeline);
	for (int i = 0; i < 600 && !fibers_have_ended(t->fibers); i++)
		run(t, 100);
	if (!fibers_have_ended(t->fibers) && !t->why[0])
		snprintf(t->why, ORACLE_WHY_MAX, "the workers do not stop");
}

/* The failure lasts while objects are announced and after that, and then it ends. */
static void play(struct trickle *t)
{
	uint64_t end = t->start_boot_ms + t->c->lasts_ms;

	run(t, 500); /* the workers have started */
	for (size_t i = 0; i < BURSTS && !t->why[0]; i++) {
		announce(t);
		run(t, BURST_EVERY_MS);
	}
	t->idle_ms = IDLE_LATER_MS;
	while (t->w.clock.boot_ms < end && !t->why[0])
		run(t, 1000);
	look_at_alarms(t);
	measure(t);
	t->is_over = true;
	for (uint64_t ms = 0; ms < REST_MS && !t->why[0] && !oracle_is_quiet(&t->w); ms += 1000)
		run(t, 1000);
}

/* Where the failure says something that cannot end (a record that is damaged), only the others are
 * judged. */
static bool judge_others(struct trickle *t)
{
	for (size_t i = 0; i < t->w.n_objects; i++) {
		size_t n = world_times_shipped(&t->w, i);

		if (n > 1 || (n == 0 && i != VICTIM && !is_company(t, i)))
			return snprintf(t->why, ORACLE_WHY_MAX, "object %zu is in %zu bundles", i, n), false;
	}
	return true;
}

static size_t count_dead(struct trickle *t)
{
	struct slice body, code;
	size_t n = 0;

	for (size_t i = 0; mem_event_queue_dead(t->w.queue, i, &body, &code); i++)
		n += !slice_eq(body, t->w.objects[VICTIM].event);
	return n;
}

bool trickle_run(const struct trickle_case *c, bool is_ended, struct trickle_result *ret, char why[ORACLE_WHY_MAX])
{
	struct trickle *t = xcalloc(1, sizeof(*t));
	bool ok;

	*ret = (struct trickle_result){0};
	why[0] = '\0';
	t->c = c;
	t->idle_ms = IDLE_MS;
	t->result = ret;
	t->why = why;
	t->watch.voids_allowed = c->story == STORY_VOID || c->answer == RC_CORRUPT;
	world_open(&t->w, 1);
	t->fibers = fibers_new(&t->w.clock);
	t->start_boot_ms = t->w.clock.boot_ms;
	for (size_t i = 0; i < c->n_workers; i++)
		start_worker(t, &t->workers[i]);
	play(t);
	/* To the oracle an object whose bytes are damaged is as good as gone. */
	if (c->code && strcmp(c->code, ERR_DAMAGED) == 0 && has_verb(c->verbs, "get_many"))
		t->w.objects[VICTIM].removed = true;
	ret->n_dead = count_dead(t);
	ok = !why[0] && (is_ended ? oracle_final(&t->w, true, why) : (world_harvest(&t->w), judge_others(t)));
	stop(t);
	ok = ok && !why[0];
	for (size_t i = 0; i < c->n_workers; i++) {
		struct worker *worker = &t->workers[i];

		pipeline_free(worker->pipeline);
		os_close(worker->store);
		eq_close(worker->queue);
		lg_close(worker->ledger);
		victim_release(&worker->victim);
	}
	fibers_free(t->fibers);
	oracle_watch_release(&t->watch);
	world_close(&t->w);
	free(t);
	return ok;
}
