/*
 * Versions by age: candidates are read in order of age on a reading connection, then removed by
 * row in short transactions. Whether a version is settled is asked twice: on the reading
 * connection, so that what must stay costs no transaction, and again where it is removed, for a
 * redrive may have come between the two.
 */
#include "adapter/local/operator/operator.h"
#include "adapter/local/retention/retention_internal.h"
#include "port/ledger.h"

struct candidate {
	struct slice key;
	uint64_t seq;
};

struct bucket_pass {
	struct pass *pass;
	struct slice name;
	uint64_t id, cutoff_ms;
	uint64_t cursor;    /* seq of the last version looked at */
	bool keeps_pending; /* landing: objects that are not bundled yet stay */
};

struct version_batch {
	struct batch base;
	const struct bucket_pass *of;
	const struct candidate *items;
	size_t n;
};

static bool may_be_pending(const struct bucket_pass *bp, const struct version_row *row)
{
	return bp->keeps_pending && !row->is_marker &&
	       slice_has_prefix(row->key, slice_str(bp->pass->cfg->event_prefix));
}

/* A dead letter that is redriven needs its object: a rejected one stays as long as its dead
 * letter may, counted from the put. */
static bool is_past_redrive(const struct pass *p, const struct version_row *row)
{
	return pass_is_old(
		p, row->seq, row->modified, pass_cutoff_ms(p, p->cfg->dead_letters_ms));
}

/* Whether nothing but its age keeps a version: in landing, that the ledger has done with it. */
static enum rc is_settled(const struct bucket_pass *bp, struct db_conn *conn, struct arena *a,
	const struct version_row *row, bool *ret_settled, struct err *err)
{
	struct object_id id = {.bucket = bp->name, .key = row->key};
	struct operator_record record;
	struct plan_facts plan;
	char version[BS_VERSION_MAX];
	enum rc rc;

	*ret_settled = !may_be_pending(bp, row);
	if (*ret_settled)
		return RC_OK;
	version_format(row, version);
	id.version = slice_str(
		row->is_null ? arena_printf(a, "seq:%016llX", (unsigned long long)row->seq)
			     : version);
	rc = operator_record_read(conn, a, &id, &record, err);
	if (rc != RC_OK || !record.is_found)
		return rc;
	if (record.state == LG_REJECTED) {
		*ret_settled = is_past_redrive(bp->pass, row);
		return RC_OK;
	}
	rc = operator_plan_facts(conn, a, record.plan, record.slot, &plan, err);
	*ret_settled = plan.is_member && plan.state == PLAN_DONE;
	return rc;
}

/* The oldest row of a key, when that is a marker. A current row is never one. */
static enum rc find_lowest_marker(struct version_batch *v, struct db_conn *conn, struct slice key,
	struct version_row *ret_row, bool *ret_found, struct err *err)
{
	sqlite3_stmt *st = db_stmt(conn, "SELECT " VERSION_COLUMNS " FROM version"
					 " WHERE bucket = ? AND is_current = 0 AND key = ?"
					 " ORDER BY seq LIMIT 1");
	enum rc rc;

	db_bind_u64(st, 1, v->of->id);
	db_bind_slice(st, 2, key);
	rc = db_step(st, ret_found, err);
	if (rc == RC_OK && *ret_found) {
		version_read(st, ret_row);
		*ret_found = ret_row->is_marker;
	}
	db_done(st);
	ret_row->bucket = v->of->id;
	ret_row->key = key;
	return rc;
}

/* Delete markers that have no version under them any more. There can be any number of them; those
 * for which this transaction has no time go by their age. */
static enum rc remove_lone_markers(
	struct version_batch *v, struct db_conn *conn, struct slice key, struct err *err)
{
	struct version_row row = {0};
	bool found = true;
	enum rc rc = RC_OK;

	while (rc == RC_OK && !batch_is_spent(&v->base)) {
		rc = find_lowest_marker(v, conn, key, &row, &found, err);
		if (rc != RC_OK || !found)
			break;
		rc = version_remove(conn, &row, &v->base.drops, err);
		v->base.counts.markers++;
	}
	return rc;
}

/* A version that is older than a delete marker is never current. */
static enum rc has_older(struct db_conn *conn, uint64_t bucket, const struct candidate *c,
	bool *ret_older, struct err *err)
{
	sqlite3_stmt *st = db_stmt(
		conn, "SELECT 1 FROM version WHERE bucket = ? AND is_current = 0 AND key = ?"
		      " AND seq < ? LIMIT 1");
	enum rc rc;

	db_bind_u64(st, 1, bucket);
	db_bind_slice(st, 2, c->key);
	db_bind_u64(st, 3, c->seq);
	rc = db_step(st, ret_older, err);
	db_done(st);
	return rc;
}

