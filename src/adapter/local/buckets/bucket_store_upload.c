#include "adapter/local/buckets/bucket_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "adapter/local/engine/row_sum.h"

static void format_id(uint64_t seq, uint64_t nonce, char out[BS_UPLOAD_ID_MAX])
{
	snprintf(out, BS_UPLOAD_ID_MAX, "%016" PRIx64 "%016" PRIx64, seq, nonce);
}

enum rc upload_find(struct db_conn *conn, uint64_t bucket, struct slice key, struct slice id,
	struct arena *a, struct upload_row *ret_row, struct err *err)
{
	sqlite3_stmt *st = db_stmt(conn, "SELECT created, headers, sum FROM upload"
					 " WHERE bucket = ? AND key = ? AND seq = ? AND nonce = ?");
	uint64_t seq = 0, nonce = 0;
	bool row = false;
	enum rc rc = RC_OK;

	if (version_parse(id, &seq, &nonce)) {
		db_bind_u64(st, 1, bucket);
		db_bind_slice(st, 2, key);
		db_bind_u64(st, 3, seq);
		db_bind_u64(st, 4, nonce);
		rc = db_step(st, &row, err);
	}
	if (rc != RC_OK)
		return rc;
	if (!row)
		return err_code(err, RC_ABSENT, "NoSuchUpload",
			"the upload does not exist: it may have been completed or aborted");
	*ret_row = (struct upload_row){
		.bucket = bucket, .seq = seq, .nonce = nonce, .created = db_column_u64(st, 0)};
	if (a && !row_sum_fits(st, 2,
			 row_sum_upload(bucket, key, seq, nonce, ret_row->created,
				 db_column_slice(st, 1))))
		rc = err_code(err, RC_CORRUPT, ERR_DAMAGED,
			"the record of the upload is not the one that was stored: abort it, and "
			"upload the object again");
	else if (a)
		ret_row->headers = db_column_copy(st, 1, a);
	db_done(st);
	return rc;
}

/* Bucket and upload in one. */
static enum rc find(struct db_conn *conn, struct slice bucket, struct slice key, struct slice id,
	struct arena *a, struct upload_row *ret_row, struct err *err)
{
	enum bs_versioning versioning;
	uint64_t bucket_id;
	enum rc rc = bucket_row(conn, bucket, &bucket_id, &versioning, err);

	return rc == RC_OK ? upload_find(conn, bucket_id, key, id, a, ret_row, err) : rc;
}

struct upload_op {
	struct bs_op base;
	struct slice bucket, key, id, headers;
};

static struct upload_op *op_new(struct bucket_store *bs, struct slice bucket, struct slice key,
	enum rc (*apply)(struct bs_op *op, struct db_conn *conn, struct err *err),
	struct bs_done done)
{
	struct upload_op *op = bs_op_new(local_of(bs), sizeof(*op), apply, done);

	op->bucket = arena_slice(&op->base.arena, bucket);
	op->key = arena_slice(&op->base.arena, key);
	op->base.early_rc = bs_check_key(key, &op->base.early_err);
	return op;
}

static enum rc create_apply(struct bs_op *base, struct db_conn *conn, struct err *err)
{
	struct upload_op *op = (struct upload_op *)base;
	uint64_t bucket, seq, nonce = local_nonce(base->local);
	enum bs_versioning versioning;
	sqlite3_stmt *st;
	enum rc rc = bucket_row(conn, op->bucket, &bucket, &versioning, err);

	if (rc != RC_OK)
		return rc;
	seq = committer_next_seq(base->local->committer);
	base->object.key = op->key;
	base->object.headers = op->headers;
	base->object.modified_wall_ms = clock_wall_ms(base->local->clock);
	format_id(seq, nonce, base->object.version);
	st = db_stmt(conn, "INSERT INTO upload(bucket, key, seq, nonce, created, headers, sum)"
			   " VALUES(?, ?, ?, ?, ?, ?, ?)");
	db_bind_u64(st, 1, bucket);
	db_bind_slice(st, 2, op->key);
	db_bind_u64(st, 3, seq);
	db_bind_u64(st, 4, nonce);
	db_bind_u64(st, 5, base->object.modified_wall_ms);
	db_bind_slice(st, 6, op->headers);
	db_bind_u64(st, 7, row_sum_upload(bucket, op->key, seq, nonce,
				   base->object.modified_wall_ms, op->headers));
	return db_run(st, err);
}

void local_upload_create(struct bucket_store *bs, struct slice bucket, struct slice key,
	struct slice headers, struct bs_done done)
{
	struct upload_op *op = op_new(bs, bucket, key, create_apply, done);

