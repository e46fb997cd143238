/*
 * blobs: bodies that are too large for a row. Each is a file below blobs/, named by 128 random
 * bits, in one of 256 folders.
 *
 * INVARIANTS: a blob row is committed only after its file and folder are fsynced; a file is
 * unlinked only after the transaction that removed its row. So after a crash a file without a row
 * can be removed (blobs_sweep), and a row without a file cannot exist. A failed fsync ends the
 * process, except for lack of room, which is the writer's error. Readers pin the blobs that they
 * read: blobs_drop of a pinned blob unlinks it when the last pin is released [BS-5]. A pin also
 * keeps the file's checksums (engine/sums.h), one copy for all readers.
 */
#ifndef BALER_ADAPTER_LOCAL_ENGINE_BLOBS_H
#define BALER_ADAPTER_LOCAL_ENGINE_BLOBS_H

#include "adapter/local/engine/db.h"
#include "adapter/local/engine/grants.h"
#include "adapter/local/engine/sums.h"
#include "base/sync.h"

#define BLOB_ID_BYTES 16

struct blob_id {
	unsigned char bytes[BLOB_ID_BYTES];
};

struct blobs;
struct blob_file; /* on its way in; one thread's at a time */

/* grants: where files on their way in take their room from; lives longer. */
enum rc blobs_open(
	const char *folder, struct grants *grants, struct blobs **ret_blobs, struct err *err);
/* Runs the pending drops, and ends its threads. */
void blobs_close(struct blobs *b);
/* Unlinks every file that has no row. Before anything is written. */
enum rc blobs_sweep(struct blobs *b, struct db *db, struct err *err);

/* Writing. The file has its final name from the start; without a row it means nothing. RC_AGAIN
 * ENOSPC; RC_FATAL. */
enum rc blob_create(struct blobs *b, struct blob_file **ret_file, struct err *err);
enum rc blob_write(struct blob_file *f, struct slice bytes, struct err *err);
/* Reserves room before bytes are written: grants_take_some. blob_write reserves what is missing. */
uint64_t blob_take_room(struct blob_file *f, uint64_t least, uint64_t some, uint64_t most,
	uint64_t *ret_free);
struct grants *blobs_grants(struct blobs *b);
/* Makes a second file with the bytes of a kept blob: a hard link, or a copy where the file system
 * has none. size and sums are the blob's and become the file's. When sums is empty, the blob has
 * none, and the new file gets some. The caller syncs it, and keeps or discards it, as any other.
 * RC_ABSENT: the blob is gone. RC_CORRUPT ERR_DAMAGED: its bytes are not those that were stored. */
enum rc blob_link(struct blobs *b, const struct blob_id *from, uint64_t size, struct slice sums,
	struct blob_file **ret_file, struct err *err);
struct blob_id blob_file_id(const struct blob_file *f);
uint64_t blob_file_size(const struct blob_file *f); /* bytes */
/* After the last write; lives as long as f. */
struct slice blob_file_sums(struct blob_file *f);
/* File and folder become durable. Blocks: call it on a thread that may. */
enum rc blob_sync(struct blob_file *f, struct err *err);
void blob_keep(struct blob_file *f);    /* The blob's row is committed: frees the handle. */
/* The blob is not wanted: removes the file too. NULL is allowed; never blocks for long. */
void blob_discard(struct blob_file *f);

/* The pool for blob_sync and other work that waits for a disk. */
struct work_pool *blobs_pool(struct blobs *b);

/* Rows, inside a transaction of the committer's. */
enum rc blob_row_insert(struct db_conn *conn, const struct blob_id *id, uint64_t size,
	struct slice sums, struct err *err);
enum rc blob_row_delete(struct db_conn *conn, struct slice id, struct err *err);

/* After the commit that removed the row. Never blocks. */
void blobs_drop(struct blobs *b, const struct blob_id *id);

/* A pin keeps the file. Pin first, then read again in the database that the blob is still
 * referenced: only then was the pin in time. */
void blobs_pin(struct blobs *b, const struct blob_id *id);
/* The same. sums are copied, once for all pins of the blob; the copy that is returned lives as
 * long as the pin. */
struct slice blobs_pin_sums(struct blobs *b, const struct blob_id *id, struct slice sums);
void blobs_unpin(struct blobs *b, const struct blob_id *id);
/* A descriptor for reading, the caller's to close. RC_CORRUPT ERR_DAMAGED: the file is not
 * there. */
enum rc blobs_fd(struct blobs *b, const struct blob_id *id, int *ret_fd, struct err *err);

#endif
