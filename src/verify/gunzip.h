/*
 * gunzip: a gzip file read strictly, piece by piece: one member, whole, its CRC-32 and length
 * right (RFC 1952), nothing behind it. The RFC allows more members than one, but not every
 * reader goes on behind the first (Python's tarfile "r|gz" does not), so that two would see
 * different files in one bundle. The one door to zlib, which is not what wrote the bundle;
 * libarchive's own filter checks neither CRC nor what follows.
 */
#ifndef BALER_VERIFY_GUNZIP_H
#define BALER_VERIFY_GUNZIP_H

#include "base/buf.h"
#include "base/err.h"

struct gunzip;

/* fd stays the caller's; it is read from where it stands. */
struct gunzip *gunzip_new(int fd);
/* The next piece, valid until the next call; n is 0 at the end only. RC_CORRUPT: not gzip,
 * broken, cut off, garbage behind it; the answer stays that. */
enum rc gunzip_read(struct gunzip *g, struct slice *ret_bytes, struct err *err);
void gunzip_free(struct gunzip *g);

#endif
