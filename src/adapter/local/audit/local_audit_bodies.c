/*
 * Everything that has bytes, in pages. Each page is read whole before its first visit, because a
 * statement that stays open over a visit would keep a live server from shortening its log, and
 * would give rows whose files have been removed meanwhile.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "adapter/local/audit/local_audit_internal.h"
#include "adapter/local/buckets/part.h"
#include "adapter/local/engine/row_sum.h"

#define PAGE 256

struct page {
	struct arena arena;
	struct audit_body bodies[PAGE];
	size_t n;
	uint64_t last[2]; /* where the next page goes on */
};

/* Columns: bucket, key, versionId or empty, number, size, handles. */
static enum rc fill(struct page *p, sqlite3_stmt *st, enum audit_body_kind kind, struct err *err)
{
	bool row = true;
	enum rc rc = RC_OK;

	arena_release(&p->arena);
	p->arena = ARENA_INIT;
	p->n = 0;
	while (p->n < PAGE && (rc = db_step(st, &row, err)) == RC_OK && row) {
		struct audit_body *b = &p->bodies[p->n++];

		*b = (struct audit_body){.kind = kind,
			.object = {db_column_copy(st, 0, &p->arena),
				db_column_copy(st, 1, &p->arena),
				db_column_copy(st, 2, &p->arena)},
			.number = db_column_u64(st, 3),
			.size_bytes = db_column_u64(st, 4),
			.handle = {db_column_u64(st, 5), db_column_u64(st, 6)}};
		p->last[0] = b->handle[0];
		p->last[1] = b->handle[1];
	}
	local_audit_done(st);
	return rc;
}

static enum rc walk(struct local_audit *a, const char *sql, enum audit_body_kind kind,
	uint64_t bucket, audit_body_fn *visit, void *arg, struct err *err)
{
	struct page *p = xcalloc(1, sizeof(*p));
	enum rc rc = RC_OK;

	do {
		sqlite3_stmt *st = NULL;

		rc = local_audit_is_disturbed(a) ? local_audit_disturbed(err)
						 : local_audit_prepare(a, sql, &st, err);
		if (rc == RC_OK) {
			db_bind_u64(st, 1, p->last[0]);
			db_bind_u64(st, 2, p->last[1]);
			db_bind_u64(st, 3, bucket);
			rc = fill(p, st, kind, err);
		}
		for (size_t i = 0; rc == RC_OK && i < p->n; i++)
			rc = visit(arg, &p->bodies[i], err);
	} while (rc == RC_OK && p->n == PAGE);
	arena_release(&p->arena);
	free(p);
	return rc;
}

/* In the order of age, which is about the order of the bytes on the disk. A delete marker has no
 * bytes; a row that is marked as one and has bytes is damaged. */
#define VERSIONS_SQL                                                                               \
	"SELECT CAST((SELECT name FROM bucket WHERE id = ?3) AS BLOB), key, CAST(iif(is_null, "    \
	"'null', printf('%016x%016x', seq, nonce)) AS BLOB), 0, size, seq, 0 FROM version"         \
	" WHERE bucket = ?3 AND seq > ?1 AND ?2 = 0 AND (NOT is_marker OR kind OR size)"           \
	" ORDER BY seq LIMIT 256"
#define PARTS_SQL                                                                                  \
	"SELECT CAST(b.name AS BLOB), u.key, x'', p.number, p.size, p.upload, p.number"            \
	" FROM part p LEFT JOIN upload u ON u.seq = p.upload LEFT JOIN bucket b ON b.id = "        \
	"u.bucket WHERE (p.upload, p.number) > (?1, ?2) AND ?3 = 0 ORDER BY p.upload, p.number "   \
	"LIMIT 256"
#define MESSAGES_SQL(table)                                                                        \
	"SELECT x'', x'', x'', id, length(body), id, 0 FROM " table " WHERE id > ?1 AND ?2 = 0 "   \
	"AND ?3 = 0 ORDER BY id LIMIT 256"
#define STAGES_SQL                                                                                 \
	"SELECT bucket, key, x'', 0, size, id, 0 FROM stage WHERE id > ?1 AND ?2 = 0 AND ?3 = 0"   \
	" AND published = 0 ORDER BY id LIMIT 256"

