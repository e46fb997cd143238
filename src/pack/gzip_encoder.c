#include "pack/gzip_encoder.h"

#include <assert.h>
#include <isa-l/igzip_lib.h>
#include <libdeflate.h>
#include <stdlib.h>

struct gzip_encoder {
	struct libdeflate_compressor *deflate; /* NULL in mode fast */
	struct isal_zstream isal;
	unsigned char isal_tables[ISAL_DEF_LVL1_DEFAULT];
};

/* Indexed by enum gzip_mode; -1: ISA-L. */
static const int libdeflate_levels[GZIP_MODES] = {
	[GZIP_BALANCED] = 6,
	[GZIP_FAST] = -1,
	[GZIP_BEST] = 12,
	[GZIP_NONE] = 0,
};

struct gzip_encoder *gzip_encoder_new(enum gzip_mode mode)
{
	struct gzip_encoder *e = xcalloc(1, sizeof(*e));

	if (libdeflate_levels[mode] < 0)
		return e;
	e->deflate = libdeflate_alloc_compressor(libdeflate_levels[mode]);
	if (!e->deflate)
		die("no memory for a compressor of mode '%s'", gzip_mode_name(mode));
	return e;
}

void gzip_encoder_free(struct gzip_encoder *e)
{
	if (!e)
		return;
	libdeflate_free_compressor(e->deflate);
	free(e);
}

size_t gzip_encoder_bound(size_t n)
{
	/* Both libraries fall back to stored deflate blocks, 5 bytes per 65,535, between 18
	 * bytes of gzip. libdeflate asks for room for blocks of its own minimum size. */
	size_t stored = n + 5 * (n / 65535 + 1) + 64;
	size_t bound = libdeflate_gzip_compress_bound(NULL, n);

	return bound > stored ? bound : stored;
}

/* Level 1, in one call, so that the input is never copied. Measured: a larger table buffer
 * (128K tokens) is slower and no smaller. */
static size_t run_isal(struct gzip_encoder *e, struct slice in, unsigned char *out, size_t out_max)
{
	struct isal_zstream *s = &e->isal;
	int rc;

	isal_deflate_stateless_init(s);
	s->level = 1;
	s->level_buf = e->isal_tables;
	s->level_buf_size = sizeof(e->isal_tables);
	s->gzip_flag = IGZIP_GZIP;
	s->end_of_stream = 1;
	s->flush = NO_FLUSH;
	s->next_in = (uint8_t *)(uintptr_t)in.p; /* not written to */
	s->avail_in = (uint32_t)in.n;
	s->next_out = out;
	s->avail_out = (uint32_t)out_max;
	rc = isal_deflate_stateless(s);
	return rc == COMP_OK && s->avail_in == 0 ? s->total_out : 0;
}

size_t gzip_encoder_run(struct gzip_encoder *e, struct slice in, unsigned char *out)
{
	size_t max = gzip_encoder_bound(in.n), n;

	assert(in.n <= GZIP_BLOCK_BYTES);
	if (e->deflate)
		n = libdeflate_gzip_compress(e->deflate, in.p, in.n, out, max);
	else
		n = run_isal(e, in, out, max);
	if (n == 0)
		die("a block of %zu bytes does not compress into %zu", in.n, max);
	return n;
}
