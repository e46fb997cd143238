#include "base/prng.h"

#include <string.h>
#include <sys/random.h>

#include "base/err.h"

struct prng prng_system(void)
{
	return (struct prng){0};
}

struct prng prng_seeded(uint64_t seed)
{
	return (struct prng){.state = seed, .seeded = 1};
}

/* splitmix64, Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014. */
static uint64_t splitmix64(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static void system_bytes(unsigned char *p, size_t n)
{
	while (n) {
		ssize_t got = getrandom(p, n, 0);

		if (got < 0)
			die("getrandom gave nothing");
		p += got;
		n -= (size_t)got;
	}
}

void prng_bytes(struct prng *r, void *out, size_t n)
{
	unsigned char *p = out;

	if (!r->seeded) {
		system_bytes(p, n);
		return;
	}
	while (n) {
		uint64_t v = splitmix64(&r->state);
		size_t part = n < sizeof(v) ? n : sizeof(v);

		memcpy(p, &v, part);
		p += part;
		n -= part;
	}
}

uint64_t prng_u64(struct prng *r)
{
	uint64_t v;

	prng_bytes(r, &v, sizeof(v));
	return v;
}

uint64_t prng_below(struct prng *r, uint64_t limit)
{
	uint64_t top = UINT64_MAX - UINT64_MAX % limit, v;

	do {
		v = prng_u64(r);
	} while (v >= top);
	return v % limit;
}
