/*
 * path: the names of members as paths beneath one folder. Each component is opened relative to the folder before it, never
 * through a symbolic link, so nothing planted in the folder, also meanwhile, leads out of it.
 */
#ifndef BALER_CONSUMER_PATH_H
#define BALER_CONSUMER_PATH_H

#include "base/buf.h"
#include "base/err.h"

#define STATE_FOLDER ".baler-pull" /* ours, inside the folder pulled to */
#define PATH_NAME_MAX 4096         /* bytes of a member's name with the terminator */

/* RC_CORRUPT: empty, absolute, too long, an empty, "." or ".." component, a NUL; or the first component is STATE_FOLDER,
 * also in other case, since file systems may not tell them apart. */
enum rc path_check(struct slice name, struct err *err);

/* Opens the folder that holds name, making what is missing when create; *ret_base is name's last component, inside name.
 * The caller closes *ret_fd. RC_ABSENT: not there. RC_CONFLICT: something on the way is not a folder. */
enum rc path_open_parent(int root_fd, struct slice name, bool create, int *ret_fd,
	struct slice *ret_base, struct err *err);
/* The folder of that name itself, which is there; an empty name is the root. */
enum rc path_open_folder(int root_fd, struct slice name, int *ret_fd, struct err *err);

#endif
