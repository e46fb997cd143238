/*
 * object_store: buckets of versioned objects, as the aggregator and its judge use them. S3's terms.
 *
 * [OS-1] put makes an object readable with exactly its bytes and headers, or changes nothing that a
 *        reader can see.
 * [OS-2] get_many gives each object's exact version, in the order asked for, all bytes of one
 *        before any byte of the next: begin, data…, end(RC_OK). An object that cannot be begun has
 *        end alone: RC_ABSENT when it is gone (no such key, no such version, a delete marker, no
 *        such bucket), RC_REFUSED when it is denied. An object that breaks after begin has end with
 *        RC_AGAIN or RC_CORRUPT.
 * [OS-3] An object's failure does not stop the others. A sink's own error stops the call, which
 *        returns it.
 * [OS-4] Memory is bounded by the adapter's stated window, and does not depend on the size of the
 *        objects.
 * [OS-5] No reader of the bucket sees a stage. stage_finish returns a record that, with the same
 *        bucket and key, is all that publish needs, also in another process and after a crash.
 * [OS-6] publish makes the staged bytes the newest version of the key, once. Repeating it is RC_OK
 *        and makes no second version, also when a consumer has deleted the object meanwhile.
 * [OS-7] publish of a stage that was discarded, or never existed, is RC_ABSENT and shows nothing.
 * [OS-8] discard removes every unpublished stage of the key. When there is none it is RC_OK. What
 *        is published stays.
 * [OS-9] list gives keys (or, with versions, versions) in byte order of keys, the newest version
 *        first, in pages of at most max. Going on at the token loses and repeats nothing that was
 *        there all along.
 * [OS-10] delete_many of a key that does not exist is RC_OK. Each key has its own result.
 * [OS-11] In a versioned bucket a put over a key leaves earlier versions readable by their
 *         versionId.
 * [OS-12] copy makes the target key's newest version have the source version's bytes and headers,
 *         or changes nothing that a reader can see; the bytes do not pass through the caller. A
 *         source that is gone is RC_ABSENT. Repeating the copy makes another version.
 * [OS-13] stage_copy makes a second stage of a finished stage, under another bucket or key: with
 *         the same bytes, and with headers and a record of its own; it is discarded by itself. For
 *         a stage that is not finished it is RC_REFUSED, for one that was discarded meanwhile
 *         perhaps RC_ABSENT.
 * [OS-14] publish of a stage whose bytes are not those that were staged is RC_CORRUPT with the code
 *         ERR_DAMAGED: nothing is shown, and nothing of the stage was ever shown. get_many ends a
 *         damaged object with the same code; copy and stage_copy answer it.
 * [OS-15] stage_room reserves room for a stage before it is written. *ret_bytes is as much of
 *         `most` as there is; when that is less than `least`, the answer is RC_AGAIN with the code
 *         ENOSPC, and *ret_bytes is what is free. The room belongs to the stage until it is
 *         finished or freed, and no write within it fails for want of room.
 * [OS-16] A sink that answers RC_SKIP to begin, data or waiting gets nothing more of that object,
 *         not even its end. The other objects go on as if it had not been asked for.
 * [OS-17] A store that makes several requests at a time asks the sink's retry, if there is one,
 *         when a request failed with RC_AGAIN before begin. When retry says so, the store makes
 *         that request again after the wait, and gives up no other object's request for it.
 * [OS-18] A store that keeps evidence answers RC_OK to publish of a stage that it has published
 *         [OS-6] also when every version and delete marker of the key was removed since. A store
 *         that does not (S3) needs one of them as the proof.
 *
 * Calls block and may be made from any thread. One thread uses a stage.
 */
#ifndef BALER_PORT_OBJECT_STORE_H
#define BALER_PORT_OBJECT_STORE_H

#include "base/arena.h"
#include "base/err.h"
#include "model/object_id.h"

#define OS_LIST_MAX 1000 /* entries a page */
#define OS_REGION_MAX 64

