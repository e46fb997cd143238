#include "core/seal.h"

#include <assert.h>

struct lg_seal seal_record(
	struct arena *a, const struct bundle *b, struct unit *const *units, size_t n)
{
	struct lg_seal seal = {.staged = buf_slice(&b->staged),
		.size_bytes = b->size_bytes,
		.n_slots = (uint32_t)n};
	unsigned char *excluded = arena_alloc(a, LG_BITMAP_BYTES(n));
	size_t n_excluded = 0;

	memcpy(seal.sha256, b->sha256, sizeof(seal.sha256));
	for (size_t i = 0; i < n; i++) {
		bool member = units[i]->claim == CLAIM_MINE && units[i]->fetch == FETCH_PACKED;

		assert(units[i]->slot == i);
		if (member)
			continue;
		excluded[i / 8] |= (unsigned char)(1 << i % 8);
		n_excluded++;
	}
	assert(seal.n_slots - n_excluded == b->n_members); /* I4 */
	if (n_excluded)
		seal.excluded = slice_of(excluded, LG_BITMAP_BYTES(n));
	return seal;
}

/* After an answer that is none: whether the rejection is on record. */
static enum rc look(struct ledger *lg, const struct plan_id *plan, struct unit *u, bool *ret_again,
	struct err *err)
{
	struct arena a = ARENA_INIT;
	struct lg_object rec;
	enum rc rc = lg_object_get(lg, &a, &u->object, &rec, err);

	*ret_again = false;
	if (rc == RC_OK && memcmp(&rec.plan, plan, sizeof(*plan)) != 0)
		u->claim = CLAIM_LOST;
	else if (rc == RC_OK)
		*ret_again = rec.state != LG_REJECTED;
	else if (rc == RC_ABSENT)
		u->claim = CLAIM_LOST;
	else
		*ret_again = true;
	arena_release(&a);
	return rc == RC_FATAL ? rc : RC_OK;
}

/* Sends one batch for all that are left, and moves those without a definite answer to the front.
 * Returns how many. */
static size_t reject_once(struct ledger *lg, const struct lg_plan *plan, struct unit **units,
	size_t n, enum rc *ret_rc, struct err *err)
{
	struct arena a = ARENA_INIT;
	struct lg_reject *rejects = arena_array(&a, n, sizeof(*rejects));
	size_t left = 0;

	for (size_t i = 0; i < n; i++)
		rejects[i] =
			(struct lg_reject){units[i]->object, slice_str(units[i]->code), RC_UNKNOWN};
	*ret_rc = lg_reject_many(lg, &plan->id, rejects, n, err);
	for (size_t i = 0; *ret_rc != RC_FATAL && i < n; i++) {
		bool again = false;

		if (rejects[i].result == RC_FATAL)
			*ret_rc = RC_FATAL;
		else if (rejects[i].result != RC_OK)
			*ret_rc = look(lg, &plan->id, units[i], &again, err);
		if (again)
			units[left++] = units[i];
	}
	arena_release(&a);
	return left;
}

enum rc reject_units(struct ledger *lg, struct clock *clock, const struct lg_plan *plan,
	struct unit *const *units, size_t n, struct err *err)
{
	struct arena a = ARENA_INIT;
	struct unit **left = arena_array(&a, n, sizeof(struct unit *));
	enum rc rc = RC_OK;

	if (n)
		memcpy(left, units, n * sizeof(struct unit *));
	for (int try = 0; n && try < PLAN_SETTLE_TRIES; try++) {
		if (try > 0)
			clock_sleep_ms(clock, (uint64_t)PLAN_SETTLE_PAUSE_MS << (try - 1));
		n = reject_once(lg, plan, left, n, &rc, err);
		if (rc == RC_FATAL)
			break;
	}
	for (size_t i = 0; rc != RC_FATAL && i < n; i++)
		left[i]->claim = CLAIM_LOST;
	arena_release(&a);
	return rc == RC_FATAL ? err_ctx(err, rc, "reject objects") : RC_OK;
}
