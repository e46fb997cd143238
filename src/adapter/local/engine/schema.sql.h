/*
 * schema.sql.h: every table of a data folder, in one place. Change it with SCHEMA_VERSION and a
 * step in upgrade.c.
 *
 * Keys are bytes (BLOB: compared as memcmp does, which is S3's order). Numbers called seq come
 * from committer_next_seq, so rows that are written together lie together: an insert of a body,
 * a message or a file touches the last page, not a random one.
 *
 * INVARIANTS: a body row, and a blob row (a file below blobs/), has exactly one owner among
 * version, segment, part and stage; the transaction that removes the owner removes it. A file
 * without a blob row is rubbish of a crash and swept at open.
 */
#ifndef BALER_ADAPTER_LOCAL_ENGINE_SCHEMA_SQL_H
#define BALER_ADAPTER_LOCAL_ENGINE_SCHEMA_SQL_H

#define SCHEMA_APPLICATION_ID 0x62616c72 /* "balr" */
#define SCHEMA_VERSION 10 /* raised with a step in upgrade.c */
/* A put of a random key rewrites one leaf of version whole, so small pages log less:
 * bench_commit gave 13,000 puts/s with 4096, 12,000 with 8192, 8,000 with 16384 (medians on a
 * busy machine). */
#define SCHEMA_PAGE_BYTES 4096

/* committer: seq_limit; no number at or above it has been given out. fill: fill_body and fill_blob
 * exist while bodies may lack checksums. */
#define SCHEMA_META "CREATE TABLE meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;"

/*
 * bucket_store. objects and bytes are the totals of a bucket's versions that are no delete
 * markers, kept by version.c. version_age finds a bucket's oldest versions (retention) and
 * newest (rates); it grows at its end, a page that is written anyway.
 *
 * is_current is 1 in the row that a GET of the key without a version reads: the newest row of
 * its key, if that row is no delete marker.
 * All other rows have 0: older versions, delete markers, and all rows of a key whose newest row
 * is a delete marker. is_current stands before the key in the primary key, so the current rows
 * of a bucket lie together and a listing of objects reads no other row: its cost grows with what
 * it returns, however many delete markers there are. A put of a new key still writes one leaf of
 * version; a second index over the live rows would have made every put write another one.
 * version.c keeps is_current true.
 *
 * kind: 0 no bytes (a delete marker, an empty object), 1 the body row whose id is the version's
 * seq, 2 segments in order of idx. The listing reads version alone and never drags bodies along.
 * A multipart object is the list of its parts' bytes: completing copies nothing.
 * sum: engine/row_sum.h, of all columns but is_current; of a stage until it is published.
 * completed remembers finished uploads for a week, so that completing again gives the same
 * answer [BS-6].
 */
/* more: columns that a table of an older schema did not have */
#define SCHEMA_VERSION_TABLE(name, more)                                                                    \
	"CREATE TABLE " name "("                                                                            \
	"  bucket INTEGER NOT NULL, is_current INTEGER NOT NULL, key BLOB NOT NULL, seq INTEGER NOT NULL,"  \
	"  nonce INTEGER NOT NULL," /* the second half of the versionId */                                  \
	"  is_null INTEGER NOT NULL, is_marker INTEGER NOT NULL, kind INTEGER NOT NULL,"                    \
	"  size INTEGER NOT NULL, modified INTEGER NOT NULL, n_parts INTEGER NOT NULL,"                     \
	"  etag TEXT NOT NULL, headers BLOB NOT NULL,"                                                      \
	more "  PRIMARY KEY(bucket, is_current, key, seq DESC)) STRICT, WITHOUT ROWID;"
#define SCHEMA_VERSION_INDEXES                                                                              \
	"CREATE UNIQUE INDEX version_null ON version(bucket, key) WHERE is_null;"                           \
	"CREATE INDEX version_age ON version(bucket, seq);"
