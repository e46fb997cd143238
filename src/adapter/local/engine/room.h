/*
 * room: what a full disk must leave: room to delete, to acknowledge and to start again.
 *
 * A file in the data folder, FOLDER/reserve, holds a little of the disk (ROOM_RESERVE_BYTES,
 * less on a small one). It is given up when a write that adds nothing (a delete, an
 * acknowledgement) finds no room, or when the folder is opened on a full disk, and made again
 * when there is room. Writes that add (puts) are refused earlier: while what the log holds could
 * not be moved into the database any more, or would eat what was given up.
 *
 * The committer's thread, and whoever opens and closes the folder.
 */
#ifndef BALER_ADAPTER_LOCAL_ENGINE_ROOM_H
#define BALER_ADAPTER_LOCAL_ENGINE_ROOM_H

#include "adapter/local/engine/db.h"

#define ROOM_RESERVE_BYTES (8u << 20)
#define ROOM_BYTES (1u << 20) /* left over besides, for what cannot be foreseen */

/* Before the folder is opened: gives the reserve up when the disk is full. true: it did, and the
 * log is to be moved at once, before it eats what was given. */
bool room_prepare(const char *folder);
/* Makes the reserve, or makes it whole, if the disk has more than that takes. Quick when it is
 * there. */
void room_keep(const char *folder);
/* When the folder is closed: of what is left as much as the reserve may have, so that the next
 * start finds it. */
void room_leave(const char *folder);
/* Gives it up. false: it was not there. */
bool room_give(const char *folder);

/* Of the disk, less what is not touched: ROOM_BYTES and what the reserve lacks. In bytes; what
 * moving the log adds to the database is not taken off. UINT64_MAX: the disk cannot be asked. */
uint64_t room_left(const char *folder);

/* Whether the disk has room for all that moving the log adds to the database. A pass that breaks
 * off would have eaten the room that the log itself needs, and the log begins anew only when a
 * pass ends. On the writer's connection. */
bool room_for_log(struct db_conn *conn, const char *folder);

/* What writes that add may take, in bytes. */
struct room_budget {
	uint64_t pages; /* free inside the database */
	uint64_t log;   /* of the log's file, not in use */
	uint64_t disk;  /* of the disk, less what the log will need and what is not touched */
};
/* frames: in the log and not moved; granted: bytes promised to files (engine/grants.h). false:
 * there is plenty, no need to look. */
bool room_budget(struct db_conn *conn, const char *folder, int frames, uint64_t granted,
	struct room_budget *ret_budget);
/* For a write of so many bytes; false: it does not fit. */
bool room_spend(struct room_budget *b, uint64_t bytes);

#endif
