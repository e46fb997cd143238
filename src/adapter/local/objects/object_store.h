/*
 * object_store over the data folder: the aggregator's view of the bucket store, and stages.
 * Contract: port/object_store.h.
 *
 * Everything except stages is a call of the bucket store that is waited for: there is one version
 * table, one listing, and one way to write. Memory: get_many reads files in blocks of
 * STORE_BLOCK_BYTES; an inline body (at most BS_INLINE_MAX) is in memory whole.
 *
 * STAGES (object_store_stage.c). Until stage_finish a stage is a blob without an owner, so that the
 * sweep removes what a crash leaves. stage_finish fsyncs the blob and commits its blob row with a
 * stage row. From then on only publish (the blob becomes a version's) or discard ends the stage,
 * whatever crashes. The rows of published stages are kept, about 150 bytes a bundle: they are the
 * proof that a repeated publish needs [OS-6].
 */
#ifndef BALER_ADAPTER_LOCAL_OBJECTS_OBJECT_STORE_H
#define BALER_ADAPTER_LOCAL_OBJECTS_OBJECT_STORE_H

#include <pthread.h>

#include "adapter/local/buckets/version.h"
#include "adapter/local/local_internal.h"
#include "port/object_store.h"

#define STORE_BLOCK_BYTES (256u << 10)

struct local_stage;

struct local_store {
	struct object_store base;
	struct local *local;
	pthread_mutex_t lock;
	struct local_stage *stages; /* under lock: those in hand */
};

/* Part of local_open: sets local->object_store. */
void local_store_open(struct local *local);

static inline struct local_store *store_of(struct object_store *os)
{
	return (struct local_store *)os;
}

/* object_store_stage.c */
enum rc store_stage_begin(struct object_store *os, struct slice bucket, struct slice key,
	struct os_stage **ret_stage, struct err *err);
enum rc store_stage_write(struct os_stage *stage, struct slice bytes, struct err *err);
enum rc store_stage_room(struct os_stage *stage, const struct os_room *room, uint64_t *ret_bytes,
	struct err *err);
enum rc store_stage_finish(
	struct os_stage *stage, struct slice headers, struct buf *ret_staged, struct err *err);
enum rc store_stage_copy(struct os_stage *stage, struct slice bucket, struct slice key,
	struct slice headers, struct buf *ret_staged, struct err *err);
void store_stage_free(struct os_stage *stage);
enum rc store_publish(struct object_store *os, struct slice bucket, struct slice key,
	struct slice staged, struct err *err);
enum rc store_discard(
	struct object_store *os, struct slice bucket, struct slice key, struct err *err);
/* Inside a commit: takes away the rows of the blobs that st, bound, tells in its column 0; their
 * files are for drops. Ends st. */
enum rc stage_drop_blobs(
	struct db_conn *conn, sqlite3_stmt *st, struct drops *drops, struct err *err);

#endif