static enum rc remove_candidate(struct version_batch *v, struct db_conn *conn, struct arena *a,
	const struct candidate *c, struct err *err)
{
	sqlite3_stmt *st =
		db_stmt(conn, "SELECT " VERSION_COLUMNS " FROM version WHERE" VERSION_BY_SEQ);
	struct version_row row;
	bool found, older = false, settled = true;
	enum rc rc;

	db_bind_u64(st, 1, v->of->id);
	db_bind_slice(st, 2, c->key);
	db_bind_u64(st, 3, c->seq);
	rc = db_step(st, &found, err);
	if (rc == RC_OK && found)
		version_read(st, &row);
	db_done(st);
	if (rc != RC_OK || !found)
		return rc;
	row.bucket = v->of->id;
	row.key = c->key;
	if (row.is_marker)
		rc = has_older(conn, v->of->id, c, &older, err); /* it hides what is kept */
	else
		rc = is_settled(v->of, conn, a, &row, &settled, err);
	if (rc != RC_OK || older || !settled)
		return rc;
	rc = version_remove(conn, &row, &v->base.drops, err);
	v->base.counts.markers += row.is_marker;
	v->base.counts.versions += !row.is_marker;
	return rc == RC_OK ? remove_lone_markers(v, conn, c->key, err) : rc;
}

static enum rc versions_apply(struct batch *b, struct db_conn *conn, struct err *err)
{
	struct version_batch *v = (struct version_batch *)b;
	struct arena a = ARENA_INIT;
	enum rc rc = RC_OK;

	while (rc == RC_OK && b->n_done < v->n && !batch_is_spent(b))
		rc = remove_candidate(v, conn, &a, &v->items[b->n_done++], err);
	arena_release(&a);
	return rc;
}

/* The next old versions in order of age, those that must stay left out. *ret_seen: 0 at the end. */
static enum rc read_candidates(struct bucket_pass *bp, struct arena *a, struct candidate *items,
	size_t *ret_n, size_t *ret_seen, struct err *err)
{
	struct db_conn *conn = db_reader(bp->pass->local->db);
	sqlite3_stmt *st =
		db_stmt(conn, "SELECT " VERSION_COLUMNS ", key FROM version INDEXED BY version_age"
			      " WHERE bucket = ? AND seq > ? AND seq < ? ORDER BY seq LIMIT ?");
	struct version_row row;
	bool found, settled;
	enum rc rc;

	*ret_n = *ret_seen = 0;
	db_bind_u64(st, 1, bp->id);
	db_bind_u64(st, 2, bp->cursor);
	db_bind_u64(st, 3, clock_back_bound(&bp->pass->back, bp->cutoff_ms));
	db_bind_u64(st, 4, RETENTION_ROWS);
	while ((rc = db_step(st, &found, err)) == RC_OK && found) {
		version_read(st, &row);
		if (!pass_is_old(bp->pass, row.seq, row.modified, bp->cutoff_ms))
			/* rows come in the order of writing, so all later ones are younger */
			break;
		row.key = db_column_copy(st, VERSION_KEY_COLUMN, a);
		rc = is_settled(bp, conn, a, &row, &settled, err);
		if (rc != RC_OK)
			break;
		bp->cursor = row.seq;
		++*ret_seen;
		if (settled)
			items[(*ret_n)++] = (struct candidate){row.key, row.seq};
	}
	db_done(st);
	db_reader_return(bp->pass->local->db, conn);
	return rc;
}

static enum rc remove_versions(
	struct bucket_pass *bp, const struct candidate *items, size_t n, struct err *err)
{
	size_t at = 0;
	enum rc rc = RC_OK;

	while (rc == RC_OK && at < n && !pass_is_stopped(bp->pass)) {
		struct version_batch v = {.base = {.apply = versions_apply},
			.of = bp,
			.items = items + at,
			.n = n - at};

		rc = batch_run(bp->pass, &v.base, err);
		at += v.base.n_done;
	}
	return rc;
}

static enum rc find_bucket(struct bucket_pass *bp, bool *ret_found, struct err *err)
{
	struct db_conn *conn = db_reader(bp->pass->local->db);
	enum bs_versioning versioning;
	enum rc rc = bucket_row(conn, bp->name, &bp->id, &versioning, err);

	db_reader_return(bp->pass->local->db, conn);
	*ret_found = rc == RC_OK;
	return rc == RC_ABSENT ? RC_OK : rc;
}

enum rc pass_bucket(
	struct pass *p, const char *name, uint64_t keep_ms, bool keeps_pending, struct err *err)
{
	struct bucket_pass bp = {.pass = p,
		.name = slice_str(name),
		.cutoff_ms = pass_cutoff_ms(p, keep_ms),
		.keeps_pending = keeps_pending};
	struct candidate items[RETENTION_ROWS];
	size_t n, seen = 1;
	bool found;
	enum rc rc;

	if (!bp.cutoff_ms)
		return RC_OK;
	rc = find_bucket(&bp, &found, err);
	while (rc == RC_OK && found && seen > 0 && !pass_is_stopped(p)) {
		struct arena a = ARENA_INIT;

		rc = read_candidates(&bp, &a, items, &n, &seen, err);
		if (rc == RC_OK)
			rc = remove_versions(&bp, items, n, err);
		arena_release(&a);
	}
	return rc;
}
