/*
 * bucket_store: what an S3 endpoint keeps: buckets, versions, multipart uploads. The gateway's
 * only way to data.
 *
 * Reads block and answer at once. Writes are submitted: the call returns, and done is called
 * exactly once, on a thread of the store's, after the write is durable or refused; so a server
 * thread never waits for a disk, and writes that arrive together share one transaction. Inside
 * done nothing may block. Arguments are copied before a submit returns, unless said otherwise.
 *
 * [BS-1] After done(RC_OK) the write is there after a crash; a write that was not answered is
 *        there whole or not at all.
 * [BS-2] A put under the notify rule's bucket and prefix and its event become durable in the
 *        same transaction.
 * [BS-3] In a versioned bucket every put makes a new version; a delete without a version makes a
 *        delete marker; a delete with a version removes that version. In a suspended or never
 *        versioned bucket the version is "null" and a put replaces it.
 * [BS-4] Versions of one key are ordered by commit; the newest is the latest.
 * [BS-5] Bytes are given to readers only after commit; a reader that has opened a version reads
 *        it whole even if it is deleted.
 * [BS-6] A multipart upload is invisible until completed; completing it again with the same
 *        parts is RC_OK with the same result; an upload that was aborted is NoSuchUpload.
 * [BS-7] No room on disk is RC_AGAIN with the code "ENOSPC": nothing of the write is visible,
 *        later writes may succeed.
 * [BS-8] Listing is in byte order of keys; newest version first; pages of at most max entries;
 *        resumes without loss or repeat.
 * [BS-9] Conditions (If-Match, If-None-Match: *) are decided in the transaction that writes or
 *        deletes.
 * [BS-10] A reader gives only the bytes that were put: what the disk has made of them otherwise
 *        (or that is missing, or too much) is RC_CORRUPT with the code "ObjectDamaged", from
 *        open or from the read that would give the first such byte. Bytes before it are given.
 *
 * err->code carries S3's own code: NoSuchBucket, NoSuchKey, NoSuchVersion, NoSuchUpload,
 * BucketAlreadyOwnedByYou, BucketNotEmpty, InvalidPart, InvalidPartOrder, EntityTooSmall,
 * PreconditionFailed, MethodNotAllowed (a delete marker read by its version).
 */
#ifndef BALER_PORT_BUCKET_STORE_H
#define BALER_PORT_BUCKET_STORE_H

#include <sys/types.h>

#include "base/arena.h"
#include "base/err.h"
#include "model/object_id.h"

#define BS_VERSION_MAX 40 /* bytes of a versionId of ours, with the terminator */
#define BS_ETAG_MAX 48    /* hex MD5, "-", up to 5 digits, terminator */
#define BS_UPLOAD_ID_MAX 40
#define BS_PARTS_MAX 10000
/* every part but the last; S3 user guide, "Multipart upload limits" */
#define BS_PART_MIN_BYTES (5u << 20)
#define BS_INLINE_MAX (128u << 10)   /* bytes; a larger body is a file (measured: docs/decisions) */

enum bs_versioning { BS_UNVERSIONED, BS_ENABLED, BS_SUSPENDED };

struct bs_bucket {
	char name[BUCKET_NAME_MAX + 1];
	uint64_t created_wall_ms;
	enum bs_versioning versioning;
};

struct bs_object {
	struct slice key;
	char version[BS_VERSION_MAX]; /* "null" for the null version */
	char etag[BS_ETAG_MAX];       /* no quotes */
	struct slice headers;         /* model/object_headers.h */
	uint64_t size;                /* bytes */
	uint64_t modified_wall_ms;
	bool is_latest;
	bool is_delete_marker;
	bool in_versioned; /* the bucket is or was versioned: the versionId is shown */
	uint32_t n_parts;  /* 0: not made by multipart upload */
};

/* The result of a write. Valid during done only. */
struct bs_result {
	enum rc rc;
	struct err err;          /* when rc is not RC_OK */
	/* put, complete, copy: as stored. delete: version and is_delete_marker of the version that
	 * was made or removed */
	struct bs_object object;
};

struct bs_done {
	void (*fn)(void *arg, const struct bs_result *result);
	void *arg;
};

/* Conditional writes, S3 user guide "Conditional writes". */
struct bs_condition {
	bool if_none_match_any;    /* only if there is no latest object */
	/* only if the latest object has this ETag; "*": any ETag; empty: no condition */
	struct slice if_match;
};

