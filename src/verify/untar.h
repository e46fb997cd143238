/*
 * untar: reads the members of a bundle as it streams by; nothing is written to disk. The only file
 * that includes libarchive, which did not write the bundle and so is an independent judge. In front
 * of it are gunzip (zlib) and tar_walk, which refuses what readers of tar are known to treat
 * differently.
 */
#ifndef BALER_VERIFY_UNTAR_H
#define BALER_VERIFY_UNTAR_H

#include "base/buf.h"
#include "base/digest.h"
#include "base/err.h"

#define UNTAR_NAME_MAX 4096 /* bytes */

struct untar_member {
	struct slice name; /* valid during the call */
	uint64_t size;     /* bytes, as read */
	unsigned char sha256[SHA256_BYTES];
};

struct untar_sink {
	/* Another result than RC_OK ends the reading with it. */
	enum rc (*member)(void *arg, const struct untar_member *member, struct err *err);
	void *arg;
	/* Both may be NULL: before a member's bytes, with its size as the archive claims it; and
	 * the bytes. */
	enum rc (*begin)(void *arg, struct slice name, uint64_t claimed_bytes, struct err *err);
	enum rc (*data)(void *arg, struct slice bytes, struct err *err);
	/* May be NULL: every byte of the tar in order, from its first to its last, some way
	 * ahead of the members. */
	void (*plain)(void *arg, struct slice bytes);
};

/* Reads a tar.gz from fd to its end, always to the end, also after a failure. RC_CORRUPT: not a
 * tar.gz, broken, cut off, without its end mark, gzip's checksums wrong, something behind it,
 * what tar_walk.h refuses; a member that is not a plain regular file, or whose name is empty,
 * absolute or has "..". */
enum rc untar_fd(int fd, const struct untar_sink *sink, struct err *err);

#endif
