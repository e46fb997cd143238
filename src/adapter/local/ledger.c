/* Plans: one row each, moved by one conditional write at a time. Claims: ledger_claim.c. */
#include "adapter/local/ledger.h"

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
	struct slice excluded; /* encoded */
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
					 "= ?, staged = ?, excluded = ?"
					 " WHERE seq = ?");

	db_bind_u64(st, 1, w->seal->size_bytes);
	db_bind_u64(st, 2, w->seal->n_slots);
	db_bind_slice(st, 3, slice_of(w->seal->sha256, LG_SHA256_BYTES));
	db_bind_slice(st, 4, w->seal->staged);
	db_bind_slice(st, 5, w->excluded);
	db_bind_u64(st, 6, seq);
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

static const char *state_name(enum plan_state state)
{
	switch (state) {
	case PLAN_OPEN:
		return "open";
	case PLAN_SEALED:
		return "sealed";
	case PLAN_DONE:
		return "done";
	case PLAN_ABORTED:
		return "aborted";
	}
	return "in no known state";
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
			state_name(now.state));
	return write_move(conn, now.seq, w, err);
}

static enum rc run_move(struct ledger *lg, struct move_op *w, struct err *err)
{
	w->op.apply = move_apply;
	w->op.bytes = BYTES_PER_PLAN + (w->seal ? w->seal->staged.n : 0) + w->excluded.n;
	return committer_run(of(lg)->local->committer, &w->op, err);
}

static enum rc plan_beat(struct ledger *lg, const struct plan_id *id,
	const unsigned char nonce[LG_NONCE_BYTES], uint64_t heartbeat, struct err *err)
{
	struct move_op w = {.move = MOVE_BEAT, .id = id, .nonce = nonce, .heartbeat = heartbeat};

	return run_move(lg, &w, err);
}

/* Four bytes a slot, little-endian. */
static unsigned char *encode_slots(const uint32_t *slots, size_t n)
{
	unsigned char *p = xmalloc(4 * n + 1);

	for (size_t i = 0; i < n; i++)
		for (int b = 0; b < 4; b++)
			p[4 * i + (size_t)b] = (unsigned char)(slots[i] >> 8 * b);
	return p;
}

static const uint32_t *decode_slots(struct slice text, struct arena *a)
{
	uint32_t *slots = arena_array(a, text.n / 4, sizeof(*slots));

	for (size_t i = 0; i < text.n; i++)
		slots[i / 4] |= (uint32_t)text.p[i] << 8 * (i % 4);
	return slots;
}

