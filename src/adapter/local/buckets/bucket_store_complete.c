/*
 * Completing a multipart upload: the bytes of the parts stay where they are and become the object's
 * segments. So completing costs rows and no copies, and is one transaction however large the object
 * is. A finished upload is remembered for a week [BS-6].
 */
#include "adapter/local/buckets/bucket_store.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/digest.h"
#include "model/object_headers.h"

#define REMEMBERED_MS ((uint64_t)7 * 86400 * 1000)
#define FORGET_AT_ONCE 100 /* rows of completed removed by one completion */

struct complete_op {
	struct bs_op base;
	struct slice bucket, key, id, extra_headers;
	struct bs_condition condition;
	char etag[BS_ETAG_MAX];
	struct bs_part *parts;
	size_t n;
	unsigned char digest[SHA256_BYTES]; /* of the parts asked for */
	struct version_segment *segments;   /* apply's */
};

static void digest_parts(struct complete_op *op)
{
	struct digest *d = digest_new(DIGEST_SHA256);

	for (size_t i = 0; i < op->n; i++) {
		char line[BS_ETAG_MAX + 16];
		int n = snprintf(
			line, sizeof(line), "%u %s\n", op->parts[i].number, op->parts[i].etag);

		digest_update(d, slice_of(line, (size_t)n));
	}
	digest_final(d, DIGEST_SHA256, op->digest);
	digest_free(d);
}

static enum rc check_order(const struct complete_op *op, struct err *err)
{
	if (op->n == 0 || op->n > BS_PARTS_MAX)
		return err_code(err, RC_REFUSED, "InvalidPart", "an object has 1 to %d parts",
			BS_PARTS_MAX);
	for (size_t i = 1; i < op->n; i++)
		if (op->parts[i].number <= op->parts[i - 1].number)
			return err_code(err, RC_REFUSED, "InvalidPartOrder",
				"part %u comes after part %u", op->parts[i].number,
				op->parts[i - 1].number);
	return RC_OK;
}

/* One part as it lies. */
static enum rc find_part(struct db_conn *conn, uint64_t upload, const struct bs_part *part,
	bool is_last, struct version_segment *ret_segment, struct err *err)
{
	sqlite3_stmt *st = db_stmt(
		conn, "SELECT " PART_COLUMNS " FROM part WHERE upload = ? AND number = ?");
	struct bs_part stored;
	bool row;
	enum rc rc;

	db_bind_u64(st, 1, upload);
	db_bind_u64(st, 2, part->number);
	rc = db_step(st, &row, err);
	if (rc != RC_OK)
		return rc;
	if (row)
		rc = part_read(st, upload, &stored, ret_segment, err);
	if (rc == RC_OK && (!row || strcmp(stored.etag, part->etag) != 0))
		rc = err_code(err, RC_REFUSED, "InvalidPart", "part %u %s", part->number,
			row ? "has another ETag" : "was not uploaded");
	db_done(st);
	if (rc == RC_OK && !is_last && ret_segment->size < BS_PART_MIN_BYTES)
		rc = err_code(err, RC_REFUSED, "EntityTooSmall",
			"part %u has %llu bytes; all but the last have at least %u", part->number,
			(unsigned long long)ret_segment->size, BS_PART_MIN_BYTES);
	return rc;
}

static enum rc find_parts(struct complete_op *op, struct db_conn *conn, uint64_t upload,
	uint64_t *ret_size, struct err *err)
{
	enum rc rc = RC_OK;

	*ret_size = 0;
	for (size_t i = 0; i < op->n && rc == RC_OK; i++) {
		rc = find_part(conn, upload, &op->parts[i], i + 1 == op->n, &op->segments[i], err);
		if (rc == RC_OK)
			*ret_size += op->segments[i].size;
	}
	return rc;
}

/* The rows of the parts that become segments go first, so that upload_remove finds only the
 * bytes of those left out. */
static enum rc remove_upload(struct complete_op *op, struct db_conn *conn,
	const struct upload_row *upload, struct err *err)
{
	enum rc rc = RC_OK;

	for (size_t i = 0; i < op->n && rc == RC_OK; i++) {
		sqlite3_stmt *st =
			db_stmt(conn, "DELETE FROM part WHERE upload = ? AND number = ?");

		db_bind_u64(st, 1, upload->seq);
		db_bind_u64(st, 2, op->parts[i].number);
		rc = db_run(st, err);
	}
	return rc == RC_OK ? upload_remove(conn, upload, op->key, &op->base.drops, err) : rc;
}

