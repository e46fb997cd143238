/*
 * checkpointer: moves what is in the log into the database file, on a thread of its own, so that
 * no commit waits for it.
 *
 * SQLite begins its log anew only when a checkpoint has moved all of it and no reader is on it.
 * A pass beside a busy writer never gets there: so the passes do the bulk, and when little is
 * left the committer does the rest between two commits (committer.c). Measured with one 64 MiB
 * pass on the committer instead: every fiftieth put waited 100 ms.
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
/* false: a pass is under way. Else, of the last one, the pages of the log it left moved (all of
 * them since the log began). */
bool checkpointer_is_idle(struct checkpointer *c, int *ret_moved);

/* One pass on this connection: waits for nobody. RC_OK also when readers held a part of it up.
 * RC_AGAIN: no room; nothing is lost, the log keeps everything. A failed fsync ends the process. */
enum rc checkpoint_pass(struct db_conn *conn, int *ret_moved, struct err *err);
/* Of a log that was moved whole, on the writer's connection: true, the next commit begins it
 * anew. false: a reader is on it. Waits for nobody. */
bool checkpoint_ends_log(struct db_conn *conn);

#endif
