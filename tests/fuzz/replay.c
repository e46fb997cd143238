/*
 * replay: a small driver for machines without libFuzzer: runs the target over each seed, then over
 * a fixed number of mutations, the same at every run.
 *
 *     fuzz_NAME MUTATIONS FOLDER
 */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>

#include "base/file.h"
#include "base/prng.h"
#include "fuzz.h"

#define MAX_SEEDS 256
#define MAX_BYTES 4096

static struct buf seeds[MAX_SEEDS];
static size_t n_seeds;

static void load(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	if (!dir)
		die("cannot open '%s'", folder);
	while ((entry = readdir(dir)) && n_seeds < MAX_SEEDS) {
		char path[PATH_MAX];
		struct err err;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		buf_init(&seeds[n_seeds], MAX_BYTES);
		if (file_read(path, &seeds[n_seeds], &err) != RC_OK)
			die("%s", err.text);
		n_seeds++;
	}
	closedir(dir);
	if (n_seeds == 0)
		die("no seeds in '%s'", folder);
}

/* An exact copy on the heap, so that ASan sees each byte read beyond. */
static void run(const unsigned char *p, size_t n)
{
	unsigned char *copy = malloc(n ? n : 1);

	if (!copy)
		die("out of memory");
	if (n)
		memcpy(copy, p, n);
	LLVMFuzzerTestOneInput(copy, n);
	free(copy);
}

static size_t insert(
	struct prng *r, unsigned char *p, size_t n, const unsigned char *from, size_t k)
{
	size_t at = prng_below(r, n + 1);

	if (k > MAX_BYTES - n)
		k = MAX_BYTES - n;
	memmove(p + at + k, p + at, n - at);
	memcpy(p + at, from, k);
	return n + k;
}

static size_t mutate_once(struct prng *r, unsigned char *p, size_t n)
{
	static const char interesting[] = "%&=;:/+?<>\"'\r\n\0-0f9Z,. ";
	const struct buf *other = &seeds[prng_below(r, n_seeds)];
	unsigned char byte[1] = {(unsigned char)interesting[prng_below(r, sizeof(interesting))]};
	size_t at, k;

	switch (n ? prng_below(r, 6) : 4) {
	case 0: /* flip a bit */
		p[prng_below(r, n)] ^= (unsigned char)(1u << prng_below(r, 8));
		return n;
	case 1: /* put a byte that means something */
		p[prng_below(r, n)] = byte[0];
		return n;
	case 2: /* take a stretch out */
		at = prng_below(r, n);
		k = 1 + prng_below(r, n - at);
		k = k > 16 ? 16 : k;
		memmove(p + at, p + at + k, n - at - k);
		return n - k;
	case 3: /* cut */
		return prng_below(r, n + 1);
	case 4: /* put a byte in */
		return insert(r, p, n, byte, 1);
	default: /* put a piece of another seed in */
		at = other->n ? prng_below(r, other->n) : 0;
		return insert(
			r, p, n, other->p + at, other->n ? 1 + prng_below(r, other->n - at) : 0);
	}
}

int main(int argc, char **argv)
{
	struct prng r = prng_seeded(20260101);
	unsigned char bytes[MAX_BYTES];
	unsigned long mutations;

	if (argc != 3)
		die("usage: %s MUTATIONS FOLDER", argv[0]);
	mutations = strtoul(argv[1], NULL, 10);
	load(argv[2]);
	run(NULL, 0);
	for (size_t i = 0; i < n_seeds; i++)
		run(seeds[i].p, seeds[i].n);
	for (unsigned long i = 0; i < mutations; i++) {
		const struct buf *seed = &seeds[i % n_seeds];
		size_t n = seed->n;

		if (n)
			memcpy(bytes, seed->p, n);
		for (uint64_t k = 1 + prng_below(&r, 4); k; k--)
			n = mutate_once(&r, bytes, n);
		run(bytes, n);
	}
	printf("%zu seeds, %lu mutations\n", n_seeds, mutations);
	for (size_t i = 0; i < n_seeds; i++)
		buf_release(&seeds[i]);
	return 0;
}
