#include "adapter/local/buckets/version.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "adapter/local/engine/body.h"
#include "adapter/local/engine/row_sum.h"
#include "base/big_endian.h"
#include "model/s3_event.h"

#define EVENT_MAX_BYTES                                                                            \
	(16u << 10) /* a key of 1,024 bytes is at most three times that in an event */

void drops_add(struct drops *d, const struct blob_id *id)
{
	if (d->n == d->cap) {
		d->cap = d->cap ? 2 * d->cap : 4;
		d->ids = xrealloc(d->ids, d->cap * sizeof(*d->ids));
	}
	d->ids[d->n++] = *id;
}

void drops_reset(struct drops *d)
{
	d->n = 0;
}

void drops_run(struct drops *d, struct blobs *b)
{
	for (size_t i = 0; i < d->n; i++)
		blobs_drop(b, &d->ids[i]);
	d->n = 0;
}

void drops_release(struct drops *d)
{
	free(d->ids);
	*d = (struct drops){0};
}

enum rc bucket_row(struct db_conn *conn, struct slice name, uint64_t *ret_id,
	enum bs_versioning *ret_versioning, struct err *err)
{
	sqlite3_stmt *st =
		db_stmt(conn, "SELECT id, versioning FROM bucket WHERE name = CAST(? AS TEXT)");
	enum rc rc;
	bool row;

	db_bind_slice(st, 1, name);
	rc = db_step(st, &row, err);
	if (rc != RC_OK)
		return rc;
	if (!row)
		return err_code(err, RC_ABSENT, "NoSuchBucket",
			"bucket '" SLICE_FMT "' does not exist", SLICE_ARG(name));
	*ret_id = db_column_u64(st, 0);
	*ret_versioning = (enum bs_versioning)db_column_u64(st, 1);
	db_done(st);
	return RC_OK;
}

void version_read(sqlite3_stmt *st, struct version_row *ret_row)
{
	*ret_row = (struct version_row){
		.seq = db_column_u64(st, 0),
		.nonce = db_column_u64(st, 1),
		.is_null = db_column_u64(st, 2) != 0,
		.is_marker = db_column_u64(st, 3) != 0,
		.kind = (enum version_kind)db_column_u64(st, 4),
		.size = db_column_u64(st, 5),
		.modified = db_column_u64(st, 6),
		.n_parts = (uint32_t)db_column_u64(st, 7),
		.headers = db_column_slice(st, 9),
		.is_current = db_column_u64(st, 10) != 0,
	};
	snprintf(ret_row->etag, sizeof(ret_row->etag), "%s",
		(const char *)sqlite3_column_text(st, 8));
}

uint32_t version_sum(const struct version_row *row)
{
	const uint64_t numbers[] = {row->bucket, row->seq, row->nonce, row->is_null, row->is_marker,
		row->kind, row->size, row->modified, row->n_parts};
	uint32_t sum = row_sum_numbers(0, numbers, sizeof(numbers) / sizeof(numbers[0]));

	sum = row_sum_slice(sum, row->key);
	return row_sum_slice(row_sum_slice(sum, slice_str(row->etag)), row->headers);
}

bool version_is_sound(sqlite3_stmt *st, const struct version_row *row)
{
	return row_sum_fits(st, VERSION_SUM_COLUMN, version_sum(row));
}

enum rc version_refuse_damaged(const struct version_row *row, struct err *err)
{
	if (!row->is_damaged)
		return RC_OK;
	return err_code(err, RC_CORRUPT, ERR_DAMAGED,
		"the record of its version is not the one that was stored");
}

uint32_t version_segment_sum(uint64_t owner, uint64_t number, const struct version_segment *s)
{
	struct slice blob = {0};

	if (s->has_blob)
		blob = slice_of(s->blob.bytes, BLOB_ID_BYTES);
	return row_sum_piece(owner, number, s->size, blob, s->body);
}

