#include "adapter/local/engine/db.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "adapter/local/engine/checkpointer.h"
#include "adapter/local/engine/db_memory.h"
#include "adapter/local/engine/folder.h"
#include "adapter/local/engine/grants.h"
#include "adapter/local/engine/mark.h"
#include "adapter/local/engine/room.h"
#include "adapter/local/engine/schema.sql.h"
#include "adapter/local/engine/totals.h"
#include "adapter/local/engine/upgrade.h"
#include "adapter/local/engine/wal_file.h"
#include "base/file.h"

#define STATEMENTS_MAX                                                                             \
	256 /* distinct texts of one connection; a power of two, about three times what there is */
/* Readers that are opened with the folder: one that the checkpointer keeps, and one to lend. So a
 * server without a descriptor for a third reader waits until the second comes back, and never waits
 * for one that cannot come. */
#define READERS_MIN 2
#define INDEX_REGION_BYTES 32768 /* SQLite's; 4,096 pages of the log each */
#define INDEX_REGIONS 4

struct db_statement {
	const char *sql;
	sqlite3_stmt *st;
};

struct db_conn {
	sqlite3 *handle;
	struct db_conn *next; /* in the pool */
	struct db_statement statements[STATEMENTS_MAX];
};

struct db {
	struct mark *mark;
	char *folder;
	struct grants *grants;
	int lock_fd;
	struct db_conn *writer;
	pthread_mutex_t lock;
	pthread_cond_t returned;
	struct db_conn *idle; /* under lock */
	unsigned n_readers;   /* under lock; idle or lent */
};

static bool is_no_room(int code, int os_error)
{
	/* The log's index could not grow. SQLite reports only that; the one possible cause is a
	 * full disk. */
	if (code == SQLITE_FULL || code == SQLITE_IOERR_SHMSIZE)
		return true;
	return (code & 0xff) == SQLITE_IOERR && (os_error == ENOSPC || os_error == EDQUOT);
}

enum rc db_error(sqlite3 *handle, int code, struct err *err)
{
	int extended = handle ? sqlite3_extended_errcode(handle) : code;
	int os_error = handle ? sqlite3_system_errno(handle) : 0;
	const char *text = handle ? sqlite3_errmsg(handle) : sqlite3_errstr(code);

	/* COMMIT reports the plain code on some paths, the extended one on others. */
	if ((extended & 0xff) != (code & 0xff))
		extended = code;
	if (extended == SQLITE_IOERR_FSYNC || extended == SQLITE_IOERR_DIR_FSYNC)
		die("database: fsync failed: %s", text); /* the kernel may have dropped the pages */
	if (is_no_room(extended, os_error))
		return err_code(err, RC_AGAIN, "ENOSPC", "database: no room on disk");
	if ((extended & 0xff) == SQLITE_CANTOPEN && (os_error == EMFILE || os_error == ENFILE))
		return err_code(err, RC_FATAL, os_error == EMFILE ? "EMFILE" : "ENFILE",
			"database: too many open files: raise the limit (ulimit -n)");
	switch (extended & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return err_set(err, RC_AGAIN, "database: %s", text);
	case SQLITE_CORRUPT:
		return err_set(err, RC_CORRUPT, "database: %s", text);
	case SQLITE_NOTADB:
		return err_set(err, RC_REFUSED, "database: %s", text);
	default:
		return err_set(
			err, RC_FATAL, "database: %s (%d, errno %d)", text, extended, os_error);
	}
}

static enum rc exec(struct db_conn *conn, const char *sql, struct err *err)
{
	int code = sqlite3_exec(conn->handle, sql, NULL, NULL, NULL);

	return code == SQLITE_OK ? RC_OK : db_error(conn->handle, code, err);
}

static enum rc pragma_int(
	struct db_conn *conn, const char *sql, int64_t *ret_value, struct err *err)
{
	sqlite3_stmt *st = NULL;
	int code = sqlite3_prepare_v2(conn->handle, sql, -1, &st, NULL);
	enum rc rc = RC_OK;

	if (code == SQLITE_OK)
		code = sqlite3_step(st);
	if (code == SQLITE_ROW)
		*ret_value = sqlite3_column_int64(st, 0);
	else
		rc = db_error(conn->handle, code, err);
	sqlite3_finalize(st);
	return rc;
}

static void conn_close(struct db_conn *conn)
{
	if (!conn)
		return;
	for (size_t i = 0; i < STATEMENTS_MAX; i++)
		sqlite3_finalize(conn->statements[i].st);
	if (sqlite3_close(conn->handle) != SQLITE_OK)
		die("database: a statement was not given back");
	free(conn);
}

