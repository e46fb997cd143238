/*
 * folder: the data folder itself, which is made with mode 0700, checked, and locked for one process
 * at a time.
 *
 * It holds lock (flock, with the holder's process id), baler.db with its -wal and -shm, and blobs/.
 * A folder that has other files and no baler.db is not baler's, and is refused untouched.
 * Everything else that baler keeps there is written after the first open.
 */
#ifndef BALER_ADAPTER_LOCAL_ENGINE_FOLDER_H
#define BALER_ADAPTER_LOCAL_ENGINE_FOLDER_H

#include "base/err.h"

#define FOLDER_DB "baler.db"
#define FOLDER_LOCK "lock"
#define FOLDER_BLOBS "blobs"
#define FOLDER_RESERVE "reserve" /* room.h */
#define FOLDER_MARK "mark"       /* mark.h */
#define FOLDER_ROOT_KEY "root-key"
#define FOLDER_MASTER_KEY "master-key"

/* *ret_lock_fd holds the lock until it is closed. RC_REFUSED: not a folder, not baler's, in use
 * (the text says by whom), writable by others, or owned by another user; RC_FATAL. */
enum rc folder_open(const char *path, int *ret_lock_fd, struct err *err);

#endif
