/*
 * fetch: one bundle from the bucket into a file, and whether it is what its publisher says: the SHA-256 of its bytes against
 * its metadata content-sha256.
 */
#ifndef BALER_CONSUMER_FETCH_H
#define BALER_CONSUMER_FETCH_H

#include <stdatomic.h>

#include "base/digest.h"
#include "port/object_store.h"

#define FETCH_TRIES                                                                                \
	3 /* of a download that breaks off; one that cannot be begun is the retry wrapper's */

struct fetch {
	struct object_store *store;
	struct object_id bundle; /* empty version: the latest */
	int fd;                  /* an empty file of its own */
	_Atomic uint64_t *
		progress; /* NULL, or: bytes are added as they come, and taken back when it begins again */
	const atomic_bool *stopping; /* NULL, or: break off */
};

/* RC_ABSENT: gone. RC_CORRUPT: another hash than declared, or none declared. RC_AGAIN: it breaks off each time; no room, code
 * "ENOSPC"; stopped, code "ECANCELED". */
enum rc fetch_bundle(const struct fetch *f, uint64_t *ret_bytes, struct err *err);

/* Whether the headers declare this hash. RC_CORRUPT, and why. */
enum rc fetch_check_hash(
	struct slice declared, const unsigned char hash[SHA256_BYTES], struct err *err);

#endif
