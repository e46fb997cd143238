/*
 * gunzip: reads a gzip file strictly, piece by piece: one whole member, with the right CRC-32 and
 * length (RFC 1952), and nothing behind it. The RFC allows several members, but not every reader
 * goes on behind the first (Python's tarfile "r|gz" does not), so two readers would see different
 * files in one bundle. The only file that includes zlib, which did not write the bundle;
 * libarchive's own filter checks neither the CRC nor the bytes behind the member.
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
