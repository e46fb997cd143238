/* The moment: one snapshot, copied where it can be joined; where an object's message is. */
#include "adapter/local/audit/local_audit.h"

#include <stdio.h>
#include <stdlib.h>

#include "adapter/local/audit/local_audit_internal.h"
#include "adapter/local/buckets/version.h"
#include "adapter/local/engine/row_sum.h"
#include "adapter/local/engine/schema.sql.h"
#include "model/s3_event.h"

#define CHAIN_MAX 100 /* times that one dead letter was put back */
#define MESSAGE_ID_BYTES 16

/* No index of the folder's own leads from a plan to its records, from an object to its message. */
#define TEMP_TABLES                                                                                \
	"CREATE TEMP TABLE at_claim(plan, slot, version, bucket, key, state, reason);"             \
	"INSERT INTO at_claim SELECT plan, slot, version, bucket, key, state, reason"              \
	" FROM claim ORDER BY plan, slot;"                                                         \
	"CREATE INDEX temp.at_claim_plan ON at_claim(plan, slot);"                                 \
	"CREATE INDEX temp.at_claim_key ON at_claim(key);"                                         \
	"CREATE TEMP TABLE at_plan(id BLOB PRIMARY KEY, state, bucket, key, size, n_slots, "       \
	"sha256, excluded, live, opened) WITHOUT ROWID;"                                           \
	"INSERT INTO at_plan SELECT id, state, bucket, key, size, n_slots, sha256, excluded,"      \
	" live, opened FROM main.plan;"                                                            \
	"CREATE TEMP TABLE at_stage(bucket BLOB, key BLOB);"                                       \
	"INSERT INTO at_stage SELECT bucket, key FROM main.stage WHERE published;"                 \
	"CREATE INDEX temp.at_stage_key ON at_stage(key, bucket);"                                 \
	"CREATE TEMP TABLE at_trace(version BLOB, bucket BLOB, key BLOB, trace INTEGER,"           \
	" PRIMARY KEY(version, bucket, key, trace)) WITHOUT ROWID;"                                \
	"CREATE TEMP TABLE at_bundle(bucket BLOB, key BLOB, seq, nonce, is_null, size, modified,"  \
	" is_marker, is_archived, is_current, is_direct);"

/* ?1 distribution, ?2 archive, ?3 landing. */
#define COPY_BUNDLES                                                                               \
	"INSERT INTO at_bundle SELECT CAST(b.name AS BLOB), v.key, v.seq, v.nonce, v.is_null,"     \
	" v.size, v.modified, v.is_marker, b.name = ?2, v.is_current,"                             \
	" instr(v.headers, CAST(" LOCAL_AUDIT_DIRECT " AS BLOB)) > 0"         \
	" FROM bucket b JOIN version v ON v.bucket = b.id WHERE b.name IN (?1, ?2) OR b.name <> "  \
	"?3"                                                                                       \
	" AND b.name IN (SELECT DISTINCT CAST(bucket AS TEXT) FROM temp.at_plan)"                  \
	" ORDER BY v.key, b.name = ?2 DESC, v.seq"
#define INDEX_BUNDLES "CREATE INDEX temp.at_bundle_key ON at_bundle(key, bucket)"

/* Each statement text is prepared once. When the statement is in use already, a second one is
 * prepared. */
enum rc local_audit_prepare(
	struct local_audit *a, const char *sql, sqlite3_stmt **ret_st, struct err *err)
{
	struct local_audit_statement *s = a->statements;
	int code;

	while (s && (strcmp(s->sql, sql) != 0 || sqlite3_stmt_busy(s->st)))
		s = s->next;
	if (s) {
		*ret_st = s->st;
		return RC_OK;
	}
	code = sqlite3_prepare_v2(a->handle, sql, -1, ret_st, NULL);
	if (code != SQLITE_OK)
		return db_error(a->handle, code, err);
	s = xcalloc(1, sizeof(*s));
	*s = (struct local_audit_statement){.next = a->statements, .sql = sql, .st = *ret_st};
	a->statements = s;
	return RC_OK;
}

void local_audit_done(sqlite3_stmt *st)
{
	sqlite3_reset(st);
	if (st)
		sqlite3_clear_bindings(st);
}

bool local_audit_plan_id(sqlite3_stmt *st, int i, struct plan_id *out)
{
	struct slice id = db_column_slice(st, i);

	if (id.n != PLAN_ID_BYTES)
		return false;
	memcpy(out->bytes, id.p, PLAN_ID_BYTES);
	return true;
}

enum rc local_audit_exec(struct local_audit *a, const char *sql, struct err *err)
{
	int code = sqlite3_exec(a->handle, sql, NULL, NULL, NULL);

	return code == SQLITE_OK ? RC_OK : db_error(a->handle, code, err);
}

