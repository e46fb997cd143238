/*
 * place: the folder pulled to, and the one way a file gets into it: written whole and fsynced in a work folder, then renamed to
 * its name. Whoever looks sees the old content or the new, never half.
 *
 * What lies there already under the name of a member:
 *   the same content                          stays; nothing to do
 *   pull's own (mark.h), of an older bundle   is replaced: an overwritten object arrives in a later bundle
 *   pull's own, of a newer bundle             stays; the member is the older version (PLACED_OLDER)
 *   anything else, also a link or a folder    is never touched; ON_CONFLICT_NEWER and _FAIL refuse, RC_CONFLICT;
 *                                             ON_CONFLICT_BESIDE writes "NAME~<id of the bundle>" beside it
 * With ON_CONFLICT_FAIL any other content is refused, pull's own too.
 *
 * "Older" is by when the bundle was published, then by its id.
 *
 * Threads: any; two members of one name wait for each other. One process at a time (a lock in the state folder).
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
	int work_fd; /* its STATE_FOLDER/work: emptied when opened */
	int lock_fd;
	enum on_conflict policy;
	pthread_mutex_t names[PLACE_LOCKS];
};

/* Makes the folder if need be. RC_CONFLICT: another pull has it. RC_REFUSED: not a folder. */
enum rc destination_open(
	const char *path, enum on_conflict policy, struct destination **ret_d, struct err *err);
void destination_close(struct destination *d);

/* Moves the file work_name of the work folder, fsynced and marked as mark says, to name. It is gone from the work folder with
 * RC_OK. The folder it went to is not yet fsynced. RC_CONFLICT as above; RC_AGAIN: no room; RC_FATAL. */
enum rc place(struct destination *d, const char *work_name, struct slice name,
	const struct mark *mark, enum placed *ret_placed, struct err *err);

#endif
