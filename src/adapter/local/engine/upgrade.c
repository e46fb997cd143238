#include "adapter/local/engine/upgrade.h"

#include <stdio.h>
#include <stdlib.h>

#include "adapter/local/engine/schema.sql.h"

#define VERSION_COLUMNS                                                                                      \
	"bucket, key, seq, nonce, is_null, is_marker, kind, size, modified, n_parts, etag, headers"
#define IS_CURRENT                                                                                           \
	" NOT is_marker AND NOT EXISTS (SELECT 1 FROM version n WHERE n.bucket = v.bucket AND n.key = v.key" \
	"  AND n.seq > v.seq)"
/* Both INSERTs are in the order of the new primary key, so that its pages fill up. The totals that
 * counted with the old columns are dropped; totals_open makes them anew. */
#define VERSION_IS_CURRENT                                                                                   \
	"DROP TRIGGER IF EXISTS waiting_in; DROP TRIGGER IF EXISTS waiting_out;"                             \
	"DROP TRIGGER IF EXISTS message_in; DROP TRIGGER IF EXISTS message_out;"                             \
	"DROP TRIGGER IF EXISTS dead_letter_in; DROP TRIGGER IF EXISTS dead_letter_out;"                     \
	"DROP TABLE IF EXISTS waiting; DROP TABLE IF EXISTS total;" SCHEMA_VERSION_TABLE("version_2", "")      \
	"INSERT INTO version_2(is_current, " VERSION_COLUMNS ") SELECT 0, " VERSION_COLUMNS                  \
	" FROM version v WHERE NOT (" IS_CURRENT ") ORDER BY bucket, key, seq DESC;"                         \
	"INSERT INTO version_2(is_current, " VERSION_COLUMNS ") SELECT 1, " VERSION_COLUMNS                  \
	" FROM version v WHERE " IS_CURRENT " ORDER BY bucket, key, seq DESC;"                               \
	"DROP TABLE version; ALTER TABLE version_2 RENAME TO version;" SCHEMA_VERSION_INDEXES

/* Claims of keys that are in no bucket here are of another store, or of an object that is gone. */
#define CLAIM_BY_KEY                                                                                         \
	"ALTER TABLE claim ADD COLUMN by_key INTEGER NOT NULL DEFAULT 0;"                                    \
	"UPDATE claim SET by_key = 1 WHERE NOT EXISTS (SELECT 1 FROM version v JOIN bucket b ON v.bucket = b.id" \
	"  WHERE b.name = CAST(claim.bucket AS TEXT) AND v.is_current IN (0, 1) AND v.key = claim.key);"     \
	SCHEMA_CLAIM_INDEX

/* A step may be long, because it may rewrite a table. So no step adds what a pass in the background
 * can add later. */
static const struct step {
	int version;     /* the folder's schema after the step */
	const char *sql; /* statements, each with its semicolon */
} steps[] = {
	{1, ""}, /* the first schema */
	/* checksums of bodies; existing bodies get theirs in the background (engine/fill.h) */
	{2, "ALTER TABLE body ADD COLUMN sum INTEGER; ALTER TABLE blob ADD COLUMN sums BLOB;"},
	{3, SCHEMA_DAMAGE},
	{4, VERSION_IS_CURRENT},
	{5, CLAIM_BY_KEY},
	/* checksums of rows; existing rows stay without */
	{6, "ALTER TABLE message ADD COLUMN sum INTEGER; ALTER TABLE dead_letter ADD COLUMN sum INTEGER;"},
	/* what fill.c has to do */
	{7, "INSERT OR IGNORE INTO meta(name, value) VALUES('fill_body', 0), ('fill_blob', 0);"},
	{8, "ALTER TABLE plan ADD COLUMN sum INTEGER; ALTER TABLE claim ADD COLUMN sum INTEGER;"},
	/* without a checksum, as all that was written before schema 8 */
	{9, "UPDATE plan SET excluded = bitmap_of_slots(excluded, n_slots), sum = NULL WHERE length(excluded) > 0;"},
	{10, "ALTER TABLE version ADD COLUMN sum INTEGER; ALTER TABLE segment ADD COLUMN sum INTEGER;"
	     "ALTER TABLE upload ADD COLUMN sum INTEGER; ALTER TABLE part ADD COLUMN sum INTEGER;"
	     "ALTER TABLE stage ADD COLUMN sum INTEGER;"},
};

static enum rc exec(struct db_conn *conn, const char *sql, struct err *err)
{
	int code = sqlite3_exec(db_handle(conn), sql, NULL, NULL, NULL);

	return code == SQLITE_OK ? RC_OK : db_error(db_handle(conn), code, err);
}

/* SQL: slots of 32 bits, little-endian, as schemas before 9 kept them, and how many slots there
 * are → the bitmap of port/ledger.h. A record that was no such list stays one that cannot be
 * read. */
static void bitmap_of_slots(sqlite3_context *context, int n_args, sqlite3_value **args)
{
	const unsigned char *list = sqlite3_value_blob(args[0]);
	size_t n = (size_t)sqlite3_value_bytes(args[0]);
	sqlite3_int64 n_slots = sqlite3_value_int64(args[1]);
	unsigned char *bits;

	(void)n_args;
	if (n % 4 != 0 || n_slots < 0 || n_slots > UINT32_MAX || !list) {
		sqlite3_result_value(context, args[0]);
		return;
	}
	bits = xcalloc(1, (size_t)n_slots / 8 + 1);
	for (size_t i = 0; i < n; i += 4) {
		uint32_t slot = list[i] | (uint32_t)list[i + 1] << 8 | (uint32_t)list[i + 2] << 16 |
				(uint32_t)list[i + 3] << 24;

		if (slot < n_slots)
			bits[slot / 8] |= (unsigned char)(1 << slot % 8);
	}
	sqlite3_result_blob64(context, bits, ((sqlite3_uint64)n_slots + 7) / 8, free);
}

static enum rc add_functions(struct db_conn *conn, struct err *err)
{
	int code = sqlite3_create_function(db_handle(conn), "bitmap_of_slots", 2,
		SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY, NULL, bitmap_of_slots, NULL, NULL);

	return code == SQLITE_OK ? RC_OK : db_error(db_handle(conn), code, err);
}

enum rc upgrade_schema(struct db_conn *conn, int64_t version, struct err *err)
{
	char mark[64];
	enum rc rc;

	if (version == SCHEMA_VERSION)
		return RC_OK;
	rc = add_functions(conn, err);
	if (rc == RC_OK)
		rc = exec(conn, "BEGIN IMMEDIATE", err);
	if (rc != RC_OK)
		return rc;
	for (size_t i = 0; rc == RC_OK && i < sizeof(steps) / sizeof(steps[0]); i++)
		if (steps[i].version > version)
			rc = exec(conn, steps[i].sql, err);
	snprintf(mark, sizeof(mark), "PRAGMA user_version=%d", SCHEMA_VERSION);
	if (rc == RC_OK)
		rc = exec(conn, mark, err);
	if (rc == RC_OK)
		rc = exec(conn, "COMMIT", err);
	if (rc != RC_OK) {
		sqlite3_exec(db_handle(conn), "ROLLBACK", NULL, NULL, NULL);
		return err_ctx(err, rc, "upgrading the database from schema %lld to %d", (long long)version,
			SCHEMA_VERSION);
	}
	return RC_OK;
}
