/*
 * plan: the record of one future bundle, and its moves: open → sealed → done, open → aborted,
 * sealed → aborted (a void).
 *
 * Every move is one conditional write. An unknown answer is settled here, by repeating the write or
 * by reading the plan. When PLAN_SETTLE_TRIES give no answer the code is RC_UNKNOWN, and the caller
 * must leave the plan as it is: a scanner will decide it.
 */
#ifndef BALER_CORE_PLAN_H
#define BALER_CORE_PLAN_H

#include "base/clock.h"
#include "base/prng.h"
#include "port/ledger.h"
#include "port/object_store.h"

#define PLAN_SETTLE_TRIES 6
#define PLAN_SETTLE_PAUSE_MS 20 /* doubles */

/* I7: whether a plan may move from … to …. */
bool plan_move_allowed(enum plan_state from, enum plan_state to);
/* Moves the struct; asserts I7. */
void plan_moved(struct lg_plan *plan, enum plan_state to);

/* A new plan with a random id and nonce, not yet in the ledger. Slices are borrowed, the key is
 * in a. */
struct lg_plan plan_make(struct arena *a, struct prng *prng, uint64_t wall_ms, struct slice owner,
	struct slice bucket);
/* Writes the plan before any claim (I6). RC_OK: the plan is in the ledger and open. */
enum rc plan_begin(
	struct ledger *lg, struct clock *clock, const struct lg_plan *plan, struct err *err);

/* Moves a plan and settles the answer. to: the new state; seal: only for PLAN_SEALED; heartbeat:
 * only for PLAN_ABORTED. RC_OK: the plan is in `to` (after sealing: sealed or done). RC_CONFLICT:
 * the plan is in another state and will not come to `to`; *ret_found is that state. */
enum rc plan_move(struct ledger *lg, struct clock *clock, const struct lg_plan *plan,
	enum plan_state to, const struct lg_seal *seal, uint64_t heartbeat,
	enum plan_state *ret_found, struct err *err);

/* Removes the stages of an aborted plan (I8: only of an aborted plan), and the files that it had
 * archived before it was voided; then marks the plan discarded. archive_bucket: empty when there is
 * none. */
enum rc plan_discard(struct object_store *os, struct ledger *lg, const struct lg_plan *plan,
	struct slice archive_bucket, struct err *err);

/* Membership in a sealed or done plan. */
bool plan_has_slot(const struct lg_plan *plan, uint32_t slot);

void plan_id_text(const struct plan_id *id, char out[2 * PLAN_ID_BYTES + 1]);

#endif
