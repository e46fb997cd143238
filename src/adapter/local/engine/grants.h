/*
 * grants: room on the disk that is reserved before a file grows: a bundle's stage, the body of a
 * PUT, a part of an upload.
 *
 * Room that is granted and not yet written counts as used. A grant never reaches into the floor,
 * which is the room that commits may need: ROOM_BYTES, what the reserve lacks, and what moving the
 * log adds to the database (engine/room.h). So the disk always has room to delete, to acknowledge
 * and to start again, however many files grow at once.
 *
 * grants also knows what the operator is shown: how much is free, whether writes are refused, and
 * which bundle waits. Thread-safe; a call costs one statvfs.
 */
#ifndef BALER_ADAPTER_LOCAL_ENGINE_GRANTS_H
#define BALER_ADAPTER_LOCAL_ENGINE_GRANTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/buf.h"

#define GRANTS_KEY_MAX 256      /* bytes of a bundle's key that are shown */
#define GRANTS_SHOWN_MS 60000u  /* a refusal is shown for so long after it */
#define GRANTS_WAIT_SHOWN_MS 300000u /* likewise a wait; a bundle asks again within 2 minutes */

struct grants;

/* folder: the data folder. */
struct grants *grants_new(const char *folder);
void grants_free(struct grants *g);

/* Reserves all of it, or answers RC_AGAIN with the code ENOSPC. */
enum rc grants_take(struct grants *g, uint64_t bytes, struct err *err);
/* Reserves up to `most`: half of what is free, so that others find room too, or `some` when that is
 * more. 0 when less than `least` is free. *ret_free: what was free. */
uint64_t grants_take_some(struct grants *g, uint64_t least, uint64_t some, uint64_t most,
	uint64_t *ret_free);
/* Gives back reserved room: it was written, or will not be. */
void grants_give_back(struct grants *g, uint64_t bytes);
/* Granted and not yet written, in bytes. */
uint64_t grants_taken(struct grants *g);

/* From the committer: bytes of the log that are not in the database yet. */
void grants_note_log(struct grants *g, uint64_t bytes);
/* A write was refused for want of room, by grants or by the committer. */
void grants_note_refusal(struct grants *g);
/* A bundle waits for room; key NULL: the one that waited has got it. */
void grants_note_wait(struct grants *g, struct slice key, uint64_t needed, uint64_t free_bytes);

struct grants_stat {
	uint64_t free_bytes;  /* bytes of the disk that files may use, without the floor */
	uint64_t total_bytes; /* of the disk */
	bool is_refusing;     /* a write was refused within the last GRANTS_SHOWN_MS */
	char waiting[GRANTS_KEY_MAX]; /* the bundle that waits for room; "": none */
	uint64_t needed_bytes;        /* by that bundle */
	uint64_t had_bytes;           /* bytes that were free when it asked */
};
void grants_stat(struct grants *g, struct grants_stat *ret_stat);

#endif
