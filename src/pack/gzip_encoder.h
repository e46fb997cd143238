/*
 * gzip_encoder: one block of bytes to one gzip member (RFC 1952). Part of gzip; nobody else
 * includes it.
 *
 * An encoder is scratch memory, used by one thread at a time, and carries nothing from one
 * block to the next: which encoder took a block cannot be seen in its bytes.
 */
#ifndef BALER_PACK_GZIP_ENCODER_H
#define BALER_PACK_GZIP_ENCODER_H

#include "pack/gzip.h"

struct gzip_encoder;

struct gzip_encoder *gzip_encoder_new(enum gzip_mode mode);
void gzip_encoder_free(struct gzip_encoder *e);

/* The most bytes a member of n bytes can take, n ≤ GZIP_BLOCK_BYTES, in any mode. */
size_t gzip_encoder_bound(size_t n);
/* in: at most GZIP_BLOCK_BYTES. out has room for gzip_encoder_bound(in.n). Returns the member's
 * size. */
size_t gzip_encoder_run(struct gzip_encoder *e, struct slice in, unsigned char *out);

#endif
