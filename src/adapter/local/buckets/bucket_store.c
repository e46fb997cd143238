#include "adapter/local/buckets/bucket_store.h"

#include <stdio.h>
#include <stdlib.h>

static enum rc op_apply(struct commit_op *commit_op, struct db_conn *conn, struct err *err)
{
	struct bs_op *op = (struct bs_op *)commit_op;

	if (op->early_rc != RC_OK) {
		*err = op->early_err;
		return op->early_rc;
	}
	drops_reset(&op->drops);
	op->made_event = false;
	op->object = (struct bs_object){0};
	return op->apply(op, conn, err);
}

static void op_done(struct commit_op *commit_op, enum rc rc, const struct err *err)
{
	struct bs_op *op = (struct bs_op *)commit_op;
	struct bs_result result = {.rc = rc, .object = op->object};

	if (rc == RC_OK)
		drops_run(&op->drops, op->local->blobs);
	else
		result.err = *err;
	if (rc == RC_OK && op->made_event)
		local_queue_wake(op->local);
	if (op->finish)
		op->finish(op, rc);
	op->done.fn(op->done.arg, &result);
	bs_op_free(op);
}

void *bs_op_new(struct local *local, size_t size,
	enum rc (*apply)(struct bs_op *op, struct db_conn *conn, struct err *err),
	struct bs_done done)
{
	struct bs_op *op = xcalloc(1, size);

	op->op.apply = op_apply;
	op->op.done = op_done;
	op->op.bytes = 512;
	op->local = local;
	op->apply = apply;
	op->done = done;
	return op;
}

void bs_op_submit(struct bs_op *op)
{
	committer_submit(op->local->committer, &op->op);
}

void bs_op_free(struct bs_op *op)
{
	if (op->release)
		op->release(op);
	drops_release(&op->drops);
	arena_release(&op->arena);
	free(op);
}

enum rc bs_check_key(struct slice key, struct err *err)
{
	if (key.n == 0)
		return err_code(err, RC_REFUSED, "InvalidArgument", "the key is empty");
	if (key.n > OBJECT_KEY_MAX)
		return err_code(err, RC_REFUSED, "KeyTooLongError",
			"the key is longer than %d bytes", OBJECT_KEY_MAX);
	return RC_OK;
}

bool bs_successor(struct arena *a, struct slice prefix, struct slice *ret_key)
{
	unsigned char *p = arena_alloc(a, prefix.n + 1);
	size_t n = prefix.n;

	if (n)
		memcpy(p, prefix.p, n);
	while (n && p[n - 1] == 0xff)
		n--;
	if (!n)
		return false;
	p[n - 1]++;
	*ret_key = slice_of(p, n);
	return true;
}

struct slice bs_common_prefix(struct slice key, struct slice prefix, struct slice delimiter)
{
	const unsigned char *at;

	if (!delimiter.n || key.n < prefix.n)
		return slice_of(NULL, 0);
	at = memmem(key.p + prefix.n, key.n - prefix.n, delimiter.p, delimiter.n);
	return at ? slice_of(key.p, (size_t)(at - key.p) + delimiter.n) : slice_of(NULL, 0);
}

/* Buckets. */

struct bucket_op {
	struct bs_op base;
	struct slice name;
	enum bs_versioning versioning;
};

static void bucket_submit(struct bucket_store *bs, struct slice name, enum bs_versioning versioning,
	enum rc (*apply)(struct bs_op *op, struct db_conn *conn, struct err *err),
	struct bs_done done)
{
	struct bucket_op *op = bs_op_new(local_of(bs), sizeof(*op), apply, done);

	op->name = arena_slice(&op->base.arena, name);
	op->versioning = versioning;
	if (name.n == 0 || name.n > BUCKET_NAME_MAX || memchr(name.p, '\0', name.n))
		op->base.early_rc = err_code(&op->base.early_err, RC_REFUSED, "InvalidBucketName",
			"a bucket's name has 1 to %d bytes", BUCKET_NAME_MAX);
	bs_op_submit(&op->base);
}