#define SCHEMA_BUCKETS                                                                                      \
	"CREATE TABLE bucket("                                                                              \
	"  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE,"                                \
	"  created INTEGER NOT NULL," /* wall ms */                                                         \
	"  versioning INTEGER NOT NULL,"                                                                    \
	"  objects INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0) STRICT;"                   \
	SCHEMA_VERSION_TABLE("version", "sum INTEGER,") SCHEMA_VERSION_INDEXES                                              \
	/* sum, sums: engine/sums.h; NULL: not taken yet */                                                 \
	"CREATE TABLE body(id INTEGER PRIMARY KEY, data BLOB NOT NULL, sum INTEGER) STRICT;"                \
	"CREATE TABLE blob(id BLOB PRIMARY KEY, size INTEGER NOT NULL, sums BLOB) STRICT, WITHOUT ROWID;"   \
	"CREATE TABLE segment("                                                                             \
	"  version INTEGER NOT NULL, idx INTEGER NOT NULL, size INTEGER NOT NULL,"                          \
	"  blob BLOB, body INTEGER, sum INTEGER," /* a blob or a body; neither when size is 0 */            \
	"  PRIMARY KEY(version, idx)) STRICT, WITHOUT ROWID;"                                               \
	"CREATE TABLE upload("                                                                              \
	"  bucket INTEGER NOT NULL, key BLOB NOT NULL, seq INTEGER NOT NULL, nonce INTEGER NOT NULL,"       \
	"  created INTEGER NOT NULL, headers BLOB NOT NULL, sum INTEGER,"                                   \
	"  PRIMARY KEY(bucket, key, seq)) STRICT, WITHOUT ROWID;"                                           \
	"CREATE TABLE part("                                                                                \
	"  upload INTEGER NOT NULL, number INTEGER NOT NULL, size INTEGER NOT NULL,"                        \
	"  modified INTEGER NOT NULL, etag TEXT NOT NULL, headers BLOB NOT NULL, blob BLOB, body INTEGER,"  \
	"  sum INTEGER, PRIMARY KEY(upload, number)) STRICT, WITHOUT ROWID;"                                             \
	"CREATE TABLE completed("                                                                           \
	"  upload INTEGER PRIMARY KEY, nonce INTEGER NOT NULL, bucket INTEGER NOT NULL, key BLOB NOT NULL," \
	"  parts BLOB NOT NULL," /* SHA-256 of the numbers and etags */                                     \
	"  seq INTEGER NOT NULL, version_nonce INTEGER NOT NULL, is_null INTEGER NOT NULL,"                 \
	"  size INTEGER NOT NULL, modified INTEGER NOT NULL, n_parts INTEGER NOT NULL, etag TEXT NOT NULL," \
	"  headers BLOB NOT NULL) STRICT;"

/*
 * event_queue. id is a seq: order of sending. That a message is away on a delivery is not in its
 * row (event_queue.c says why); receive_count counts deliveries that have ended. sent and died
 * are wall ms. sum: engine/row_sum.h, of id, sent and body.
 */
#define SCHEMA_QUEUE                                                                                      \
	"CREATE TABLE message("                                                                           \
	"  id INTEGER PRIMARY KEY, receive_count INTEGER NOT NULL, sent INTEGER NOT NULL,"                \
	"  body BLOB NOT NULL, sum INTEGER) STRICT;"                                                      \
	"CREATE TABLE dead_letter("                                                                       \
	"  id INTEGER PRIMARY KEY, receive_count INTEGER NOT NULL, sent INTEGER NOT NULL,"                \
	"  died INTEGER NOT NULL, code TEXT NOT NULL, reason TEXT NOT NULL, body BLOB NOT NULL, sum INTEGER) STRICT;"

