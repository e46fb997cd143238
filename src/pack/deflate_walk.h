/*
 * deflate_walk: finds where the last block of a deflate stream (RFC 1951) begins and ends. Pure: no
 * output, no allocation, no state; the time is bounded by the length. It is part of gzip, which
 * joins streams: the last block of each stream is marked as final, and only a walk over all symbols
 * finds that bit.
 *
 * The stream may be any bytes. What zlib's inflate refuses is refused, except for distances that
 * reach in front of the first byte, which are not checked. Bytes behind the end are allowed and not
 * read.
 */
#ifndef BALER_PACK_DEFLATE_WALK_H
#define BALER_PACK_DEFLATE_WALK_H

#include "base/buf.h"

/* Bits are counted from the low bit of the first byte (RFC 1951, 3.1.1). */
struct deflate_last {
	size_t header_bit; /* BFINAL of the last block */
	size_t end_bit;    /* the first bit behind it */
};

/* false: the stream is damaged, or ends before its last block does. */
bool deflate_walk(struct slice stream, struct deflate_last *ret_last);

#endif
