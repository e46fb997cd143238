/*
 * upload: the files of a manifest, put into the landing bucket by several threads at a time.
 */
#ifndef BALER_VERIFY_UPLOAD_H
#define BALER_VERIFY_UPLOAD_H

#include <stdatomic.h>

#include "base/clock.h"
#include "port/object_store.h"
#include "verify/manifest.h"

struct upload {
	/* The caller's. */
	struct object_store *store;
	struct slice bucket;
	const struct manifest *manifest;
	enum generator_kind kind;
	unsigned n_threads;
	size_t first, end; /* the entries to put in */
	/* the entry whose version is deleted right after it was put; SIZE_MAX: none */
	size_t victim;

	/* Progress, readable at any time. */
	atomic_size_t n_done;
	atomic_ullong n_bytes; /* handed to the connections */

	/* Of each file, once upload_wait has returned: its versionId, empty when there is none; its
	 * ETag. */
	struct slice *versions, *etags;

	/* Its own. */
	atomic_size_t next; /* the next file that a thread takes */
	struct upload_thread *threads;
	struct work_pool *pool;
};

/* Begins; returns at once. */
void upload_start(struct upload *u);
/* Waits for all. The first failure; a put that was perhaps applied is looked up, not repeated,
 * since a second version would rightly be bundled too. */
enum rc upload_wait(struct upload *u, struct err *err);
void upload_release(struct upload *u);

/* Hashes all files of the manifest, with as many threads; tells how many, from the calling
 * thread. */
void manifest_hash_all(struct manifest *m, enum generator_kind kind, unsigned n_threads,
	struct clock *clock, void (*tell)(void *arg, size_t n_done), void *arg);

#endif
