#include "adapter/local/engine/body.h"

#include "adapter/local/engine/sums.h"
#include "base/digest.h"

enum rc body_insert(
	struct db_conn *conn, uint64_t id, struct slice bytes, uint32_t sum, struct err *err)
{
	sqlite3_stmt *st = db_stmt(conn, "INSERT INTO body(id, data, sum) VALUES(?, ?, ?)");

	db_bind_u64(st, 1, id);
	db_bind_slice(st, 2, bytes);
	db_bind_u64(st, 3, sum);
	return db_run(st, err);
}

enum rc body_delete(struct db_conn *conn, uint64_t id, struct err *err)
{
	sqlite3_stmt *st = db_stmt(conn, "DELETE FROM body WHERE id = ?");

	db_bind_u64(st, 1, id);
	return db_run(st, err);
}

enum rc body_column(
	sqlite3_stmt *st, int i, uint64_t size, struct slice *ret_bytes, struct err *err)
{
	struct slice bytes = db_column_slice(st, i);

	if (bytes.n != size)
		return err_code(err, RC_CORRUPT, ERR_DAMAGED,
			"its row has %zu bytes, its version says %llu", bytes.n,
			(unsigned long long)size);
	if (sqlite3_column_type(st, i + 1) != SQLITE_NULL &&
		db_column_u64(st, i + 1) != crc32c_update(0, bytes))
		return err_code(err, RC_CORRUPT, ERR_DAMAGED,
			"its bytes are not those that were stored");
	*ret_bytes = bytes;
	return RC_OK;
}

enum rc body_read(struct db_conn *conn, uint64_t id, uint64_t size, struct arena *a,
	struct slice *ret_bytes, struct err *err)
{
	sqlite3_stmt *st = db_stmt(conn, "SELECT data, sum FROM body WHERE id = ?");
	struct slice bytes;
	bool row;
	enum rc rc;

	db_bind_u64(st, 1, id);
	rc = db_step(st, &row, err);
	if (rc == RC_OK && !row)
		rc = err_code(err, RC_CORRUPT, ERR_DAMAGED, "its row is not there");
	if (rc == RC_OK)
		rc = body_column(st, 0, size, &bytes, err);
	if (rc == RC_OK)
		*ret_bytes = arena_slice(a, bytes);
	db_done(st);
	return rc;
}
