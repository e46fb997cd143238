/*
 * wal_file: a VFS under the writer's connection. It gathers what SQLite writes to its log, and
 * gives it to the kernel in one piece.
 *
 * SQLite writes a frame as two small pwrites; a group of 64 puts is about 160 frames. Between two
 * syncs the frames are contiguous, so one write carries them all: instead of 5 system calls a put
 * there are a few for a commit (bench_commit, 4 KiB bodies on a busy machine: 5,000 → 12,000
 * puts/s).
 *
 * This is safe because with synchronous=FULL nobody reads a frame before the sync: the index that
 * leads readers to the frame is written afterwards. Any call that asks for the bytes earlier (this
 * connection's own reads, size, truncation) writes them first.
 */
#ifndef BALER_ADAPTER_LOCAL_ENGINE_WAL_FILE_H
#define BALER_ADAPTER_LOCAL_ENGINE_WAL_FILE_H

/* The name for sqlite3_open_v2; registers it at the first call. Thread-safe. */
const char *wal_file_vfs(void);

#endif
