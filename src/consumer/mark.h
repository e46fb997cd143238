/*
 * mark: what pull notes at each file it writes: from which bundle it came. It is an extended attribute (user.baler.pull), so it
 * appears with the file in one rename, moves with it and ends with it, and no list of all files is kept.
 *
 * A file is pull's own only while its content still has the hash of its mark: what a person has changed since is theirs.
 *
 * The attribute is 56 characters: with its name that still fits into an ext4 inode of 256 bytes, where a longer one would cost
 * every file a block of its own.
 */
#ifndef BALER_CONSUMER_MARK_H
#define BALER_CONSUMER_MARK_H

#include "base/digest.h"
#include "base/err.h"

#define MARK_HASH_BYTES 16 /* of the SHA-256: chance and design both fail at 2^64 files */
#define MARK_BUNDLE_BYTES 16

struct mark {
	uint64_t published_wall_ms; /* when the bundle was first seen in the bucket's listing */
	unsigned char hash[MARK_HASH_BYTES]; /* the first bytes of the content's SHA-256 */
	unsigned char bundle
		[MARK_BUNDLE_BYTES]; /* its id; for a key not of our form the first bytes of its SHA-256 */
};

struct mark mark_of(const char *bundle_key, uint64_t published_wall_ms,
	const unsigned char sha256[SHA256_BYTES]);
/* Whether content of this hash is what was marked. */
bool mark_is_of(const struct mark *mark, const unsigned char sha256[SHA256_BYTES]);

/* RC_OK also where the file system keeps no such attributes: then every file counts as somebody else's. RC_AGAIN: no room. */
enum rc mark_write(int fd, const struct mark *mark, struct err *err);
/* false: none, or not one of ours. */
bool mark_read(int fd, struct mark *ret_mark);
/* <0: a's bundle is the older one: by time, then by id. The same bundle is 0. */
int mark_cmp(const struct mark *a, const struct mark *b);

#endif