struct bs_commit {
	struct slice headers;    /* stored with the object */
	const char *etag;        /* hex MD5 of the body, computed by the caller; no quotes */
	const char *event_name;  /* "ObjectCreated:Put", "ObjectCreated:Copy" */
	struct bs_condition condition;
};

struct bs_deletion {
	struct slice key;
	struct slice version; /* empty: the latest */
	/* Delete only if the latest object, of any version, has this ETag (else
	 * PreconditionFailed); "*": only if there is one (else NoSuchKey). Empty: no condition. */
	struct slice if_match;
	/* results, written before done is called */
	enum rc rc;
	struct err err;
	/* of the delete marker that was made or removed, else empty */
	char marker_version[BS_VERSION_MAX];
	bool is_delete_marker;               /* a delete marker was made or removed */
};

/* A key that does not exist counts as deleted, unless a condition wants it to exist. */
static inline bool bs_deletion_is_done(const struct bs_deletion *d)
{
	return d->rc == RC_OK ||
	       (d->rc == RC_ABSENT && d->if_match.n == 0 && !err_is(&d->err, "NoSuchBucket"));
}

struct bs_list_query {
	struct slice bucket, prefix, delimiter;
	struct slice after_key;     /* empty: from the start */
	/* versions only: resume inside after_key behind this one; empty: behind all of after_key */
	struct slice after_version;
	size_t max;                 /* 0 … 1,000 entries, common prefixes included */
	bool versions;              /* every version and delete marker */
	/* after_key is a common prefix already given: skip everything below it */
	bool after_is_prefix;
};

struct bs_list_entry {
	bool is_prefix; /* a common prefix: only object.key counts */
	struct bs_object object;
};

struct bs_list_page {
	struct bs_list_entry *entries;
	size_t n;
	bool truncated; /* there are more entries after the last one */
};

struct bs_part {
	uint32_t number; /* 1 … 10,000 */
	char etag[BS_ETAG_MAX];
	uint64_t size;
	uint64_t modified_wall_ms;
	struct slice headers; /* x-amz-checksum-* of the part */
};

struct bs_upload {
	struct slice key;
	char id[BS_UPLOAD_ID_MAX];
	struct slice headers; /* as given at creation; become the object's */
	uint64_t created_wall_ms;
};

struct bs_upload_query {
	struct slice bucket, prefix, delimiter;
	struct slice after_key, after_id;
	size_t max;
	/* after_key is a common prefix already given: skip everything below it */
	bool after_is_prefix;
};

struct bs_upload_page {
	struct bs_upload *uploads;
	size_t n;
	struct slice *prefixes; /* common prefixes */
	size_t n_prefixes;
	bool truncated;
};

struct bucket_store;
struct bs_put;    /* a body on its way in; one thread's at a time */
struct bs_reader; /* one open version */

struct bucket_store_ops {
	/* Buckets. */
	enum rc (*bucket_get)(struct bucket_store *bs, struct slice name, struct bs_bucket *ret_bucket,
		struct err *err); /* RC_ABSENT NoSuchBucket */
	enum rc (*bucket_list)(struct bucket_store *bs, struct arena *a, struct bs_bucket **ret_buckets,
		size_t *ret_n, struct err *err); /* by name */
	void (*bucket_create)(struct bucket_store *bs, struct slice name, enum bs_versioning versioning,
		struct bs_done done); /* RC_CONFLICT BucketAlreadyOwnedByYou */
	void (*bucket_delete)(struct bucket_store *bs, struct slice name, struct bs_done done);
	void (*bucket_versioning)(struct bucket_store *bs, struct slice name, enum bs_versioning versioning,
		struct bs_done done);

	/* A body: begin, write…, then commit or part_commit or abort, each of which ends it. begin
	 * does not check the bucket; the commit does. A caller who must know before a long body
	 * arrives asks bucket_get. */
	enum rc (*put_begin)(struct bucket_store *bs, struct slice bucket, struct slice key,
		struct bs_put **ret_put, struct err *err);
	enum rc (*put_write)(struct bs_put *put, struct slice bytes, struct err *err);
	void (*put_commit)(struct bs_put *put, const struct bs_commit *commit, struct bs_done done);
	void (*part_commit)(struct bs_put *put, struct slice upload_id, uint32_t number, const char *etag,
		struct slice headers, struct bs_done done);
	void (*put_abort)(struct bs_put *put);

