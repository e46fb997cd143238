/*
 * The ledger's old records. Records carry no time and no index leads from a plan to its records
 * (either would cost every claim), so a pass takes the plans that are old and finished, walks
 * all records once by key, on a reading connection, and removes those whose plan is among them
 * and whose source version is gone; PLANS_MAX plans at a time, so that those that must stay hide
 * none behind them. A plan of which every record is gone goes too. A finished plan never gets
 * another record: claims and swaps are made for open plans only.
 */
#include <stdlib.h>

#include "adapter/local/retention/retention_internal.h"
#include "base/table.h"
#include "model/bundle_key.h"

#define PLANS_MAX 20000 /* at a time */
#define WALK_ROWS 2000

struct old_plan {
	uint64_t seq;
	unsigned char id[PLAN_ID_BYTES];
	bool is_kept; /* a record of it stays */
};

struct ledger_pass {
	struct pass *pass;
	uint64_t cutoff_ms;
	struct old_plan *plans; /* in order of opening */
	size_t n_plans;
	uint64_t after; /* seq of the last plan looked at */
	struct table by_id;
	/* the walk stands behind this record */
	struct object_id at;
};

static enum rc load_plans(struct ledger_pass *l, struct err *err)
{
	struct db_conn *conn = db_reader(l->pass->local->db);
	sqlite3_stmt *st =
		db_stmt(conn, "SELECT seq, id, live, opened FROM plan WHERE seq > ? ORDER BY seq");
	bool row = true;
	enum rc rc = RC_OK;

	l->n_plans = 0;
	table_clear(&l->by_id);
	db_bind_u64(st, 1, l->after);
	while (l->n_plans < PLANS_MAX && (rc = db_step(st, &row, err)) == RC_OK && row) {
		struct old_plan *p = &l->plans[l->n_plans];
		struct slice id = db_column_slice(st, 1);

		if (!pass_is_old(l->pass, db_column_u64(st, 0), db_column_u64(st, 3), l->cutoff_ms))
			/* plans come in the order of opening, so all later ones are younger */
			break;
		l->after = db_column_u64(st, 0);
		if (db_column_u64(st, 2) || id.n != PLAN_ID_BYTES)
			continue;
		*p = (struct old_plan){.seq = l->after};
		memcpy(p->id, id.p, PLAN_ID_BYTES);
		table_put(&l->by_id, slice_of(p->id, PLAN_ID_BYTES), p);
		l->n_plans++;
	}
	db_done(st);
	db_reader_return(l->pass->local->db, conn);
	return rc;
}

struct record_batch {
	struct batch base;
	const struct object_id *records;
	struct old_plan *const *plans; /* of each */
	size_t n;
};

static enum rc records_apply(struct batch *b, struct db_conn *conn, struct err *err)
{
	struct record_batch *r = (struct record_batch *)b;
	enum rc rc = RC_OK;

	while (rc == RC_OK && b->n_done < r->n && !batch_is_spent(b)) {
		const struct object_id *o = &r->records[b->n_done];
		sqlite3_stmt *st = db_stmt(conn, "DELETE FROM claim WHERE version = ? AND bucket = "
						 "? AND key = ? AND plan = ?");

		db_bind_slice(st, 1, o->version);
		db_bind_slice(st, 2, o->bucket);
		db_bind_slice(st, 3, o->key);
		db_bind_slice(st, 4, slice_of(r->plans[b->n_done]->id, PLAN_ID_BYTES));
		rc = db_run(st, err);
		b->n_done++;
		if (rc == RC_OK)
			b->counts.records += (uint64_t)sqlite3_changes(db_handle(conn));
	}
	return rc;
}

/* Versions by their id; one without ("seq:…") by the number of its row. A bucket of another
 * store cannot be asked: there the age alone counts, and an event older than the ledger can
 * vouch for is refused anyway. */
static enum rc source_exists(
	struct db_conn *conn, const struct object_id *o, bool *ret_exists, struct err *err)
{
	enum bs_versioning versioning;
	struct version_row row;
	struct err none;
	uint64_t bucket;
	enum rc rc;