static enum rc remember(struct complete_op *op, struct db_conn *conn,
	const struct upload_row *upload, const struct version_row *row, struct err *err)
{
	sqlite3_stmt *st =
		db_stmt(conn, "INSERT INTO completed(upload, nonce, bucket, key, parts, seq,"
			      " version_nonce, is_null, size, modified, n_parts, etag, headers)"
			      " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
	enum rc rc;

	db_bind_u64(st, 1, upload->seq);
	db_bind_u64(st, 2, upload->nonce);
	db_bind_u64(st, 3, row->bucket);
	db_bind_slice(st, 4, row->key);
	db_bind_slice(st, 5, slice_of(op->digest, sizeof(op->digest)));
	db_bind_u64(st, 6, row->seq);
	db_bind_u64(st, 7, row->nonce);
	db_bind_u64(st, 8, row->is_null);
	db_bind_u64(st, 9, row->size);
	db_bind_u64(st, 10, row->modified);
	db_bind_u64(st, 11, row->n_parts);
	db_bind_text(st, 12, row->etag);
	db_bind_slice(st, 13, row->headers);
	rc = db_run(st, err);
	if (rc != RC_OK || row->modified < REMEMBERED_MS)
		return rc;
	/* Ids ascend with time, as upload is a seq: wall ms in its high bits. */
	st = db_stmt(conn, "DELETE FROM completed WHERE upload IN (SELECT upload FROM completed"
			   " WHERE upload < ? ORDER BY upload LIMIT ?)");
	db_bind_u64(st, 1, (row->modified - REMEMBERED_MS) << COMMITTER_SEQ_SHIFT);
	db_bind_u64(st, 2, FORGET_AT_ONCE);
	return db_run(st, err);
}

/* NoSuchUpload, unless it was completed with these very parts. */
static enum rc recall(struct complete_op *op, struct db_conn *conn, uint64_t bucket,
	enum bs_versioning versioning, struct err *err)
{
	sqlite3_stmt *st =
		db_stmt(conn, "SELECT seq, version_nonce, is_null, 0, 0, size, modified, n_parts,"
			      " etag, headers FROM completed WHERE upload = ? AND nonce = ?"
			      " AND bucket = ? AND key = ? AND parts = ?");
	uint64_t seq = 0, nonce = 0;
	struct version_row row;
	bool found;
	enum rc rc;

	version_parse(op->id, &seq, &nonce);
	db_bind_u64(st, 1, seq);
	db_bind_u64(st, 2, nonce);
	db_bind_u64(st, 3, bucket);
	db_bind_slice(st, 4, op->key);
	db_bind_slice(st, 5, slice_of(op->digest, sizeof(op->digest)));
	rc = db_step(st, &found, err);
	if (rc != RC_OK)
		return rc;
	if (!found)
		return err_code(err, RC_ABSENT, "NoSuchUpload",
			"the upload does not exist: it may have been completed or aborted");
	version_read(st, &row);
	row.key = op->key;
	row.headers = arena_slice(&op->base.arena, row.headers);
	db_done(st);
	version_object(&row, &op->base.object);
	op->base.object.in_versioned = versioning != BS_UNVERSIONED;
	return RC_OK;
}

static enum rc complete(struct complete_op *op, struct db_conn *conn,
	const struct upload_row *upload, struct version_new *v, struct err *err)
{
	enum rc rc = find_parts(op, conn, upload->seq, &v->row.size, err);

	if (rc == RC_OK)
		rc = version_check(conn, upload->bucket, op->key, &op->condition, err);
	if (rc != RC_OK)
		return rc;
	/* everything is decided; the statements below write */
	rc = remove_upload(op, conn, upload, err);
	if (rc == RC_OK)
		rc = version_insert(op->base.local, conn, v, &op->base.drops, err);
	if (rc == RC_OK)
		rc = remember(op, conn, upload, &v->row, err);
	return rc;
}

static struct slice join_headers(struct complete_op *op, struct slice own)
{
	unsigned char *p = arena_alloc(&op->base.arena, own.n + op->extra_headers.n + 1);

	if (own.n)
		memcpy(p, own.p, own.n);
	if (op->extra_headers.n)
		memcpy(p + own.n, op->extra_headers.p, op->extra_headers.n);
	return slice_of(p, own.n + op->extra_headers.n);
}

static enum rc complete_apply(struct bs_op *base, struct db_conn *conn, struct err *err)
{
	struct complete_op *op = (struct complete_op *)base;
	struct version_new v = {
		.row = {.key = op->key, .kind = VERSION_SEGMENTS, .n_parts = (uint32_t)op->n},
		.bucket_name = op->bucket,
		.segments = op->segments,
		.n_segments = op->n,
		.event_name = "ObjectCreated:CompleteMultipartUpload",
	};
	struct upload_row upload;
	enum rc rc = bucket_row(conn, op->bucket, &v.row.bucket, &v.versioning, err);

	if (rc != RC_OK)
		return rc;
	rc = upload_find(conn, v.row.bucket, op->key, op->id, &base->arena, &upload, err);
	if (rc == RC_ABSENT)
		return recall(op, conn, v.row.bucket, v.versioning, err);
	if (rc != RC_OK)
		return rc;
	memcpy(v.row.etag, op->etag, sizeof(op->etag));
	v.row.headers = join_headers(op, upload.headers);
	rc = complete(op, conn, &upload, &v, err);
	base->made_event = v.made_event;
	version_object(&v.row, &base->object);
	base->object.is_latest = true;
	base->object.in_versioned = v.versioning != BS_UNVERSIONED;
	return rc;
}

static void complete_release(struct bs_op *base)
{
	struct complete_op *op = (struct complete_op *)base;

	free(op->parts);
	free(op->segments);
}

void local_upload_complete(struct bucket_store *bs, struct slice bucket, struct slice key,
	struct slice id, const struct bs_part *parts, size_t n, const char *etag,
	struct slice extra_headers, const struct bs_condition *condition, struct bs_done done)
{
	struct complete_op *op = bs_op_new(local_of(bs), sizeof(*op), complete_apply, done);
	struct arena *a = &op->base.arena;

	op->base.release = complete_release;
	op->bucket = arena_slice(a, bucket);
	op->key = arena_slice(a, key);
	op->id = arena_slice(a, id);
	op->extra_headers = arena_slice(a, extra_headers);
	if (condition)
		op->condition = *condition;
	op->condition.if_match = arena_slice(a, op->condition.if_match);
	snprintf(op->etag, sizeof(op->etag), "%s", etag);
	op->parts = xcalloc(n + 1, sizeof(*parts));
	if (n)
		memcpy(op->parts, parts, n * sizeof(*parts));
	op->n = n;
	op->segments = xcalloc(n + 1, sizeof(*op->segments));
	op->base.op.bytes += n * 256;
	op->base.early_rc = check_order(op, &op->base.early_err);
	digest_parts(op);
	bs_op_submit(&op->base);
}
