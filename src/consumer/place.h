/*
 * place: the folder of a pull, and the one way by which a file gets into it. The file is
 * written completely and fsynced in a work folder, and then renamed. A reader sees the old
 * content or the new content, never half of it.
 *
 * If a file with the name of a member exists already:
 *   the same content                          it stays; nothing is done
 *   pull's own (mark.h), of an older bundle   it is replaced: an overwritten object
 *                                             arrives in a later bundle
 *   pull's own, of a newer bundle             it stays: the member is the older
 *                                             version (PLACED_OLDER)
 *   anything else, also a link or a folder    it is never changed. ON_CONFLICT_NEWER
 *                                             and _FAIL return RC_CONFLICT;
 *                                             ON_CONFLICT_BESIDE writes
 *                                             "NAME~<id of the bundle>" beside it
 * With ON_CONFLICT_FAIL every other content is refused, also pull's own.
 *
 * "Older" is decided by the time when the bundle was published, and then by the id of the
 * bundle.
 *
 * Threads: any. Two members of one name wait for each other. Only one process uses a folder at
 * a time (a lock in the state folder).
 */
#ifndef BALER_CONSUMER_PLACE_H
#define BALER_CONSUMER_PLACE_H

#include <pthread.h>

#include "consumer/mark.h"
#include "consumer/path.h"

enum on_conflict { ON_CONFLICT_NEWER, ON_CONFLICT_BESIDE, ON_CONFLICT_FAIL };

enum placed { PLACED_NEW, PLACED_SAME, PLACED_NEWER, PLACED_OLDER, PLACED_BESIDE, PLACED_KINDS };

#define PLACE_LOCKS 64

struct destination {
	char *path;  /* as the user wrote it */
	int root_fd; /* the folder */
	int work_fd; /* STATE_FOLDER/work in it; emptied when it is opened */
	int lock_fd;
	enum on_conflict policy;
	pthread_mutex_t names[PLACE_LOCKS];
};

/* Makes the folder if it does not exist. RC_CONFLICT: another pull uses it. RC_REFUSED: it is
 * not a folder. */
enum rc destination_open(
	const char *path, enum on_conflict policy, struct destination **ret_d, struct err *err);
void destination_close(struct destination *d);

/* Moves the file work_name of the work folder to name. The caller has fsynced it and written its
 * mark. RC_OK: the file is no longer in the work folder, but the folder that it was moved to is
 * not fsynced yet. RC_CONFLICT: see above. RC_AGAIN: the disk is full. RC_FATAL: the folder cannot
 * be written. */
enum rc place(struct destination *d, const char *work_name, struct slice name,
	const struct mark *mark, enum placed *ret_placed, struct err *err);

#endif
