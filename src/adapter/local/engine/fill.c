#include "adapter/local/engine/fill.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "adapter/local/engine/blob_view.h"
#include "base/digest.h"

#define BATCH_ROWS 64
#define BATCH_BYTES (1u << 20)
#define REST_TIMES 10 /* as long as the work took */
#define REST_MIN_MS 5
#define REST_MAX_MS 5000
#define AGAIN_MS 5000 /* after a failure, such as a full disk */

struct fill {
	struct db *db;
	struct committer *committer;
	struct blobs *blobs;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t change;
	bool stop; /* under lock */
	atomic_bool is_filling;
	_Atomic uint64_t n_bodies;
};

/* What one transaction writes: sums of rows' bodies and how far they are, or of one file, or the
 * end. */
struct fill_op {
	struct commit_op op;
	uint64_t ids[BATCH_ROWS];
	uint32_t sums[BATCH_ROWS];
	size_t n;
	uint64_t cursor;
	struct blob_id blob;
	struct slice blob_sums; /* empty: none */
	const char *end;        /* the mark that is no longer needed; NULL: it is */
};

static enum rc write_rows(struct fill_op *w, struct db_conn *conn, struct err *err)
{
	sqlite3_stmt *st;
	enum rc rc = RC_OK;

	for (size_t i = 0; i < w->n && rc == RC_OK; i++) {
		st = db_stmt(conn, "UPDATE body SET sum = ? WHERE id = ? AND sum IS NULL");
		db_bind_u64(st, 1, w->sums[i]);
		db_bind_u64(st, 2, w->ids[i]);
		rc = db_run(st, err);
	}
	if (rc != RC_OK)
		return rc;
	st = db_stmt(conn, "UPDATE meta SET value = ? WHERE name = 'fill_body'");
	db_bind_u64(st, 1, w->cursor);
	return db_run(st, err);
}

static enum rc fill_apply(struct commit_op *op, struct db_conn *conn, struct err *err)
{
	struct fill_op *w = (struct fill_op *)op;
	sqlite3_stmt *st;

	if (w->end) {
		st = db_stmt(conn, "DELETE FROM meta WHERE name = ?");
		db_bind_text(st, 1, w->end);
		return db_run(st, err);
	}
	if (w->blob_sums.n == 0)
		return write_rows(w, conn, err);
	st = db_stmt(conn, "UPDATE blob SET sums = ? WHERE id = ? AND sums IS NULL");
	db_bind_slice(st, 1, w->blob_sums);
	db_bind_slice(st, 2, slice_of(w->blob.bytes, BLOB_ID_BYTES));
	return db_run(st, err);
}

static enum rc read_mark(
	struct db_conn *conn, const char *name, bool *ret_there, uint64_t *ret_value, struct err *err)
{
	sqlite3_stmt *st = db_stmt(conn, "SELECT value FROM meta WHERE name = ?");
	enum rc rc;

	db_bind_text(st, 1, name);
	rc = db_step(st, ret_there, err);
	if (rc == RC_OK && *ret_there)
		*ret_value = db_column_u64(st, 0);
	db_done(st);
	return rc;
}

/* A batch of rows' bodies. *ret_more false: that was the last. */
static enum rc fill_rows(struct fill *f, bool *ret_more, struct err *err)
{
	struct fill_op w = {.op = {.apply = fill_apply}};
	struct db_conn *conn = db_reader(f->db);
	bool row = true;
	sqlite3_stmt *st;
	enum rc rc = read_mark(conn, "fill_body", ret_more, &w.cursor, err);

	if (rc != RC_OK || !*ret_more) {
		db_reader_return(f->db, conn);
		return rc;
	}
	st = db_stmt(conn, "SELECT id, data, sum FROM body WHERE id > ? ORDER BY id");
	db_bind_u64(st, 1, w.cursor);
	while (w.n < BATCH_ROWS && w.op.bytes < BATCH_BYTES &&
		(rc = db_step(st, &row, err)) == RC_OK && row) {
		struct slice data = db_column_slice(st, 1);

		w.cursor = db_column_u64(st, 0);
		w.op.bytes += data.n + 64;
		if (sqlite3_column_type(st, 2) != SQLITE_NULL)
			continue;
		w.ids[w.n] = w.cursor;
		w.sums[w.n++] = crc32c_update(0, data);
	}
	db_done(st);
	db_reader_return(f->db, conn);
	if (rc == RC_OK && !row && w.n == 0)
		w.end = "fill_body";
	if (rc == RC_OK)
		rc = committer_run(f->committer, &w.op, err);
	*ret_more = !w.end;
	if (rc == RC_OK)
		atomic_fetch_add(&f->n_bodies, w.n);
	return rc;
}

static bool is_stopped(struct fill *f)
{
	bool stop;

	pthread_mutex_lock(&f->lock);
	stop = f->stop;
	pthread_mutex_unlock(&f->lock);
	return stop;
}

/* RC_CORRUPT, RC_ABSENT: this file gets none. */
static enum rc sum_file(struct fill *f, const struct blob_id *id, uint64_t size, struct sums *sums,
	struct err *err)
{
	unsigned char *block = xmalloc(SUMS_BLOCK_BYTES);
	struct blob_view v = BLOB_VIEW_CLOSED;
	size_t n = 1;
	int fd;
	enum rc rc = blobs_fd(f->blobs, id, &fd, err);

