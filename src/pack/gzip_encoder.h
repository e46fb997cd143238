/*
 * gzip_encoder: one block of bytes to a piece of a deflate stream (RFC 1951), and the header and
 * trailer of gzip (RFC 1952) around the pieces. Part of gzip; nobody else includes it.
 *
 * A piece is whole bytes, has no final block and refers to nothing in front of it: pieces in any
 * number, then the trailer's empty final block, are a deflate
 * stream.
 *
 * An encoder is scratch memory, used by one thread at a time, and carries nothing from one
 * block to the next: which encoder took a block cannot be seen in its bytes.
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
/* crc32 and number of all bytes that went in. ISIZE is the number modulo 2^32. */
void gzip_trailer(uint32_t crc32, uint64_t in_bytes, unsigned char out[GZIP_TRAILER_BYTES]);

#endif