static enum rc conn_open(
	const char *folder, bool writes, struct db_conn **ret_conn, struct err *err)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW;
	struct db_conn *conn = xcalloc(1, sizeof(*conn));
	char path[PATH_MAX], pragmas[256], real[PATH_MAX];
	enum rc rc = RC_OK;
	int code;

	/* NOFOLLOW refuses links anywhere on the way; those above the folder are the operator's
	 * business. */
	if (!realpath(folder, real) || strlen(real) > PATH_MAX - 16) {
		free(conn);
		return err_errno(err, errno, "resolve '%s'", folder);
	}
	snprintf(path, sizeof(path), "%.*s/%s", PATH_MAX - 16, real, FOLDER_DB);
	code = sqlite3_open_v2(path, &conn->handle, flags | (writes ? SQLITE_OPEN_CREATE : 0),
		writes ? wal_file_vfs() : NULL);
	if (code != SQLITE_OK)
		rc = db_error(conn->handle, code, err);
	if (rc == RC_OK) {
		sqlite3_extended_result_codes(conn->handle, 1);
		sqlite3_busy_timeout(conn->handle, DB_BUSY_MS);
		snprintf(pragmas, sizeof(pragmas),
			"PRAGMA cache_size=-%d; PRAGMA trusted_schema=OFF; PRAGMA "
			"temp_store=MEMORY; %s",
			db_cache_kib(writes),
			writes ? "" : "PRAGMA query_only=ON;");
		rc = exec(conn, pragmas, err);
	}
	/* Opens the log and reads the schema: a reader that has come so far needs no further
	 * descriptor. */
	if (rc == RC_OK && !writes)
		rc = exec(conn, "SELECT count(*) FROM sqlite_schema", err);
	if (rc == RC_REFUSED)
		err_set(err, rc, "'%s/%s' is not a database of baler", folder, FOLDER_DB);
	else if (rc != RC_OK)
		err_ctx(err, rc, "'%s/%s'", folder, FOLDER_DB);
	if (rc != RC_OK) {
		conn_close(conn);
		return rc;
	}
	*ret_conn = conn;
	return RC_OK;
}

/* An empty file, of a first start that died or of now, gets the schema; anything else must carry
 * our marks. */
static enum rc check_schema(struct db_conn *conn, const char *folder, struct err *err)
{
	int64_t id = 0, version = 0, objects = 0;
	enum rc rc = pragma_int(conn, "PRAGMA application_id", &id, err);

	if (rc == RC_OK)
		rc = pragma_int(conn, "PRAGMA user_version", &version, err);
	if (rc == RC_OK)
		rc = pragma_int(conn, "SELECT count(*) FROM sqlite_schema", &objects, err);
	if (rc == RC_REFUSED)
		return err_set(err, rc, "'%s/%s' is not a database of baler", folder, FOLDER_DB);
	if (rc != RC_OK)
		return rc;
	if (id == 0 && version == 0 && objects == 0) {
		char sql[128];

		snprintf(sql, sizeof(sql), "PRAGMA application_id=%d; PRAGMA user_version=%d;",
			SCHEMA_APPLICATION_ID, SCHEMA_VERSION);
		rc = exec(conn, "BEGIN IMMEDIATE;" SCHEMA_SQL, err);
		if (rc == RC_OK)
			rc = exec(conn, sql, err);
		return rc == RC_OK ? exec(conn, "COMMIT", err) : rc;
	}
	if (id != SCHEMA_APPLICATION_ID)
		return err_set(
			err, RC_REFUSED, "'%s/%s' is not a database of baler", folder, FOLDER_DB);
	if (version > SCHEMA_VERSION)
		return err_set(err, RC_REFUSED,
			"'%s/%s' was written by a newer baler (schema %lld, this one knows %d)",
			folder, FOLDER_DB, (long long)version, SCHEMA_VERSION);
	return upgrade_schema(conn, version, err);
}

/* Both count only before the file has its first page; set later, auto_vacuum would cost a write
 * at each open. Retention gives free pages back in steps. */
static enum rc set_layout(struct db_conn *conn, struct err *err)
{
	char pragmas[96];
	int64_t pages = 0;
	enum rc rc = pragma_int(conn, "PRAGMA page_count", &pages, err);

	if (rc != RC_OK || pages > 0)
		return rc;
	snprintf(pragmas, sizeof(pragmas), "PRAGMA page_size=%d; PRAGMA auto_vacuum=INCREMENTAL;",
		SCHEMA_PAGE_BYTES);
	return exec(conn, pragmas, err);
}

/*
 * Room for the index of a log of 64 MiB, ahead of need. A commit is in the log, with its mark
 * and its fsync, before SQLite notes it in the index; if the index then finds no room to grow,
 * the commit is undone and answered as refused, but a crash brings it back: a version whose file
 * was removed. With an index that is ahead a full disk refuses the log first, which undoes
 * cleanly.
 */
