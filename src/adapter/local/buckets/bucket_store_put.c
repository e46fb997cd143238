/*
 * The body of a PUT. Up to BS_INLINE_MAX it stays in memory and goes into its row. When it grows
 * beyond that, or beyond the memory that all bodies may have together, its bytes go to a blob,
 * which is fsynced on the blobs' pool before the row is submitted.
 */
#include "adapter/local/buckets/bucket_store.h"

#include <stdio.h>
#include <stdlib.h>

#include "adapter/local/engine/body.h"
#include "base/digest.h"

struct local_put {
	struct bs_put base;
	struct local *local;
	struct arena arena;
	struct slice bucket, key;
	struct buf inline_bytes;
	uint32_t inline_sum; /* CRC32C */
	size_t charged;      /* bytes taken from the budget of bodies for inline_bytes */
	struct blob_file *file; /* NULL: inline */
};

/* The put's commit; takes over all that struct local_put held. */
struct put_op {
	struct bs_op base;
	struct work work; /* when there is a file to sync */
	struct local_put *put;
	struct slice headers;
	char etag[BS_ETAG_MAX];
	/* an object */
	char event_name[48];
	struct bs_condition condition;
	/* a part */
	struct slice upload_id;
	uint32_t number;
};

static void drop_inline(struct local_put *put)
{
	buf_release(&put->inline_bytes);
	budget_give(put->local->bodies, put->charged);
	put->charged = 0;
}

/* Room for n more bytes in memory; a buffer doubles when it grows. Small bodies still get in when
 * large ones do not. */
static bool has_room(struct local_put *put, size_t n)
{
	size_t need = put->inline_bytes.n + n, cap = put->charged ? put->charged : 1024;

	if (need > BS_INLINE_MAX)
		return false;
	while (cap < need)
		cap *= 2;
	if (cap <= put->charged)
		return true;
	if (!budget_grow(put->local->bodies, put->charged, cap - put->charged))
		return false;
	put->charged = cap;
	return true;
}

static void put_free(struct local_put *put)
{
	drop_inline(put);
	arena_release(&put->arena);
	free(put);
}

#define PUT_ARENA_BYTES 512 /* thousands may be under way; most have a short key and few headers */

enum rc local_put_begin(struct bucket_store *bs, struct slice bucket, struct slice key,
	struct bs_put **ret_put, struct err *err)
{
	struct local_put *put;
	enum rc rc = bs_check_key(key, err);

	if (rc != RC_OK)
		return rc;
	put = xcalloc(1, sizeof(*put));
	put->base.ops = &local_bucket_store_ops;
	put->local = local_of(bs);
	put->arena = ARENA_OF(PUT_ARENA_BYTES);
	put->bucket = arena_slice(&put->arena, bucket);
	put->key = arena_slice(&put->arena, key);
	buf_init(&put->inline_bytes, BS_INLINE_MAX);
	*ret_put = &put->base;
	return RC_OK;
}

static enum rc move_to_file(struct local_put *put, struct err *err)
{
	enum rc rc = blob_create(put->local->blobs, &put->file, err);

	if (rc == RC_OK)
		rc = blob_write(put->file, buf_slice(&put->inline_bytes), err);
	drop_inline(put);
	return rc;
}

enum rc local_put_write(struct bs_put *base, struct slice bytes, struct err *err)
{
	struct local_put *put = (struct local_put *)base;
	enum rc rc = RC_OK;

	if (!put->file && has_room(put, bytes.n)) {
		if (!buf_add_slice(&put->inline_bytes, bytes))
			die("put: the inline buffer is too small");
		put->inline_sum = crc32c_update(put->inline_sum, bytes);
		return RC_OK;
	}
	if (!put->file)
		rc = move_to_file(put, err);
	return rc == RC_OK ? blob_write(put->file, bytes, err) : rc;
}

void local_put_abort(struct bs_put *base)
{
	struct local_put *put = (struct local_put *)base;

	if (!put)
		return;
	blob_discard(put->file);
	put_free(put);
}

static void put_finish(struct bs_op *base, enum rc rc)
{
	struct put_op *op = (struct put_op *)base;

	if (op->put->file && rc == RC_OK)
		blob_keep(op->put->file);
	else
		blob_discard(op->put->file);
	op->put->file = NULL;
}

