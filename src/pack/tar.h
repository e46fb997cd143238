/*
 * tar: the headers of a tar archive whose bytes must be reproducible. Pure: bytes into a buf, no
 * state.
 *
 * An archive has for each member tar_member_header, exactly size_bytes of data, and tar_member_pad;
 * then tar_end once. POSIX.1-2001 pax interchange format (IEEE 1003.1, "pax", "ustar Interchange
 * Format"): a plain ustar header when the name is ASCII and fits its 100 + 155 bytes and the size
 * fits 11 octal digits (8 GiB - 1); else a pax extended header ('x') with path= and size= records
 * before it. Nothing comes from the environment: mode 0644, uid and gid 0, uname and gname root,
 * mtime 0, regular files only. So the same names, sizes and data always give the same bytes.
 *
 * The end is two zero blocks. Padding to 10,240 bytes is for tapes; all readers of files and pipes
 * accept an archive without it, and without it an archive is exactly the sum of its rounded
 * members.
 */
#ifndef BALER_PACK_TAR_H
#define BALER_PACK_TAR_H

#include "base/buf.h"
#include "base/err.h"

#define TAR_BLOCK_BYTES 512
#define TAR_NAME_MAX_BYTES 1024 /* bytes; a canonical key is never longer */
#define TAR_HEADER_MAX_BYTES                                                                       \
	(5 * TAR_BLOCK_BYTES) /* 'x' header, its records, the member's header */
#define TAR_END_BYTES (2 * TAR_BLOCK_BYTES)
#define TAR_MEMBER_MAX_BYTES (UINT64_C(1) << 62)

/* Appends the header of a member. name: a canonical key (model/member_name makes them).
 * RC_REFUSED, nothing appended: the name is empty, longer than TAR_NAME_MAX_BYTES, absolute,
 * has a NUL or an empty, "." or ".." component; the size is above TAR_MEMBER_MAX_BYTES; out has
 * not room for TAR_HEADER_MAX_BYTES. The names are checked upstream with a reason for the user;
 * this is the second lock on the door. */
enum rc tar_member_header(struct buf *out, struct slice name, uint64_t size_bytes, struct err *err);

/* How many zero bytes follow size_bytes of data: 0 … 511. */
size_t tar_pad_bytes(uint64_t size_bytes);
/* Appends them. false when out is full. */
bool tar_member_pad(struct buf *out, uint64_t size_bytes);
/* Appends the two zero blocks. false when out is full. */
bool tar_end(struct buf *out);

#endif
