/* local_audit_internal: what local_audit.c (the moment), local_audit_walk.c (rows) and
 * local_audit_bytes.c share. */
#ifndef BALER_ADAPTER_LOCAL_AUDIT_LOCAL_AUDIT_INTERNAL_H
#define BALER_ADAPTER_LOCAL_AUDIT_LOCAL_AUDIT_INTERNAL_H

#include <sys/types.h>
#include <time.h>

#include "adapter/local/audit/local_audit.h"
#include "adapter/local/engine/db.h"
#include "adapter/local/engine/schema.sql.h"

/* A line of metadata, in SQL: what a direct invocation made says so (core/stages.h). */
#define LOCAL_AUDIT_DIRECT SCHEMA_DIRECT

struct local_audit_stamp {
	off_t db_bytes, wal_bytes;
	struct timespec db_time, wal_time;
	ino_t inode;
};

struct local_audit_statement {
	struct local_audit_statement *next;
	const char *sql;
	sqlite3_stmt *st;
};

struct local_audit {
	struct audit_source base;
	char *folder, *landing, *prefix, *distribution, *archive;
	sqlite3 *handle; /* in its snapshot until release */
	bool has_sums;   /* a folder of schema 2 or later: bodies have checksums */
	/* a folder of schema 8 or later: records and sealed plans have checksums too */
	bool has_ledger_sums;
	/* a folder of schema 6 or later: messages and dead letters have checksums too */
	bool has_row_sums;
	bool has_audit;  /* the folder has the operators' table */
	bool is_alone;   /* opened without a lock, because nobody else uses the folder */
	struct local_audit_stamp stamp;
	struct local_audit_statement *statements;
};

static inline struct local_audit *local_audit_of(struct audit_source *s)
{
	return (struct local_audit *)s;
}

/* local_audit_open.c: opens folder's database, in its snapshot once something is read. */
enum rc local_audit_database(struct local_audit *a, const char *folder, struct err *err);
/* Whether a server was started in a folder that nobody used when it was opened. Rows that were read
 * since may be inconsistent. */
bool local_audit_is_disturbed(const struct local_audit *a);
enum rc local_audit_disturbed(struct err *err);

enum rc local_audit_exec(struct local_audit *a, const char *sql, struct err *err);
/* A statement of its own until local_audit_done, which comes before close; sql is a literal. */
enum rc local_audit_prepare(
	struct local_audit *a, const char *sql, sqlite3_stmt **ret_st, struct err *err);
void local_audit_done(sqlite3_stmt *st); /* NULL is fine */
/* Column i, which must have PLAN_ID_BYTES. */
bool local_audit_plan_id(sqlite3_stmt *st, int i, struct plan_id *out);

/* local_audit_walk.c */
enum rc local_audit_versions(
	struct audit_source *s, audit_version_fn *visit, void *arg, struct err *err);
enum rc local_audit_bundles(
	struct audit_source *s, audit_version_fn *visit, void *arg, struct err *err);
enum rc local_audit_current(struct audit_source *s, struct arena *a, struct slice bucket,
	struct slice key, struct audit_version *ret_version, struct err *err);
enum rc local_audit_plans(struct audit_source *s, audit_plan_fn *visit, void *arg, struct err *err);
enum rc local_audit_claims(
	struct audit_source *s, audit_claim_fn *visit, void *arg, struct err *err);
enum rc local_audit_claims_of_plan(struct audit_source *s, const struct plan_id *plan,
	audit_claim_fn *visit, void *arg, struct err *err);
enum rc local_audit_claims_of_key(struct audit_source *s, struct slice key, audit_claim_fn *visit,
	void *arg, struct err *err);
enum rc local_audit_stages(
	struct audit_source *s, audit_stage_fn *visit, void *arg, struct err *err);
enum rc local_audit_claim_find(struct audit_source *s, struct arena *a,
	const struct object_id *object, struct audit_claim *ret_claim, struct err *err);
enum rc local_audit_plan_find(struct audit_source *s, struct arena *a, const struct plan_id *id,
	struct audit_plan *ret_plan, struct err *err);

/* local_audit_bytes.c */
enum rc local_audit_fd(
	struct audit_source *s, const struct object_id *object, int *ret_fd, struct err *err);

/* Reads every byte of a version, kept nowhere. RC_ABSENT: it is gone by now; RC_CORRUPT
 * ERR_DAMAGED. */
enum rc local_audit_check_version(
	struct local_audit *a, uint64_t seq, bool *ret_has_sums, struct err *err);
/* Checks one piece: segment has a size, and a blob or a body. */
struct version_segment;
enum rc local_audit_check_segment(struct local_audit *a, const struct version_segment *segment,
	bool *ret_has_sums, struct err *err);

/* local_audit.c: the statement that gives the rows of "message" or "dead_letter" (id, sent, body,
 * sum), and whether a row has the checksum of its fields. */
const char *local_audit_messages(const struct local_audit *a, const char *table);
bool local_audit_row_is_whole(sqlite3_stmt *st);

/* local_audit_bodies.c */
enum rc local_audit_bodies(
	struct audit_source *s, audit_body_fn *visit, void *arg, struct err *err);
enum rc local_audit_check_body(struct audit_source *s, const struct audit_body *body,
	bool *ret_has_sums, struct err *err);

#endif
