/*
 * file: whole reads and writes, and what makes them last. All paths are C strings; all calls block.
 */
#ifndef BALER_BASE_FILE_H
#define BALER_BASE_FILE_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

/* Opens a plain file and never waits: where another could have put a pipe, a device or a folder
 * in its place. A link at the end of path is followed unless flags has O_NOFOLLOW. RC_REFUSED:
 * not a plain file. RC_ABSENT, RC_FATAL as errno says. */
enum rc file_open_plain(const char *path, int flags, mode_t mode, int *ret_fd, struct err *err);
/* file_read of a plain file, opened as above. */
enum rc file_read_plain(const char *path, struct buf *b, struct err *err);
/* The whole file, at most b->max bytes (RC_REFUSED if longer). RC_ABSENT, RC_FATAL. Appends to
 * b. Waits for the other end when path is a pipe. */
enum rc file_read(const char *path, struct buf *b, struct err *err);
/* Reads or writes all n bytes, or fails; EINTR is handled. */
enum rc file_write_all(int fd, const void *p, size_t n, struct err *err);
/* RC_CORRUPT when the file ends early */
enum rc file_pread_all(int fd, void *p, size_t n, off_t offset, struct err *err);
/* Written beside, fsynced, renamed, folder fsynced: the old or the new, never half. */
enum rc file_replace(const char *path, struct slice bytes, mode_t mode, struct err *err);
enum rc file_sync_dir(const char *path, struct err *err);
/* As mkdir -p; the new folders are on disk when it returns. */
enum rc file_make_dirs(const char *path, mode_t mode, struct err *err);
/* Removes everything below the folder, and the folder. Only for folders that baler made; follows no
 * links. */
enum rc file_remove_tree(const char *path, struct err *err);

#endif