/* Reads one row of n numbers. */
static enum rc numbers(struct local_audit *a, const char *sql, struct slice text, uint64_t *ret,
	int n, struct err *err)
{
	sqlite3_stmt *st = NULL;
	bool row = false;
	enum rc rc = local_audit_prepare(a, sql, &st, err);

	if (rc == RC_OK && sqlite3_bind_parameter_count(st) > 0)
		sqlite3_bind_text(st, 1, (const char *)text.p, (int)text.n, SQLITE_STATIC);
	if (rc == RC_OK)
		rc = db_step(st, &row, err);
	for (int i = 0; i < n && row; i++)
		ret[i] = db_column_u64(st, i);
	local_audit_done(st);
	return rc;
}

static enum rc check_schema(struct local_audit *a, struct err *err)
{
	uint64_t id = 0, version = 0, n_audit = 0;
	enum rc rc = numbers(a, "PRAGMA application_id", slice_str(""), &id, 1, err);

	if (rc == RC_OK)
		rc = numbers(a, "PRAGMA user_version", slice_str(""), &version, 1, err);
	if (rc == RC_OK && id != SCHEMA_APPLICATION_ID)
		rc = err_set(err, RC_REFUSED, "not a database of baler");
	if (rc == RC_OK && version < 1)
		rc = err_set(err, RC_REFUSED, "not a finished database of baler: no schema");
	if (rc == RC_OK && version < SCHEMA_VERSION)
		rc = err_set(err, RC_REFUSED,
			"written by an older baler (schema %llu, this one reads %d): start 'baler "
			"serve' of this version on it once, which upgrades it",
			(unsigned long long)version, SCHEMA_VERSION);
	if (rc == RC_OK && version > SCHEMA_VERSION)
		rc = err_set(err, RC_REFUSED,
			"written by a newer baler (schema %llu, this one knows %d)",
			(unsigned long long)version, SCHEMA_VERSION);
	if (rc == RC_OK)
		rc = numbers(a, "SELECT count(*) FROM sqlite_schema WHERE name = ?",
			slice_str("audit"), &n_audit, 1, err);
	a->has_sums = version >= 2;
	a->has_row_sums = version >= 6;
	a->has_ledger_sums = version >= 8;
	a->has_audit = n_audit > 0;
	return rc;
}

static enum rc note_objects(
	sqlite3_stmt *insert, struct slice body, unsigned trace, struct err *err)
{
	struct arena arena = ARENA_INIT;
	struct s3_event event = {0};
	enum rc rc = RC_OK;

	rc = s3_event_parse(&arena, body, &event, err);
	if (rc == RC_REFUSED) /* it names no object */
		rc = RC_OK;
	for (size_t i = 0; i < event.n_records && rc == RC_OK; i++) {
		const struct object_id *o = &event.records[i].object;

		sqlite3_reset(insert);
		db_bind_slice(insert, 1, o->version);
		db_bind_slice(insert, 2, o->bucket);
		db_bind_slice(insert, 3, o->key);
		db_bind_u64(insert, 4, trace);
		rc = db_run(insert, err);
	}
	arena_release(&arena);
	return rc;
}

const char *local_audit_messages(const struct local_audit *a, const char *table)
{
	if (strcmp(table, "message") == 0)
		return a->has_row_sums ? "SELECT id, sent, body, sum FROM message"
				       : "SELECT id, sent, body, NULL FROM message";
	return a->has_row_sums ? "SELECT id, sent, body, sum FROM dead_letter"
			       : "SELECT id, sent, body, NULL FROM dead_letter";
}

bool local_audit_row_is_whole(sqlite3_stmt *st)
{
	return row_sum_fits(st, 3,
		row_sum_message(
			db_column_u64(st, 0), db_column_u64(st, 1), db_column_slice(st, 2)));
}

static enum rc copy_traces(
	struct local_audit *a, const char *select, unsigned trace, struct err *err)
{
	sqlite3_stmt *st = NULL, *insert = NULL;
	bool row = true;
	enum rc rc = local_audit_prepare(a, select, &st, err);

	if (rc == RC_OK)
		rc = local_audit_prepare(
			a, "INSERT OR IGNORE INTO at_trace VALUES(?, ?, ?, ?)", &insert, err);
	while (rc == RC_OK && (rc = db_step(st, &row, err)) == RC_OK && row)
		if (local_audit_row_is_whole(st))
			rc = note_objects(insert, db_column_slice(st, 2), trace, err);
	local_audit_done(st);
	local_audit_done(insert);
	return rc;
}

static enum rc need_bucket(
	struct local_audit *a, const char *setting, const char *name, struct err *err)
{
	uint64_t n = 0;
	enum rc rc = numbers(
		a, "SELECT count(*) FROM bucket WHERE name = ?", slice_str(name), &n, 1, err);