	op->headers = arena_slice(&op->base.arena, headers);
	op->base.op.grows = true; /* what it begins will */
	op->base.op.bytes += key.n + headers.n;
	bs_op_submit(&op->base);
}

static enum rc remove_bytes(
	struct db_conn *conn, uint64_t upload, struct drops *drops, struct err *err)
{
	sqlite3_stmt *st = db_stmt(conn, "SELECT " PART_COLUMNS " FROM part WHERE upload = ?");
	bool row = true;
	enum rc rc = RC_OK;

	db_bind_u64(st, 1, upload);
	while (rc == RC_OK && (rc = db_step(st, &row, err)) == RC_OK && row) {
		rc = part_remove_bytes(conn, st, upload, drops, err);
	}
	db_done(st);
	return rc;
}

enum rc upload_remove(struct db_conn *conn, const struct upload_row *row, struct slice key,
	struct drops *drops, struct err *err)
{
	enum rc rc = remove_bytes(conn, row->seq, drops, err);
	sqlite3_stmt *st;

	if (rc != RC_OK)
		return rc;
	st = db_stmt(conn, "DELETE FROM part WHERE upload = ?");
	db_bind_u64(st, 1, row->seq);
	rc = db_run(st, err);
	if (rc != RC_OK)
		return rc;
	st = db_stmt(conn, "DELETE FROM upload WHERE bucket = ? AND key = ? AND seq = ?");
	db_bind_u64(st, 1, row->bucket);
	db_bind_slice(st, 2, key);
	db_bind_u64(st, 3, row->seq);
	return db_run(st, err);
}

static enum rc abort_apply(struct bs_op *base, struct db_conn *conn, struct err *err)
{
	struct upload_op *op = (struct upload_op *)base;
	struct upload_row row;
	enum rc rc = find(conn, op->bucket, op->key, op->id, NULL, &row, err);

	return rc == RC_OK ? upload_remove(conn, &row, op->key, &base->drops, err) : rc;
}

void local_upload_abort(struct bucket_store *bs, struct slice bucket, struct slice key,
	struct slice id, struct bs_done done)
{
	struct upload_op *op = op_new(bs, bucket, key, abort_apply, done);

	op->id = arena_slice(&op->base.arena, id);
	bs_op_submit(&op->base);
}

enum rc local_upload_get(struct bucket_store *bs, struct slice bucket, struct slice key,
	struct slice id, struct arena *a, struct bs_upload *ret_upload, struct err *err)
{
	struct local *local = local_of(bs);
	struct db_conn *conn = db_reader(local->db);
	struct upload_row row;
	enum rc rc = find(conn, bucket, key, id, a, &row, err);

	db_reader_return(local->db, conn);
	if (rc != RC_OK)
		return rc;
	*ret_upload = (struct bs_upload){
		.key = arena_slice(a, key), .headers = row.headers, .created_wall_ms = row.created};
	format_id(row.seq, row.nonce, ret_upload->id);
	return RC_OK;
}

static enum rc read_parts(struct db_conn *conn, uint64_t upload, uint32_t after, size_t max,
	struct arena *a, struct bs_part *parts, size_t *ret_n, bool *ret_truncated, struct err *err)
{
	sqlite3_stmt *st =
		db_stmt(conn, "SELECT " PART_COLUMNS " FROM part"
			      " WHERE upload = ? AND number > ? ORDER BY number LIMIT ?");
	struct version_segment ignored;
	bool row = true;
	size_t n = 0;
	enum rc rc;

	db_bind_u64(st, 1, upload);
	db_bind_u64(st, 2, after);
	db_bind_u64(st, 3, max + 1);
	while ((rc = db_step(st, &row, err)) == RC_OK && row && n < max) {
		rc = part_read(st, upload, &parts[n], &ignored, err);
		if (rc != RC_OK)
			break;
		parts[n].headers = arena_slice(a, parts[n].headers);
		n++;
	}
	db_done(st);
	*ret_n = n;
	*ret_truncated = row;
	return rc;
}

enum rc local_upload_parts(struct bucket_store *bs, struct slice bucket, struct slice key,
	struct slice id, uint32_t after, size_t max, struct arena *a, struct bs_part **ret_parts,
	size_t *ret_n, bool *ret_truncated, struct err *err)
{
	struct local *local = local_of(bs);
	struct db_conn *conn = db_reader(local->db);
	struct bs_part *parts = NULL;
	struct upload_row row;
	enum rc rc;

	if (max > BS_PARTS_MAX)
		max = BS_PARTS_MAX;
	db_read_begin(conn);
	rc = find(conn, bucket, key, id, NULL, &row, err);
	if (rc == RC_OK) {
		parts = arena_array(a, max + 1, sizeof(*parts));
		rc = read_parts(conn, row.seq, after, max, a, parts, ret_n, ret_truncated, err);
	}
	db_read_end(conn);
	db_reader_return(local->db, conn);
	if (rc == RC_OK)
		*ret_parts = parts;
	return rc;
}

