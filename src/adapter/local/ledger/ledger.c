/* Plans: one row each, moved by one conditional write at a time. Reading: ledger_read.c; claims:
 * ledger_claim.c. */
#include "adapter/local/ledger/ledger.h"

#include <assert.h>
#include <stdlib.h>

#define BYTES_PER_PLAN 512

static struct local_ledger *of(struct ledger *lg)
{
	return (struct local_ledger *)lg;
}

static struct slice id_slice(const struct plan_id *id)
{
	return slice_of(id->bytes, sizeof(id->bytes));
}

struct open_op {
	struct commit_op op;
	const struct lg_plan *plan;
};

static enum rc open_apply(struct commit_op *op, struct db_conn *conn, struct err *err)
{
	const struct lg_plan *p = ((struct open_op *)op)->plan;
	sqlite3_stmt *st = db_stmt(conn,
		"INSERT INTO plan(id, state, live, heartbeat, nonce, owner, bucket, key, opened)"
		" VALUES(?, 1, 1, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING");
	enum rc rc;

	db_bind_slice(st, 1, id_slice(&p->id));
	db_bind_u64(st, 2, p->heartbeat);
	db_bind_slice(st, 3, slice_of(p->nonce, LG_NONCE_BYTES));
	db_bind_slice(st, 4, p->owner);
	db_bind_slice(st, 5, p->bucket);
	db_bind_slice(st, 6, p->key);
	db_bind_u64(st, 7, p->opened_wall_ms);
	rc = db_run(st, err);
	if (rc == RC_OK && sqlite3_changes(db_handle(conn)) == 0)
		return err_set(err, RC_CONFLICT, "a plan with this id exists");
	return rc;
}

static enum rc plan_open(struct ledger *lg, const struct lg_plan *plan, struct err *err)
{
	struct open_op w = {.op = {.apply = open_apply, .bytes = BYTES_PER_PLAN}, .plan = plan};

	assert(plan->state == PLAN_OPEN);
	if (plan->owner.n > LG_OWNER_MAX || plan->bucket.n > BUCKET_NAME_MAX ||
		plan->key.n > OBJECT_KEY_MAX)
		return err_set(err, RC_REFUSED, "a plan's owner, bucket or key is too long");
	return committer_run(of(lg)->local->committer, &w.op, err);
}

enum move { MOVE_BEAT, MOVE_SEAL, MOVE_ABORT, MOVE_VOID, MOVE_DONE, MOVE_DISCARD };

struct move_op {
	struct commit_op op;
	enum move move;
	const struct plan_id *id;
	const unsigned char *nonce; /* beat, seal */
	uint64_t heartbeat;         /* beat: the new one; abort: the one there must be */
	const struct lg_seal *seal;
};

struct plan_now {
	uint64_t seq, heartbeat;
	enum plan_state state;
	bool is_nonce; /* the mover's */
};

static enum rc read_now(
	struct db_conn *conn, const struct move_op *w, struct plan_now *ret_now, struct err *err)
{
	sqlite3_stmt *st =
		db_stmt(conn, "SELECT seq, state, heartbeat, nonce FROM plan WHERE id = ?");
	bool row;
	enum rc rc;

	db_bind_slice(st, 1, id_slice(w->id));
	rc = db_step(st, &row, err);
	if (rc != RC_OK)
		return rc;
	if (!row)
		return err_set(err, RC_CONFLICT, "no such plan");
	ret_now->seq = db_column_u64(st, 0);
	ret_now->state = (enum plan_state)db_column_u64(st, 1);
	ret_now->heartbeat = db_column_u64(st, 2);
	ret_now->is_nonce =
		w->nonce && slice_eq(db_column_slice(st, 3), slice_of(w->nonce, LG_NONCE_BYTES));
	db_done(st);
	return RC_OK;
}

/* [LG-5], [LG-6], [LG-12]. */
static bool may_move(const struct move_op *w, const struct plan_now *now)
{
	switch (w->move) {
	case MOVE_BEAT:
	case MOVE_SEAL:
		return now->state == PLAN_OPEN && now->is_nonce;
	case MOVE_ABORT:
		return now->state == PLAN_OPEN &&
		       (w->heartbeat == LG_ANY_HEARTBEAT || w->heartbeat == now->heartbeat);
	case MOVE_VOID:
	case MOVE_DONE:
		return now->state == PLAN_SEALED;
	case MOVE_DISCARD:
		return now->state == PLAN_ABORTED;
	}
	return false;
}

static enum rc write_state(
	struct db_conn *conn, uint64_t seq, enum plan_state state, bool live, struct err *err)
{
	sqlite3_stmt *st = db_stmt(conn, "UPDATE plan SET state = ?, live = ? WHERE seq = ?");

	db_bind_u64(st, 1, state);
	db_bind_u64(st, 2, live);
	db_bind_u64(st, 3, seq);
	return db_run(st, err);
}

static enum rc write_beat(struct db_conn *conn, uint64_t seq, uint64_t heartbeat, struct err *err)
{
	sqlite3_stmt *st = db_stmt(conn, "UPDATE plan SET heartbeat = ? WHERE seq = ?");

	db_bind_u64(st, 1, heartbeat);
	db_bind_u64(st, 2, seq);
	return db_run(st, err);
}