	return rc == RC_OK && !n
		       ? err_set(err, RC_REFUSED,
				 "it has no bucket '%s': give '--%s' as the server has it", name,
				 setting)
		       : rc;
}

static enum rc copy_bundles(
	struct local_audit *a, const struct local_audit_config *cfg, struct err *err)
{
	sqlite3_stmt *st = NULL;
	enum rc rc = need_bucket(a, "distribution-bucket", cfg->distribution_bucket, err);

	if (rc == RC_OK)
		rc = need_bucket(a, "archive-bucket", cfg->archive_bucket, err);
	if (rc == RC_OK)
		rc = local_audit_prepare(a, COPY_BUNDLES, &st, err);
	if (rc != RC_OK)
		return rc;
	db_bind_text(st, 1, cfg->distribution_bucket);
	db_bind_text(st, 2, cfg->archive_bucket);
	db_bind_text(st, 3, cfg->landing_bucket);
	rc = db_run(st, err);
	local_audit_done(st);
	return rc == RC_OK ? local_audit_exec(a, INDEX_BUNDLES, err) : rc;
}

static enum rc copy_all(
	struct local_audit *a, const struct local_audit_config *cfg, struct err *err)
{
	uint64_t bundles[2] = {0}, rows[2] = {0};
	enum rc rc = local_audit_exec(a, TEMP_TABLES, err);

	if (rc == RC_OK)
		rc = copy_traces(a, local_audit_messages(a, "message"), AUDIT_WAITING, err);
	if (rc == RC_OK)
		rc = copy_traces(a, local_audit_messages(a, "dead_letter"), AUDIT_DEAD, err);
	if (rc == RC_OK)
		rc = copy_bundles(a, cfg, err);
	if (rc == RC_OK)
		rc = numbers(a,
			"SELECT count(*), coalesce(sum(size) FILTER (WHERE substr(key, 1, 10) <> "
			"x'6d616e6966657374732f'), 0) FROM at_bundle WHERE NOT is_marker",
			slice_str(""), bundles, 2, err);
	if (rc == RC_OK)
		rc = numbers(a,
			"SELECT count(*) FROM version v JOIN bucket b ON v.bucket = b.id WHERE "
			"b.name = ?",
			slice_str(a->landing), &a->base.n_versions, 1, err);
	if (rc == RC_OK)
		rc = numbers(a, "SELECT count(*) FROM version WHERE NOT is_marker", slice_str(""),
			&a->base.n_bodies, 1, err);
	if (rc == RC_OK)
		rc = numbers(a,
			"SELECT (SELECT count(*) FROM at_plan), (SELECT count(*) FROM at_claim)",
			slice_str(""), rows, 2, err);
	a->base.n_plans = rows[0];
	a->base.n_claims = rows[1];
	a->base.n_bundles = bundles[0];
	a->base.bundle_bytes = bundles[1];
	return rc;
}

/* What an operator did with a dead letter: dropped it, or put it back under a new number, perhaps
 * several times. */
static enum rc follow(struct local_audit *a, uint64_t message, bool *ret_dropped, struct err *err)
{
	sqlite3_stmt *st = NULL;
	bool row = true;
	char id[MESSAGE_ID_BYTES + 1];
	struct slice next;
	enum rc rc = local_audit_prepare(a,
		"SELECT action = 'drop', detail FROM audit WHERE subject = ?"
		" AND action IN ('drop', 'redrive')",
		&st, err);

	snprintf(id, sizeof(id), "%016llx", (unsigned long long)message);
	for (int i = 0; i < CHAIN_MAX && rc == RC_OK && row && !*ret_dropped; i++) {
		sqlite3_reset(st);
		db_bind_slice(st, 1, slice_str(id));
		rc = db_step(st, &row, err);
		if (rc != RC_OK || !row)
			break;
		*ret_dropped = db_column_u64(st, 0) != 0;
		next = db_column_slice(st, 1);
		if (next.n >= sizeof(id)) /* no message of ours */
			break;
		if (next.n)
			memcpy(id, next.p, next.n);
		id[next.n] = '\0';
	}
	local_audit_done(st);
	return rc;
}

/* A put and its message are one transaction, the message's number is the next. */
static bool first_message(const struct object_id *o, uint64_t *ret_id)
{
	uint64_t nonce;

	if (!version_parse(o->version, ret_id, &nonce))
		return false;
	++*ret_id;
	return true;
}

static enum rc traces(
	struct audit_source *s, const struct object_id *o, unsigned *ret_traces, struct err *err)
{
	struct local_audit *a = local_audit_of(s);
	sqlite3_stmt *st = NULL;
	unsigned found = 0;
	uint64_t message;
	bool row = true, dropped = false;
	enum rc rc = local_audit_prepare(a,
		"SELECT trace FROM at_trace WHERE version = ? AND bucket = ? AND key = ?", &st,
		err);

