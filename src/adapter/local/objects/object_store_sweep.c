/* Stages that nobody can publish any more. object_store_stage.c has what a stage is. */
#include "adapter/local/buckets/version.h"
#include "adapter/local/objects/object_store.h"

#define BYTES_PER_SWEEP (64u << 10) /* about, for the group's bound */
#define SWEEP_MAX 200               /* stages in one transaction */

/* A plan's stages are its bundle, the archive's copy under the same key, and the manifest (core/manifest.h). */
#define UNPLANNED                                                                                  \
	" FROM stage s WHERE published = 0 AND NOT EXISTS (SELECT 1 FROM plan p INDEXED BY "       \
	"plan_live WHERE p.live = 1"                                                               \
	" AND (p.key = s.key OR s.key = CAST('manifests/' || CAST(p.key AS TEXT) || '.json' AS "   \
	"BLOB))) ORDER BY s.id LIMIT ?"

struct sweep_op {
	struct commit_op op;
	struct drops drops;
	size_t n;
};

static enum rc sweep_apply(struct commit_op *op, struct db_conn *conn, struct err *err)
{
	struct sweep_op *w = (struct sweep_op *)op;
	sqlite3_stmt *st;
	enum rc rc;

	drops_reset(&w->drops);
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
