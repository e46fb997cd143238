/*
 * tar_walk: a second opinion about a tar, from its bytes as they stream by. The formats leave much
 * open, and two readers that decide differently see different files in one archive. So everything
 * that readers are known to treat differently is refused: global headers, sparse files, two names
 * for one member (pax headers, GNU's long names), a pax header or long name without a member, a pax
 * name that is empty or has a NUL, a prefix where the format has none, unknown kinds of header,
 * anything but zeros behind the first zero block. The remaining members are counted, to be compared
 * with what libarchive has read.
 *
 * Bounds: a pax header of TAR_PAX_MAX bytes; no other memory. Source: POSIX pax, "ustar Interchange
 * Format", "pax Header Block".
 */
#ifndef BALER_VERIFY_TAR_WALK_H
#define BALER_VERIFY_TAR_WALK_H

#include "base/buf.h"
#include "base/err.h"

#define TAR_BLOCK_BYTES 512
#define TAR_PAX_MAX (1u << 20)

struct tar_walk {
	uint64_t members, member_bytes; /* regular files */
	/* Its own. */
	unsigned char block[TAR_BLOCK_BYTES];
	size_t n_block;
	uint64_t left;      /* bytes of a body and its padding that are still to come */
	uint64_t pax_left;  /* of these, to be collected */
	uint64_t end_bytes; /* bytes of zeros, from the end mark on */
	bool is_at_end;
	/* a member no bundle may have; it is the reader's to name it, and nothing behind it
	 * counts */
	bool is_judged;
	bool has_pax, has_pax_size;
	bool has_long_name, has_long_link; /* GNU's */
	uint64_t pax_size;
	struct buf pax;
};

void tar_walk_init(struct tar_walk *w);
void tar_walk_release(struct tar_walk *w);
/* The next piece of the archive. RC_CORRUPT, and why. */
enum rc tar_walk_take(struct tar_walk *w, struct slice bytes, struct err *err);
/* Behind the last piece. RC_CORRUPT: cut off, or no end mark. */
enum rc tar_walk_end(const struct tar_walk *w, struct err *err);

#endif