void version_format(const struct version_row *row, char out[BS_VERSION_MAX])
{
	if (row->is_null)
		snprintf(out, BS_VERSION_MAX, "null");
	else
		snprintf(out, BS_VERSION_MAX, "%016" PRIx64 "%016" PRIx64, row->seq, row->nonce);
}

bool version_parse(struct slice text, uint64_t *ret_seq, uint64_t *ret_nonce)
{
	unsigned char bytes[16];

	if (!hex_decode(text, bytes, sizeof(bytes)))
		return false;
	*ret_seq = big_endian_load(bytes);
	*ret_nonce = big_endian_load(bytes + 8);
	return true;
}

void version_object(const struct version_row *row, struct bs_object *ret_object)
{
	*ret_object = (struct bs_object){
		.key = row->key,
		.headers = row->headers,
		.size = row->size,
		.modified_wall_ms = row->modified,
		.is_delete_marker = row->is_marker,
		.n_parts = row->n_parts,
	};
	version_format(row, ret_object->version);
	memcpy(ret_object->etag, row->etag, sizeof(row->etag));
}

static enum rc read_one(sqlite3_stmt *st, uint64_t bucket, struct slice key, struct arena *a,
	struct version_row *ret_row, bool *ret_found, struct err *err)
{
	enum rc rc = db_step(st, ret_found, err);

	if (rc != RC_OK || !*ret_found)
		return rc;
	version_read(st, ret_row);
	ret_row->bucket = bucket;
	ret_row->key = key;
	ret_row->is_damaged = !version_is_sound(st, ret_row);
	ret_row->headers = a ? arena_slice(a, ret_row->headers) : slice_of(NULL, 0);
	db_done(st);
	return RC_OK;
}

enum rc version_latest(struct db_conn *conn, uint64_t bucket, struct slice key, struct arena *a,
	struct version_row *ret_row, bool *ret_found, struct err *err)
{
	sqlite3_stmt *st = db_stmt(conn, "SELECT " VERSION_COLUMNS " FROM version"
					 " WHERE bucket = ? AND is_current = 1 AND key = ?");
	enum rc rc;

	db_bind_u64(st, 1, bucket);
	db_bind_slice(st, 2, key);
	rc = read_one(st, bucket, key, a, ret_row, ret_found, err);
	if (rc != RC_OK || *ret_found)
		return rc;
	st = db_stmt(conn, "SELECT " VERSION_COLUMNS " FROM version"
			   " WHERE bucket = ? AND is_current = 0 AND key = ? ORDER BY seq DESC LIMIT 1");
	db_bind_u64(st, 1, bucket);
	db_bind_slice(st, 2, key);
	return read_one(st, bucket, key, a, ret_row, ret_found, err);
}

static enum rc find_null(struct db_conn *conn, uint64_t bucket, struct slice key, struct arena *a,
	struct version_row *ret_row, bool *ret_found, struct err *err)
{
	sqlite3_stmt *st =
		db_stmt(conn, "SELECT " VERSION_COLUMNS " FROM version INDEXED BY version_null"
			      " WHERE bucket = ? AND key = ? AND is_null");

	db_bind_u64(st, 1, bucket);
	db_bind_slice(st, 2, key);
	return read_one(st, bucket, key, a, ret_row, ret_found, err);
}

enum rc version_find(struct db_conn *conn, uint64_t bucket, struct slice key, struct slice id,
	struct arena *a, struct version_row *ret_row, bool *ret_found, struct err *err)
{
	uint64_t seq, nonce;
	sqlite3_stmt *st;
	enum rc rc;

	if (slice_eq_str(id, "null"))
		return find_null(conn, bucket, key, a, ret_row, ret_found, err);
	*ret_found = false;
	if (!version_parse(id, &seq, &nonce))
		return RC_OK;
	st = db_stmt(conn,
		"SELECT " VERSION_COLUMNS " FROM version WHERE" VERSION_BY_SEQ);
	db_bind_u64(st, 1, bucket);
	db_bind_slice(st, 2, key);
	db_bind_u64(st, 3, seq);
	rc = read_one(st, bucket, key, a, ret_row, ret_found, err);
	/* Numbers are not used twice. So a damaged row with this number is the version that was
	 * asked for, even if its nonce differs. */
	if (rc == RC_OK && *ret_found && !ret_row->is_damaged)
		*ret_found = ret_row->nonce == nonce && !ret_row->is_null;
	return rc;
}

