#include "core/plan.h"

#include <assert.h>

#include "core/stages.h"

bool plan_move_allowed(enum plan_state from, enum plan_state to)
{
	switch (from) {
	case PLAN_OPEN:
		return to == PLAN_SEALED || to == PLAN_ABORTED;
	case PLAN_SEALED:
		return to == PLAN_DONE || to == PLAN_ABORTED;
	case PLAN_DONE:
	case PLAN_ABORTED:
		return false;
	}
	return false;
}

void plan_moved(struct lg_plan *plan, enum plan_state to)
{
	assert(plan_move_allowed(plan->state, to));
	plan->state = to;
}

struct lg_plan plan_make(struct arena *a, struct prng *prng, uint64_t wall_ms, struct slice owner,
	struct slice bucket)
{
	struct lg_plan plan = {
		.state = PLAN_OPEN, .owner = owner, .bucket = bucket, .opened_wall_ms = wall_ms};
	char *key = arena_alloc(a, BUNDLE_KEY_MAX);

	prng_bytes(prng, plan.id.bytes, sizeof(plan.id.bytes));
	prng_bytes(prng, plan.nonce, sizeof(plan.nonce));
	bundle_key_format(key, &plan.id, wall_ms);
	plan.key = slice_str(key);
	return plan;
}

static void pause_before(struct clock *clock, int try)
{
	if (try > 0)
		clock_sleep_ms(clock, (uint64_t)PLAN_SETTLE_PAUSE_MS << (try - 1));
}

enum rc plan_begin(
	struct ledger *lg, struct clock *clock, const struct lg_plan *plan, struct err *err)
{
	enum rc rc = RC_AGAIN;

	for (int try = 0; try < PLAN_SETTLE_TRIES; try++) {
		pause_before(clock, try);
		rc = lg_plan_open(lg, plan, err);
		/* Nobody else uses this id, so a conflict after an unknown answer is our own first
		 * write. */
		if (rc == RC_OK || (rc == RC_CONFLICT && try > 0))
			return RC_OK;
		if (rc != RC_UNKNOWN && rc != RC_AGAIN)
			break;
	}
	return err_ctx(err, rc, "open a plan");
}

/* Where the plan is now; RC_ABSENT when the ledger has lost it. */
static enum rc look(
	struct ledger *lg, const struct plan_id *id, enum plan_state *ret_state, struct err *err)
{
	struct arena a = ARENA_INIT;
	struct lg_plan now;
	enum rc rc = lg_plan_get(lg, &a, id, &now, err);

	if (rc == RC_OK)
		*ret_state = now.state;
	arena_release(&a);
	return rc;
}

static enum rc write_move(struct ledger *lg, const struct lg_plan *plan, enum plan_state to,
	const struct lg_seal *seal, uint64_t heartbeat, struct err *err)
{
	switch (to) {
	case PLAN_SEALED:
		return lg_plan_seal(lg, &plan->id, plan->nonce, seal, err);
	case PLAN_DONE:
		return lg_plan_done(lg, &plan->id, err);
	case PLAN_ABORTED:
		return plan->state == PLAN_SEALED ? lg_plan_void(lg, &plan->id, err)
						  : lg_plan_abort(lg, &plan->id, heartbeat, err);
	case PLAN_OPEN:
		break;
	}
	die("a plan cannot be moved to '%s'", plan_state_name(to));
}

enum rc plan_move(struct ledger *lg, struct clock *clock, const struct lg_plan *plan,
	enum plan_state to, const struct lg_seal *seal, uint64_t heartbeat,
	enum plan_state *ret_found, struct err *err)
{
	enum rc rc = RC_AGAIN, looked;
	enum plan_state now;

	assert(plan_move_allowed(plan->state, to));
	*ret_found = plan->state;
	for (int try = 0; try < PLAN_SETTLE_TRIES; try++) {
		pause_before(clock, try);
		rc = write_move(lg, plan, to, seal, heartbeat, err);
		if (rc == RC_OK) {
			*ret_found = to;
			return RC_OK;
		}
		if (rc != RC_CONFLICT && rc != RC_UNKNOWN && rc != RC_AGAIN)
			break;
		looked = look(lg, &plan->id, &now, err);
		if (looked == RC_FATAL || looked == RC_ABSENT)
			return err_ctx(err, looked, "look at a plan");
		if (looked != RC_OK)
			continue;
		*ret_found = now;
		if (now == to || (to == PLAN_SEALED && now == PLAN_DONE))
			return RC_OK;
		/* The plan is still in its old state. A conflict then came from a new heartbeat;
		 * after any other answer the write is repeated. */
		if (now != plan->state || rc == RC_CONFLICT)
			return err_set(err, RC_CONFLICT, "the plan is '%s'", plan_state_name(now));
	}
	return err_ctx(err, rc, "move a plan to '%s'", plan_state_name(to));
}

enum rc plan_discard(struct object_store *os, struct ledger *lg, const struct lg_plan *plan,
	struct slice archive_bucket, struct err *err)
{
	enum rc rc;

	assert(plan->state == PLAN_ABORTED);
	rc = stages_discard(os, plan, archive_bucket, err);
	if (rc == RC_OK)
		rc = stages_unarchive(os, plan, archive_bucket, err);
	return rc == RC_OK ? lg_plan_discarded(lg, &plan->id, err) : rc;
}

bool plan_has_slot(const struct lg_plan *plan, uint32_t slot)
{
	const struct lg_seal *seal = &plan->seal;

	assert(plan->state == PLAN_SEALED || plan->state == PLAN_DONE);
	return slot < seal->n_slots && !lg_is_excluded(seal->excluded, slot);
}

void plan_id_text(const struct plan_id *id, char out[2 * PLAN_ID_BYTES + 1])
{
	hex_encode(id->bytes, PLAN_ID_BYTES, out);
}
