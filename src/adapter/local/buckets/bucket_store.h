/*
 * bucket_store.h: what the files bucket_store*.c share: an operation on its way through the
 * committer, and their verbs.
 */
#ifndef BALER_ADAPTER_LOCAL_BUCKETS_BUCKET_STORE_H
#define BALER_ADAPTER_LOCAL_BUCKETS_BUCKET_STORE_H

#include "adapter/local/buckets/part.h"
#include "adapter/local/buckets/version.h"
#include "adapter/local/local_internal.h"

/* One write. It is the first field of each kind of operation; op_release frees the whole
 * operation. */
struct bs_op {
	struct commit_op op;
	struct local *local;
	struct bs_done done;
	struct arena arena;      /* copies of arguments */
	struct drops drops;      /* apply fills it */
	struct bs_object object; /* apply fills it: the result */
	bool made_event;         /* apply sets it */
	enum rc early_rc;        /* found before the committer: apply answers it */
	struct err early_err;
	/* The decision and the writes; drops and object are reset before. */
	enum rc (*apply)(struct bs_op *op, struct db_conn *conn, struct err *err);
	/* The kind's own, each may be NULL: before the caller's done, with the rc as answered;
	 * and after it. */
	void (*finish)(struct bs_op *op, enum rc rc);
	void (*release)(struct bs_op *op);
};

/* Zeroed, of size bytes, with a struct bs_op first. */
void *bs_op_new(struct local *local, size_t size,
	enum rc (*apply)(struct bs_op *op, struct db_conn *conn, struct err *err), struct bs_done done);
/* op belongs to the committer from here on. */
void bs_op_submit(struct bs_op *op);
void bs_op_free(struct bs_op *op);

static inline struct local *local_of(struct bucket_store *bs)
{
	return (struct local *)((char *)bs - offsetof(struct local, bucket_store));
}

/* RC_REFUSED KeyTooLongError, or empty. */
enum rc bs_check_key(struct slice key, struct err *err);
/* The first key behind everything that begins with prefix, in a; false when there is none. */
bool bs_successor(struct arena *a, struct slice prefix, struct slice *ret_key);
/* key's common prefix under prefix and delimiter; p == NULL when it has none. */
struct slice bs_common_prefix(struct slice key, struct slice prefix, struct slice delimiter);

/* bucket_store_put.c */
enum rc local_put_begin(struct bucket_store *bs, struct slice bucket, struct slice key,
	struct bs_put **ret_put, struct err *err);
enum rc local_put_write(struct bs_put *put, struct slice bytes, struct err *err);
void local_put_commit(struct bs_put *put, const struct bs_commit *commit, struct bs_done done);
void local_part_commit(struct bs_put *put, struct slice upload_id, uint32_t number, const char *etag,
	struct slice headers, struct bs_done done);
void local_put_abort(struct bs_put *put);

/* bucket_store_read.c */
enum rc local_reader_open(struct bucket_store *bs, struct slice bucket, struct slice key,
	struct slice version, struct bs_reader **ret_reader, struct bs_object *ret_marker, struct err *err);
const struct bs_object *local_reader_info(const struct bs_reader *r);
enum rc local_reader_read(
	struct bs_reader *r, uint64_t offset, void *out, size_t n, size_t *ret_n, struct err *err);
enum rc local_reader_check(struct bs_reader *r, uint64_t offset, struct err *err);
struct slice local_reader_inline(const struct bs_reader *r);
enum rc local_reader_part(const struct bs_reader *r, uint32_t number, uint64_t *ret_offset,
	uint64_t *ret_size, struct err *err);
void local_reader_close(struct bs_reader *r);

/* bucket_store_delete.c */
void local_delete_many(struct bucket_store *bs, struct slice bucket, struct bs_deletion *deletions, size_t n,
	struct bs_done done);

/* bucket_store_list.c */
enum rc local_list(struct bucket_store *bs, const struct bs_list_query *query, struct arena *a,
	struct bs_list_page *ret_page, struct err *err);

/* bucket_store_upload.c, bucket_store_complete.c */
void local_upload_create(struct bucket_store *bs, struct slice bucket, struct slice key, struct slice headers,
	struct bs_done done);
enum rc local_upload_get(struct bucket_store *bs, struct slice bucket, struct slice key, struct slice id,
	struct arena *a, struct bs_upload *ret_upload, struct err *err);
enum rc local_upload_parts(struct bucket_store *bs, struct slice bucket, struct slice key, struct slice id,
	uint32_t after, size_t max, struct arena *a, struct bs_part **ret_parts, size_t *ret_n,
	bool *ret_truncated, struct err *err);
enum rc local_upload_list(struct bucket_store *bs, const struct bs_upload_query *query, struct arena *a,
	struct bs_upload_page *ret_page, struct err *err);
void local_upload_abort(struct bucket_store *bs, struct slice bucket, struct slice key, struct slice id,
	struct bs_done done);
void local_upload_complete(struct bucket_store *bs, struct slice bucket, struct slice key, struct slice id,
	const struct bs_part *parts, size_t n, const char *etag, struct slice extra_headers,
	const struct bs_condition *condition, struct bs_done done);

/* Finds an upload by its id. RC_ABSENT NoSuchUpload. headers are in a. When a is NULL they are
 * empty, and a damaged row is found too, so that the upload can be aborted; else a damaged row is
 * RC_CORRUPT ERR_DAMAGED. */
struct upload_row {
	uint64_t bucket, seq, nonce, created;
	struct slice headers;
};
enum rc upload_find(struct db_conn *conn, uint64_t bucket, struct slice key, struct slice id, struct arena *a,
	struct upload_row *ret_row, struct err *err);
/* Removes the upload's row, its parts and their bytes. */
enum rc upload_remove(struct db_conn *conn, const struct upload_row *row, struct slice key,
	struct drops *drops, struct err *err);

#endif
