#include "adapter/local/engine/totals.h"

#include "adapter/local/engine/committer.h"
#include "adapter/local/engine/schema.sql.h"

static enum rc exec(struct db_conn *conn, const char *sql, struct err *err)
{
	int code = sqlite3_exec(db_handle(conn), sql, NULL, NULL, NULL);

	return code == SQLITE_OK ? RC_OK : db_error(db_handle(conn), code, err);
}

enum rc totals_open(struct db_conn *conn, struct err *err)
{
	sqlite3_stmt *st = db_stmt(conn, "SELECT 1 FROM sqlite_schema WHERE name = 'total'");
	bool there;
	enum rc rc = db_step(st, &there, err);

	db_done(st);
	if (rc != RC_OK || there)
		return rc;
	rc = exec(conn, "BEGIN IMMEDIATE;" SCHEMA_TOTALS "COMMIT", err);
	if (rc != RC_OK)
		sqlite3_exec(db_handle(conn), "ROLLBACK", NULL, NULL, NULL);
	return rc;
}

static enum rc read_one(sqlite3_stmt *st, uint64_t *ret_n, struct err *err)
{
	bool row;
	enum rc rc = db_step(st, &row, err);

	if (rc == RC_OK)
		*ret_n = row ? db_column_u64(st, 0) : 0;
	db_done(st);
	return rc;
}

enum rc totals_messages(struct db_conn *conn, uint64_t *ret_n, struct err *err)
{
	return read_one(db_stmt(conn, "SELECT n FROM total WHERE name = 'message'"), ret_n, err);
}

enum rc totals_dead_letters(struct db_conn *conn, uint64_t *ret_n, struct err *err)
{
	return read_one(
		db_stmt(conn, "SELECT n FROM total WHERE name = 'dead_letter'"), ret_n, err);
}

enum rc totals_waiting(struct db_conn *conn, uint64_t bucket, bool *ret_kept,
	struct waiting_total *ret_total, struct err *err)
{
	sqlite3_stmt *st = db_stmt(conn, "SELECT objects, bytes FROM waiting WHERE bucket = ?");
	enum rc rc;

	db_bind_u64(st, 1, bucket);
	rc = db_step(st, ret_kept, err);
	if (rc == RC_OK && *ret_kept)
		*ret_total = (struct waiting_total){db_column_u64(st, 0), db_column_u64(st, 1)};
	db_done(st);
	return rc;
}

struct keep_op {
	struct commit_op op;
	uint64_t bucket;
};

/* Buckets that are gone take their totals with them here: ids are never used again. */
static enum rc keep_apply(struct commit_op *op, struct db_conn *conn, struct err *err)
{
	uint64_t bucket = ((struct keep_op *)op)->bucket;
	sqlite3_stmt *st =
		db_stmt(conn, "DELETE FROM waiting WHERE bucket NOT IN (SELECT id FROM bucket)");
	enum rc rc = db_run(st, err);

	if (rc != RC_OK)
		return rc;
	st = db_stmt(conn, "INSERT OR REPLACE INTO waiting(bucket, objects, bytes)"
			   " SELECT ?1, count(*), ifnull(sum(size), 0) FROM version"
			   " WHERE bucket = ?1 AND is_current = 1");
	db_bind_u64(st, 1, bucket);
	return db_run(st, err);
}

enum rc totals_keep_waiting(struct committer *committer, uint64_t bucket, struct err *err)
{
	struct keep_op keep = {.op = {.apply = keep_apply, .bytes = 4096}, .bucket = bucket};

	return committer_run(committer, &keep.op, err);
}
