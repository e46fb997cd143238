/* Visits rows one after the other. */
#include <inttypes.h>
#include <stdio.h>

#include "adapter/local/audit/local_audit_internal.h"
#include "adapter/local/buckets/version.h"
#include "adapter/local/engine/committer.h"

#define SEQ_MAX 24 /* bytes of "seq:" and 16 digits, terminated */

/* The name of a version in the ledger: its id, or its number when its events have no id. */
static void ledger_version(uint64_t seq, uint64_t nonce, bool is_null, char out[BS_VERSION_MAX])
{
	struct version_row row = {.seq = seq, .nonce = nonce};

	if (is_null)
		snprintf(out, SEQ_MAX, "seq:%016" PRIX64, seq);
	else
		version_format(&row, out);
}

/* Columns: bucket, key, seq, nonce, is_null, size, modified, is_marker, is_archived, is_current,
 * is_direct. */
static struct audit_version read_version(sqlite3_stmt *st, char version[BS_VERSION_MAX])
{
	ledger_version(
		db_column_u64(st, 2), db_column_u64(st, 3), db_column_u64(st, 4) != 0, version);
	return (struct audit_version){
		.id = {db_column_slice(st, 0), db_column_slice(st, 1), slice_str(version)},
		.size_bytes = db_column_u64(st, 5),
		.modified_wall_ms = db_column_u64(st, 6),
		.is_marker = db_column_u64(st, 7) != 0,
		.is_archived = db_column_u64(st, 8) != 0,
		.is_current = db_column_u64(st, 9) != 0,
		.is_direct = db_column_u64(st, 10) != 0,
	};
}

static enum rc walk_versions(sqlite3_stmt *st, audit_version_fn *visit, void *arg, struct err *err)
{
	char version[BS_VERSION_MAX];
	bool row = true;
	enum rc rc = RC_OK;

	while (rc == RC_OK && (rc = db_step(st, &row, err)) == RC_OK && row) {
		struct audit_version v = read_version(st, version);

		rc = visit(arg, &v, err);
	}
	local_audit_done(st);
	return rc;
}

/* Each half comes in the order of the primary key, so the two are merged and nothing is sorted. */
#define LANDING_VERSIONS(is_current)                                                               \
	"SELECT ?1, key, seq, nonce, is_null, size, modified, is_marker, 0, 0, 0 FROM version"     \
	" WHERE bucket = (SELECT id FROM bucket WHERE name = ?1) AND is_current = " is_current     \
	" AND key >= ?2 AND substr(key, 1, length(?2)) = ?2"

enum rc local_audit_versions(
	struct audit_source *s, audit_version_fn *visit, void *arg, struct err *err)
{
	struct local_audit *a = local_audit_of(s);
	sqlite3_stmt *st = NULL;
	enum rc rc = local_audit_prepare(a,
		LANDING_VERSIONS("1") " UNION ALL " LANDING_VERSIONS("0") " ORDER BY 2, 3 DESC",
		&st, err);

	if (rc != RC_OK)
		return rc;
	db_bind_text(st, 1, a->landing);
	db_bind_slice(st, 2, slice_str(a->prefix));
	return walk_versions(st, visit, arg, err);
}

#define BUNDLE_COLUMNS                                                                             \
	"bucket, key, seq, nonce, is_null, size, modified, is_marker, is_archived, is_current, "   \
	"is_direct"

/*
 * Reads one row at a time, and keeps no statement open over a visit. An open statement would keep
 * the connection's snapshot, so that a visit that opens current files would find rows whose files
 * are gone; and a live server could not shorten its log.
 */
static enum rc next_bundle(struct local_audit *l, uint64_t *row_id, struct arena *a,
	struct audit_version *ret_version, bool *ret_found, struct err *err)
{
	sqlite3_stmt *st = NULL;
	char version[BS_VERSION_MAX];
	enum rc rc = local_audit_prepare(l,
		"SELECT " BUNDLE_COLUMNS
		", rowid FROM at_bundle WHERE rowid > ? AND NOT is_marker ORDER BY rowid LIMIT 1",
		&st, err);

	if (rc != RC_OK)
		return rc;
	db_bind_u64(st, 1, *row_id);
	rc = db_step(st, ret_found, err);
	if (rc == RC_OK && *ret_found) {
		*ret_version = read_version(st, version);
		ret_version->id = object_id_copy(a, &ret_version->id);
		*row_id = db_column_u64(st, 11);
	}
	local_audit_done(st);
	return rc;
}