static void grow_index(struct db_conn *conn)
{
	sqlite3_file *file = NULL;
	void volatile *region;

	if (sqlite3_file_control(conn->handle, "main", SQLITE_FCNTL_FILE_POINTER, &file) !=
			SQLITE_OK ||
		file->pMethods->iVersion < 2)
		return;
	for (int i = 0; i < INDEX_REGIONS; i++)
		if (file->pMethods->xShmMap(file, i, INDEX_REGION_BYTES, 1, &region) != SQLITE_OK)
			return; /* no room now: as without it */
}

/* journal_size_limit keeps a log of that size allocated, so that a
 * delete finds room on a full disk. */
static enum rc writer_open(const char *folder, struct db_conn **ret_conn, struct err *err)
{
	struct db_conn *conn = NULL;
	char pragmas[256];
	enum rc rc = conn_open(folder, true, &conn, err);

	if (rc != RC_OK)
		return rc;
	snprintf(pragmas, sizeof(pragmas),
		"PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
		"PRAGMA wal_autocheckpoint=0; PRAGMA journal_size_limit=%d;",
		16 << 20);
	rc = set_layout(conn, err);
	if (rc == RC_OK)
		rc = exec(conn, pragmas, err);
	if (rc == RC_REFUSED)
		err_set(err, rc, "'%s/%s' is not a database of baler", folder, FOLDER_DB);
	if (rc == RC_OK)
		rc = check_schema(conn, folder, err);
	if (rc == RC_OK)
		rc = totals_open(conn, err);
	if (rc == RC_OK)
		grow_index(conn);
	if (rc == RC_OK)
		rc = file_sync_dir(folder, err);
	if (rc != RC_OK) {
		conn_close(conn);
		return rc;
	}
	*ret_conn = conn;
	return RC_OK;
}

/* Moves the part of the log that the server before could not move for want of room. */
static void move_log(struct db *db)
{
	struct err err;
	int moved;

	if (room_for_log(db->writer, db->folder))
		/* if this fails, the committer tries again */
		checkpoint_pass(db->writer, &moved, &err);
}

static enum rc first_readers(struct db *db, struct err *err)
{
	enum rc rc = RC_OK;

	while (rc == RC_OK && db->n_readers < READERS_MIN) {
		struct db_conn *conn;

		rc = conn_open(db->folder, false, &conn, err);
		if (rc != RC_OK)
			break;
		conn->next = db->idle;
		db->idle = conn;
		db->n_readers++;
	}
	return rc;
}

enum rc db_open(const char *folder, struct db **ret_db, struct err *err)
{
	struct db *db = xcalloc(1, sizeof(*db));
	bool gave = false;
	enum rc rc;

	db_memory_prepare();
	db->lock_fd = -1;
	pthread_mutex_init(&db->lock, NULL);
	pthread_cond_init(&db->returned, NULL);
	db->folder = xstrdup(folder);
	db->grants = grants_new(folder);
	rc = folder_open(folder, &db->lock_fd, err);
	if (rc == RC_OK)
		rc = mark_check_folder(folder, err);
	if (rc == RC_OK)
		gave = room_prepare(folder);
	if (rc == RC_OK)
		rc = writer_open(folder, &db->writer, err);
	if (rc == RC_OK)
		rc = mark_open(folder, db->writer, &db->mark, err);
	if (rc == RC_OK && gave)
		move_log(db);
	if (rc == RC_OK)
		rc = first_readers(db, err);
	if (rc != RC_OK) {
		db_close(db);
		return rc;
	}
	room_keep(folder);
	*ret_db = db;
	return RC_OK;
}

void db_close(struct db *db)
{
	if (!db)
		return;
	while (db->idle) {
		struct db_conn *conn = db->idle;

		db->idle = conn->next;
		conn_close(conn);
	}
	conn_close(db->writer); /* the last one: checkpoints and removes the log */
	mark_close(db->mark);
	if (db->writer)         /* the log is gone and has left its room */
		room_leave(db->folder);
	if (db->lock_fd >= 0)
		close(db->lock_fd);
	pthread_cond_destroy(&db->returned);
	pthread_mutex_destroy(&db->lock);
	grants_free(db->grants);
	free(db->folder);
	free(db);
}

const char *db_folder(const struct db *db)
{
	return db->folder;
}

struct mark *db_mark(struct db *db)
{
	return db->mark;
}

struct grants *db_grants(struct db *db)
{
	return db->grants;
}

struct db_conn *db_writer(struct db *db)
{
	return db->writer;
}

sqlite3 *db_handle(struct db_conn *conn)
{
	return conn->handle;
}