/* The listing of uploads. Uploads are few compared with objects, but the walk jumps over a common
 * prefix here too. */

struct upload_walk {
	struct db_conn *conn;
	const struct bs_upload_query *query;
	struct bs_upload_page *page;
	struct arena *a;
	uint64_t bucket;
	sqlite3_stmt *st;
};

#define UPLOAD_SQL(where)                                                                          \
	"SELECT key, seq, nonce, created, headers FROM upload WHERE bucket = ?1 AND " where        \
	" ORDER BY key, seq"

static void upload_seek(struct upload_walk *w, const char *sql, struct slice key)
{
	struct slice copy = arena_slice(w->a, key);

	w->st = db_stmt(w->conn, sql);
	db_bind_u64(w->st, 1, w->bucket);
	db_bind_slice(w->st, 2, copy);
}

static bool take_upload(struct upload_walk *w)
{
	const struct bs_upload_query *q = w->query;
	struct bs_upload_page *page = w->page;
	struct slice common, key = db_column_slice(w->st, 0);
	struct bs_upload *upload;

	if (!slice_has_prefix(key, q->prefix))
		return false;
	page->truncated = page->n + page->n_prefixes == q->max;
	if (page->truncated)
		return false;
	common = bs_common_prefix(key, q->prefix, q->delimiter);
	if (common.p) {
		common = page->prefixes[page->n_prefixes++] = arena_slice(w->a, common);
		if (!bs_successor(w->a, common, &common))
			return false;
		upload_seek(w, UPLOAD_SQL("key >= ?2"), common);
		return true;
	}
	upload = &page->uploads[page->n++];
	upload->key = arena_slice(w->a, key);
	upload->headers = db_column_copy(w->st, 4, w->a);
	upload->created_wall_ms = db_column_u64(w->st, 3);
	format_id(db_column_u64(w->st, 1), db_column_u64(w->st, 2), upload->id);
	return true;
}

static enum rc walk_uploads(struct upload_walk *w, struct err *err)
{
	bool row = true;
	enum rc rc = RC_OK;

	while (rc == RC_OK && row) {
		rc = db_step(w->st, &row, err);
		if (rc == RC_OK && row && !take_upload(w))
			break;
	}
	return rc;
}

static enum rc walk_upload_page(struct upload_walk *w, struct err *err)
{
	const struct bs_upload_query *q = w->query;
	struct slice from = q->prefix;
	uint64_t seq, nonce;
	enum rc rc = RC_OK;

	if (q->after_is_prefix) {
		if (!bs_successor(w->a, q->after_key, &from))
			return RC_OK;
		upload_seek(w, UPLOAD_SQL("key >= ?2"), slice_cmp(from, q->prefix) < 0 ? q->prefix : from);
	} else if (q->after_key.n && slice_cmp(q->after_key, q->prefix) >= 0) {
		if (version_parse(q->after_id, &seq, &nonce) &&
			!bs_common_prefix(q->after_key, q->prefix, q->delimiter).p) {
			upload_seek(w, UPLOAD_SQL("key = ?2 AND seq > ?3"), q->after_key);
			db_bind_u64(w->st, 3, seq);
			rc = walk_uploads(w, err);
		}
		upload_seek(w, UPLOAD_SQL("key > ?2"), q->after_key);
	} else {
		upload_seek(w, UPLOAD_SQL("key >= ?2"), q->prefix);
	}
	return rc == RC_OK && !w->page->truncated ? walk_uploads(w, err) : rc;
}

enum rc local_upload_list(struct bucket_store *bs, const struct bs_upload_query *query,
	struct arena *a, struct bs_upload_page *ret_page, struct err *err)
{
	struct local *local = local_of(bs);
	struct bs_upload_page page = {0};
	struct upload_walk w = {
		.conn = db_reader(local->db), .query = query, .page = &page, .a = a};
	enum bs_versioning versioning;
	enum rc rc;

	db_read_begin(w.conn);
	rc = bucket_row(w.conn, query->bucket, &w.bucket, &versioning, err);
	if (rc == RC_OK && query->max) {
		page.uploads = arena_array(a, query->max, sizeof(*page.uploads));
		page.prefixes = arena_array(a, query->max, sizeof(*page.prefixes));
		rc = walk_upload_page(&w, err);
	}
	db_read_end(w.conn);
	db_reader_return(local->db, w.conn);
	if (rc == RC_OK)
		*ret_page = page;
	return rc;
}