enum rc local_audit_bundles(
	struct audit_source *s, audit_version_fn *visit, void *arg, struct err *err)
{
	struct audit_version v;
	uint64_t row_id = 0;
	bool found = true;
	enum rc rc = RC_OK;

	while (rc == RC_OK && found) {
		struct arena a = ARENA_INIT;

		rc = next_bundle(local_audit_of(s), &row_id, &a, &v, &found, err);
		if (rc == RC_OK && found)
			rc = visit(arg, &v, err);
		arena_release(&a);
	}
	return rc;
}

enum rc local_audit_current(struct audit_source *s, struct arena *a, struct slice bucket,
	struct slice key, struct audit_version *ret_version, struct err *err)
{
	sqlite3_stmt *st = NULL;
	char version[BS_VERSION_MAX];
	bool row = false;
	enum rc rc = local_audit_prepare(local_audit_of(s),
		"SELECT " BUNDLE_COLUMNS " FROM at_bundle"
		" WHERE key = ? AND bucket = ? AND is_current AND NOT is_marker",
		&st, err);

	if (rc == RC_OK) {
		db_bind_slice(st, 1, key);
		db_bind_slice(st, 2, bucket);
		rc = db_step(st, &row, err);
	}
	if (rc == RC_OK && row) {
		*ret_version = read_version(st, version);
		ret_version->id = object_id_copy(a, &ret_version->id);
	} else if (rc == RC_OK) {
		rc = err_set(err, RC_ABSENT, "no such object");
	}
	local_audit_done(st);
	return rc;
}

#define PLAN_COLUMNS "id, state, bucket, key, size, n_slots, sha256, excluded, live, opened"

static void read_plan(sqlite3_stmt *st, struct audit_plan *ret_plan)
{
	struct slice sha256 = db_column_slice(st, 6);
	struct audit_plan p = {
		.state = db_column_u64(st, 1),
		.bucket = db_column_slice(st, 2),
		.key = db_column_slice(st, 3),
		.size_bytes = db_column_u64(st, 4),
		.n_slots = db_column_u64(st, 5),
		.excluded = db_column_slice(st, 7),
		.is_live = db_column_u64(st, 8) != 0,
		.opened_wall_ms = db_column_u64(st, 9),
	};

	p.has_id = local_audit_plan_id(st, 0, &p.id);
	p.has_seal = sha256.n == LG_SHA256_BYTES && lg_excluded_fits(p.excluded, p.n_slots);
	if (p.has_seal)
		memcpy(p.sha256, sha256.p, LG_SHA256_BYTES);
	*ret_plan = p;
}

enum rc local_audit_plans(struct audit_source *s, audit_plan_fn *visit, void *arg, struct err *err)
{
	sqlite3_stmt *st = NULL;
	struct audit_plan plan;
	bool row = true;
	enum rc rc = local_audit_prepare(
		local_audit_of(s), "SELECT " PLAN_COLUMNS " FROM at_plan ORDER BY id", &st, err);

	while (rc == RC_OK && (rc = db_step(st, &row, err)) == RC_OK && row) {
		read_plan(st, &plan);
		rc = visit(arg, &plan, err);
	}
	local_audit_done(st);
	return rc;
}

enum rc local_audit_plan_find(struct audit_source *s, struct arena *a, const struct plan_id *id,
	struct audit_plan *ret_plan, struct err *err)
{
	sqlite3_stmt *st = NULL;
	bool row = false;
	enum rc rc = local_audit_prepare(
		local_audit_of(s), "SELECT " PLAN_COLUMNS " FROM at_plan WHERE id = ?", &st, err);

	if (rc == RC_OK) {
		db_bind_slice(st, 1, slice_of(id->bytes, PLAN_ID_BYTES));
		rc = db_step(st, &row, err);
	}
	if (rc == RC_OK && row) {
		read_plan(st, ret_plan);
		ret_plan->bucket = arena_slice(a, ret_plan->bucket);
		ret_plan->key = arena_slice(a, ret_plan->key);
		ret_plan->excluded = arena_slice(a, ret_plan->excluded);
	} else if (rc == RC_OK) {
		rc = err_set(err, RC_ABSENT, "no such plan");
	}
	local_audit_done(st);
	return rc;
}

#define CLAIM_COLUMNS "version, bucket, key, state, plan, slot, reason"

