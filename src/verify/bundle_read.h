/*
 * bundle_read: downloads one bundle and reads it as it streams by. Memory is bounded whatever the
 * bundle's size, and nothing is written to disk. It uses one thread of its own while it runs.
 */
#ifndef BALER_VERIFY_BUNDLE_READ_H
#define BALER_VERIFY_BUNDLE_READ_H

#include "port/object_store.h"
#include "verify/untar.h"

#define BUNDLE_DECLARED_MAX 80

struct bundle_facts {
	uint64_t bytes;
	unsigned char sha256[SHA256_BYTES]; /* of the bytes */
	char declared[BUNDLE_DECLARED_MAX]; /* its metadata content-sha256, or "" */
	char content_type[BUNDLE_DECLARED_MAX];
	char version[VERSION_ID_MAX + 1]; /* "" where there is none */
	bool has_content_encoding;
};

/* Progress while the download goes on. */
struct bundle_progress {
	_Atomic uint64_t done_bytes, all_bytes; /* all: 0 until it is known */
};

/* Calls sink for each member. RC_ABSENT: the bundle is gone. RC_AGAIN: the download broke off, so
 * nothing is known. RC_CORRUPT: the bytes are not a whole tar.gz of regular files. The facts are
 * complete with RC_OK, and as far as the reading came with RC_CORRUPT. */
enum rc bundle_read(struct object_store *store, struct slice bucket, struct slice key,
	const struct untar_sink *sink, struct bundle_facts *ret_facts, struct err *err);
/* The same, and tells how far it is; progress begins at zero. */
enum rc bundle_read_watched(struct object_store *store, struct slice bucket, struct slice key,
	const struct untar_sink *sink, struct bundle_progress *progress,
	struct bundle_facts *ret_facts, struct err *err);

#endif
