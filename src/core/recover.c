#include "core/recover.h"

#include "core/publish.h"
#include "core/stages.h"
#include "obs/log.h"

#define PAGE 100

static void log_recovered(const struct lg_plan *plan)
{
	log_event(EV_PLAN_RECOVERED, LF_SLICE(bundle, plan->key), LF_SLICE(owner, plan->owner),
		LF_STR(state, plan_state_name(plan->state)));
}

static enum rc undo_open(
	struct recover_context *c, struct lg_plan *plan, bool all_dead, struct err *err)
{
	uint64_t heartbeat = all_dead ? LG_ANY_HEARTBEAT : plan->heartbeat;
	enum plan_state found;
	enum rc rc =
		plan_move(c->ledger, c->clock, plan, PLAN_ABORTED, NULL, heartbeat, &found, err);

	if (rc == RC_OK) {
		plan_moved(plan, PLAN_ABORTED);
		c->n_aborted++;
		log_recovered(plan);
	}
	/* the owner lives, or the plan was sealed: the next pass will see it */
	return rc == RC_CONFLICT ? RC_OK : rc;
}

/* Whether the store's answer proves that the bundle was never published. */
static bool is_denied(enum rc rc, const struct err *err)
{
	return rc == RC_ABSENT || (rc == RC_CORRUPT && err_is(err, ERR_DAMAGED));
}

/*
 * The store denies a sealed stage, or says that its bytes are damaged; both prove that the bundle
 * was never published [OS-14]. Remove what may be left of the stage, so that nothing can land
 * later. Wait for a completion that may be under way. Then undo the seal, if the store still denies
 * the stage.
 */
static enum rc undo_sealed(struct recover_context *c, struct lg_plan *plan, struct err *err)
{
	enum plan_state found, to;
	enum rc rc = stages_discard(c->distribution, plan, c->archive_bucket, err);

	if (rc != RC_OK)
		return rc;
	if (lease_observe(c->denied, plan, clock_boot_ms(c->clock)) < c->void_wait_ms)
		return RC_OK;
	rc = publish_bundle(c->distribution, plan, err);
	if (rc != RC_OK && !is_denied(rc, err))
		return rc;
	/* RC_OK: the bundle was published after all, even if the archive denies its own stages. */
	to = rc == RC_OK ? PLAN_DONE : PLAN_ABORTED;
	rc = plan_move(c->ledger, c->clock, plan, to, NULL, 0, &found, err);
	if (rc == RC_OK) {
		plan_moved(plan, to);
		c->n_aborted += to == PLAN_ABORTED;
		c->n_published += to == PLAN_DONE;
		log_recovered(plan);
	}
	return rc == RC_CONFLICT ? RC_OK : rc;
}

static enum rc finish_sealed(struct recover_context *c, struct lg_plan *plan, struct err *err)
{
	enum rc rc = publish_plan(c->distribution, c->ledger, c->clock, plan, err);

	if (rc == RC_OK) {
		c->n_published++;
		log_recovered(plan);
	}
	return rc;
}

static enum rc take_step(
	struct recover_context *c, struct lg_plan *plan, bool all_dead, struct err *err)
{
	uint64_t still_ms = lease_observe(c->leases, plan, clock_boot_ms(c->clock));
	/* The owner of a sealed plan that failed here does not try it any more: it has left the
	 * plan to this scanner, or is dead. */
	bool over = all_dead || still_ms >= c->lease_ms ||
		    (c->left_behind && plan->state != PLAN_OPEN) ||
		    (plan->state == PLAN_SEALED && unfinished_has(c->unfinished, &plan->id));
	bool was_aborted = plan->state == PLAN_ABORTED;
	enum rc rc = RC_OK;

	if (plan->state == PLAN_OPEN && over)
		rc = undo_open(c, plan, all_dead, err);
	else if (plan->state == PLAN_SEALED && over)
		rc = finish_sealed(c, plan, err);
	if (plan->state == PLAN_SEALED && is_denied(rc, err)) {
		struct err why = *err;
		enum rc undone = undo_sealed(c, plan, err);

		/* It is too early to void the plan. The reported cause stays the store's denial. */
		if (undone == RC_FATAL || plan->state != PLAN_SEALED)
			rc = undone;
		else if (undone == RC_OK)
			*err = why;
	}
	/* An owner that was fenced but lives may still be staging. It gets one lease to notice that
	 * and to discard its stage itself. */
	if (rc == RC_OK && !c->only_open &&
		plan->state == PLAN_ABORTED && over && (all_dead || was_aborted))
		rc = plan_discard(c->distribution, c->ledger, plan, c->archive_bucket, err);
	return rc == RC_CONFLICT ? RC_OK : rc;
}

/* Handles one plan, unless its last failure is too recent. RC_OK whatever happened to the plan;
 * RC_FATAL. */
static enum rc look_after(
	struct recover_context *c, struct lg_plan *plan, bool all_dead, struct err *err)
{
	enum rc rc;

	if (c->only_open && plan->state != PLAN_OPEN)
		return RC_OK;
	if (!unfinished_may_try(c->unfinished, &plan->id, clock_boot_ms(c->clock))) {
		lease_observe(c->leases, plan, clock_boot_ms(c->clock));
		lease_keep(c->denied, &plan->id, clock_boot_ms(c->clock));
		return RC_OK;
	}
	rc = take_step(c, plan, all_dead, err);
	if (rc == RC_FATAL)
		return rc;
	if (rc == RC_OK)
		unfinished_done(c->unfinished, &plan->id);
	else
		unfinished_failed(c->unfinished, plan, rc, err, clock_boot_ms(c->clock),
			clock_wall_ms(c->clock));
	return RC_OK;
}

static bool is_stopping(const struct recover_context *c)
{
	return c->stopping && atomic_load_explicit(c->stopping, memory_order_relaxed);
}

enum rc recover_pass(struct recover_context *c, bool all_dead, struct err *err)
{
	uint64_t began_boot_ms = clock_boot_ms(c->clock);
	struct plan_id after, *resume = NULL;
	enum rc rc;
	struct err own = {0};
	size_t n;

	err = err ? err : &own;
	do {
		struct arena a = ARENA_INIT;
		struct lg_plan *plans;

		rc = lg_scan(c->ledger, &a, PLAN_OPEN | PLAN_SEALED | PLAN_ABORTED, resume, PAGE,
			&plans, &n, err);
		for (size_t i = 0; rc == RC_OK && i < n && !is_stopping(c); i++)
			rc = look_after(c, &plans[i], all_dead, err);
		if (rc == RC_OK && n) {
			after = plans[n - 1].id;
			resume = &after;
		}
		arena_release(&a);
	} while (rc == RC_OK && n > 0 && !is_stopping(c));
	if (rc != RC_OK)
		return rc == RC_FATAL ? rc : RC_AGAIN;
	if (is_stopping(c)) /* not all were seen */
		return RC_OK;
	lease_prune(c->leases, began_boot_ms);
	lease_prune(c->denied, began_boot_ms);
	unfinished_prune(c->unfinished, began_boot_ms);
	return RC_OK;
}