/*
 * ledger: docs/protocol.md section 1. seq is the order of opening, for paging. live: the scanner
 * may have to do something, so not done and not discarded; its index stays small when plan grows
 * for years. excluded: a bitmap, port/ledger.h. claim_key finds the claims of a key in a landing
 * bucket that is another store's (by_key = 1): nothing else here knows their versions. Claims of
 * our own landing bucket are not in it, because its random order would cost each of them a page;
 * the table version knows theirs. A claim's key begins with the version, which in our own
 * buckets is ordered by time: claims that are made together lie together.
 */
#define SCHEMA_CLAIM_INDEX "CREATE INDEX claim_key ON claim(key, bucket) WHERE by_key = 1;"
#define SCHEMA_LEDGER                                                                                     \
	"CREATE TABLE plan("                                                                              \
	"  seq INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, state INTEGER NOT NULL,"                     \
	"  live INTEGER NOT NULL, heartbeat INTEGER NOT NULL, nonce BLOB NOT NULL, owner BLOB NOT NULL,"  \
	"  bucket BLOB NOT NULL, key BLOB NOT NULL, opened INTEGER NOT NULL,"                             \
	"  size INTEGER NOT NULL DEFAULT 0, n_slots INTEGER NOT NULL DEFAULT 0,"                          \
	"  sha256 BLOB, staged BLOB, excluded BLOB, sum INTEGER) STRICT;"                                 \
	"CREATE INDEX plan_live ON plan(seq) WHERE live = 1;"                                             \
	"CREATE TABLE claim("                                                                             \
	"  version BLOB NOT NULL, bucket BLOB NOT NULL, key BLOB NOT NULL,"                               \
	"  state INTEGER NOT NULL, plan BLOB NOT NULL, slot INTEGER NOT NULL,"                            \
	"  attempts INTEGER NOT NULL, reason BLOB, by_key INTEGER NOT NULL DEFAULT 0,"                    \
	"  sum INTEGER, "                                                                                 \
	"  PRIMARY KEY(version, bucket, key)) STRICT, WITHOUT ROWID;" SCHEMA_CLAIM_INDEX

/* A line of headers, in SQL: what a direct invocation made says so (core/stages.h). */
#define SCHEMA_DIRECT "'x-amz-meta-baler-origin:direct-invocation' || x'0a'"

/* object_store: bundles that are durable and not yet visible. bucket is the name: a stage can be
 * discarded when its bucket is gone. Publishing gives the blob to a version and keeps the row,
 * which remembers it [OS-6]. */
#define SCHEMA_STAGE                                                                                      \
	"CREATE TABLE stage("                                                                             \
	"  id INTEGER PRIMARY KEY, nonce INTEGER NOT NULL, bucket BLOB NOT NULL, key BLOB NOT NULL,"      \
	"  blob BLOB, size INTEGER NOT NULL, etag TEXT NOT NULL,"                                         \
	"  headers BLOB NOT NULL, published INTEGER NOT NULL DEFAULT 0, sum INTEGER) STRICT;"             \
	"CREATE INDEX stage_key ON stage(bucket, key) WHERE published = 0;"

/* operator: what a person has changed, in the transaction that changed it (I10). subject: a dead
 * letter's id, or bucket/key?versionId.
 * Kept for ever: it says why a second redrive of one dead letter does nothing. */
#define SCHEMA_AUDIT                                                                                      \
	"CREATE TABLE audit("                                                                             \
	"  id INTEGER PRIMARY KEY, at INTEGER NOT NULL," /* wall ms */                                    \
	"  who TEXT NOT NULL, action TEXT NOT NULL, subject BLOB NOT NULL, detail BLOB NOT NULL) STRICT;" \
	"CREATE INDEX audit_subject ON audit(subject);"

/* key_store. secret: sealed under the folder's master-key, bound to access_key and role; NULL
 * once revoked. role: enum key_role.
 * IF NOT EXISTS: keys.c makes it too, in folders that are older than it. */
#define SCHEMA_KEYS                                                                                       \
	"CREATE TABLE IF NOT EXISTS access_key("                                                          \
	"  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, role INTEGER NOT NULL,"                     \
	"  note TEXT NOT NULL, created INTEGER NOT NULL," /* wall ms */                                   \
	"  revoked INTEGER NOT NULL DEFAULT 0, secret BLOB) STRICT;"

