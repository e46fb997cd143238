/*
 * version: rows of the version table, as bucket_store and object_store (publish) both write
 * them. Call inside apply only.
 */
#ifndef BALER_ADAPTER_LOCAL_BUCKETS_VERSION_H
#define BALER_ADAPTER_LOCAL_BUCKETS_VERSION_H

#include "adapter/local/engine/blobs.h"
#include "adapter/local/local_internal.h"
#include "port/bucket_store.h"

enum version_kind { VERSION_EMPTY = 0, VERSION_BODY = 1, VERSION_SEGMENTS = 2 };

/* Blobs whose rows a transaction removed; dropped after its commit. */
struct drops {
	struct blob_id *ids;
	size_t n, cap;
};
void drops_add(struct drops *d, const struct blob_id *id);
void drops_reset(struct drops *d); /* apply is run again */
void drops_run(struct drops *d, struct blobs *b); /* after commit; empties */
void drops_release(struct drops *d);

/* One piece of an object's bytes: a file, a body row, or nothing. */
struct version_segment {
	uint64_t size;
	bool has_blob;
	struct blob_id blob;
	uint64_t body; /* body row, 0: none */
	struct slice sums; /* a reader's: of the file; the pin's */
};
/* The sum of a segment's row, or of a part's place (engine/row_sum.h). */
uint32_t version_segment_sum(uint64_t owner, uint64_t number, const struct version_segment *s);
/* Reads the columns size, blob, body that begin at column i. */
void version_segment_read(sqlite3_stmt *st, int i, struct version_segment *ret_segment);
/* Removes its body or blob row. */
enum rc version_segment_remove(struct db_conn *conn, const struct version_segment *segment, struct drops *drops,
	struct err *err);

struct version_row {
	uint64_t bucket;
	struct slice key;
	uint64_t seq, nonce;
	bool is_null, is_marker;
	bool is_current; /* a GET of the key gives this row: schema.sql.h */
	enum version_kind kind;
	uint64_t size, modified;
	uint32_t n_parts;
	char etag[BS_ETAG_MAX];
	struct slice headers;
	/* its fields do not have the row's checksum; set by version_latest and version_find */
	bool is_damaged;
};

/* The sum of a row's fields (engine/row_sum.h), is_current left out. */
uint32_t version_sum(const struct version_row *row);
/* Whether the row under st, whose bucket and key are set by now, has the sum of its fields. */
bool version_is_sound(sqlite3_stmt *st, const struct version_row *row);
/* RC_CORRUPT ERR_DAMAGED when the row is damaged. */
enum rc version_refuse_damaged(const struct version_row *row, struct err *err);

/* RC_ABSENT NoSuchBucket. */
enum rc bucket_row(struct db_conn *conn, struct slice name, uint64_t *ret_id, enum bs_versioning *ret_versioning,
	struct err *err);

/* The columns every query of versions selects, and their reading. bucket, key are not read;
 * headers live until the next step. A query that needs the key selects it behind them. */
#define VERSION_COLUMNS "seq, nonce, is_null, is_marker, kind, size, modified, n_parts, etag, headers, is_current, sum"
#define VERSION_SUM_COLUMN 11
#define VERSION_KEY_COLUMN 12
/* The condition that finds one row of the primary key by its number. */
#define VERSION_BY_SEQ " bucket = ? AND is_current IN (0, 1) AND key = ? AND seq = ?"
void version_read(sqlite3_stmt *st, struct version_row *ret_row);
/* versionId: seq and nonce in 16 hex digits each, or "null". */
void version_format(const struct version_row *row, char out[BS_VERSION_MAX]);
bool version_parse(struct slice text, uint64_t *ret_seq, uint64_t *ret_nonce);
/* Everything but is_latest and in_versioned; slices are the row's. */
void version_object(const struct version_row *row, struct bs_object *ret_object);

/* The latest row of a key, markers included. The row borrows key; its headers are in a, or empty
 * when a is NULL. */
enum rc version_latest(struct db_conn *conn, uint64_t bucket, struct slice key, struct arena *a,
	struct version_row *ret_row, bool *ret_found, struct err *err);
/* By versionId, "null" included; in the same way. */
enum rc version_find(struct db_conn *conn, uint64_t bucket, struct slice key, struct slice id,
	struct arena *a, struct version_row *ret_row, bool *ret_found, struct err *err);

/* [BS-9] RC_CONFLICT PreconditionFailed, RC_ABSENT NoSuchKey. */
enum rc version_check(struct db_conn *conn, uint64_t bucket, struct slice key, const struct bs_condition *c,
	struct err *err);

/* Numbers the row (seq, nonce, modified, is_null), removes the null version it replaces, inserts
 * row, segments and, when the notify rule says so and event_name is not NULL, the event [BS-2].
 * body: for kind VERSION_BODY. Blob rows must be there already. */
struct version_new {
	/* bucket, key, kind, size, n_parts, etag, headers, is_marker given */
	struct version_row row;
	struct slice bucket_name;
	enum bs_versioning versioning;
	struct slice body;
	uint32_t body_sum; /* CRC32C of body, taken as the bytes arrived */
	const struct version_segment *segments;
	size_t n_segments;
	const char *event_name;
	bool made_event; /* result: call local_queue_wake after the commit */
};
enum rc version_insert(struct local *local, struct db_conn *conn, struct version_new *v, struct drops *drops,
	struct err *err);
/* Row, body, segments, blob rows. When the newest row of its key goes, the row below becomes
 * current. */
enum rc version_remove(struct db_conn *conn, const struct version_row *row, struct drops *drops, struct err *err);

#endif
