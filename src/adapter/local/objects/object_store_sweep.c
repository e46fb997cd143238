/* Removes stages that nobody can publish any more. object_store_stage.c says what a stage is. */
#include "adapter/local/buckets/version.h"
#include "adapter/local/engine/schema.sql.h"
#include "adapter/local/objects/object_store.h"

#define BYTES_PER_SWEEP (64u << 10) /* about, for the group's bound */
#define SWEEP_MAX 200               /* stages in one transaction */

/* A plan's stages are its bundle, the archive's copy under the same key, and the manifest
 * (core/manifest.h). */
#define UNPLANNED                                                                                  \
	" FROM stage s WHERE published = 0 AND NOT EXISTS (SELECT 1 FROM plan p INDEXED BY "       \
	"plan_live WHERE p.live = 1"                                                               \
	" AND (p.key = s.key OR s.key = CAST('manifests/' || CAST(p.key AS TEXT) || '.json' AS "   \
	"BLOB))) ORDER BY s.id LIMIT ?"

/*
 * Files that an invocation put into the archive before it was cut off: the copy, and perhaps the
 * manifest. The bundle itself is published last, so nobody has seen it while its stage still
 * exists. Nothing else writes under the key of a bundle.
 */
#define UNSEEN                                                                                     \
	"SELECT b.id, v.key, v.seq FROM stage s"                                                   \
	" JOIN stage a ON a.published = 1 AND a.bucket <> s.bucket AND (a.key = s.key OR a.key ="  \
	"  CAST('manifests/' || CAST(s.key AS TEXT) || '.json' AS BLOB))"                          \
	" JOIN bucket b ON b.name = CAST(a.bucket AS TEXT)"                                        \
	" JOIN version v ON v.bucket = b.id AND v.is_current IN (0, 1) AND v.key = a.key"          \
	" WHERE s.published = 0 AND instr(s.headers, CAST(" SCHEMA_DIRECT           \
	" AS BLOB)) > 0 LIMIT 1"

struct sweep_op {
	struct commit_op op;
	struct drops drops;
	size_t n;
};

/* *ret_row: there was one, and it is removed. */
static enum rc remove_one(
	struct sweep_op *w, struct db_conn *conn, struct arena *a, bool *ret_row, struct err *err)
{
	struct version_row row = {0};
	sqlite3_stmt *st = db_stmt(conn, UNSEEN);
	uint64_t bucket, seq;
	struct slice key;
	enum rc rc = db_step(st, ret_row, err);

	if (rc != RC_OK || !*ret_row)
		return rc;
	bucket = db_column_u64(st, 0);
	key = db_column_copy(st, 1, a);
	seq = db_column_u64(st, 2);
	db_done(st);
	st = db_stmt(conn, "SELECT " VERSION_COLUMNS " FROM version WHERE" VERSION_BY_SEQ);
	db_bind_u64(st, 1, bucket);
	db_bind_slice(st, 2, key);
	db_bind_u64(st, 3, seq);
	rc = db_step(st, ret_row, err);
	if (rc == RC_OK && *ret_row)
		version_read(st, &row);
	db_done(st);
	row.bucket = bucket;
	row.key = key;
	return rc == RC_OK && *ret_row ? version_remove(conn, &row, &w->drops, err) : rc;
}

static enum rc remove_unseen(struct sweep_op *w, struct db_conn *conn, struct err *err)
{
	struct arena a = ARENA_INIT;
	bool row = true;
	enum rc rc = RC_OK;

	while (rc == RC_OK && row)
		rc = remove_one(w, conn, &a, &row, err);
	arena_release(&a);
	return rc;
}

static enum rc sweep_apply(struct commit_op *op, struct db_conn *conn, struct err *err)
{
	struct sweep_op *w = (struct sweep_op *)op;
	sqlite3_stmt *st;
	enum rc rc;

	drops_reset(&w->drops);
	rc = remove_unseen(w, conn, err);
	if (rc != RC_OK)
		return rc;
	st = db_stmt(conn, "SELECT s.blob" UNPLANNED);
	db_bind_u64(st, 1, SWEEP_MAX);
	rc = stage_drop_blobs(conn, st, &w->drops, err);
	if (rc != RC_OK)
		return rc;
	st = db_stmt(conn, "DELETE FROM stage WHERE id IN (SELECT s.id" UNPLANNED ")");
	db_bind_u64(st, 1, SWEEP_MAX);
	rc = db_run(st, err);
	w->n = rc == RC_OK ? (size_t)sqlite3_changes(db_handle(conn)) : 0;
	return rc;
}

enum rc local_sweep_stages(struct local *local, size_t *ret_n, struct err *err)
{
	enum rc rc = RC_OK;
	size_t n = SWEEP_MAX;

	*ret_n = 0;
	while (rc == RC_OK && n == SWEEP_MAX) {
		struct sweep_op w = {.op = {.apply = sweep_apply, .bytes = BYTES_PER_SWEEP}};

		rc = committer_run(local->committer, &w.op, err);
		n = w.n;
		if (rc == RC_OK) {
			drops_run(&w.drops, local->blobs);
			*ret_n += n;
		}
		drops_release(&w.drops);
	}
	return rc == RC_OK ? rc : err_ctx(err, rc, "sweep stages");
}