static enum rc write_seal(
	struct db_conn *conn, uint64_t seq, const struct move_op *w, struct err *err)
{
	sqlite3_stmt *st = db_stmt(conn, "UPDATE plan SET state = 2, size = ?, n_slots = ?, sha256 "
					 "= ?, staged = ?, excluded = ?, sum = ?"
					 " WHERE seq = ?");

	db_bind_u64(st, 1, w->seal->size_bytes);
	db_bind_u64(st, 2, w->seal->n_slots);
	db_bind_slice(st, 3, slice_of(w->seal->sha256, LG_SHA256_BYTES));
	db_bind_slice(st, 4, w->seal->staged);
	db_bind_slice(st, 5, w->seal->excluded);
	db_bind_u64(st, 6,
		row_sum_seal(id_slice(w->id), w->seal->size_bytes, w->seal->n_slots,
			slice_of(w->seal->sha256, LG_SHA256_BYTES), w->seal->staged, w->seal->excluded));
	db_bind_u64(st, 7, seq);
	return db_run(st, err);
}

static enum rc write_move(
	struct db_conn *conn, uint64_t seq, const struct move_op *w, struct err *err)
{
	switch (w->move) {
	case MOVE_BEAT:
		return write_beat(conn, seq, w->heartbeat, err);
	case MOVE_SEAL:
		return write_seal(conn, seq, w, err);
	case MOVE_ABORT:
	case MOVE_VOID:
		return write_state(conn, seq, PLAN_ABORTED, true, err);
	case MOVE_DONE:
		return write_state(conn, seq, PLAN_DONE, false, err);
	case MOVE_DISCARD:
		return write_state(conn, seq, PLAN_ABORTED, false, err);
	}
	return RC_FATAL;
}

static enum rc move_apply(struct commit_op *op, struct db_conn *conn, struct err *err)
{
	const struct move_op *w = (const struct move_op *)op;
	struct plan_now now = {0};
	enum rc rc = read_now(conn, w, &now, err);

	if (rc != RC_OK)
		return rc;
	if (!may_move(w, &now))
		return err_set(err, RC_CONFLICT, "the plan is %s, or not this owner's",
			plan_state_name(now.state));
	return write_move(conn, now.seq, w, err);
}

static enum rc run_move(struct ledger *lg, struct move_op *w, struct err *err)
{
	w->op.apply = move_apply;
	w->op.bytes = BYTES_PER_PLAN + (w->seal ? w->seal->staged.n + w->seal->excluded.n : 0);
	return committer_run(of(lg)->local->committer, &w->op, err);
}

static enum rc plan_beat(struct ledger *lg, const struct plan_id *id,
	const unsigned char nonce[LG_NONCE_BYTES], uint64_t heartbeat, struct err *err)
{
	struct move_op w = {.move = MOVE_BEAT, .id = id, .nonce = nonce, .heartbeat = heartbeat};

	return run_move(lg, &w, err);
}

static enum rc plan_seal(struct ledger *lg, const struct plan_id *id,
	const unsigned char nonce[LG_NONCE_BYTES], const struct lg_seal *seal, struct err *err)
{
	struct move_op w = {.move = MOVE_SEAL, .id = id, .nonce = nonce, .seal = seal};

	if (seal->staged.n > LG_STAGED_MAX || !lg_excluded_fits(seal->excluded, seal->n_slots))
		return err_set(err, RC_REFUSED,
			"a seal with %zu bytes of staged record, a bitmap of %zu for %u slots",
			seal->staged.n, seal->excluded.n, seal->n_slots);
	return run_move(lg, &w, err);
}

static enum rc plan_abort(
	struct ledger *lg, const struct plan_id *id, uint64_t heartbeat, struct err *err)
{
	struct move_op w = {.move = MOVE_ABORT, .id = id, .heartbeat = heartbeat};

	return run_move(lg, &w, err);
}

static enum rc plan_void(struct ledger *lg, const struct plan_id *id, struct err *err)
{
	struct move_op w = {.move = MOVE_VOID, .id = id};

	return run_move(lg, &w, err);
}

static enum rc plan_done(struct ledger *lg, const struct plan_id *id, struct err *err)
{
	struct move_op w = {.move = MOVE_DONE, .id = id};

	return run_move(lg, &w, err);
}

static enum rc plan_discarded(struct ledger *lg, const struct plan_id *id, struct err *err)
{
	struct move_op w = {.move = MOVE_DISCARD, .id = id};

	return run_move(lg, &w, err);
}

static void ledger_close(struct ledger *lg)
{
	free(lg);
}

static const struct ledger_ops ops = {
	.plan_open = plan_open,
	.plan_get = ledger_plan_get,
	.plan_beat = plan_beat,
	.plan_seal = plan_seal,
	.plan_abort = plan_abort,
	.plan_void = plan_void,
	.plan_done = plan_done,
	.plan_discarded = plan_discarded,
	.scan = ledger_plan_scan,
	.claim = ledger_claim,
	.swap = ledger_swap,
	.reject = ledger_reject,
	.object_get = ledger_object_get,
	.close = ledger_close,
};

void local_ledger_open(struct local *local)
{
	struct local_ledger *lg = xcalloc(1, sizeof(*lg));

	lg->base.ops = &ops;
	lg->local = local;
	local->ledger = &lg->base;
}

struct ledger *local_ledger(struct local *local)
{
	return local->ledger;
}
