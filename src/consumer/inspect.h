/*
 * inspect: reads one bundle, a file or an object in a bucket, and checks whether it is sound:
 * its hash, gzip, tar, each member a regular file with a safe name, no name used twice. Nothing
 * is written to disk. A bundle in a bucket is checked while it is downloaded.
 */
#ifndef BALER_CONSUMER_INSPECT_H
#define BALER_CONSUMER_INSPECT_H

#include "port/object_store.h"
#include "verify/untar.h"

struct inspection {
	/* The bundle: the file path, or the object if path is NULL. */
	const char *path;
	struct object_store *store;
	struct object_id object;
	/* The hash that the bundle must have, as hex in lower or upper case. NULL: a file may
	 * have any hash, and an object must have the hash of its metadata. */
	const char *sha256;
	/* Called for each member, in the order of the archive. */
	void (*member)(void *arg, const struct untar_member *member);
	/* May be NULL. Called whenever more bytes were read. A file is read twice. all_bytes
	 * is 0 while the size is not known. */
	void (*progress)(void *arg, uint64_t done_bytes, uint64_t all_bytes);
	void *arg;
};

struct inspected {
	uint64_t bytes, members, member_bytes;
	/* The hash of the bundle's bytes, as hex; "" if not all of them could be read. */
	char sha256[2 * SHA256_BYTES + 1];
	bool is_hash_checked;
};

/* RC_CORRUPT: the bundle was read and is not sound. Any other code but RC_OK: the bundle cannot be
 * read. The counts include what was read before the failure. */
enum rc inspect_bundle(const struct inspection *what, struct inspected *ret, struct err *err);

#endif
