/*
 * gzip_encoder: makes a piece of a deflate stream (RFC 1951) of one block of bytes, and the header
 * and trailer of gzip (RFC 1952) around the pieces. It is part of gzip; no other file includes it.
 *
 * A piece has whole bytes and no final block, and refers to nothing before it. Any number of
 * pieces, and then the trailer's empty final block, are a deflate stream.
 *
 * An encoder is scratch memory that one thread uses at a time. It keeps nothing from one block to
 * the next, so its bytes do not depend on which encoder took a block.
 */
#ifndef BALER_PACK_GZIP_ENCODER_H
#define BALER_PACK_GZIP_ENCODER_H

#include "pack/gzip.h"

#define GZIP_HEADER_BYTES 10
#define GZIP_TRAILER_BYTES 10 /* the final block, empty: 2; CRC32 and ISIZE */

struct gzip_encoder;

struct gzip_encoder *gzip_encoder_new(enum gzip_mode mode);
void gzip_encoder_free(struct gzip_encoder *e);

/* The most bytes a piece of n bytes can take, n ≤ GZIP_BLOCK_BYTES, in any mode. */
size_t gzip_encoder_bound(size_t n);
/* in: 1 … GZIP_BLOCK_BYTES. out has room for gzip_encoder_bound(in.n). Returns the piece's
 * size. */
size_t gzip_encoder_run(struct gzip_encoder *e, struct slice in, unsigned char *out);

/* No time, no name, no system. */
void gzip_header(unsigned char out[GZIP_HEADER_BYTES]);
/* CRC-32 and number of all input bytes. ISIZE is the number modulo 2^32. */
void gzip_trailer(uint32_t crc32, uint64_t in_bytes, unsigned char out[GZIP_TRAILER_BYTES]);

#endif