#define LEDGER_PAGE 1000
#define RECORDS_SQL                                                                                \
	"SELECT version, bucket, key, state, plan, slot, attempts, reason, sum FROM claim"         \
	" WHERE (version, bucket, key) > (?, ?, ?) ORDER BY version, bucket, key LIMIT 1000"
#define PLANS_SQL                                                                                  \
	"SELECT seq, bucket, key, id, size, n_slots, sha256, staged, excluded, sum FROM plan"      \
	" WHERE seq > ? AND sum IS NOT NULL ORDER BY seq LIMIT 1000"

/* The damaged rows of a page; slices in arena. */
struct ledger_page {
	struct arena arena;
	struct audit_body bodies[LEDGER_PAGE];
	size_t n, n_rows;
	struct object_id last;
	uint64_t last_seq;
};

static void take_record(struct ledger_page *p, sqlite3_stmt *st)
{
	struct object_id o = {.version = db_column_copy(st, 0, &p->arena),
		.bucket = db_column_copy(st, 1, &p->arena),
		.key = db_column_copy(st, 2, &p->arena)};

	if (!row_sum_fits(st, 8,
		    row_sum_claim(&o, db_column_u64(st, 3), db_column_slice(st, 4),
			    db_column_u64(st, 5), db_column_u64(st, 6), db_column_slice(st, 7))))
		p->bodies[p->n++] = (struct audit_body){.kind = AUDIT_BODY_RECORD, .object = o};
	p->last = o;
}

static void take_plan(struct ledger_page *p, sqlite3_stmt *st)
{
	if (!row_sum_fits(st, 9,
		    row_sum_seal(db_column_slice(st, 3), db_column_u64(st, 4),
			    db_column_u64(st, 5), db_column_slice(st, 6), db_column_slice(st, 7),
			    db_column_slice(st, 8))))
		p->bodies[p->n++] = (struct audit_body){.kind = AUDIT_BODY_PLAN,
			.object = {.bucket = db_column_copy(st, 1, &p->arena),
				.key = db_column_copy(st, 2, &p->arena)}};
	p->last_seq = db_column_u64(st, 0);
}

static enum rc read_ledger_page(
	struct local_audit *a, struct ledger_page *p, bool plans, struct err *err)
{
	sqlite3_stmt *st = NULL;
	bool row = true;
	enum rc rc = local_audit_prepare(a, plans ? PLANS_SQL : RECORDS_SQL, &st, err);

	p->n = p->n_rows = 0;
	if (rc != RC_OK)
		return rc;
	if (plans) {
		db_bind_u64(st, 1, p->last_seq);
	} else {
		db_bind_slice(st, 1, p->last.version);
		db_bind_slice(st, 2, p->last.bucket);
		db_bind_slice(st, 3, p->last.key);
	}
	while ((rc = db_step(st, &row, err)) == RC_OK && row) {
		p->n_rows++;
		if (plans)
			take_plan(p, st);
		else
			take_record(p, st);
	}
	local_audit_done(st);
	return rc;
}

static enum rc walk_ledger(
	struct local_audit *a, bool plans, audit_body_fn *visit, void *arg, struct err *err)
{
	struct ledger_page *p = xcalloc(1, sizeof(*p));
	enum rc rc;

	do {
		struct arena old = p->arena;

		p->arena = ARENA_INIT;
		rc = read_ledger_page(a, p, plans, err);
		arena_release(&old); /* it had the last row's name */
		for (size_t i = 0; rc == RC_OK && i < p->n; i++)
			rc = visit(arg, &p->bodies[i], err);
	} while (rc == RC_OK && p->n_rows == LEDGER_PAGE);
	arena_release(&p->arena);
	free(p);
	return rc;
}

static enum rc next_bucket(
	struct local_audit *a, uint64_t *bucket, bool *ret_found, struct err *err)
{
	sqlite3_stmt *st = NULL;
	enum rc rc = local_audit_prepare(
		a, "SELECT id FROM bucket WHERE id > ? ORDER BY id LIMIT 1", &st, err);

	if (rc != RC_OK)
		return rc;
	db_bind_u64(st, 1, *bucket);
	rc = db_step(st, ret_found, err);
	if (rc == RC_OK && *ret_found)
		*bucket = db_column_u64(st, 0);
	local_audit_done(st);
	return rc;
}