enum rc version_check(struct db_conn *conn, uint64_t bucket, struct slice key,
	const struct bs_condition *c, struct err *err)
{
	struct version_row row;
	bool found;
	enum rc rc;

	if (!c->if_none_match_any && c->if_match.n == 0)
		return RC_OK;
	rc = version_latest(conn, bucket, key, NULL, &row, &found, err);
	if (rc != RC_OK)
		return rc;
	if (found)
		rc = version_refuse_damaged(&row, err);
	if (rc != RC_OK)
		return rc;
	found = found && !row.is_marker;
	if (c->if_none_match_any && found)
		return err_code(err, RC_CONFLICT, "PreconditionFailed", "the object exists");
	if (c->if_match.n == 0)
		return RC_OK;
	if (!found)
		return err_code(err, RC_ABSENT, "NoSuchKey", "the object does not exist");
	if (!slice_eq_str(c->if_match, "*") && !slice_eq_str(c->if_match, row.etag))
		return err_code(
			err, RC_CONFLICT, "PreconditionFailed", "the object has another ETag");
	return RC_OK;
}

/* The bucket's totals follow each version that holds bytes. The row is hot: one page a
 * transaction. */
static enum rc add_totals(struct db_conn *conn, const struct version_row *row, int sign, struct err *err)
{
	sqlite3_stmt *st = db_stmt(conn,
		"UPDATE bucket SET objects = objects + ?, bytes = bytes + ? WHERE id = ?");

	if (row->is_marker)
		return RC_OK;
	sqlite3_bind_int64(st, 1, sign);
	sqlite3_bind_int64(st, 2, sign * (int64_t)row->size);
	db_bind_u64(st, 3, row->bucket);
	return db_run(st, err);
}

static enum rc insert_row(struct db_conn *conn, const struct version_row *row, struct err *err)
{
	sqlite3_stmt *st = db_stmt(conn, "INSERT INTO version(bucket, key, " VERSION_COLUMNS
					 ") VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");

	db_bind_u64(st, 1, row->bucket);
	db_bind_slice(st, 2, row->key);
	db_bind_u64(st, 3, row->seq);
	db_bind_u64(st, 4, row->nonce);
	db_bind_u64(st, 5, row->is_null);
	db_bind_u64(st, 6, row->is_marker);
	db_bind_u64(st, 7, row->kind);
	db_bind_u64(st, 8, row->size);
	db_bind_u64(st, 9, row->modified);
	db_bind_u64(st, 10, row->n_parts);
	db_bind_text(st, 11, row->etag);
	db_bind_slice(st, 12, row->headers);
	db_bind_u64(st, 13, row->is_current);
	db_bind_u64(st, 14, version_sum(row));
	return db_run(st, err);
}

static enum rc set_current(struct db_conn *conn, const struct version_row *row, bool is_current, struct err *err)
{
	sqlite3_stmt *st = db_stmt(conn, "UPDATE version SET is_current = ?1 WHERE bucket = ?2"
					 " AND is_current = 1 - ?1 AND key = ?3 AND seq = ?4");

	db_bind_u64(st, 1, is_current);
	db_bind_u64(st, 2, row->bucket);
	db_bind_slice(st, 3, row->key);
	db_bind_u64(st, 4, row->seq);
	return db_run(st, err);
}

/* The row that was current until now; a new one has come above it. */
static enum rc retire_current(struct db_conn *conn, const struct version_row *by, struct err *err)
{
	sqlite3_stmt *st = db_stmt(
		conn, "SELECT seq FROM version WHERE bucket = ? AND is_current = 1 AND key = ?");
	struct version_row old = {.bucket = by->bucket, .key = by->key};
	bool found;
	enum rc rc;