static void put_release(struct bs_op *base)
{
	put_free(((struct put_op *)base)->put);
}

/* The body as one piece; inserts the blob row. */
static enum rc take_body(struct put_op *op, struct db_conn *conn,
	struct version_segment *ret_segment, struct err *err)
{
	struct local_put *put = op->put;

	*ret_segment = (struct version_segment){.size = put->inline_bytes.n};
	if (!put->file)
		return RC_OK;
	ret_segment->size = blob_file_size(put->file);
	ret_segment->has_blob = true;
	ret_segment->blob = blob_file_id(put->file);
	return blob_row_insert(conn, &ret_segment->blob, ret_segment->size,
		blob_file_sums(put->file), err);
}

static enum version_kind kind_of(const struct version_segment *segment)
{
	if (segment->has_blob)
		return VERSION_SEGMENTS;
	return segment->size ? VERSION_BODY : VERSION_EMPTY;
}

static enum rc put_apply(struct bs_op *base, struct db_conn *conn, struct err *err)
{
	struct put_op *op = (struct put_op *)base;
	struct version_segment segment;
	struct version_new v = {
		.row = {.key = op->put->key, .headers = op->headers},
		.bucket_name = op->put->bucket,
		.body = buf_slice(&op->put->inline_bytes),
		.body_sum = op->put->inline_sum,
		.segments = &segment,
		.event_name = op->event_name,
	};
	enum rc rc = bucket_row(conn, op->put->bucket, &v.row.bucket, &v.versioning, err);

	if (rc == RC_OK)
		rc = version_check(conn, v.row.bucket, op->put->key, &op->condition, err);
	if (rc == RC_OK)
		rc = take_body(op, conn, &segment, err);
	if (rc != RC_OK)
		return rc;
	memcpy(v.row.etag, op->etag, sizeof(op->etag));
	v.row.size = segment.size;
	v.row.kind = kind_of(&segment);
	v.n_segments = segment.has_blob;
	rc = version_insert(base->local, conn, &v, &base->drops, err);
	base->made_event = v.made_event;
	version_object(&v.row, &base->object);
	base->object.is_latest = true;
	base->object.in_versioned = v.versioning != BS_UNVERSIONED;
	return rc;
}

static void sync_run(struct work *w)
{
	struct put_op *op = (struct put_op *)((char *)w - offsetof(struct put_op, work));

	op->base.early_rc = blob_sync(op->put->file, &op->base.early_err);
	bs_op_submit(&op->base);
}

static struct put_op *put_op_new(struct local_put *put, struct slice headers, const char *etag,
	enum rc (*apply)(struct bs_op *op, struct db_conn *conn, struct err *err),
	struct bs_done done)
{
	struct put_op *op = bs_op_new(put->local, sizeof(*op), apply, done);

	op->base.finish = put_finish;
	op->base.release = put_release;
	op->base.op.grows = true;
	op->base.op.bytes += put->key.n + headers.n + put->inline_bytes.n;
	op->put = put;
	op->headers = arena_slice(&put->arena, headers);
	snprintf(op->etag, sizeof(op->etag), "%s", etag);
	return op;
}

static void put_submit(struct put_op *op)
{
	if (!op->put->file) {
		bs_op_submit(&op->base);
		return;
	}
	op->work.run = sync_run;
	work_pool_submit(blobs_pool(op->base.local->blobs), &op->work);
}

void local_put_commit(struct bs_put *base, const struct bs_commit *commit, struct bs_done done)
{
	struct local_put *put = (struct local_put *)base;
	struct put_op *op = put_op_new(put, commit->headers, commit->etag, put_apply, done);

	snprintf(op->event_name, sizeof(op->event_name), "%s", commit->event_name);
	op->condition.if_none_match_any = commit->condition.if_none_match_any;
	op->condition.if_match = arena_slice(&put->arena, commit->condition.if_match);
	put_submit(op);
}