enum rc local_audit_bodies(
	struct audit_source *s, audit_body_fn *visit, void *arg, struct err *err)
{
	static const struct audit_body database = {.kind = AUDIT_BODY_DATABASE};
	struct local_audit *a = local_audit_of(s);
	uint64_t bucket = 0;
	bool found = true;
	enum rc rc = next_bucket(a, &bucket, &found, err);

	while (rc == RC_OK && found) {
		rc = walk(a, VERSIONS_SQL, AUDIT_BODY_OBJECT, bucket, visit, arg, err);
		if (rc == RC_OK)
			rc = next_bucket(a, &bucket, &found, err);
	}
	if (rc == RC_OK)
		rc = walk(a, PARTS_SQL, AUDIT_BODY_PART, 0, visit, arg, err);
	if (rc == RC_OK)
		rc = walk(a, STAGES_SQL, AUDIT_BODY_STAGE, 0, visit, arg, err);
	if (rc == RC_OK)
		rc = walk(a, MESSAGES_SQL("message"), AUDIT_BODY_MESSAGE, 0, visit, arg, err);
	if (rc == RC_OK)
		rc = walk(a, MESSAGES_SQL("dead_letter"), AUDIT_BODY_DEAD_LETTER, 0, visit, arg,
			err);
	if (rc == RC_OK && a->has_ledger_sums)
		rc = walk_ledger(a, false, visit, arg, err);
	if (rc == RC_OK && a->has_ledger_sums)
		rc = walk_ledger(a, true, visit, arg, err);
	return rc == RC_OK ? visit(arg, &database, err) : rc;
}

/* The one piece of a part or stage. Columns of sql: size, blob, body, sums. */
static enum rc check_piece(struct local_audit *a, const char *sql, const struct audit_body *b,
	bool *ret_has_sums, struct err *err)
{
	struct arena arena = ARENA_INIT;
	struct version_segment piece = {0};
	sqlite3_stmt *st = NULL;
	bool row = false;
	enum rc rc = local_audit_prepare(a, sql, &st, err);

	if (rc != RC_OK)
		return rc;
	db_bind_u64(st, 1, b->handle[0]);
	db_bind_u64(st, 2, b->handle[1]);
	rc = db_step(st, &row, err);
	if (rc == RC_OK && !row)
		rc = err_set(err, RC_ABSENT, "it is gone");
	if (rc == RC_OK) {
		version_segment_read(st, 0, &piece);
		piece.sums = db_column_copy(st, 3, &arena);
	}
	local_audit_done(st);
	if (rc == RC_OK)
		rc = local_audit_check_segment(a, &piece, ret_has_sums, err);
	arena_release(&arena);
	return rc;
}

#define PART_SQL(sums)                                                                             \
	"SELECT p.size, p.blob, p.body, " sums " FROM part p LEFT JOIN blob b ON b.id = p.blob"    \
	" WHERE p.upload = ? AND p.number = ?"
#define STAGE_SQL(sums)                                                                            \
	"SELECT s.size, s.blob, NULL, " sums " FROM stage s LEFT JOIN blob b ON b.id = s.blob"     \
	" WHERE s.id = ? AND ? = 0 AND s.published = 0"

/* The record of a part or stage, beside its bytes. */
static enum rc check_record(struct local_audit *a, const struct audit_body *b, struct err *err)
{
	bool is_part = b->kind == AUDIT_BODY_PART, row = false;
	const char *sql = is_part ? "SELECT " PART_COLUMNS " FROM part WHERE upload = ? AND number = ?"
				  : "SELECT id, nonce, bucket, key, blob, size, etag, headers, sum"
				    " FROM stage WHERE id = ? AND ? = 0 AND published = 0";
	struct version_segment piece;
	struct bs_part part;
	sqlite3_stmt *st = NULL;
	enum rc rc = local_audit_prepare(a, sql, &st, err);

