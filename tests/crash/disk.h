/*
 * disk: the disk under a data folder, as a test owns it. Linked into a program it stands in front
 * of libc's open, write, fsync and their like, for SQLite too, and minds only paths below one
 * folder. It can
 * - make the n-th call of a kind fail, once or from then on: with any errno, or half a write and
 *   then ENOSPC;
 * - record every change and every fsync, and make the folder that a power loss after the first k of
 *   them may leave: what was fsynced by then is there, of the rest any part is: whole changes, and
 *   of writes any of their sectors. A name (create, link, rename, unlink, mkdir) is durable when
 *   its folder was fsynced, bytes and lengths when their file was. That is what POSIX promises, and
 *   less than most file systems keep.
 *
 * The state lies in memory shared with children, one process below it at a time; fsync itself is
 * only noted, so runs are quick.
 */
#ifndef BALER_TESTS_CRASH_DISK_H
#define BALER_TESTS_CRASH_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The calls that can fail. Each kind is counted by itself. */
enum disk_call {
	DISK_CALL_NONE,
	DISK_CALL_SYNC,     /* fsync, fdatasync */
	DISK_CALL_WRITE,    /* write, pwrite */
	DISK_CALL_TRUNCATE, /* ftruncate */
	DISK_CALL_RENAME,
	DISK_CALL_OPEN, /* open, openat: to read, to write and to create */
	DISK_CALL_LINK,
	DISK_CALL_UNLINK,   /* unlink, unlinkat */
	DISK_CALL_ALLOCATE, /* fallocate, posix_fallocate */
	DISK_CALL_SHARED,   /* mmap, ftruncate and pwrite of the log's index, baler.db-shm */
	DISK_CALL_MKDIR,
	DISK_CALLS
};

struct disk_fault {
	enum disk_call call;
	int error;     /* errno */
	/* DISK_CALL_WRITE: half of the bytes are written, and the next write fails with `error` */
	bool is_short;
	/* every call of the kind fails from the at-th on; otherwise that one alone */
	bool lasts;
};

/* Once, before any fork. */
void disk_init(void);
/* A new folder for a test, in memory where there is room for it. false: cannot be made. */
bool disk_make_folder(char ret_path[64]);
/* From here on paths below folder are minded (absolute, without links); fault strikes at the at-
 * th call of its kind, 1 is the first. fault NULL: none. */
void disk_begin(const char *folder, const struct disk_fault *fault, unsigned at, bool record);
/* Nothing is minded any more. */
void disk_end(void);

/* Of the last run. */
unsigned disk_n_calls(enum disk_call call);
bool disk_has_struck(void);
/* What it struck was a file, not a folder, and a promise may depend on it. */
bool disk_struck_file(void);
/* From below: from here on nothing more is promised, or it is again. */
void disk_closing(bool is_closing);

/* How many changes and fsyncs are on record; also from a child that is no more. */
size_t disk_n_recorded(void);
/* Makes at `to`, which must be empty, what may be left of the folder after the first n of them.
 * keep_percent: of what was not fsynced. */
void disk_after_power_loss(const char *to, size_t n, uint64_t seed, unsigned keep_percent);

#endif