/* An idle connection, or NULL: open another. */
static struct db_conn *take_idle(struct db *db)
{
	struct db_conn *conn;

	pthread_mutex_lock(&db->lock);
	while (!db->idle && db->n_readers == DB_READERS_MAX)
		pthread_cond_wait(&db->returned, &db->lock);
	conn = db->idle;
	if (conn)
		db->idle = conn->next;
	else
		db->n_readers++;
	pthread_mutex_unlock(&db->lock);
	return conn;
}

/* There is no descriptor or no memory for another reader: wait for one that is lent. One of the
 * first readers always comes back. */
static struct db_conn *wait_idle(struct db *db)
{
	struct db_conn *conn;

	pthread_mutex_lock(&db->lock);
	db->n_readers--;
	while (!db->idle)
		pthread_cond_wait(&db->returned, &db->lock);
	conn = db->idle;
	db->idle = conn->next;
	pthread_mutex_unlock(&db->lock);
	return conn;
}

struct db_conn *db_reader(struct db *db)
{
	struct db_conn *conn = take_idle(db);
	struct err err;

	if (!conn && conn_open(db->folder, false, &conn, &err) != RC_OK)
		conn = wait_idle(db);
	return conn;
}

void db_reader_return(struct db *db, struct db_conn *conn)
{
	pthread_mutex_lock(&db->lock);
	conn->next = db->idle;
	db->idle = conn;
	pthread_cond_signal(&db->returned);
	pthread_mutex_unlock(&db->lock);
}

void db_read_begin(struct db_conn *conn)
{
	struct err err;

	if (db_run(db_stmt(conn, "BEGIN"), &err) != RC_OK)
		die("%s", err.text);
}

void db_read_end(struct db_conn *conn)
{
	struct err err;

	/* A statement half stepped would keep the snapshot. */
	for (size_t i = 0; i < STATEMENTS_MAX; i++)
		if (conn->statements[i].st)
			sqlite3_reset(conn->statements[i].st);
	if (db_run(db_stmt(conn, "COMMIT"), &err) != RC_OK)
		die("%s", err.text);
}

sqlite3_stmt *db_stmt(struct db_conn *conn, const char *sql)
{
	size_t at = ((uintptr_t)sql * 0x9e3779b97f4a7c15u) >> 56;
	struct db_statement *s = &conn->statements[at % STATEMENTS_MAX];

	for (size_t tries = 0; s->sql && s->sql != sql; tries++) {
		if (tries == STATEMENTS_MAX)
			die("database: more than %d statements", STATEMENTS_MAX);
		s = &conn->statements[++at % STATEMENTS_MAX];
	}
	if (s->sql) {
		sqlite3_reset(s->st);
		sqlite3_clear_bindings(s->st);
		return s->st;
	}
	if (sqlite3_prepare_v3(conn->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &s->st, NULL) !=
		SQLITE_OK)
		die("database: %s: %s", sqlite3_errmsg(conn->handle), sql);
	s->sql = sql;
	return s->st;
}

void db_bind_slice(sqlite3_stmt *st, int i, struct slice bytes)
{
	sqlite3_bind_blob64(st, i, bytes.n ? (const void *)bytes.p : "", bytes.n, SQLITE_STATIC);
}

void db_bind_text(sqlite3_stmt *st, int i, const char *s)
{
	sqlite3_bind_text(st, i, s, -1, SQLITE_STATIC);
}

void db_bind_u64(sqlite3_stmt *st, int i, uint64_t v)
{
	sqlite3_bind_int64(st, i, (int64_t)v);
}

struct slice db_column_slice(sqlite3_stmt *st, int i)
{
	const void *p = sqlite3_column_blob(st, i);

	return slice_of(p, (size_t)sqlite3_column_bytes(st, i));
}

struct slice db_column_copy(sqlite3_stmt *st, int i, struct arena *a)
{
	return arena_slice(a, db_column_slice(st, i));
}

uint64_t db_column_u64(sqlite3_stmt *st, int i)
{
	return (uint64_t)sqlite3_column_int64(st, i);
}

void db_done(sqlite3_stmt *st)
{
	sqlite3_reset(st);
}

enum rc db_run(sqlite3_stmt *st, struct err *err)
{
	bool row;

	return db_step(st, &row, err);
}

enum rc db_step(sqlite3_stmt *st, bool *ret_row, struct err *err)
{
	int code = sqlite3_step(st);
	enum rc rc;

	if (code == SQLITE_ROW || code == SQLITE_DONE) {
		*ret_row = code == SQLITE_ROW;
		if (code == SQLITE_DONE)
			sqlite3_reset(st);
		return RC_OK;
	}
	rc = db_error(sqlite3_db_handle(st), code, err);
	sqlite3_reset(st);
	return rc;
}
