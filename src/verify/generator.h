/*
 * generator: the bytes of a test's source file, which are made again whenever they are needed, so
 * that nothing is kept on disk. The same name, kind and size give the same bytes, whatever the read
 * sizes; another name gives other bytes. Pure; one struct per reader.
 */
#ifndef BALER_VERIFY_GENERATOR_H
#define BALER_VERIFY_GENERATOR_H

#include "base/buf.h"
#include "base/digest.h"

#define GENERATOR_BLOCK_BYTES 4096

enum generator_kind {
	GENERATOR_RANDOM, /* cannot be compressed */
	/* lines of JSON, as sensors send them; gzip makes them at least 4 times smaller */
	GENERATOR_COMPRESSIBLE,
};

struct generator {
	enum generator_kind kind;
	uint64_t seed;
	uint64_t offset, size; /* bytes given, and in all */
	unsigned char block[GENERATOR_BLOCK_BYTES];
};

void generator_init(
	struct generator *g, enum generator_kind kind, struct slice name, uint64_t size);
/* Up to max bytes; 0 only at the end. */
size_t generator_read(struct generator *g, void *out, size_t max);
/* The hash of all of it. */
void generator_sha256(enum generator_kind kind, struct slice name, uint64_t size,
	unsigned char out[SHA256_BYTES]);

#endif
