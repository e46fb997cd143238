/* The walk and zlib agree on every string of bytes: whether it begins with a whole deflate stream,
 * and where the last block of it is. Without that block's bit it is no whole stream, or a longer
 * one. */
#include "../kit/inflate_oracle.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct deflate_last want, got = {0}, longer;
	bool is = deflate_walk(slice_of(data, size), &got);
	unsigned char *open;

	MUST(inflate_oracle(slice_of(data, size), &want) == is);
	if (!is)
		return 0;
	MUST(got.header_bit == want.header_bit && got.end_bit == want.end_bit);
	open = xmalloc(size);
	memcpy(open, data, size);
	open[got.header_bit / 8] &= (unsigned char)~(1u << got.header_bit % 8);
	if (deflate_walk(slice_of(open, size), &longer))
		MUST(longer.header_bit >= got.end_bit);
	free(open);
	return 0;
}
