/*
 * body: bodies that are small enough for a row, with the CRC32C of their bytes (engine/sums.h).
 * A row without one was written by a baler that took none and is not checked.
 */
#ifndef BALER_ADAPTER_LOCAL_ENGINE_BODY_H
#define BALER_ADAPTER_LOCAL_ENGINE_BODY_H

#include "adapter/local/engine/db.h"

/* Inside a transaction of the committer's. sum: taken as the bytes arrived. */
enum rc body_insert(
	struct db_conn *conn, uint64_t id, struct slice bytes, uint32_t sum, struct err *err);
enum rc body_delete(struct db_conn *conn, uint64_t id, struct err *err);
/* Columns data and sum of st, from column i on. RC_CORRUPT ERR_DAMAGED: they do not fit, or
 * there are not size bytes. *ret_bytes lives until st's next step. */
enum rc body_column(
	sqlite3_stmt *st, int i, uint64_t size, struct slice *ret_bytes, struct err *err);
/* The bytes are in a. RC_CORRUPT ERR_DAMAGED: as above, or there is no such row. */
enum rc body_read(struct db_conn *conn, uint64_t id, uint64_t size, struct arena *a,
	struct slice *ret_bytes, struct err *err);

#endif
