#include <assert.h>
#include <stdlib.h>

#include "core/claim.h"
#include "core/publish.h"
#include "core/round_internal.h"
#include "core/seal.h"
#include "obs/log.h"

uint64_t retry_delay_ms(const struct pipeline_config *cfg, unsigned n)
{
	uint64_t delay_ms = cfg->retry_base_ms;

	for (unsigned i = 1; i < n && delay_ms < cfg->retry_max_ms; i++)
		delay_ms *= 2;
	if (delay_ms > cfg->retry_max_ms)
		delay_ms = cfg->retry_max_ms;
	return delay_ms / 2 + prng_below(cfg->ports.prng, delay_ms / 2 + 1);
}

/* Where a stop is felt in the middle of a long bundle, and the loss of the plan. */
static enum rc keep_alive(void *arg, struct err *err)
{
	struct round *r = arg;
	const struct pipeline_config *cfg = r->c->cfg;
	uint64_t now = clock_boot_ms(cfg->ports.clock);

	if (atomic_load_explicit(r->c->stopping, memory_order_relaxed)) {
		if (!r->stop_seen_boot_ms)
			r->stop_seen_boot_ms = now;
		if (now - r->stop_seen_boot_ms >= cfg->stop_grace_ms)
			return err_set(err, RC_AGAIN, "stopping");
	}
	return heartbeat_check(r->c->heartbeat, &r->beat, err);
}

/* The plan was open for too long. The round may hang: its messages are for others now. */
static void let_go(void *arg)
{
	struct round *r = arg;

	for (size_t i = 0; i < r->n; i++)
		hand_let_go(r->c->hand, r->units[i]);
}

/* The plan will not be sealed: abort it, and then, never before, remove its stage. What fails
 * here the scanner repeats. */
static enum rc give_up(struct round *r, const char *why)
{
	const struct pipeline_ports *ports = &r->c->cfg->ports;
	struct err later = {0};
	enum plan_state found;
	enum rc rc;

	heartbeat_remove(r->c->heartbeat, &r->beat);
	/* Marks the plan for whoever takes the claims over: the plan did not die of its members, so
	 * attempts stay as they are. Nothing depends on this mark. */
	lg_plan_beat(ports->ledger, &r->plan.id, r->plan.nonce, LG_GIVEN_UP, &later);
	rc = plan_move(ports->ledger, ports->clock, &r->plan, PLAN_ABORTED, NULL, LG_ANY_HEARTBEAT,
		&found, &later);
	if (rc == RC_OK) {
		plan_moved(&r->plan, PLAN_ABORTED);
		r->c->stats->plans_aborted++;
		rc = plan_discard(ports->distribution, ports->ledger, &r->plan,
			slice_str(r->c->cfg->archive_bucket), &later);
	}
	if (why)
		log_event(EV_PLAN_ABORTED, LF_SLICE(bundle, r->plan.key), LF_STR(cause, why));
	return rc == RC_FATAL ? RC_FATAL : RC_OK;
}

/* Either this is the first claim of an event that is so old that the record of an earlier shipping
 * may have expired; or it is what such a first claim has left, because its worker died before it
 * could reject the object. (Only if two workers died so, each between its claim and the next write,
 * would the object get through.) */
static bool too_old(const struct round *r, const struct unit *u)
{
	static const uint64_t margin_ms = UINT64_C(15) * 24 * 3600 * 1000;
	const struct pipeline_config *cfg = r->c->cfg;
	uint64_t now = clock_wall_ms(cfg->ports.clock);

	return cfg->retention_ms > margin_ms && !u->is_known && u->event_wall_ms &&
	       now > u->event_wall_ms && now - u->event_wall_ms > cfg->retention_ms - margin_ms;
}

/* Claims of this plan that must end as rejections. */
static void mark_refused(struct round *r)
{
	for (size_t i = 0; i < r->n; i++) {
		struct unit *u = r->units[i];

		if (!round_is_mine(u) || u->code[0])
			continue;
		if (u->attempts > BATCHER_POISON_ATTEMPTS)
			unit_refuse(u, "poison", unit_sentence("poison"));
		else if (too_old(r, u))
			unit_refuse(u, "too-old", unit_sentence("too-old"));
		else if (u->has_size && u->size > r->c->cfg->object_max_bytes)
			unit_refuse_size(u, u->size, r->c->cfg->object_max_bytes);
	}
}