	db_bind_u64(st, 1, by->bucket);
	db_bind_slice(st, 2, by->key);
	rc = db_step(st, &found, err);
	if (rc != RC_OK || !found)
		return rc;
	old.seq = db_column_u64(st, 0);
	db_done(st);
	return set_current(conn, &old, false, err);
}

/* gone was removed. Only a current row or a marker can have been the newest of its key. */
static enum rc find_current_again(struct db_conn *conn, const struct version_row *gone, struct err *err)
{
	struct version_row newest;
	bool found;
	enum rc rc;

	if (!gone->is_current && !gone->is_marker)
		return RC_OK;
	rc = version_latest(conn, gone->bucket, gone->key, NULL, &newest, &found, err);
	if (rc != RC_OK || !found || newest.is_current || newest.is_marker)
		return rc;
	return set_current(conn, &newest, true, err);
}

static enum rc insert_segment(struct db_conn *conn, uint64_t version, size_t idx,
	const struct version_segment *s, struct err *err)
{
	sqlite3_stmt *st = db_stmt(
		conn, "INSERT INTO segment(version, idx, size, blob, body, sum) VALUES(?, ?, ?, ?, ?, ?)");

	db_bind_u64(st, 1, version);
	db_bind_u64(st, 2, idx);
	db_bind_u64(st, 3, s->size);
	if (s->has_blob)
		db_bind_slice(st, 4, slice_of(s->blob.bytes, BLOB_ID_BYTES));
	if (s->body)
		db_bind_u64(st, 5, s->body);
	db_bind_u64(st, 6, version_segment_sum(version, idx, s));
	return db_run(st, err);
}

static bool wants_event(const struct local *local, const struct version_new *v)
{
	if (!v->event_name || !local->notify_bucket ||
		!slice_eq_str(v->bucket_name, local->notify_bucket))
		return false;
	for (size_t i = 0; i < local->n_notify_prefixes; i++)
		if (slice_has_prefix(v->row.key, slice_str(local->notify_prefixes[i])))
			return true;
	return false;
}

static enum rc insert_event(
	struct local *local, struct db_conn *conn, const struct version_new *v, struct err *err)
{
	char version[BS_VERSION_MAX], sequencer[24];
	struct s3_event_record r = {
		.object = {.bucket = v->bucket_name, .key = v->row.key},
		.event_name = slice_str(v->event_name),
		.etag = slice_str(v->row.etag),
		.size = v->row.size,
		.has_size = true,
		.time_wall_ms = v->row.modified,
	};
	enum rc rc = RC_FATAL;
	struct buf text;

	version_format(&v->row, version);
	if (!v->row.is_null)
		r.object.version = slice_str(version);
	snprintf(sequencer, sizeof(sequencer), "%016" PRIX64, v->row.seq);
	r.sequencer = slice_str(sequencer);
	buf_init(&text, EVENT_MAX_BYTES);
	if (s3_event_write(&text, &r, local->region, sequencer))
		rc = local_queue_insert(
			local, conn, committer_next_seq(local->committer), buf_slice(&text), err);
	else
		err_set(err, rc, "an event does not fit %u bytes", EVENT_MAX_BYTES);
	buf_release(&text);
	return rc;
}

void version_segment_read(sqlite3_stmt *st, int i, struct version_segment *ret_segment)
{
	struct slice blob = db_column_slice(st, i + 1);

	*ret_segment = (struct version_segment){
		.size = db_column_u64(st, i),
		.has_blob = blob.n == BLOB_ID_BYTES,
		.body = db_column_u64(st, i + 2),
	};
	if (ret_segment->has_blob)
		memcpy(ret_segment->blob.bytes, blob.p, BLOB_ID_BYTES);
}

enum rc version_segment_remove(struct db_conn *conn, const struct version_segment *segment,
	struct drops *drops, struct err *err)
{
	enum rc rc = RC_OK;

