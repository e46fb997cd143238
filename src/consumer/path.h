/*
 * path: the names of members as paths below one folder. Each component is opened relative to
 * the folder before it, and never through a symbolic link. So nothing that somebody puts into
 * the folder, even while pull works, can lead out of it.
 */
#ifndef BALER_CONSUMER_PATH_H
#define BALER_CONSUMER_PATH_H

#include "base/buf.h"
#include "base/err.h"

#define STATE_FOLDER ".baler-pull" /* pull's own folder, inside the folder of the pull */
#define PATH_NAME_MAX 4096         /* bytes of a member's name with the terminator */

/* RC_CORRUPT: the name is empty, absolute or too long; it has a component that is empty, "." or
 * ".."; it contains a NUL; or its first component is STATE_FOLDER in upper or lower case (some
 * file systems do not distinguish them). */
enum rc path_check(struct slice name, struct err *err);

/* Opens the folder that contains name. create: missing folders are made. *ret_base points to the
 * last component inside name. The caller closes *ret_fd. RC_ABSENT: a folder does not exist.
 * RC_CONFLICT: something on the way is not a folder. */
enum rc path_open_parent(int root_fd, struct slice name, bool create, int *ret_fd,
	struct slice *ret_base, struct err *err);
/* Opens the folder of that name, which exists. The empty name is the root. */
enum rc path_open_folder(int root_fd, struct slice name, int *ret_fd, struct err *err);

#endif
