/* What zlib says of a deflate stream: where its last block begins and ends, or that it is none. The
 * second opinion for pack/deflate_walk. */
#ifndef BALER_TESTS_KIT_INFLATE_ORACLE_H
#define BALER_TESTS_KIT_INFLATE_ORACLE_H

#include <zlib.h>

#include "base/err.h"
#include "pack/deflate_walk.h"

/* With a whole window in front no distance reaches too far, so that both judge the same. */
static inline bool inflate_oracle(struct slice stream, struct deflate_last *ret_last)
{
	static unsigned char window[32768], out[65536];
	struct deflate_last last = {0};
	z_stream z = {0};
	int rc;

	if (inflateInit2(&z, -15) != Z_OK ||
		inflateSetDictionary(&z, window, sizeof(window)) != Z_OK)
		die("no memory for zlib");
	z.next_in = (unsigned char *)(uintptr_t)stream.p;
	z.avail_in = (unsigned)stream.n;
	do {
		z.next_out = out;
		z.avail_out = sizeof(out);
		rc = inflate(&z, Z_BLOCK);
		last.end_bit = 8 * z.total_in - (unsigned)(z.data_type & 7);
		/* 128: at the end of a block; 64: of the last one. */
		if (rc == Z_OK && (z.data_type & 128) && !(z.data_type & 64))
			last.header_bit = last.end_bit;
	} while (rc == Z_OK && !((z.data_type & 128) && (z.data_type & 64)));
	if (rc == Z_OK)
		rc = Z_STREAM_END;
	inflateEnd(&z);
	if (rc == Z_STREAM_END)
		*ret_last = last;
	return rc == Z_STREAM_END;
}

#endif
