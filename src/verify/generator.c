#include "verify/generator.h"

#include <stdio.h>

#include "base/prng.h"

#define LINE_MAX_BYTES 160

void generator_init(struct generator *g, enum generator_kind kind, struct slice name, uint64_t size)
{
	unsigned char hash[SHA256_BYTES];

	sha256(name, hash);
	*g = (struct generator){.kind = kind, .size = size};
	memcpy(&g->seed, hash, sizeof(g->seed));
}

static size_t sensor_line(struct prng *r, uint64_t number, char line[LINE_MAX_BYTES])
{
	static const char *const units[] = {"celsius", "pascal", "volt", "ampere"};
	static const char *const states[] = {"ok", "ok", "ok", "ok", "ok", "ok", "ok", "warning"};
	uint64_t draw = prng_u64(r);

	return (size_t)snprintf(line, LINE_MAX_BYTES,
		"{\"sequence\":%llu,\"device\":\"sensor-%02u\",\"unit\":\"%s\",\"value\":%u."
		"%u,\"state\":\"%s\",\"site\":\"north-hall\"}\n",
		(unsigned long long)number, (unsigned)(draw & 15), units[draw >> 4 & 3],
		(unsigned)(draw >> 8 & 31), (unsigned)(draw >> 16 & 7), states[draw >> 24 & 7]);
}

static void fill_lines(unsigned char *block, struct prng *r, uint64_t number)
{
	char line[LINE_MAX_BYTES];
	size_t at = 0;

	for (uint64_t i = 0; at < GENERATOR_BLOCK_BYTES; i++) {
		size_t n = sensor_line(r, number * 64 + i, line);

		if (n > GENERATOR_BLOCK_BYTES - at)
			n = GENERATOR_BLOCK_BYTES - at;
		memcpy(block + at, line, n);
		at += n;
	}
}

/* Each block has a generator of its own, so that no read size can change the bytes. */
static void fill_block(struct generator *g)
{
	uint64_t number = g->offset / GENERATOR_BLOCK_BYTES;
	struct prng seeds = prng_seeded(g->seed ^ number * 0xd1342543de82ef95u);
	struct prng r = prng_seeded(prng_u64(&seeds));

	if (g->kind == GENERATOR_COMPRESSIBLE)
		fill_lines(g->block, &r, number);
	else
		prng_bytes(&r, g->block, GENERATOR_BLOCK_BYTES);
}

size_t generator_read(struct generator *g, void *out, size_t max)
{
	unsigned char *to = out;
	size_t given = 0;

	while (given < max && g->offset < g->size) {
		size_t at = g->offset % GENERATOR_BLOCK_BYTES, n = GENERATOR_BLOCK_BYTES - at;

		if (at == 0)
			fill_block(g);
		if (n > max - given)
			n = max - given;
		if (n > g->size - g->offset)
			n = (size_t)(g->size - g->offset);
		memcpy(to + given, g->block + at, n);
		given += n;
		g->offset += n;
	}
	return given;
}

void generator_sha256(
	enum generator_kind kind, struct slice name, uint64_t size, unsigned char out[SHA256_BYTES])
{
	struct digest *d = digest_new(DIGEST_SHA256);
	unsigned char bytes[65536];
	struct generator g;
	size_t n;

	generator_init(&g, kind, name, size);
	while ((n = generator_read(&g, bytes, sizeof(bytes))))
		digest_update(d, slice_of(bytes, n));
	digest_final(d, DIGEST_SHA256, out);
	digest_free(d);
}