	if (rc == RC_OK)
		rc = blob_view_open(&v, fd, size, (struct slice){0}, err);
	while (rc == RC_OK && n > 0) {
		if (is_stopped(f))
			rc = err_set(err, RC_AGAIN, "stopping");
		else
			rc = blob_view_read(&v, sums->size, block, SUMS_BLOCK_BYTES, &n, err);
		if (rc == RC_OK)
			sums_add(sums, slice_of(block, n));
	}
	blob_view_close(&v);
	free(block);
	return rc;
}

static enum rc next_file(struct fill *f, struct blob_id *id, uint64_t *ret_size, bool *ret_found,
	struct err *err)
{
	struct db_conn *conn = db_reader(f->db);
	sqlite3_stmt *st = db_stmt(conn, "SELECT id, size FROM blob WHERE id > ? AND sums IS NULL"
					 " AND size > 0 ORDER BY id LIMIT 1");
	struct slice found;
	enum rc rc;

	db_bind_slice(st, 1, slice_of(id->bytes, BLOB_ID_BYTES));
	rc = db_step(st, ret_found, err);
	if (rc == RC_OK && *ret_found) {
		found = db_column_slice(st, 0);
		*ret_size = db_column_u64(st, 1);
		if (found.n == BLOB_ID_BYTES)
			memcpy(id->bytes, found.p, BLOB_ID_BYTES);
		else
			rc = err_set(err, RC_CORRUPT, "a file's id has %zu bytes", found.n);
	}
	db_done(st);
	db_reader_return(f->db, conn);
	return rc;
}

/* One file behind *id, which becomes its. */
static enum rc fill_file(struct fill *f, struct blob_id *id, bool *ret_more, struct err *err)
{
	struct fill_op w = {.op = {.apply = fill_apply, .bytes = 256}};
	struct sums sums = {0};
	uint64_t size = 0;
	enum rc rc = next_file(f, id, &size, ret_more, err);

	if (rc != RC_OK)
		return rc;
	if (!*ret_more) {
		w.end = "fill_blob";
		return committer_run(f->committer, &w.op, err);
	}
	rc = sum_file(f, id, size, &sums, err);
	w.blob = *id;
	w.blob_sums = sums_end(&sums);
	w.op.bytes += w.blob_sums.n;
	if (rc == RC_OK)
		rc = committer_run(f->committer, &w.op, err);
	if (rc == RC_OK)
		atomic_fetch_add(&f->n_bodies, 1);
	sums_release(&sums);
	return rc == RC_CORRUPT ? RC_OK : rc;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* false: to stop. */
static bool rest(struct fill *f, uint64_t ms)
{
	struct timespec until;
	bool stop;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)(ms / 1000);
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&f->lock);
	while (!f->stop && pthread_cond_timedwait(&f->change, &f->lock, &until) == 0)
		;
	stop = f->stop;
	pthread_mutex_unlock(&f->lock);
	return !stop;
}

static void *fill_thread(void *arg)
{
	struct fill *f = arg;
	struct blob_id id = {0};
	bool has_rows = true, more = true;
	uint64_t began, ms;
	struct err err;
	enum rc rc;

	do {
		began = now_ms();
		rc = has_rows ? fill_rows(f, &has_rows, &err) : fill_file(f, &id, &more, &err);
		ms = (now_ms() - began) * REST_TIMES;
		ms = ms < REST_MIN_MS ? REST_MIN_MS : ms > REST_MAX_MS ? REST_MAX_MS : ms;
	} while (rest(f, rc == RC_OK ? ms : AGAIN_MS) && (has_rows || more));
	atomic_store(&f->is_filling, has_rows || more);
	return NULL;
}

/* A mark that cannot be read is damage, which the first reader of the database tells of: nothing
 * is filled then. */
static bool has_work(struct db *db)
{
	struct db_conn *conn = db_reader(db);
	bool rows = false, files = false;
	uint64_t value;
	struct err err;
	enum rc rc = read_mark(conn, "fill_body", &rows, &value, &err);

	if (rc == RC_OK)
		rc = read_mark(conn, "fill_blob", &files, &value, &err);
	db_reader_return(db, conn);
	return rc == RC_OK && (rows || files);
}

struct fill *fill_start(struct db *db, struct committer *committer, struct blobs *blobs)
{
	pthread_condattr_t monotonic;
	struct fill *f;

	if (!has_work(db))
		return NULL;
	f = xcalloc(1, sizeof(*f));
	f->db = db;
	f->committer = committer;
	f->blobs = blobs;
	atomic_init(&f->is_filling, true);
	pthread_mutex_init(&f->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&f->change, &monotonic);
	pthread_condattr_destroy(&monotonic);
	if (pthread_create(&f->thread, NULL, fill_thread, f) != 0)
		die("cannot start the thread that takes checksums");
	pthread_setname_np(f->thread, "fill");
	return f;
}

void fill_stop(struct fill *f)
{
	if (!f)
		return;
	pthread_mutex_lock(&f->lock);
	f->stop = true;
	pthread_cond_signal(&f->change);
	pthread_mutex_unlock(&f->lock);
	pthread_join(f->thread, NULL);
	pthread_cond_destroy(&f->change);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

struct fill_stat fill_stat(struct fill *f)
{
	if (!f)
		return (struct fill_stat){0};
	return (struct fill_stat){atomic_load(&f->is_filling), atomic_load(&f->n_bodies)};
}