struct os_object {
	struct slice key;
	struct slice version; /* empty where the bucket never was versioned */
	/* no quotes; lower-case hex MD5 for a plain put, "…-N" for multipart */
	struct slice etag;
	struct slice headers; /* model/object_headers.h; only from head and begin */
	uint64_t size;        /* bytes */
	uint64_t modified_wall_ms;
	bool is_latest;
	bool is_delete_marker;
};

struct os_sink {
	/* A result other than RC_OK and RC_SKIP stops get_many. Slices live until the call returns.
	 * i: index into objects. */
	enum rc (*begin)(void *arg, size_t i, const struct os_object *info, struct err *err);
	enum rc (*data)(void *arg, size_t i, struct slice bytes, struct err *err);
	enum rc (*end)(void *arg, size_t i, enum rc outcome, const struct err *why, struct err *err);
	void *arg;
	/* May be NULL. Called now and then, at least every 500 ms, while object i, whose turn it
	 * is, gives no bytes. A store on a local disk need not call it. */
	enum rc (*waiting)(void *arg, size_t i, struct err *err);
	/* May be NULL. Whether the request of object i, which failed because of why, is to be made
	 * again in *ret_wait_ms [OS-17]. false: end is called with RC_AGAIN when the object's turn
	 * comes. */
	bool (*retry)(void *arg, size_t i, const struct err *why, uint64_t *ret_wait_ms);
};

/* Gives the next piece of a body: up to max bytes to out, *ret_n of them; 0 only at the end. */
struct os_source {
	enum rc (*read)(void *arg, void *out, size_t max, size_t *ret_n, struct err *err);
	void *arg;
	/* Starts again from the front, for a store that must send the body twice. NULL: the body
	 * can be read only once. */
	enum rc (*rewind)(void *arg, struct err *err);
};

/* What a stage asks for before it grows, in bytes. */
struct os_room {
	uint64_t least;   /* with less room nothing useful can be staged: the smallest object */
	uint64_t largest; /* the largest object alone; with less room that object waits */
	uint64_t most;    /* everything */
};

struct os_list_query {
	struct slice bucket;
	struct slice prefix;
	struct slice token; /* empty, or ret_next of the page before */
	size_t max;         /* 1 … OS_LIST_MAX */
	bool versions;      /* all versions and delete markers, not only the latest objects */
};

struct os_list_page {
	struct os_object *objects;
	size_t n;
	struct slice next; /* empty at the end */
};

struct object_store;
struct os_stage;

struct object_store_ops {
	/* RC_ABSENT no such bucket; RC_REFUSED. size: the body's exact length. */
	enum rc (*put)(struct object_store *os, struct slice bucket, struct slice key, struct slice headers,
		uint64_t size, const struct os_source *body, struct arena *a, struct os_object *ret_info,
		struct err *err);
	/* An empty version, "null" or "seq:…" asks for the latest. */
	enum rc (*get_many)(struct object_store *os, const struct object_id *objects, size_t n,
		const struct os_sink *sink, struct err *err);
	enum rc (*head)(struct object_store *os, const struct object_id *object, struct arena *a,
		struct os_object *ret_info, struct err *err);
	enum rc (*list)(struct object_store *os, const struct os_list_query *query, struct arena *a,
		struct os_list_page *ret_page, struct err *err);
	/* The latest of each key (a delete marker in a versioned bucket), or the versions named. */
	enum rc (*delete_many)(struct object_store *os, struct slice bucket, const struct object_id *objects,
		size_t n, enum rc *results, struct err *err);
	/* from: as in get_many. RC_ABSENT no such source, or no such bucket; RC_UNKNOWN: perhaps
	 * it was copied. ret_info has the target's key, version, ETag and time. */
	enum rc (*copy)(struct object_store *os, const struct object_id *from, struct slice bucket,
		struct slice key, struct arena *a, struct os_object *ret_info, struct err *err);
	/* RC_ABSENT; the region in ret_region. */
	enum rc (*bucket_region)(struct object_store *os, struct slice bucket, char ret_region[OS_REGION_MAX],
		struct err *err);

