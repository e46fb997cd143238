/*
 * folder: the data folder itself: made 0700, checked, and locked for one process at a time.
 *
 * Holds lock (flock, the holder's process id), baler.db with its -wal and -shm, blobs/. A folder
 * that has other things and no baler.db is not ours and is refused untouched; what else baler
 * keeps there is written after the first open.
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

/* *ret_lock_fd holds the lock until it is closed. RC_REFUSED: not a folder, not ours, in use
 * (says by whom), writable by
 * others, another's; RC_FATAL. */
enum rc folder_open(const char *path, int *ret_lock_fd, struct err *err);

#endif