static enum rc plan_seal(struct ledger *lg, const struct plan_id *id,
	const unsigned char nonce[LG_NONCE_BYTES], const struct lg_seal *seal, struct err *err)
{
	struct move_op w = {.move = MOVE_SEAL, .id = id, .nonce = nonce, .seal = seal};
	unsigned char *excluded;
	enum rc rc;

	if (seal->staged.n > LG_STAGED_MAX || seal->n_excluded > seal->n_slots)
		return err_set(err, RC_REFUSED,
			"a seal with %zu bytes of staged record, %zu of %u slots excluded",
			seal->staged.n, seal->n_excluded, seal->n_slots);
	excluded = encode_slots(seal->excluded, seal->n_excluded);
	w.excluded = slice_of(excluded, 4 * seal->n_excluded);
	rc = run_move(lg, &w, err);
	free(excluded);
	return rc;
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

#define PLAN_COLUMNS                                                                               \
	"id, state, heartbeat, nonce, owner, bucket, key, opened, size, n_slots, sha256, staged, " \
	"excluded"

/* A column that must have exactly n bytes. */
static bool fixed_column(sqlite3_stmt *st, int i, unsigned char *out, size_t n)
{
	struct slice s = db_column_slice(st, i);

	if (s.n != n)
		return false;
	memcpy(out, s.p, n);
	return true;
}

static enum rc plan_read(
	sqlite3_stmt *st, struct arena *a, struct lg_plan *ret_plan, struct err *err)
{
	struct lg_plan p = {
		.state = (enum plan_state)db_column_u64(st, 1),
		.heartbeat = db_column_u64(st, 2),
		.owner = db_column_copy(st, 4, a),
		.bucket = db_column_copy(st, 5, a),
		.key = db_column_copy(st, 6, a),
		.opened_wall_ms = db_column_u64(st, 7),
	};
	bool good = fixed_column(st, 0, p.id.bytes, PLAN_ID_BYTES) &&
		    fixed_column(st, 3, p.nonce, LG_NONCE_BYTES);

	if (p.state == PLAN_SEALED || p.state == PLAN_DONE) {
		struct slice excluded = db_column_slice(st, 12);

		good = good && fixed_column(st, 10, p.seal.sha256, LG_SHA256_BYTES) &&
		       excluded.n % 4 == 0;
		p.seal.size_bytes = db_column_u64(st, 8);
		p.seal.n_slots = (uint32_t)db_column_u64(st, 9);
		p.seal.staged = db_column_copy(st, 11, a);
		p.seal.excluded = decode_slots(excluded, a);
		p.seal.n_excluded = excluded.n / 4;
	}
	if (!good)
		return err_set(err, RC_CORRUPT, "a plan's record is damaged");
	*ret_plan = p;
	return RC_OK;
}

static enum rc plan_get(struct ledger *lg, struct arena *a, const struct plan_id *id,
	struct lg_plan *ret_plan, struct err *err)
{
	struct db *db = of(lg)->local->db;
	struct db_conn *conn = db_reader(db);
	sqlite3_stmt *st = db_stmt(conn, "SELECT " PLAN_COLUMNS " FROM plan WHERE id = ?");
	bool row;
	enum rc rc;

	db_bind_slice(st, 1, id_slice(id));
	rc = db_step(st, &row, err);
	if (rc == RC_OK && !row)
		rc = err_set(err, RC_ABSENT, "no such plan");
	else if (rc == RC_OK)
		rc = plan_read(st, a, ret_plan, err);
	db_done(st);
	db_reader_return(db, conn);
	return rc;
}

/* Where a plan stands in the order of opening. */
static enum rc read_seq(
	struct db_conn *conn, const struct plan_id *id, uint64_t *ret_seq, struct err *err)
{
	sqlite3_stmt *st = db_stmt(conn, "SELECT seq FROM plan WHERE id = ?");
	bool row;
	enum rc rc;

	db_bind_slice(st, 1, id_slice(id));
	rc = db_step(st, &row, err);
	if (rc == RC_OK && !row)
		return err_set(
			err, RC_REFUSED, "a scan cannot go on from a plan that does not exist");
	if (rc == RC_OK)
		*ret_seq = db_column_u64(st, 0);
	db_done(st);
	return rc;
}

/* Done plans are asked for by reports only, which may walk the table. */
static sqlite3_stmt *scan_stmt(struct db_conn *conn, unsigned states)
{
	if (states & PLAN_DONE)
		return db_stmt(conn, "SELECT " PLAN_COLUMNS " FROM plan WHERE seq > ? AND state & ?"
				     " AND (live = 1 OR state = 4) ORDER BY seq LIMIT ?");
	return db_stmt(conn, "SELECT " PLAN_COLUMNS " FROM plan INDEXED BY plan_live"
			     " WHERE live = 1 AND seq > ? AND state & ? ORDER BY seq LIMIT ?");
}

static enum rc scan_rows(sqlite3_stmt *st, struct arena *a, size_t max, struct lg_plan **ret_plans,
	size_t *ret_n, struct err *err)
{
	struct lg_plan *plans = NULL;
	size_t n = 0, cap = 0;
	bool row = true;
	enum rc rc = RC_OK;

	while (n < max) {
		rc = db_step(st, &row, err);
		if (rc != RC_OK || !row)
			break;
		if (n == cap) {
			struct lg_plan *more =
				arena_array(a, cap = cap ? 2 * cap : 16, sizeof(*more));

			if (n > 0)
				memcpy(more, plans, n * sizeof(*more));
			plans = more;
		}
		rc = plan_read(st, a, &plans[n], err);
		if (rc != RC_OK)
			break;
		n++;
	}
	*ret_plans = plans;
	*ret_n = n;
	return rc;
}

static enum rc plan_scan(struct ledger *lg, struct arena *a, unsigned states,
	const struct plan_id *after, size_t max, struct lg_plan **ret_plans, size_t *ret_n,
	struct err *err)
{
	struct db *db = of(lg)->local->db;
	struct db_conn *conn = db_reader(db);
	struct lg_plan *plans;
	uint64_t seq = 0;
	sqlite3_stmt *st;
	size_t n;
	enum rc rc = after ? read_seq(conn, after, &seq, err) : RC_OK;

	if (rc == RC_OK) {
		st = scan_stmt(conn, states);
		db_bind_u64(st, 1, seq);
		db_bind_u64(st, 2, states);
		db_bind_u64(st, 3, max < INT32_MAX ? max : INT32_MAX);
		rc = scan_rows(st, a, max, &plans, &n, err);
		db_done(st);
	}
	db_reader_return(db, conn);
	if (rc != RC_OK)
		return rc;
	*ret_plans = plans;
	*ret_n = n;
	return RC_OK;
}

static void ledger_close(struct ledger *lg)
{
	free(lg);
}

static const struct ledger_ops ops = {
	.plan_open = plan_open,
	.plan_get = plan_get,
	.plan_beat = plan_beat,
	.plan_seal = plan_seal,
	.plan_abort = plan_abort,
	.plan_void = plan_void,
	.plan_done = plan_done,
	.plan_discarded = plan_discarded,
	.scan = plan_scan,
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
