/* Plans as they are read. */
#include "adapter/local/ledger/ledger.h"

#define PLAN_COLUMNS                                                                               \
	"id, state, heartbeat, nonce, owner, bucket, key, opened, size, n_slots, sha256, staged, " \
	"excluded, sum, seq"

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
		       lg_excluded_fits(excluded, db_column_u64(st, 9));
		p.seal.size_bytes = db_column_u64(st, 8);
		p.seal.n_slots = (uint32_t)db_column_u64(st, 9);
		p.seal.staged = db_column_copy(st, 11, a);
		p.seal.excluded = arena_slice(a, excluded);
	}
	if (good && !row_sum_fits(st, 13,
			    row_sum_seal(db_column_slice(st, 0), db_column_u64(st, 8),
				    db_column_u64(st, 9), db_column_slice(st, 10),
				    db_column_slice(st, 11), db_column_slice(st, 12))))
		good = false;
	if (!good)
		return err_code(err, RC_CORRUPT, ERR_DAMAGED,
			"its plan in the ledger is not what was written");
	*ret_plan = p;
	return RC_OK;
}

/* The same; one that is damaged is named. */
static enum rc read_or_note(struct ledger *lg, sqlite3_stmt *st, struct arena *a,
	struct lg_plan *ret_plan, struct err *err)
{
	struct err why = {0};
	enum rc rc = plan_read(st, a, ret_plan, &why);

	if (rc == RC_CORRUPT)
		damage_note(((struct local_ledger *)lg)->local->damage,
			&(struct damage_found){.kind = DAMAGE_PLAN,
				.owner = db_column_u64(st, 14),
				.bucket = db_column_slice(st, 5),
				.key = db_column_slice(st, 6),
				.what = slice_str(why.text)});
	if (rc != RC_OK && err)
		*err = why;
	return rc;
}

enum rc ledger_plan_get(struct ledger *lg, struct arena *a, const struct plan_id *id,
	struct lg_plan *ret_plan, struct err *err)
{
	struct db *db = ((struct local_ledger *)lg)->local->db;
	struct db_conn *conn = db_reader(db);
	sqlite3_stmt *st = db_stmt(conn, "SELECT " PLAN_COLUMNS " FROM plan WHERE id = ?");
	bool row;
	enum rc rc;

	db_bind_slice(st, 1, slice_of(id->bytes, sizeof(id->bytes)));
	rc = db_step(st, &row, err);
	if (rc == RC_OK && !row)
		rc = err_set(err, RC_ABSENT, "no such plan");
	else if (rc == RC_OK)
		rc = read_or_note(lg, st, a, ret_plan, err);
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

	db_bind_slice(st, 1, slice_of(id->bytes, sizeof(id->bytes)));
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

/* A damaged plan is left out, so that the other plans are still looked after. */
static enum rc scan_rows(struct ledger *lg, sqlite3_stmt *st, struct arena *a, size_t max,
	struct lg_plan **ret_plans, size_t *ret_n, struct err *err)
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
		rc = read_or_note(lg, st, a, &plans[n], err);
		if (rc != RC_OK && rc != RC_CORRUPT)
			break;
		n += rc == RC_OK;
		rc = RC_OK;
	}
	*ret_plans = plans;
	*ret_n = n;
	return rc;
}

enum rc ledger_plan_scan(struct ledger *lg, struct arena *a, unsigned states,
	const struct plan_id *after, size_t max, struct lg_plan **ret_plans, size_t *ret_n,
	struct err *err)
{
	struct db *db = ((struct local_ledger *)lg)->local->db;
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
		rc = scan_rows(lg, st, a, max, &plans, &n, err);
		db_done(st);
	}
	db_reader_return(db, conn);
	if (rc != RC_OK)
		return rc;
	*ret_plans = plans;
	*ret_n = n;
	return RC_OK;
}