	if (rc != RC_OK)
		return rc;
	db_bind_slice(st, 1, o->version);
	db_bind_slice(st, 2, o->bucket);
	db_bind_slice(st, 3, o->key);
	while ((rc = db_step(st, &row, err)) == RC_OK && row)
		found |= (unsigned)db_column_u64(st, 0);
	local_audit_done(st);
	if (rc == RC_OK && !found && a->has_audit && first_message(o, &message))
		rc = follow(a, message, &dropped, err);
	*ret_traces = found | (dropped ? AUDIT_BY_OPERATOR : 0);
	return rc;
}

static enum rc was_published(struct audit_source *s, struct slice bucket, struct slice key,
	bool *ret_was, bool *ret_by_stage, struct err *err)
{
	struct local_audit *a = local_audit_of(s);
	sqlite3_stmt *st = NULL;
	enum rc rc = local_audit_prepare(a,
		"SELECT EXISTS(SELECT 1 FROM at_stage WHERE key = ?2 AND bucket = ?1),"
		" EXISTS(SELECT 1 FROM at_bundle WHERE key = ?2 AND bucket = ?1)",
		&st, err);
	bool row = false;

	if (rc != RC_OK)
		return rc;
	db_bind_slice(st, 1, bucket);
	db_bind_slice(st, 2, key);
	rc = db_step(st, &row, err);
	*ret_by_stage = row && db_column_u64(st, 0);
	*ret_was = *ret_by_stage || (row && db_column_u64(st, 1));
	local_audit_done(st);
	return rc;
}

static enum rc release(struct audit_source *s, struct err *err)
{
	if (local_audit_is_disturbed(local_audit_of(s)))
		return local_audit_disturbed(err);
	return local_audit_exec(local_audit_of(s), "COMMIT", err);
}

static void close_source(struct audit_source *s)
{
	struct local_audit *a = local_audit_of(s);

	for (struct local_audit_statement *next, *st = a->statements; st; st = next) {
		next = st->next;
		sqlite3_finalize(st->st);
		free(st);
	}
	if (sqlite3_close(a->handle) != SQLITE_OK)
		die("audit: a statement was not given back");
	free(a->folder);
	free(a->landing);
	free(a->prefix);
	free(a->distribution);
	free(a->archive);
	free(a);
}

static const struct audit_source_ops ops = {
	.versions = local_audit_versions,
	.bundles = local_audit_bundles,
	.plans = local_audit_plans,
	.claims = local_audit_claims,
	.claims_of_plan = local_audit_claims_of_plan,
	.claims_of_key = local_audit_claims_of_key,
	.stages = local_audit_stages,
	.claim_find = local_audit_claim_find,
	.plan_find = local_audit_plan_find,
	.traces = traces,
	.current = local_audit_current,
	.was_published = was_published,
	.release = release,
	.open = local_audit_fd,
	.bodies = local_audit_bodies,
	.check_body = local_audit_check_body,
	.close = close_source,
};

#define TICK_STEPS 100000 /* instructions of SQLite's virtual machine, a few milliseconds */

static int tick(void *arg)
{
	const struct local_audit_config *cfg = arg;

	cfg->tick(cfg->arg);
	return 0; /* go on */
}

/* The snapshot, and copies of parts of it. */
static enum rc take_moment(
	struct local_audit *a, const struct local_audit_config *cfg, struct err *err)
{
	enum rc rc = local_audit_database(a, cfg->folder, err);

	if (rc == RC_OK && cfg->tick)
		sqlite3_progress_handler(a->handle, TICK_STEPS, tick, (void *)(uintptr_t)cfg);
	if (rc == RC_OK)
		rc = check_schema(a, err);
	if (rc == RC_OK)
		rc = copy_all(a, cfg, err);
	if (a->handle)
		sqlite3_progress_handler(a->handle, 0, NULL, NULL);
	return rc;
}

enum rc local_audit_open(
	const struct local_audit_config *cfg, struct audit_source **ret_source, struct err *err)
{
	struct local_audit *a = xcalloc(1, sizeof(*a));
	enum rc rc;

	a->base.ops = &ops;
	a->landing = xstrdup(cfg->landing_bucket);
	a->prefix = xstrdup(cfg->event_prefix);
	a->distribution = xstrdup(cfg->distribution_bucket);
	a->archive = xstrdup(cfg->archive_bucket);
	a->base.distribution_bucket = slice_str(a->distribution);
	a->base.archive_bucket = slice_str(a->archive);
	rc = take_moment(a, cfg, err);
	if (local_audit_is_disturbed(a))
		rc = local_audit_disturbed(err);
	if (rc != RC_OK) {
		close_source(&a->base);
		return err_ctx(err, rc, "'%s'", cfg->folder);
	}
	*ret_source = &a->base;
	return RC_OK;
}