/* damage (engine/damage.h): findings of damage, kept until their thing is gone. found: wall ms. */
#define SCHEMA_DAMAGE                                                                                     \
	"CREATE TABLE damage("                                                                            \
	"  id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, owner INTEGER NOT NULL, bucket BLOB NOT NULL,"  \
	"  key BLOB NOT NULL, version BLOB NOT NULL, what BLOB NOT NULL, found INTEGER NOT NULL,"         \
	"  UNIQUE(kind, owner)) STRICT;"

/*
 * totals: rows of message and dead_letter, and for the buckets in waiting what a consumer would
 * find. Made by totals.c, in older folders too. A put or delete in a bucket that is not in
 * waiting costs one look at a table of one row.
 */
#define SCHEMA_TOTAL_OF(table)                                                                                                 \
	"CREATE TRIGGER " table "_in AFTER INSERT ON " table " BEGIN UPDATE total SET n = n + 1 WHERE name = '" table "'; END;" \
	"CREATE TRIGGER " table "_out AFTER DELETE ON " table " BEGIN UPDATE total SET n = n - 1 WHERE name = '" table "'; END;" \
	"INSERT INTO total(name, n) SELECT '" table "', count(*) FROM " table ";"
/* waiting counts the current rows of a bucket, and their bytes. */
#define SCHEMA_WAITING_ADD(row)                                                                                       \
	" UPDATE waiting SET objects = objects + 1, bytes = bytes + " row ".size WHERE bucket = " row ".bucket;"
#define SCHEMA_WAITING_TAKE(row)                                                                                      \
	" UPDATE waiting SET objects = objects - 1, bytes = bytes - " row ".size WHERE bucket = " row ".bucket;"
#define SCHEMA_TOTALS                                                                                                 \
	"CREATE TABLE total(name TEXT PRIMARY KEY, n INTEGER NOT NULL) STRICT, WITHOUT ROWID;"                        \
	SCHEMA_TOTAL_OF("message") SCHEMA_TOTAL_OF("dead_letter")                                                     \
	"CREATE TABLE waiting("                                                                                       \
	"  bucket INTEGER PRIMARY KEY, objects INTEGER NOT NULL, bytes INTEGER NOT NULL) STRICT;"                     \
	"CREATE TRIGGER waiting_in AFTER INSERT ON version"                                                           \
	" WHEN NEW.is_current AND NEW.bucket IN (SELECT bucket FROM waiting) BEGIN" SCHEMA_WAITING_ADD("NEW")         \
	" END;"                                                                                                       \
	"CREATE TRIGGER waiting_out AFTER DELETE ON version"                                                          \
	" WHEN OLD.is_current AND OLD.bucket IN (SELECT bucket FROM waiting) BEGIN" SCHEMA_WAITING_TAKE("OLD")        \
	" END;"                                                                                                       \
	"CREATE TRIGGER waiting_becomes AFTER UPDATE OF is_current ON version"                                        \
	" WHEN NEW.is_current AND NOT OLD.is_current AND NEW.bucket IN (SELECT bucket FROM waiting)"                  \
	" BEGIN" SCHEMA_WAITING_ADD("NEW") " END;"                                                                    \
	"CREATE TRIGGER waiting_ceases AFTER UPDATE OF is_current ON version"                                         \
	" WHEN OLD.is_current AND NOT NEW.is_current AND OLD.bucket IN (SELECT bucket FROM waiting)"                  \
	" BEGIN" SCHEMA_WAITING_TAKE("OLD") " END;"

#define SCHEMA_SQL SCHEMA_META SCHEMA_BUCKETS SCHEMA_QUEUE SCHEMA_LEDGER SCHEMA_STAGE SCHEMA_AUDIT SCHEMA_KEYS \
	SCHEMA_DAMAGE

#endif
