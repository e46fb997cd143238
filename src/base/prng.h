/*
 * prng: the only source of randomness. The system's (getrandom) for ids and keys; a seeded one
 * (splitmix64: reproducible, not secret) for simulators, jitter and generated test data.
 */
#ifndef BALER_BASE_PRNG_H
#define BALER_BASE_PRNG_H

#include <stddef.h>
#include <stdint.h>

struct prng {
	uint64_t state;
	int seeded; /* 0: the system's */
};

struct prng prng_system(void);
struct prng prng_seeded(uint64_t seed);

void prng_bytes(struct prng *r, void *out, size_t n);
uint64_t prng_u64(struct prng *r);
/* Uniform in 0 … limit-1; limit > 0. */
uint64_t prng_below(struct prng *r, uint64_t limit);

#endif
