#include "pack/gzip_encoder.h"

#include <assert.h>
#include <endian.h>
#include <isa-l/igzip_lib.h>
#include <libdeflate.h>
#include <stdlib.h>

#include "pack/deflate_walk.h"

#define STORED_MAX_BYTES 65535 /* RFC 1951, 3.2.4: LEN has 16 bits */
#define STORED_HEADER_BYTES 5

struct gzip_encoder {
	enum gzip_mode mode;
	struct libdeflate_compressor *deflate; /* NULL in modes fast and none */
	struct isal_zstream isal;
	unsigned char isal_tables[ISAL_DEF_LVL1_DEFAULT];
};

/* 0: not libdeflate's. */
static const int libdeflate_levels[GZIP_MODES] = {
	[GZIP_BALANCED] = 6,
	[GZIP_BEST] = 12,
};

struct gzip_encoder *gzip_encoder_new(enum gzip_mode mode)
{
	struct gzip_encoder *e = xcalloc(1, sizeof(*e));

	e->mode = mode;
	if (libdeflate_levels[mode] == 0)
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
	/* All encoders fall back to stored blocks, and a piece ends with one. libdeflate asks for
	 * room for blocks of its own minimum size. */
	size_t stored = n + STORED_HEADER_BYTES * (n / STORED_MAX_BYTES + 2) + 64;
	size_t bound = libdeflate_deflate_compress_bound(NULL, n) + STORED_HEADER_BYTES;

	return bound > stored ? bound : stored;
}

/* The header of a stored block that is not the last, at the start of a byte. */
static unsigned char *put_stored_header(unsigned char *out, size_t n)
{
	unsigned char h[STORED_HEADER_BYTES] = {0, (unsigned char)n, (unsigned char)(n >> 8),
		(unsigned char)~n, (unsigned char)(~n >> 8)};

	memcpy(out, h, sizeof(h));
	return out + sizeof(h);
}

static size_t run_stored(struct slice in, unsigned char *out)
{
	unsigned char *to = out;

	while (in.n > 0) {
		size_t n = in.n < STORED_MAX_BYTES ? in.n : STORED_MAX_BYTES;

		to = put_stored_header(to, n);
		memcpy(to, in.p, n);
		to += n;
		in = slice_of(in.p + n, in.n - n);
	}
	return (size_t)(to - out);
}

/* libdeflate only makes whole streams, whose last block says so: unsay it, and fill up to a byte
 * with an empty stored block, as every sync flush does. Its header is 3 zero bits, padding, and
 * then LEN and NLEN; where the last byte has those 3 bits left, libdeflate's padding is them. */
static size_t open_end(unsigned char *out, size_t n)
{
	struct deflate_last last;
	unsigned char *to = out + n;

	if (!deflate_walk(slice_of(out, n), &last) || (last.end_bit + 7) / 8 != n)
		die("libdeflate made a stream that is none");
	out[last.header_bit / 8] &= (unsigned char)~(1u << last.header_bit % 8);
	if (last.end_bit % 8 == 0 || last.end_bit % 8 > 5)
		*to++ = 0;
	memcpy(to, "\0\0\xff\xff", 4);
	return (size_t)(to + 4 - out);
}

static size_t run_libdeflate(
	struct gzip_encoder *e, struct slice in, unsigned char *out, size_t out_max)
{
	size_t n = libdeflate_deflate_compress(
		e->deflate, in.p, in.n, out, out_max - STORED_HEADER_BYTES);

	return n > 0 ? open_end(out, n) : 0;
}

/* Level 1, in one call, so that the input is never copied. A full flush ends on a byte and
 * forgets the window. Measured: a larger table buffer (128K tokens) is slower and no smaller. */
static size_t run_isal(struct gzip_encoder *e, struct slice in, unsigned char *out, size_t out_max)
{
	struct isal_zstream *s = &e->isal;
	int rc;

	isal_deflate_stateless_init(s);
	s->level = 1;
	s->level_buf = e->isal_tables;
	s->level_buf_size = sizeof(e->isal_tables);
	s->gzip_flag = IGZIP_DEFLATE;
	s->end_of_stream = 0;
	s->flush = FULL_FLUSH;
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

	assert(in.n > 0 && in.n <= GZIP_BLOCK_BYTES);
	if (e->mode == GZIP_NONE)
		n = run_stored(in, out);
	else if (e->deflate)
		n = run_libdeflate(e, in, out, max);
	else
		n = run_isal(e, in, out, max);
	if (n == 0)
		die("a block of %zu bytes does not compress into %zu", in.n, max);
	return n;
}

void gzip_header(unsigned char out[GZIP_HEADER_BYTES])
{
	static const unsigned char header[GZIP_HEADER_BYTES] = {
		0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255};

	memcpy(out, header, sizeof(header));
}

void gzip_trailer(uint32_t crc32, uint64_t in_bytes, unsigned char out[GZIP_TRAILER_BYTES])
{
	uint32_t sums[2] = {htole32(crc32), htole32((uint32_t)in_bytes)};

	/* Final, fixed codes, end of block. */
	memcpy(out, "\3", 2);
	memcpy(out + 2, sums, sizeof(sums));
}
