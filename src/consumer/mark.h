/*
 * mark: what pull notes at each file it writes: from which bundle it came. It is an extended attribute (user.baler.pull), so it
 * appears with the file in one rename, moves with it and ends with it, and no list of all files is kept.
 *
 * A file is pull's own only while its content still has the hash of its mark: what a person has changed since is theirs.
 */
#ifndef BALER_CONSUMER_MARK_H
#define BALER_CONSUMER_MARK_H

#include "base/digest.h"
#include "base/err.h"
#include "model/object_id.h"

struct mark {
	uint64_t published_wall_ms; /* when the bundle was first seen in the bucket's listing */
	unsigned char sha256[SHA256_BYTES];
	char bundle[OBJECT_KEY_MAX + 1];
};

/* RC_OK also where the file system keeps no such attributes: then every file counts as somebody else's. RC_AGAIN: no room. */
enum rc mark_write(int fd, const struct mark *mark, struct err *err);
/* false: none, or not one of ours. */
bool mark_read(int fd, struct mark *ret_mark);
/* <0: a's bundle is the older one. The same bundle is 0. */
int mark_cmp(const struct mark *a, const struct mark *b);

#endif
