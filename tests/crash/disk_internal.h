/* disk_internal: what disk.c notes and disk_replay.c reads. */
#ifndef BALER_TESTS_CRASH_DISK_INTERNAL_H
#define BALER_TESTS_CRASH_DISK_INTERNAL_H

#include <pthread.h>
#include <sys/types.h>

#include "disk.h"

#define DISK_PATH_MAX 128 /* below the folder */
#define DISK_EVENTS_MAX 20000
#define DISK_BYTES_MAX (64u << 20)
#define DISK_NAMES_MAX 1000
#define DISK_FDS_MAX 1024

enum disk_kind {
	DISK_CREATE, /* a name for a file, also a second one */
	DISK_MKDIR,
	DISK_UNLINK,
	DISK_WRITE,
	DISK_TRUNCATE,
	DISK_SYNC,
	DISK_SYNC_FOLDER,
};

struct disk_event {
	enum disk_kind kind;
	unsigned file;   /* a number of its own, whatever its names; 0: none */
	uint64_t at;     /* write: offset; truncate: size */
	size_t n, bytes; /* write: how many, and where in disk->bytes */
	char path[DISK_PATH_MAX];
};

struct disk_name {
	char path[DISK_PATH_MAX];
	unsigned file;
};

struct disk_fd {
	bool is_ours, is_folder;
	dev_t device; /* with inode: which file, because numbers of descriptors are used again */
	ino_t inode;
	bool is_shared; /* the log's index: memory, so nothing of it is recorded */
	unsigned file;
	char path[DISK_PATH_MAX];
};

struct disk {
	pthread_mutex_t lock;
	char folder[512];
	bool active, record, is_closing;
	struct disk_fault fault;
	unsigned at;
	/* all under lock */
	unsigned n_calls[DISK_CALLS], n_files, n_names;
	bool struck, struck_file, is_full;
	struct disk_fd fds[DISK_FDS_MAX];
	struct disk_name names[DISK_NAMES_MAX];
	size_t n_events, n_bytes;
	struct disk_event events[DISK_EVENTS_MAX];
	unsigned char bytes[DISK_BYTES_MAX];
};

extern struct disk *disk; /* shared with children; NULL before disk_init */

#endif
