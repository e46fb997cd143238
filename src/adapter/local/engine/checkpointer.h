/*
 * checkpointer: moves the content of the log into the database file, on a thread of its own, so
 * that no commit waits for it.
 *
 * SQLite starts its log from the beginning only when a checkpoint has moved all of it and no reader
 * uses it. A pass beside a busy writer never gets that far. Therefore the passes do most of the
 * work, and when little is left the committer does the rest between two commits (committer.c). With
 * one 64 MiB pass on the committer instead, every fiftieth put waited 100 ms.
 */
#ifndef BALER_ADAPTER_LOCAL_ENGINE_CHECKPOINTER_H
#define BALER_ADAPTER_LOCAL_ENGINE_CHECKPOINTER_H

#include "adapter/local/engine/db.h"

struct checkpointer;

struct checkpointer *checkpointer_new(struct db *db);
/* Ends a pass under way first. */
void checkpointer_free(struct checkpointer *c);
/* Begins a pass unless one is under way. Never blocks. */
void checkpointer_start(struct checkpointer *c);
/* false: a pass is under way. Else *ret_pages is how many pages of the log the last pass has moved
 * (counted from the log's beginning). */
bool checkpointer_is_idle(struct checkpointer *c, int *ret_moved);

/* One pass on this connection; it waits for nobody. RC_OK also when readers kept it from moving a
 * part. RC_AGAIN: there is no room; nothing is lost, because the log keeps everything. A failed
 * fsync ends the process. */
enum rc checkpoint_pass(struct db_conn *conn, int *ret_moved, struct err *err);
/* For a log that was moved whole, on the writer's connection. true: the next commit starts the log
 * from the beginning. false: a reader uses it. Waits for nobody. */
bool checkpoint_ends_log(struct db_conn *conn);

#endif