	enum rc (*stage_begin)(struct object_store *os, struct slice bucket, struct slice key,
		struct os_stage **ret_stage, struct err *err);
	enum rc (*stage_write)(struct os_stage *stage, struct slice bytes, struct err *err);
	/* Durable and invisible when it returns RC_OK; appends the record to ret_staged. */
	enum rc (*stage_finish)(struct os_stage *stage, struct slice headers, struct buf *ret_staged,
		struct err *err);
	/* The stage must be finished, and its handle must not be freed yet; appends the copy's
	 * record to ret_staged. */
	enum rc (*stage_copy)(struct os_stage *stage, struct slice bucket, struct slice key,
		struct slice headers, struct buf *ret_staged, struct err *err);
	/* Frees the handle only; discard removes what it made. */
	void (*stage_free)(struct os_stage *stage);
	enum rc (*publish)(struct object_store *os, struct slice bucket, struct slice key,
		struct slice staged, struct err *err);
	enum rc (*discard)(struct object_store *os, struct slice bucket, struct slice key, struct err *err);
	void (*close)(struct object_store *os);
	/* Before the first stage_write [OS-15]. NULL: the store has room for everything. */
	enum rc (*stage_room)(struct os_stage *stage, const struct os_room *room, uint64_t *ret_bytes,
		struct err *err);
	/* NULL: no limit. */
	uint64_t (*stage_max)(struct object_store *os, size_t record_bytes);
	/* [OS-18]; NULL: no. A remote store is known by its answers: ask after the first call. */
	bool (*keeps_evidence)(struct object_store *os);
};

struct object_store {
	const struct object_store_ops *ops;
};

/* The first field of every adapter's stage. */
struct os_stage {
	const struct object_store_ops *ops;
};

/* One-line dispatch. */
#define os_put(os, ...) ((os)->ops->put((os), __VA_ARGS__))
#define os_get_many(os, ...) ((os)->ops->get_many((os), __VA_ARGS__))
#define os_head(os, ...) ((os)->ops->head((os), __VA_ARGS__))
#define os_list(os, ...) ((os)->ops->list((os), __VA_ARGS__))
#define os_delete_many(os, ...) ((os)->ops->delete_many((os), __VA_ARGS__))
#define os_copy(os, ...) ((os)->ops->copy((os), __VA_ARGS__))
#define os_bucket_region(os, ...) ((os)->ops->bucket_region((os), __VA_ARGS__))
#define os_stage_begin(os, ...) ((os)->ops->stage_begin((os), __VA_ARGS__))
#define os_publish(os, ...) ((os)->ops->publish((os), __VA_ARGS__))
#define os_discard(os, ...) ((os)->ops->discard((os), __VA_ARGS__))

static inline enum rc os_stage_write(struct os_stage *stage, struct slice bytes, struct err *err)
{
	return stage->ops->stage_write(stage, bytes, err);
}

/* Bytes of the largest stage whose record, and that of a copy of it, has at most record_bytes. */
static inline uint64_t os_stage_max(struct object_store *os, size_t record_bytes)
{
	return os->ops->stage_max ? os->ops->stage_max(os, record_bytes) : UINT64_MAX;
}

static inline bool os_keeps_evidence(struct object_store *os)
{
	return os->ops->keeps_evidence && os->ops->keeps_evidence(os);
}

static inline enum rc os_stage_room(struct os_stage *stage, const struct os_room *room,
	uint64_t *ret_bytes, struct err *err)
{
	if (stage->ops->stage_room)
		return stage->ops->stage_room(stage, room, ret_bytes, err);
	*ret_bytes = room->most;
	return RC_OK;
}

static inline enum rc os_stage_finish(struct os_stage *stage, struct slice headers,
	struct buf *ret_staged, struct err *err)
{
	return stage->ops->stage_finish(stage, headers, ret_staged, err);
}

static inline enum rc os_stage_copy(struct os_stage *stage, struct slice bucket, struct slice key,
	struct slice headers, struct buf *ret_staged, struct err *err)
{
	return stage->ops->stage_copy(stage, bucket, key, headers, ret_staged, err);
}

static inline void os_stage_free(struct os_stage *stage)
{
	if (stage)
		stage->ops->stage_free(stage);
}

static inline void os_close(struct object_store *os)
{
	if (os)
		os->ops->close(os);
}

#endif