static enum rc create_apply(struct bs_op *base, struct db_conn *conn, struct err *err)
{
	struct bucket_op *op = (struct bucket_op *)base;
	enum bs_versioning versioning;
	sqlite3_stmt *st;
	uint64_t id;
	enum rc rc = bucket_row(conn, op->name, &id, &versioning, err);

	if (rc == RC_OK)
		return err_code(err, RC_CONFLICT, "BucketAlreadyOwnedByYou", "the bucket exists");
	if (rc != RC_ABSENT)
		return rc;
	st = db_stmt(conn,
		"INSERT INTO bucket(name, created, versioning) VALUES(CAST(? AS TEXT), ?, ?)");
	db_bind_slice(st, 1, op->name);
	db_bind_u64(st, 2, clock_wall_ms(base->local->clock));
	db_bind_u64(st, 3, op->versioning);
	return db_run(st, err);
}

static void bucket_create(struct bucket_store *bs, struct slice name, enum bs_versioning versioning,
	struct bs_done done)
{
	bucket_submit(bs, name, versioning, create_apply, done);
}

/* S3 deletes a bucket that has uploads under way; they end with it. */
static enum rc remove_uploads(
	struct db_conn *conn, uint64_t bucket, struct drops *drops, struct err *err)
{
	struct arena a = ARENA_INIT;
	bool row = true;
	enum rc rc = RC_OK;

	while (rc == RC_OK && row) {
		sqlite3_stmt *st = db_stmt(
			conn, "SELECT seq, nonce, key FROM upload WHERE bucket = ? LIMIT 1");
		struct upload_row upload = {.bucket = bucket};
		struct slice key;

		db_bind_u64(st, 1, bucket);
		rc = db_step(st, &row, err);
		if (rc != RC_OK || !row)
			break;
		upload.seq = db_column_u64(st, 0);
		upload.nonce = db_column_u64(st, 1);
		key = db_column_copy(st, 2, &a);
		db_done(st);
		rc = upload_remove(conn, &upload, key, drops, err);
	}
	arena_release(&a);
	return rc;
}

static enum rc delete_apply(struct bs_op *base, struct db_conn *conn, struct err *err)
{
	struct bucket_op *op = (struct bucket_op *)base;
	enum bs_versioning versioning;
	sqlite3_stmt *st;
	uint64_t id;
	bool row;
	enum rc rc = bucket_row(conn, op->name, &id, &versioning, err);

	if (rc != RC_OK)
		return rc;
	st = db_stmt(conn, "SELECT 1 FROM version WHERE bucket = ? LIMIT 1");
	db_bind_u64(st, 1, id);
	rc = db_step(st, &row, err);
	db_done(st);
	if (rc == RC_OK && row)
		return err_code(err, RC_CONFLICT, "BucketNotEmpty",
			"the bucket has objects, versions or delete markers");
	if (rc == RC_OK)
		rc = remove_uploads(conn, id, &base->drops, err);
	if (rc != RC_OK)
		return rc;
	st = db_stmt(conn, "DELETE FROM bucket WHERE id = ?");
	db_bind_u64(st, 1, id);
	return db_run(st, err);
}

static void bucket_delete(struct bucket_store *bs, struct slice name, struct bs_done done)
{
	bucket_submit(bs, name, BS_UNVERSIONED, delete_apply, done);
}

static enum rc versioning_apply(struct bs_op *base, struct db_conn *conn, struct err *err)
{
	struct bucket_op *op = (struct bucket_op *)base;
	enum bs_versioning versioning;
	sqlite3_stmt *st;
	uint64_t id;
	enum rc rc = bucket_row(conn, op->name, &id, &versioning, err);