/* After the fetch: objects that are gone become rejections. */
static void mark_missing(struct round *r)
{
	for (size_t i = 0; i < r->n; i++) {
		struct unit *u = r->units[i];

		if (round_is_mine(u) && !u->code[0] && u->fetch == FETCH_MISSING)
			unit_refuse(u, "object-missing", unit_sentence("object-missing"));
	}
}

static bool wants_fetch(const struct unit *u)
{
	return round_is_mine(u) && !u->code[0];
}

static enum rc fetch(struct round *r, struct err *err)
{
	const struct pipeline_config *cfg = r->c->cfg;
	struct bundle_job job = {.landing = cfg->ports.landing,
		.distribution = cfg->ports.distribution,
		.plan = &r->plan,
		.archive_bucket = slice_str(cfg->archive_bucket),
		.compression = cfg->compression,
		.pool = cfg->ports.pool,
		.memory = cfg->bundle_memory,
		.max_bytes = cfg->batch_max_bytes,
		.object_max_bytes = cfg->object_max_bytes,
		.alone_bytes = cfg->alone_bytes,
		.clock = cfg->ports.clock,
		.tick = keep_alive,
		.tick_arg = r};
	struct unit **wanted = arena_array(&r->arena, r->n, sizeof(struct unit *));
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++) {
		r->units[i]->fetch = FETCH_NONE;
		if (wants_fetch(r->units[i]))
			wanted[n++] = r->units[i];
	}
	return n ? bundle_make(&job, wanted, n, &r->bundle, err) : RC_OK;
}

/* Puts the rejections on record that are not there yet. A unit whose rejection cannot be settled
 * loses its claim status: it is tried again. */
static enum rc record_rejections(struct round *r, struct err *err)
{
	struct unit **refused = arena_array(&r->arena, r->n, sizeof(struct unit *));
	enum rc rc = RC_OK;
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++) {
		struct unit *u = r->units[i];

		if (round_is_mine(u) && u->code[0] && !u->is_recorded)
			refused[n++] = u;
	}
	if (n)
		rc = reject_units(
			r->c->cfg->ports.ledger, r->c->cfg->ports.clock, &r->plan, refused, n, err);
	for (size_t i = 0; rc == RC_OK && i < n; i++)
		refused[i]->is_recorded = round_is_mine(refused[i]);
	return rc;
}

/* The bundle broke off too often. The members that were found damaged are rejected all the same,
 * because the next plan would break off at them again. A rejection that cannot be recorded now is
 * found again by the next plan. */
static void settle_damaged(struct round *r)
{
	struct err later = {0};

	record_rejections(r, &later);
}

static void log_bundle(const struct round *r)
{
	log_event(EV_BUNDLE_PUBLISHED, LF_SLICE(bundle, r->plan.key),
		LF_U64(objects, r->bundle.n_members),
		LF_U64(object_bytes, r->bundle.member_bytes),
		LF_U64(bundle_bytes, r->bundle.size_bytes));
}

static void count_bundle(struct round *r)
{
	struct pipeline_stats *st = r->c->stats;

	st->bundles++;
	st->objects += r->bundle.n_members;
	st->object_bytes += r->bundle.member_bytes;
	st->bundle_bytes += r->bundle.size_bytes;
	log_bundle(r);
}

/* Sealed but not published. Nothing here can do more: the plan has a backoff of its own, and the
 * next bundle does not wait for it. */
static void leave_to_scanner(struct round *r, enum rc rc, const struct err *err)
{
	struct clock *clock = r->c->cfg->ports.clock;

	r->c->stats->failures++;
	unfinished_failed(r->c->unfinished, &r->plan, rc, err, clock_boot_ms(clock),
		clock_wall_ms(clock));
}

/* Steps 6 to 8. RC_OK: the plan is sealed, and either published and done, or left to the scanner.
 * RC_CONFLICT: the plan was fenced, and its stage is discarded. Any other code: this worker does
 * not know whether the plan is sealed. */
static enum rc commit(struct round *r, struct err *err)
{
	const struct pipeline_ports *ports = &r->c->cfg->ports;
	enum plan_state found;
	enum rc rc;

	r->plan.seal = seal_record(&r->arena, &r->bundle, r->units, r->n);
	rc = plan_move(
		ports->ledger, ports->clock, &r->plan, PLAN_SEALED, &r->plan.seal, 0, &found, err);
	heartbeat_remove(r->c->heartbeat, &r->beat);
	if (rc == RC_CONFLICT && found == PLAN_ABORTED) {
		plan_moved(&r->plan, PLAN_ABORTED);
		plan_discard(ports->distribution, ports->ledger, &r->plan,
			slice_str(r->c->cfg->archive_bucket), err);
		return RC_CONFLICT;
	}
	if (rc != RC_OK)
		return rc;
	plan_moved(&r->plan, PLAN_SEALED);
	rc = publish_plan(ports->distribution, ports->ledger, ports->clock, &r->plan, err);
	if (rc == RC_FATAL)
		return rc;
	r->published = rc == RC_OK;
	if (r->published)
		count_bundle(r);
	else
		leave_to_scanner(r, rc, err);
	return RC_OK;
}

