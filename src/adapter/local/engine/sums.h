/*
 * sums: the checksums of a stored body, which are taken as its bytes arrive and checked whenever
 * they are read.
 *
 * A body in a file has one CRC32C for each SUMS_BLOCK_BYTES, so that a range can be checked without
 * reading the rest. They are in the file's row, 4 bytes each, little-endian, 64 bytes for each MiB.
 * A body in a row (at most BS_INLINE_MAX bytes, always read whole) has one CRC32C.
 * docs/decisions/damage.md says why CRC32C, and why in rows and not in a trailer of the file.
 *
 * Memory: 64 KiB for each GiB of a file that is being written or read.
 */
#ifndef BALER_ADAPTER_LOCAL_ENGINE_SUMS_H
#define BALER_ADAPTER_LOCAL_ENGINE_SUMS_H

#include "base/buf.h"
#include "base/err.h"

#define SUMS_BLOCK_BYTES (64u << 10)

/* A file's, while it is written. Zeroed at first. */
struct sums {
	unsigned char *bytes; /* sums of the blocks that are complete */
	size_t n, cap;        /* bytes */
	uint32_t crc;         /* of the block at hand */
	uint64_t size;        /* bytes seen */
};

void sums_add(struct sums *s, struct slice bytes);
/* After the last byte; may be asked again. Lives as long as s. */
struct slice sums_end(struct sums *s);
void sums_release(struct sums *s);

/* Whether these are the bytes of block number i (from 0). sums: the whole file's; a block that
 * they do not have is damaged. */
bool sums_fit(struct slice sums, uint64_t i, struct slice block);

#endif