	if (segment->has_blob) {
		rc = blob_row_delete(conn, slice_of(segment->blob.bytes, BLOB_ID_BYTES), err);
		drops_add(drops, &segment->blob);
	}
	if (rc == RC_OK && segment->body)
		rc = body_delete(conn, segment->body, err);
	return rc;
}

static enum rc remove_segments(
	struct db_conn *conn, uint64_t version, struct drops *drops, struct err *err)
{
	sqlite3_stmt *st =
		db_stmt(conn, "SELECT size, blob, body, idx, sum FROM segment WHERE version = ?");
	struct version_segment segment;
	bool row = true;
	enum rc rc;

	db_bind_u64(st, 1, version);
	rc = db_step(st, &row, err);
	while (rc == RC_OK && row) {
		version_segment_read(st, 0, &segment);
		/* a damaged row may name the bytes of another object: they stay */
		if (row_sum_fits(st, 4,
			    version_segment_sum(version, db_column_u64(st, 3), &segment)))
			rc = version_segment_remove(conn, &segment, drops, err);
		if (rc == RC_OK)
			rc = db_step(st, &row, err);
	}
	db_done(st);
	if (rc != RC_OK)
		return rc;
	st = db_stmt(conn, "DELETE FROM segment WHERE version = ?");
	db_bind_u64(st, 1, version);
	return db_run(st, err);
}

static enum rc remove_row(
	struct db_conn *conn, const struct version_row *row, struct drops *drops, struct err *err)
{
	sqlite3_stmt *st = db_stmt(conn, "DELETE FROM version WHERE" VERSION_BY_SEQ);
	enum rc rc;

	db_bind_u64(st, 1, row->bucket);
	db_bind_slice(st, 2, row->key);
	db_bind_u64(st, 3, row->seq);
	rc = db_run(st, err);
	if (rc == RC_OK)
		rc = add_totals(conn, row, -1, err);
	if (rc == RC_OK && row->kind == VERSION_BODY)
		rc = body_delete(conn, row->seq, err);
	if (rc == RC_OK && row->kind == VERSION_SEGMENTS)
		rc = remove_segments(conn, row->seq, drops, err);
	return rc;
}

enum rc version_remove(
	struct db_conn *conn, const struct version_row *row, struct drops *drops, struct err *err)
{
	enum rc rc = remove_row(conn, row, drops, err);

	return rc == RC_OK ? find_current_again(conn, row, err) : rc;
}

static enum rc remove_null(
	struct db_conn *conn, const struct version_row *by, struct drops *drops, struct err *err)
{
	struct version_row old;
	bool found;
	enum rc rc = find_null(conn, by->bucket, by->key, NULL, &old, &found, err);

	if (rc != RC_OK || !found)
		return rc;
	return remove_row(conn, &old, drops, err);
}

enum rc version_insert(struct local *local, struct db_conn *conn, struct version_new *v,
	struct drops *drops, struct err *err)
{
	struct version_row *row = &v->row;
	enum rc rc = RC_OK;

	row->is_null = v->versioning != BS_ENABLED;
	row->is_current = !row->is_marker;
	if (row->is_null)
		rc = remove_null(conn, row, drops, err);
	if (rc == RC_OK)
		rc = retire_current(conn, row, err);
	row->seq = committer_next_seq(local->committer);
	row->nonce = local_nonce(local);
	row->modified = clock_wall_ms(local->clock);
	if (rc == RC_OK)
		rc = insert_row(conn, row, err);
	if (rc == RC_OK)
		rc = add_totals(conn, row, 1, err);
	if (rc == RC_OK && row->kind == VERSION_BODY)
		rc = body_insert(conn, row->seq, v->body, v->body_sum, err);
	for (size_t i = 0; i < v->n_segments && rc == RC_OK; i++)
		rc = insert_segment(conn, row->seq, i, &v->segments[i], err);
	v->made_event = wants_event(local, v);
	if (rc == RC_OK && v->made_event)
		rc = insert_event(local, conn, v, err);
	return rc;
}