/* The plan is over before its seal, with rc. */
static enum rc end_early(struct round *r, enum rc rc, struct err *err)
{
	const char *why = err ? err->text : "";

	if (rc == RC_FATAL)
		return rc;
	if (give_up(r, why) == RC_FATAL)
		return RC_FATAL;
	round_retry_all(r, rc == RC_CONFLICT || round_put_aside(r) > 0);
	return rc == RC_CONFLICT ? RC_OK : RC_AGAIN;
}

/* Everything between the plan's opening and its end. */
static enum rc carry(struct round *r, struct err *err)
{
	const struct pipeline_config *cfg = r->c->cfg;
	struct claim_context claims = {.ledger = cfg->ports.ledger,
		.distribution = cfg->ports.distribution,
		.clock = cfg->ports.clock,
		.leases = r->c->leases,
		.unfinished = r->c->unfinished,
		.batcher = r->c->batcher,
		.lease_ms = cfg->lease_ms};
	enum rc rc = claim_units(&claims, &r->plan, r->units, r->n, err);

	r->c->stats->plans_aborted += claims.n_aborted;
	r->c->stats->plans_recovered += claims.n_helped;
	if (rc != RC_OK)
		return end_early(r, rc, err);
	mark_refused(r);
	rc = record_rejections(
		/* these units need no fetch, and a process that dies during the fetch would forget
		 * them */
		r, err);
	if (rc == RC_OK)
		rc = fetch(r, err);
	if (rc == RC_AGAIN)
		settle_damaged(r);
	if (rc != RC_OK)
		return end_early(r, rc, err);
	mark_missing(r);
	rc = record_rejections(r, err);
	if (rc != RC_OK)
		return end_early(r, rc, err);
	if (r->bundle.n_members == 0) {
		rc = give_up(r, NULL);
	} else {
		rc = commit(r, err);
		if (rc == RC_CONFLICT) {
			round_retry_all(r, true);
			return RC_OK;
		}
		/* If the owner just left an open plan, it would be aborted after a lease like a
		 * plan whose owner died, and the objects would be charged with an attempt. Aborting
		 * it is safe although the seal may still be under way: one of the two writes finds
		 * that the plan is not open any more. */
		if (rc != RC_OK)
			return end_early(r, rc, err);
	}
	if (rc == RC_FATAL)
		return rc;
	round_decide_all(r);
	return rc == RC_OK ? RC_OK : RC_AGAIN;
}

enum rc round_run(struct round_context *c, struct unit **units, size_t n, struct err *err)
{
	const struct pipeline_config *cfg = c->cfg;
	struct round r = {.c = c, .units = units, .n = n};
	uint64_t asked_boot_ms = clock_boot_ms(cfg->ports.clock);
	enum rc rc;

	assert(n > 0);
	r.plan = plan_make(&r.arena, cfg->ports.prng, clock_wall_ms(cfg->ports.clock),
		slice_str(cfg->owner), slice_str(cfg->distribution_bucket));
	r.beat = (struct beat){.plan = &r.plan, .on_overdue = let_go, .arg = &r};
	rc = plan_begin(cfg->ports.ledger, cfg->ports.clock, &r.plan, err);
	if (rc == RC_OK && clock_boot_ms(cfg->ports.clock) - asked_boot_ms >= cfg->lease_ms / 2) {
		/* The plan may have been open for most of a lease without a beat. Nothing is
		 * claimed yet, so another plan costs nothing; a plan that is taken for dead would
		 * cost attempts. */
		rc = give_up(&r, "the ledger took too long to open the plan");
		if (rc == RC_OK)
			round_retry_all(&r, true);
	} else if (rc == RC_OK) {
		heartbeat_add(c->heartbeat, &r.beat);
		rc = carry(&r, err);
		heartbeat_remove(c->heartbeat, &r.beat);
	} else if (rc != RC_FATAL) {
		round_retry_all(&r, false);
		rc = RC_AGAIN;
	}
	bundle_release(&r.bundle);
	arena_release(&r.arena);
	return rc;
}
