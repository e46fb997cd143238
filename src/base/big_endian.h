/*
 * big_endian: numbers of 64 bits as 8 bytes, the highest byte first, so that their bytes sort as
 * the numbers do.
 */
#ifndef BALER_BASE_BIG_ENDIAN_H
#define BALER_BASE_BIG_ENDIAN_H

#include <stdint.h>

static inline void big_endian_store(unsigned char p[8], uint64_t v)
{
	for (int i = 7; i >= 0; i--, v >>= 8)
		p[i] = (unsigned char)v;
}

static inline uint64_t big_endian_load(const unsigned char p[8])
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v = v << 8 | p[i];
	return v;
}

#endif