	if (rc != RC_OK)
		return rc;
	if (op->versioning == BS_UNVERSIONED && versioning != BS_UNVERSIONED)
		return err_code(err, RC_REFUSED, "InvalidBucketState",
			"a bucket that was versioned can only be suspended");
	st = db_stmt(conn, "UPDATE bucket SET versioning = ? WHERE id = ?");
	db_bind_u64(st, 1, op->versioning);
	db_bind_u64(st, 2, id);
	return db_run(st, err);
}

static void bucket_versioning(struct bucket_store *bs, struct slice name,
	enum bs_versioning versioning, struct bs_done done)
{
	bucket_submit(bs, name, versioning, versioning_apply, done);
}

static void bucket_read(sqlite3_stmt *st, struct bs_bucket *ret_bucket)
{
	snprintf(ret_bucket->name, sizeof(ret_bucket->name), "%s",
		(const char *)sqlite3_column_text(st, 0));
	ret_bucket->created_wall_ms = db_column_u64(st, 1);
	ret_bucket->versioning = (enum bs_versioning)db_column_u64(st, 2);
}

static enum rc bucket_get(
	struct bucket_store *bs, struct slice name, struct bs_bucket *ret_bucket, struct err *err)
{
	struct local *local = local_of(bs);
	struct db_conn *conn = db_reader(local->db);
	sqlite3_stmt *st = db_stmt(
		conn, "SELECT name, created, versioning FROM bucket WHERE name = CAST(? AS TEXT)");
	bool row = false;
	enum rc rc;

	db_bind_slice(st, 1, name);
	rc = db_step(st, &row, err);
	if (rc == RC_OK && row)
		bucket_read(st, ret_bucket);
	db_done(st);
	db_reader_return(local->db, conn);
	if (rc == RC_OK && !row)
		rc = err_code(err, RC_ABSENT, "NoSuchBucket",
			"bucket '" SLICE_FMT "' does not exist", SLICE_ARG(name));
	return rc;
}

static enum rc bucket_list(struct bucket_store *bs, struct arena *a, struct bs_bucket **ret_buckets,
	size_t *ret_n, struct err *err)
{
	struct local *local = local_of(bs);
	struct db_conn *conn = db_reader(local->db);
	sqlite3_stmt *st = db_stmt(conn,
		"SELECT name, created, versioning, count(*) OVER () FROM bucket ORDER BY name");
	struct bs_bucket *buckets = NULL;
	bool row = true;
	size_t n = 0;
	enum rc rc;

	while ((rc = db_step(st, &row, err)) == RC_OK && row) {
		if (!buckets)
			buckets = arena_array(a, db_column_u64(st, 3), sizeof(*buckets));
		bucket_read(st, &buckets[n++]);
	}
	db_done(st);
	db_reader_return(local->db, conn);
	if (rc != RC_OK)
		return rc;
	*ret_buckets = buckets;
	*ret_n = n;
	return RC_OK;
}

/* The store lives as long as struct local. */
static void store_close(struct bucket_store *bs)
{
	(void)bs;
}

const struct bucket_store_ops local_bucket_store_ops = {
	.bucket_get = bucket_get,
	.bucket_list = bucket_list,
	.bucket_create = bucket_create,
	.bucket_delete = bucket_delete,
	.bucket_versioning = bucket_versioning,
	.put_begin = local_put_begin,
	.put_write = local_put_write,
	.put_commit = local_put_commit,
	.part_commit = local_part_commit,
	.put_abort = local_put_abort,
	.open = local_reader_open,
	.reader_info = local_reader_info,
	.reader_read = local_reader_read,
	.reader_check = local_reader_check,
	.reader_inline = local_reader_inline,
	.reader_part = local_reader_part,
	.reader_close = local_reader_close,
	.delete_many = local_delete_many,
	.list = local_list,
	.upload_create = local_upload_create,
	.upload_get = local_upload_get,
	.upload_parts = local_upload_parts,
	.upload_list = local_upload_list,
	.upload_complete = local_upload_complete,
	.upload_abort = local_upload_abort,
	.close = store_close,
};
