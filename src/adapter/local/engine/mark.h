/*
 * mark: a small file beside the database. It tells whether this database is the one with which the
 * folder was last served.
 *
 * The file holds the folder's id, which is in table meta too, and a sequence number that was
 * committed. The database knows a limit above every number that it has given out. So a database
 * whose limit is not above the mark is older than the folder: somebody restored a backup, or its
 * -wal file was lost. Serving it would delete every newer blob (blobs_sweep) and ship again what
 * was shipped already.
 *
 * The mark is written after the commit that it names is durable, so it is never ahead of the
 * database. It is written about once a second while something is committed, and not fsynced; a mark
 * that is lost or old only makes the check weaker. The check does not notice a database that lacks
 * less than about a second of work.
 */
#ifndef BALER_ADAPTER_LOCAL_ENGINE_MARK_H
#define BALER_ADAPTER_LOCAL_ENGINE_MARK_H

#include "adapter/local/engine/db.h"

struct mark;

/* Call it before SQLite opens the database. RC_REFUSED: there is no database, or an empty file,
 * although the folder has a mark or blobs. */
enum rc mark_check_folder(const char *folder, struct err *err);
/* With the writing connection, before anything is removed. Gives the folder an id when it has
 * none. RC_REFUSED: the database is older than the mark, or another folder's; the text tells the
 * way out. RC_AGAIN: the disk is full. RC_FATAL. */
enum rc mark_open(const char *folder, struct db_conn *conn, struct mark **ret_mark, struct err *err);
/* seq was committed. Failures are of no consequence. */
void mark_note(struct mark *mark, uint64_t seq);
void mark_close(struct mark *mark); /* NULL is allowed */

#endif
