/*
 * inspect: what is in one bundle, a file or an object in a bucket, and whether it is sound: its hash, gzip, tar, each member a
 * regular file of a harmless name, no name twice. Nothing is written to disk; a bundle in a bucket is looked at as it streams by.
 */
#ifndef BALER_CONSUMER_INSPECT_H
#define BALER_CONSUMER_INSPECT_H

#include "port/object_store.h"
#include "verify/untar.h"

struct inspection {
	/* The bundle: a file, if path is there, else an object. */
	const char *path;
	struct object_store *store;
	struct object_id object;
	/* The hash it has to have, lower or upper case hex; NULL: none for a file, its metadata's for an object. */
	const char *sha256;
	/* Each member, in the order of the archive. */
	void (*member)(void *arg, const struct untar_member *member);
	/* NULL, or: how far it is, as often as there is news. A file is read twice. all_bytes 0: not known. */
	void (*progress)(void *arg, uint64_t done_bytes, uint64_t all_bytes);
	void *arg;
};

struct inspected {
	uint64_t bytes, members, member_bytes;
	char sha256[2 * SHA256_BYTES +
		    1]; /* of the bundle's bytes; "" when they could not all be read */
	bool is_hash_checked;
};

/* RC_CORRUPT: it was read and is not sound. Any other code: it cannot be read. Counts are as far as it came. */
enum rc inspect_bundle(const struct inspection *what, struct inspected *ret, struct err *err);

#endif