	*ret_exists = false;
	rc = bucket_row(conn, o->bucket, &bucket, &versioning, &none);
	if (rc != RC_OK)
		return rc == RC_ABSENT ? RC_OK : rc;
	if (!slice_has_prefix(o->version, slice_str("seq:")))
		return version_find(conn, bucket, o->key, o->version, NULL, &row, ret_exists, err);
	rc = version_find(conn, bucket, o->key, slice_str("null"), NULL, &row, ret_exists, err);
	return rc;
}

struct walked {
	struct object_id *gone;
	struct old_plan **plans;
	size_t n, seen;
};

static enum rc walk_rows(struct ledger_pass *l, struct db_conn *conn, sqlite3_stmt *st,
	struct arena *a, struct walked *w, struct err *err)
{
	struct object_id o = {0};
	bool row = true, exists;
	enum rc rc;

	while ((rc = db_step(st, &row, err)) == RC_OK && row) {
		struct old_plan *p = table_get(&l->by_id, db_column_slice(st, 3));

		o.version = db_column_copy(st, 0, a);
		o.bucket = db_column_copy(st, 1, a);
		o.key = db_column_copy(st, 2, a);
		w->seen++;
		if (!p)
			continue;
		rc = source_exists(conn, &o, &exists, err);
		if (rc != RC_OK)
			break;
		if (exists) {
			p->is_kept = true;
			continue;
		}
		w->gone[w->n] = o;
		w->plans[w->n++] = p;
	}
	db_done(st);
	if (w->seen)
		l->at = o;
	return rc;
}

static enum rc walk(struct ledger_pass *l, struct arena *a, struct walked *w, struct err *err)
{
	struct db_conn *conn = db_reader(l->pass->local->db);
	sqlite3_stmt *st = db_stmt(conn, "SELECT version, bucket, key, plan FROM claim WHERE "
					 "(version, bucket, key) > (?, ?, ?)"
					 " ORDER BY version, bucket, key LIMIT ?");
	enum rc rc;

	w->gone = arena_array(a, WALK_ROWS, sizeof(*w->gone));
	w->plans = arena_array(a, WALK_ROWS, sizeof(struct old_plan *));
	db_bind_slice(st, 1, l->at.version);
	db_bind_slice(st, 2, l->at.bucket);
	db_bind_slice(st, 3, l->at.key);
	db_bind_u64(st, 4, WALK_ROWS);
	rc = walk_rows(l, conn, st, a, w, err);
	db_reader_return(l->pass->local->db, conn);
	return rc;
}

static enum rc remove_records(struct ledger_pass *l, const struct walked *w, struct err *err)
{
	size_t at = 0;
	enum rc rc = RC_OK;

	while (rc == RC_OK && at < w->n && !pass_is_stopped(l->pass)) {
		struct record_batch r = {.base = {.apply = records_apply},
			.records = w->gone + at,
			.plans = w->plans + at,
			.n = w->n - at};

		rc = batch_run(l->pass, &r.base, err);
		at += r.base.n_done;
	}
	return rc;
}

/* *ret_complete: every record was looked at. */
static enum rc walk_all(struct ledger_pass *l, bool *ret_complete, struct err *err)
{
	struct arena arenas[2] = {ARENA_INIT, ARENA_INIT}; /* at lives in the one before */
	enum rc rc = RC_OK;

	*ret_complete = false;
	l->at = (struct object_id){0};
	for (unsigned i = 0; rc == RC_OK && !*ret_complete && !pass_is_stopped(l->pass); i = !i) {
		struct walked w = {0};

		arena_release(&arenas[i]);
		rc = walk(l, &arenas[i], &w, err);
		if (rc == RC_OK)
			rc = remove_records(l, &w, err);
		*ret_complete = rc == RC_OK && w.seen < WALK_ROWS && !pass_is_stopped(l->pass);
	}
	arena_release(&arenas[0]);
	arena_release(&arenas[1]);
	return rc;
}