/* A part that is sent again replaces the earlier one. */
static enum rc remove_part(struct db_conn *conn, uint64_t upload, uint32_t number,
	struct drops *drops, struct err *err)
{
	sqlite3_stmt *st =
		db_stmt(conn, "SELECT " PART_COLUMNS " FROM part WHERE upload = ? AND number = ?");
	bool row;
	enum rc rc;

	db_bind_u64(st, 1, upload);
	db_bind_u64(st, 2, number);
	rc = db_step(st, &row, err);
	if (rc != RC_OK || !row)
		return rc;
	rc = part_remove_bytes(conn, st, upload, drops, err);
	db_done(st);
	if (rc != RC_OK)
		return rc;
	st = db_stmt(conn, "DELETE FROM part WHERE upload = ? AND number = ?");
	db_bind_u64(st, 1, upload);
	db_bind_u64(st, 2, number);
	return db_run(st, err);
}

static enum rc insert_part(struct put_op *op, struct db_conn *conn, uint64_t upload,
	uint64_t modified, const struct version_segment *s, struct err *err)
{
	sqlite3_stmt *st =
		db_stmt(conn, "INSERT INTO part(upload, number, size, modified, etag, headers,"
			      " blob, body, sum) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)");
	struct bs_part part = {
		.number = op->number, .modified_wall_ms = modified, .headers = op->headers};

	db_bind_u64(st, 1, upload);
	db_bind_u64(st, 2, op->number);
	db_bind_u64(st, 3, s->size);
	db_bind_u64(st, 4, modified);
	db_bind_text(st, 5, op->etag);
	db_bind_slice(st, 6, op->headers);
	if (s->has_blob)
		db_bind_slice(st, 7, slice_of(s->blob.bytes, BLOB_ID_BYTES));
	if (s->body)
		db_bind_u64(st, 8, s->body);
	snprintf(part.etag, sizeof(part.etag), "%s", op->etag);
	db_bind_u64(st, 9, part_sum(upload, &part, s));
	return db_run(st, err);
}

static enum rc part_body(struct put_op *op, struct db_conn *conn,
	struct version_segment *ret_segment, struct err *err)
{
	enum rc rc = take_body(op, conn, ret_segment, err);

	if (rc != RC_OK || kind_of(ret_segment) != VERSION_BODY)
		return rc;
	ret_segment->body = committer_next_seq(op->base.local->committer);
	return body_insert(conn, ret_segment->body, buf_slice(&op->put->inline_bytes),
		op->put->inline_sum, err);
}

static enum rc part_apply(struct bs_op *base, struct db_conn *conn, struct err *err)
{
	struct put_op *op = (struct put_op *)base;
	uint64_t bucket, modified = clock_wall_ms(base->local->clock);
	struct version_segment segment;
	enum bs_versioning versioning;
	struct upload_row upload;
	enum rc rc = bucket_row(conn, op->put->bucket, &bucket, &versioning, err);

	if (rc == RC_OK)
		rc = upload_find(conn, bucket, op->put->key, op->upload_id, NULL, &upload, err);
	if (rc == RC_OK)
		rc = remove_part(conn, upload.seq, op->number, &base->drops, err);
	if (rc == RC_OK)
		rc = part_body(op, conn, &segment, err);
	if (rc == RC_OK)
		rc = insert_part(op, conn, upload.seq, modified, &segment, err);
	if (rc != RC_OK)
		return rc;
	base->object.key = op->put->key;
	base->object.headers = op->headers;
	base->object.size = segment.size;
	base->object.modified_wall_ms = modified;
	memcpy(base->object.etag, op->etag, sizeof(op->etag));
	return RC_OK;
}

void local_part_commit(struct bs_put *base, struct slice upload_id, uint32_t number,
	const char *etag, struct slice headers, struct bs_done done)
{
	struct local_put *put = (struct local_put *)base;
	struct put_op *op = put_op_new(put, headers, etag, part_apply, done);

	op->upload_id = arena_slice(&put->arena, upload_id);
	op->number = number;
	if (number < 1 || number > BS_PARTS_MAX) {
		op->base.early_rc = err_code(&op->base.early_err, RC_REFUSED, "InvalidArgument",
			"a part's number is 1 to %d", BS_PARTS_MAX);
		bs_op_submit(&op->base);
		return;
	}
	put_submit(op);
}
