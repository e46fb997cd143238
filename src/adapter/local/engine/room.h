/*
 * room: the room that a full disk must leave, so that baler can delete, acknowledge and start
 * again.
 *
 * The file FOLDER/reserve occupies a little of the disk (ROOM_RESERVE_BYTES, less on a small disk).
 * It is given up when a write that adds nothing (a delete, an acknowledgement) finds no room, or
 * when the folder is opened on a full disk, and it is made again when there is room. Writes that
 * add bytes (puts) are refused earlier: as soon as the content of the log could not be moved into
 * the database any more, or would use the room that was given up.
 *
 * Called on the committer's thread, and by the code that opens and closes the folder.
 */
#ifndef BALER_ADAPTER_LOCAL_ENGINE_ROOM_H
#define BALER_ADAPTER_LOCAL_ENGINE_ROOM_H

#include "adapter/local/engine/db.h"

#define ROOM_RESERVE_BYTES (8u << 20)
#define ROOM_BYTES (1u << 20) /* left over besides, for what cannot be foreseen */

/* Before the folder is opened: gives the reserve up when the disk is full. true: it was given up,
 * and the caller must checkpoint the WAL now, before the WAL grows into that room. */
bool room_prepare(const char *folder);
/* Makes the reserve, or makes it whole, if the disk has more room than that takes. Quick when the
 * reserve is there. */
void room_keep(const char *folder);
/* When the folder is closed: takes as much of the remaining room as the reserve may have, so that
 * the next start finds it. */
void room_leave(const char *folder);
/* Gives it up. false: it was not there. */
bool room_give(const char *folder);

/* Free bytes of the disk, without the room that must not be touched: ROOM_BYTES and what the
 * reserve lacks. What moving the log adds to the database is not subtracted. UINT64_MAX: the disk
 * cannot be asked. */
uint64_t room_left(const char *folder);

/* Whether the disk has room for everything that moving the log adds to the database. A pass that
 * breaks off would have used the room that the log itself needs, and the log starts from the
 * beginning only when a pass ends. On the writer's connection. */
bool room_for_log(struct db_conn *conn, const char *folder);

/* Bytes that writes which add may take. */
struct room_budget {
	uint64_t pages; /* free inside the database */
	uint64_t log;   /* bytes of the log's file that are not in use */
	/* bytes of the disk, without what the log will need and what must not be touched */
	uint64_t disk;
};
/* frames: in the log and not moved; granted: bytes promised to files (engine/grants.h). false:
 * there is plenty, no need to look. */
bool room_budget(struct db_conn *conn, const char *folder, int frames, uint64_t granted,
	struct room_budget *ret_budget);
/* Whether a write of so many bytes fits. */
bool room_spend(struct room_budget *b, uint64_t bytes);

#endif