struct plan_batch {
	struct batch base;
	const struct old_plan *plans;
	size_t n;
};

static enum rc plans_apply(struct batch *b, struct db_conn *conn, struct err *err)
{
	struct plan_batch *pb = (struct plan_batch *)b;
	enum rc rc = RC_OK;

	while (rc == RC_OK && b->n_done < pb->n && !batch_is_spent(b)) {
		const struct old_plan *p = &pb->plans[b->n_done++];
		sqlite3_stmt *st = db_stmt(conn, "DELETE FROM plan WHERE seq = ? AND live = 0");

		if (p->is_kept)
			continue;
		db_bind_u64(st, 1, p->seq);
		rc = db_run(st, err);
		b->counts.plans += rc == RC_OK;
	}
	return rc;
}

static enum rc remove_plans(struct ledger_pass *l, struct err *err)
{
	size_t at = 0;
	enum rc rc = RC_OK;

	while (rc == RC_OK && at < l->n_plans && !pass_is_stopped(l->pass)) {
		struct plan_batch b = {.base = {.apply = plans_apply},
			.plans = l->plans + at,
			.n = l->n_plans - at};

		rc = batch_run(l->pass, &b.base, err);
		at += b.base.n_done;
	}
	return rc;
}

/* A stage has a number and no time. It is made while its plan is open, so stages with lower numbers
 * than the first young plan are old. */
static enum rc old_stages_end(
	const struct pass *p, struct db_conn *conn, uint64_t *ret_seq, struct err *err)
{
	uint64_t cutoff_ms = pass_cutoff_ms(p, p->cfg->ledger_ms);

	*ret_seq = clock_back_bound(&p->back, cutoff_ms);
	if (*ret_seq != INT64_MAX)
		return RC_OK;
	return clock_back_find(conn,
		"SELECT seq, opened FROM plan WHERE ?1 = 0 AND seq >= ?2 ORDER BY seq LIMIT 1", 0,
		cutoff_ms, p->now_wall_ms, ret_seq, err);
}

/* The row of a published stage is needed by a plan that may be published again, which is a live
 * plan. */
static enum rc stages_apply(struct batch *b, struct db_conn *conn, struct err *err)
{
	sqlite3_stmt *st = db_stmt(conn,
		"DELETE FROM stage WHERE id IN (SELECT id FROM stage s WHERE id < ? AND published "
		"= 1"
		" AND NOT EXISTS (SELECT 1 FROM plan p INDEXED BY plan_live WHERE p.live = 1 AND "
		"p.key = s.key) LIMIT 500)");
	uint64_t before;
	enum rc rc = old_stages_end(b->pass, conn, &before, err);

	if (rc != RC_OK)
		return rc;
	db_bind_u64(st, 1, before);
	rc = db_run(st, err);
	b->n_done = rc == RC_OK ? (size_t)sqlite3_changes(db_handle(conn)) : 0;
	return rc;
}

enum rc pass_ledger(struct pass *p, struct err *err)
{
	struct ledger_pass l = {.pass = p, .cutoff_ms = pass_cutoff_ms(p, p->cfg->ledger_ms)};
	size_t n_done = 1;
	bool complete;
	enum rc rc;

	if (!l.cutoff_ms)
		return RC_OK;
	l.plans = xcalloc(PLANS_MAX, sizeof(*l.plans));
	do {
		complete = false;
		rc = load_plans(&l, err);
		if (rc == RC_OK && l.n_plans)
			rc = walk_all(&l, &complete, err);
		if (rc == RC_OK && complete)
			rc = remove_plans(&l, err);
	} while (rc == RC_OK && l.n_plans == PLANS_MAX && !pass_is_stopped(p));
	while (rc == RC_OK && n_done > 0 && !pass_is_stopped(p)) {
		struct batch b = {.apply = stages_apply};

		rc = batch_run(p, &b, err);
		n_done = b.n_done;
	}
	table_release(&l.by_id);
	free(l.plans);
	return rc;
}