	if (rc != RC_OK)
		return rc;
	db_bind_u64(st, 1, b->handle[0]);
	db_bind_u64(st, 2, b->handle[1]);
	rc = db_step(st, &row, err);
	if (rc == RC_OK && !row)
		rc = err_set(err, RC_ABSENT, "it is gone");
	else if (rc == RC_OK && is_part)
		rc = part_read(st, b->handle[0], &part, &piece, err);
	else if (rc == RC_OK && !row_sum_fits(st, 8,
					row_sum_stage(db_column_u64(st, 0), db_column_u64(st, 1),
						db_column_slice(st, 2), db_column_slice(st, 3),
						db_column_slice(st, 4), db_column_u64(st, 5),
						db_column_slice(st, 6), db_column_slice(st, 7))))
		rc = err_code(err, RC_CORRUPT, ERR_DAMAGED,
			"the record of the stage is not the one that was stored");
	local_audit_done(st);
	return rc;
}

static const char *piece_sql(const struct local_audit *a, enum audit_body_kind kind)
{
	if (kind == AUDIT_BODY_PART)
		return a->has_sums ? PART_SQL("b.sums") : PART_SQL("NULL");
	return a->has_sums ? STAGE_SQL("b.sums") : STAGE_SQL("NULL");
}

#define MESSAGE_SQL(table, sum) "SELECT id, sent, body, " sum " FROM " table " WHERE id = ?"

static enum rc check_message(struct local_audit *a, const struct audit_body *b,
	bool *ret_has_sums, struct err *err)
{
	bool is_dead = b->kind == AUDIT_BODY_DEAD_LETTER, row = false;
	const char *sql = a->has_row_sums ? is_dead ? MESSAGE_SQL("dead_letter", "sum")
						    : MESSAGE_SQL("message", "sum")
			  : is_dead       ? MESSAGE_SQL("dead_letter", "NULL")
					  : MESSAGE_SQL("message", "NULL");
	sqlite3_stmt *st = NULL;
	enum rc rc = local_audit_prepare(a, sql, &st, err);

	if (rc == RC_OK) {
		db_bind_u64(st, 1, b->handle[0]);
		rc = db_step(st, &row, err);
	}
	if (rc == RC_OK && !row)
		rc = err_set(err, RC_ABSENT, "it is gone");
	*ret_has_sums = rc == RC_OK && sqlite3_column_type(st, 3) != SQLITE_NULL;
	if (rc == RC_OK && !local_audit_row_is_whole(st))
		rc = err_code(
			err, RC_CORRUPT, ERR_DAMAGED, "its bytes are not those that were stored");
	local_audit_done(st);
	return rc;
}

/* SQLite's own look at every page, row and index. */
static enum rc check_database(struct local_audit *a, struct err *err)
{
	sqlite3_stmt *st = NULL;
	bool row = false;
	enum rc rc = local_audit_prepare(a, "PRAGMA main.integrity_check(1)", &st, err);

	if (rc == RC_OK)
		rc = db_step(st, &row, err);
	if (rc == RC_OK && row && strcmp((const char *)sqlite3_column_text(st, 0), "ok") != 0)
		rc = err_code(err, RC_CORRUPT, ERR_DAMAGED, "%s",
			(const char *)sqlite3_column_text(st, 0));
	local_audit_done(st);
	return rc;
}

enum rc local_audit_check_body(struct audit_source *s, const struct audit_body *body,
	bool *ret_has_sums, struct err *err)
{
	struct local_audit *a = local_audit_of(s);
	const char *sql;
	struct err gone;
	bool unused;
	enum rc rc;

	*ret_has_sums = true;
	if (body->kind == AUDIT_BODY_DATABASE)
		return check_database(a, err);
	if (body->kind == AUDIT_BODY_RECORD || body->kind == AUDIT_BODY_PLAN)
		return err_code(err, RC_CORRUPT, ERR_DAMAGED, "it is not what was written");
	if (body->kind == AUDIT_BODY_MESSAGE || body->kind == AUDIT_BODY_DEAD_LETTER)
		return check_message(a, body, ret_has_sums, err);
	if (body->kind == AUDIT_BODY_OBJECT) {
		rc = local_audit_check_version(a, body->handle[0], ret_has_sums, err);
	} else {
		sql = piece_sql(a, body->kind);
		rc = check_piece(a, sql, body, ret_has_sums, err);
		if (rc == RC_OK)
			rc = check_record(a, body, err);
		if (rc == RC_CORRUPT && check_piece(a, sql, body, &unused, &gone) == RC_ABSENT)
			rc = RC_ABSENT;
	}
	return rc == RC_CORRUPT && local_audit_is_disturbed(a) ? local_audit_disturbed(err) : rc;
}