	/* Reading one version; empty version: the latest. RC_ABSENT NoSuchKey or NoSuchVersion;
	 * RC_REFUSED MethodNotAllowed. When a delete marker is the reason,
	 * ret_marker->is_delete_marker is set, with its version. */
	enum rc (*open)(struct bucket_store *bs, struct slice bucket, struct slice key, struct slice version,
		struct bs_reader **ret_reader, struct bs_object *ret_marker, struct err *err);
	const struct bs_object *(*reader_info)(const struct bs_reader *r);
	/* Up to n bytes at offset; *ret_n is 0 only at the end. Any thread, one at a time. */
	enum rc (*reader_read)(struct bs_reader *r, uint64_t offset, void *out, size_t n, size_t *ret_n,
		struct err *err);
	/* Whether the byte at offset can be given, for a caller who must know before the first byte
	 * goes out. The next read does not read the block a second time. RC_CORRUPT [BS-10]. */
	enum rc (*reader_check)(struct bs_reader *r, uint64_t offset, struct err *err);
	/* All bytes when they are in memory (inline objects); else p == NULL. Lives as long as the
	 * reader. */
	struct slice (*reader_inline)(const struct bs_reader *r);
	/* Offset and size of part number n (1-based) of a multipart object. RC_ABSENT. */
	enum rc (*reader_part)(const struct bs_reader *r, uint32_t number, uint64_t *ret_offset,
		uint64_t *ret_size, struct err *err);
	void (*reader_close)(struct bs_reader *r);

	/* deletions stay the caller's until done. */
	void (*delete_many)(struct bucket_store *bs, struct slice bucket, struct bs_deletion *deletions,
		size_t n, struct bs_done done);

	enum rc (*list)(struct bucket_store *bs, const struct bs_list_query *query, struct arena *a,
		struct bs_list_page *ret_page, struct err *err);

	/* Multipart uploads. */
	void (*upload_create)(struct bucket_store *bs, struct slice bucket, struct slice key,
		/* the id is in result->object.version */
		struct slice headers, struct bs_done done);
	enum rc (*upload_get)(struct bucket_store *bs, struct slice bucket, struct slice key, struct slice id,
		/* RC_ABSENT NoSuchUpload */
		struct arena *a, struct bs_upload *ret_upload, struct err *err);
	enum rc (*upload_parts)(struct bucket_store *bs, struct slice bucket, struct slice key,
		struct slice id, uint32_t after, size_t max, struct arena *a, struct bs_part **ret_parts,
		size_t *ret_n, bool *ret_truncated, struct err *err);
	enum rc (*upload_list)(struct bucket_store *bs, const struct bs_upload_query *query, struct arena *a,
		struct bs_upload_page *ret_page, struct err *err);
	/* parts: number and etag are looked at. etag: of the whole, computed by the caller
	 * ("…-N"). extra_headers are stored behind the upload's own (the object's checksum). */
	void (*upload_complete)(struct bucket_store *bs, struct slice bucket, struct slice key,
		struct slice id, const struct bs_part *parts, size_t n, const char *etag,
		struct slice extra_headers, const struct bs_condition *condition, struct bs_done done);
	void (*upload_abort)(struct bucket_store *bs, struct slice bucket, struct slice key, struct slice id,
		struct bs_done done);
	void (*close)(struct bucket_store *bs); /* after every done has been called */
};

struct bucket_store {
	const struct bucket_store_ops *ops;
};

/* The first fields of every adapter's put and reader. */
struct bs_put {
	const struct bucket_store_ops *ops;
};
struct bs_reader {
	const struct bucket_store_ops *ops;
	/* that it holds until it is closed: a small body, or the list of a large object's parts */
	size_t memory_bytes;
};

/* One-line dispatch. */
#define bs_call(bs, verb, ...) ((bs)->ops->verb((bs), __VA_ARGS__))
#define bs_put_write(put, ...) ((put)->ops->put_write((put), __VA_ARGS__))
#define bs_put_commit(put, ...) ((put)->ops->put_commit((put), __VA_ARGS__))
#define bs_part_commit(put, ...) ((put)->ops->part_commit((put), __VA_ARGS__))
#define bs_put_abort(put) ((put)->ops->put_abort(put))
#define bs_reader_info(r) ((r)->ops->reader_info(r))
#define bs_reader_read(r, ...) ((r)->ops->reader_read((r), __VA_ARGS__))
#define bs_reader_check(r, ...) ((r)->ops->reader_check((r), __VA_ARGS__))
#define bs_reader_inline(r) ((r)->ops->reader_inline(r))
#define bs_reader_part(r, ...) ((r)->ops->reader_part((r), __VA_ARGS__))
#define bs_reader_close(r) ((r)->ops->reader_close(r))

#endif
