/*
 * mark: what pull notes at each file that it writes: the bundle that the file came from. The
 * mark is an extended attribute (user.baler.pull). So it appears together with the file in one
 * rename, moves with the file and is removed with it, and no list of all files is needed.
 *
 * A file is pull's own only while its content has the hash of its mark. A file that a person
 * has changed belongs to that person.
 *
 * The attribute has 56 characters. With its name it fits into an ext4 inode of 256 bytes; a
 * longer one would cost a block for every file.
 */
#ifndef BALER_CONSUMER_MARK_H
#define BALER_CONSUMER_MARK_H

#include "base/digest.h"
#include "base/err.h"

#define MARK_HASH_BYTES 16 /* of the SHA-256: a collision needs about 2^64 files */
#define MARK_BUNDLE_BYTES 16

struct mark {
	uint64_t published_wall_ms; /* when the bundle was first seen in the bucket's listing */
	unsigned char hash[MARK_HASH_BYTES]; /* the first bytes of the content's SHA-256 */
	/* The id of the bundle. If its key does not have baler's form: the first bytes of the
	 * key's SHA-256. */
	unsigned char bundle[MARK_BUNDLE_BYTES];
};

struct mark mark_of(const char *bundle_key, uint64_t published_wall_ms,
	const unsigned char sha256[SHA256_BYTES]);
/* Whether the marked content had this hash. */
bool mark_is_of(const struct mark *mark, const unsigned char sha256[SHA256_BYTES]);

/* RC_OK also if the file system has no extended attributes; then every file counts as somebody
 * else's. RC_AGAIN: the disk is full. */
enum rc mark_write(int fd, const struct mark *mark, struct err *err);
/* false: the file has no mark, or one that pull did not write. */
bool mark_read(int fd, struct mark *ret_mark);
/* < 0: the bundle of a is older, by time and then by id. 0: both are the same bundle. */
int mark_cmp(const struct mark *a, const struct mark *b);

#endif
