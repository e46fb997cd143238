#include "adapter/local/engine/sums.h"

#include <stdlib.h>
#include <string.h>

#include "base/digest.h"

#define SUM_BYTES 4

static void put_sum(unsigned char *p, uint32_t crc)
{
	for (int i = 0; i < SUM_BYTES; i++)
		p[i] = (unsigned char)(crc >> 8 * i);
}

static void end_block(struct sums *s)
{
	if (s->n + SUM_BYTES > s->cap) {
		s->cap = s->cap ? 2 * s->cap : 16 * SUM_BYTES;
		s->bytes = xrealloc(s->bytes, s->cap);
	}
	put_sum(s->bytes + s->n, s->crc);
	s->n += SUM_BYTES;
	s->crc = 0;
}

void sums_add(struct sums *s, struct slice bytes)
{
	while (bytes.n) {
		size_t left = SUMS_BLOCK_BYTES - (size_t)(s->size % SUMS_BLOCK_BYTES);
		size_t n = bytes.n < left ? bytes.n : left;

		s->crc = crc32c_update(s->crc, slice_of(bytes.p, n));
		s->size += n;
		if (n == left)
			end_block(s);
		bytes = slice_of(bytes.p + n, bytes.n - n);
	}
}

struct slice sums_end(struct sums *s)
{
	if (s->n / SUM_BYTES * SUMS_BLOCK_BYTES < s->size)
		end_block(s);
	return slice_of(s->bytes, s->n);
}

void sums_release(struct sums *s)
{
	free(s->bytes);
	*s = (struct sums){0};
}

bool sums_fit(struct slice sums, uint64_t i, struct slice block)
{
	unsigned char is[SUM_BYTES];

	if (i >= sums.n / SUM_BYTES)
		return false;
	put_sum(is, crc32c_update(0, block));
	return memcmp(is, sums.p + i * SUM_BYTES, SUM_BYTES) == 0;
}
