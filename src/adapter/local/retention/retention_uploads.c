/* Uploads that nobody completes: they are found on a reading connection and removed in short
 * transactions. A large upload loses its parts over several transactions; its own row goes last. */
#include "adapter/local/buckets/part.h"
#include "adapter/local/retention/retention_internal.h"

struct old_upload {
	uint64_t bucket, seq;
	struct slice key;
};

struct upload_batch {
	struct batch base;
	const struct old_upload *items;
	size_t n;
	size_t n_gone; /* of the items */
};

static enum rc remove_parts(struct batch *b, struct db_conn *conn, uint64_t upload, struct err *err)
{
	sqlite3_stmt *st = db_stmt(
		conn, "SELECT " PART_COLUMNS " FROM part WHERE upload = ? ORDER BY number");
	uint64_t last = 0;
	bool row = true;
	enum rc rc;

	db_bind_u64(st, 1, upload);
	while ((rc = db_step(st, &row, err)) == RC_OK && row && !batch_is_spent(b)) {
		last = db_column_u64(st, 0);
		rc = part_remove_bytes(conn, st, upload, &b->drops, err);
		if (rc != RC_OK)
			break;
		b->n_done++;
	}
	db_done(st);
	if (rc != RC_OK)
		return rc;
	st = db_stmt(conn, "DELETE FROM part WHERE upload = ? AND number <= ?");
	db_bind_u64(st, 1, upload);
	db_bind_u64(st, 2, last);
	return db_run(st, err);
}

/* *ret_gone: nothing of the upload is left, because this transaction removed it or because it was
 * completed or aborted meanwhile. */
static enum rc remove_upload(struct upload_batch *u, struct db_conn *conn,
	const struct old_upload *o, bool *ret_gone, struct err *err)
{
	sqlite3_stmt *st =
		db_stmt(conn, "DELETE FROM upload WHERE bucket = ?1 AND key = ?2 AND seq = ?3"
			      " AND NOT EXISTS (SELECT 1 FROM part WHERE upload = ?3)");
	enum rc rc = remove_parts(&u->base, conn, o->seq, err);

	if (rc != RC_OK)
		return rc;
	db_bind_u64(st, 1, o->bucket);
	db_bind_slice(st, 2, o->key);
	db_bind_u64(st, 3, o->seq);
	rc = db_run(st, err);
	if (rc != RC_OK)
		return rc;
	u->base.counts.uploads += (uint64_t)sqlite3_changes(db_handle(conn));
	u->base.n_done++;
	st = db_stmt(conn, "SELECT 1 FROM upload WHERE bucket = ? AND key = ? AND seq = ?");
	db_bind_u64(st, 1, o->bucket);
	db_bind_slice(st, 2, o->key);
	db_bind_u64(st, 3, o->seq);
	rc = db_step(st, ret_gone, err);
	*ret_gone = !*ret_gone;
	db_done(st);
	return rc;
}

static enum rc uploads_apply(struct batch *b, struct db_conn *conn, struct err *err)
{
	struct upload_batch *u = (struct upload_batch *)b;
	bool gone = true;
	enum rc rc = RC_OK;

	u->n_gone = 0;
	while (rc == RC_OK && gone && u->n_gone < u->n && !batch_is_spent(b)) {
		rc = remove_upload(u, conn, &u->items[u->n_gone], &gone, err);
		u->n_gone += rc == RC_OK && gone;
	}
	return rc;
}

static enum rc read_old(
	struct pass *p, struct arena *a, struct old_upload *items, size_t *ret_n, struct err *err)
{
	struct db_conn *conn = db_reader(p->local->db);
	sqlite3_stmt *st =
		db_stmt(conn, "SELECT bucket, key, seq FROM upload WHERE " PASS_IS_OLD("seq", "created") " LIMIT ?6");
	size_t n = 0;
	bool row;
	enum rc rc;

	pass_bind_age(p, st, pass_cutoff_ms(p, p->cfg->uploads_ms));
	db_bind_u64(st, 6, RETENTION_ROWS);
	while ((rc = db_step(st, &row, err)) == RC_OK && row)
		items[n++] = (struct old_upload){.bucket = db_column_u64(st, 0),
			.key = db_column_copy(st, 1, a),
			.seq = db_column_u64(st, 2)};
	db_done(st);
	db_reader_return(p->local->db, conn);
	*ret_n = n;
	return rc;
}

static enum rc remove_old(struct pass *p, const struct old_upload *items, size_t n, struct err *err)
{
	size_t at = 0;
	enum rc rc = RC_OK;

	while (rc == RC_OK && at < n && !pass_is_stopped(p)) {
		struct upload_batch u = {
			.base = {.apply = uploads_apply}, .items = items + at, .n = n - at};

		rc = batch_run(p, &u.base, err);
		at += u.n_gone;
	}
	return rc;
}

enum rc pass_uploads(struct pass *p, struct err *err)
{
	struct old_upload items[RETENTION_ROWS];
	size_t n = 1;
	enum rc rc = RC_OK;

	if (!pass_cutoff_ms(p, p->cfg->uploads_ms))
		return RC_OK;
	while (rc == RC_OK && n > 0 && !pass_is_stopped(p)) {
		struct arena a = ARENA_INIT;

		rc = read_old(p, &a, items, &n, err);
		if (rc == RC_OK)
			rc = remove_old(p, items, n, err);
		arena_release(&a);
	}
	return rc;
}
