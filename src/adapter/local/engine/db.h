/*
 * db: the SQLite file of a data folder: one connection that writes (the committer's) and a few that
 * read.
 *
 * It uses WAL, synchronous=FULL and no automatic checkpoints (the committer makes them when it is
 * idle or the log is long). application_id marks the file as baler's, user_version is the schema's.
 * The folder is locked for the life of struct db; a second process is refused with the name of the
 * holder. The schema is in schema.sql.h: read it first.
 */
#ifndef BALER_ADAPTER_LOCAL_ENGINE_DB_H
#define BALER_ADAPTER_LOCAL_ENGINE_DB_H

#include <sqlite3.h>

#include "base/arena.h"
#include "base/err.h"

/* a connection waits only for the recovery of the log and for the last close */
#define DB_BUSY_MS 10000

struct db;
struct db_conn; /* one connection with its prepared statements; one thread at a time */

/* Makes the folder (0700) and the file when they do not exist. RC_REFUSED: not baler's, in use (the
 * text says by whom), a newer schema, or writable by others; RC_FATAL. */
enum rc db_open(const char *folder, struct db **ret_db, struct err *err);
void db_close(struct db *db);
const char *db_folder(const struct db *db);
/* Room on the folder's disk for files that grow; lives as long as db. */
struct grants *db_grants(struct db *db);

/* A reading connection, taken from a pool of at most DB_READERS_MAX (db_memory.h): then the caller
 * waits for one. Give it back, and hold no two. Inside
 * one connection, db_read_begin … db_read_end is one snapshot. */
struct db_conn *db_reader(struct db *db);
void db_reader_return(struct db *db, struct db_conn *conn);
void db_read_begin(struct db_conn *conn);
void db_read_end(struct db_conn *conn);

/* The prepared statement of a string literal, reset and with no bindings; found by the literal's
 * address. */
sqlite3_stmt *db_stmt(struct db_conn *conn, const char *sql);
sqlite3 *db_handle(struct db_conn *conn);
/* The committer's own connection; no other code may use it. */
struct db_conn *db_writer(struct db *db);
/* mark.h; for the committer. */
struct mark *db_mark(struct db *db);

/* as BLOB, not copied: lives until the reset */
void db_bind_slice(sqlite3_stmt *st, int i, struct slice bytes);
void db_bind_text(sqlite3_stmt *st, int i, const char *s);        /* likewise */
void db_bind_u64(sqlite3_stmt *st, int i, uint64_t v);
/* lives until the next step or reset */
struct slice db_column_slice(sqlite3_stmt *st, int i);
struct slice db_column_copy(sqlite3_stmt *st, int i, struct arena *a);
uint64_t db_column_u64(sqlite3_stmt *st, int i);

/* SQLite answers SQLITE_ROW or an error; the statement is reset by the next db_stmt of its text,
 * or by db_done, which ends the implicit read transaction of a connection that is outside
 * db_read_begin … db_read_end. */
void db_done(sqlite3_stmt *st);

/* Steps a statement that gives no rows; SQLite's code → rc: FULL is RC_AGAIN with the code
 * "ENOSPC", BUSY RC_AGAIN, CORRUPT RC_CORRUPT, a failed fsync ends the process, anything else
 * RC_FATAL. */
enum rc db_run(sqlite3_stmt *st, struct err *err);
/* SQLITE_ROW → *ret_row true; SQLITE_DONE → false. */
enum rc db_step(sqlite3_stmt *st, bool *ret_row, struct err *err);
enum rc db_error(sqlite3 *handle, int code, struct err *err);

#endif