static struct audit_claim read_claim(sqlite3_stmt *st)
{
	struct audit_claim c = {
		.object = {.version = db_column_slice(st, 0),
			.bucket = db_column_slice(st, 1),
			.key = db_column_slice(st, 2)},
		.state = db_column_u64(st, 3),
		.slot = db_column_u64(st, 5),
		.reason = db_column_slice(st, 6),
	};

	c.has_plan_id = local_audit_plan_id(st, 4, &c.plan);
	return c;
}

static enum rc walk_claims(sqlite3_stmt *st, audit_claim_fn *visit, void *arg, struct err *err)
{
	bool row = true;
	enum rc rc = RC_OK;

	while (rc == RC_OK && (rc = db_step(st, &row, err)) == RC_OK && row) {
		struct audit_claim claim = read_claim(st);

		rc = visit(arg, &claim, err);
	}
	local_audit_done(st);
	return rc;
}

enum rc local_audit_claims(
	struct audit_source *s, audit_claim_fn *visit, void *arg, struct err *err)
{
	sqlite3_stmt *st = NULL;
	enum rc rc = local_audit_prepare(local_audit_of(s),
		"SELECT " CLAIM_COLUMNS " FROM at_claim ORDER BY plan, slot", &st, err);

	return rc == RC_OK ? walk_claims(st, visit, arg, err) : rc;
}

static enum rc claims_where(struct audit_source *s, const char *sql, struct slice value,
	audit_claim_fn *visit, void *arg, struct err *err)
{
	sqlite3_stmt *st = NULL;
	enum rc rc = local_audit_prepare(local_audit_of(s), sql, &st, err);

	if (rc != RC_OK)
		return rc;
	db_bind_slice(st, 1, value);
	return walk_claims(st, visit, arg, err);
}

enum rc local_audit_claims_of_plan(struct audit_source *s, const struct plan_id *plan,
	audit_claim_fn *visit, void *arg, struct err *err)
{
	return claims_where(s,
		"SELECT " CLAIM_COLUMNS " FROM at_claim WHERE plan = ? ORDER BY slot",
		slice_of(plan->bytes, PLAN_ID_BYTES), visit, arg, err);
}

enum rc local_audit_claims_of_key(
	struct audit_source *s, struct slice key, audit_claim_fn *visit, void *arg, struct err *err)
{
	return claims_where(
		s, "SELECT " CLAIM_COLUMNS " FROM at_claim WHERE key = ?", key, visit, arg, err);
}

enum rc local_audit_claim_find(struct audit_source *s, struct arena *a,
	const struct object_id *object, struct audit_claim *ret_claim, struct err *err)
{
	sqlite3_stmt *st = NULL;
	bool row = false;
	enum rc rc = local_audit_prepare(local_audit_of(s),
		"SELECT " CLAIM_COLUMNS
		" FROM main.claim WHERE version = ? AND bucket = ? AND key = ?",
		&st, err);

	if (rc == RC_OK) {
		db_bind_slice(st, 1, object->version);
		db_bind_slice(st, 2, object->bucket);
		db_bind_slice(st, 3, object->key);
		rc = db_step(st, &row, err);
	}
	if (rc == RC_OK && row) {
		*ret_claim = read_claim(st);
		ret_claim->object = object_id_copy(a, object);
		ret_claim->reason = arena_slice(a, ret_claim->reason);
	} else if (rc == RC_OK) {
		rc = err_set(err, RC_ABSENT, "no record");
	}
	local_audit_done(st);
	return rc;
}

/* A stage's number is one of the committer's: the time it was made, and more. */
static struct audit_stage read_stage(sqlite3_stmt *st)
{
	return (struct audit_stage){
		.bucket = db_column_slice(st, 0),
		.key = db_column_slice(st, 1),
		.is_published = db_column_u64(st, 2) != 0,
		.is_direct = db_column_u64(st, 3) != 0,
		.staged_wall_ms = db_column_u64(st, 4) >> COMMITTER_SEQ_SHIFT,
	};
}

enum rc local_audit_stages(
	struct audit_source *s, audit_stage_fn *visit, void *arg, struct err *err)
{
	sqlite3_stmt *st = NULL;
	bool row = true;
	enum rc rc = local_audit_prepare(local_audit_of(s),
		"SELECT bucket, key, published, instr(headers, CAST(" LOCAL_AUDIT_DIRECT
		" AS BLOB)) > 0, id FROM stage",
		&st, err);

	while (rc == RC_OK && (rc = db_step(st, &row, err)) == RC_OK && row) {
		struct audit_stage stage = read_stage(st);

		rc = visit(arg, &stage, err);
	}
	local_audit_done(st);
	return rc;
}
