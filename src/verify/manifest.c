#include "verify/manifest.h"

#include "base/prng.h"

/* Enough digits that byte order is number order; four, unless there are more files. */
static int digits(size_t n)
{
	int d = 4;

	for (size_t limit = 10000; n >= limit; limit *= 10)
		d++;
	return d;
}

void manifest_init(struct manifest *m, size_t n, uint64_t size)
{
	struct prng r = prng_system();
	int width = digits(n);

	*m = (struct manifest){.n = n};
	m->prefix =
		slice_str(arena_printf(&m->arena, "data/e2e-test-%08x/", (unsigned)prng_u64(&r)));
	m->entries = arena_array(&m->arena, n, sizeof(*m->entries));
	for (size_t i = 0; i < n; i++) {
		m->entries[i].key = slice_str(arena_printf(&m->arena,
			SLICE_FMT "source_file_%0*zu.bin", SLICE_ARG(m->prefix), width, i + 1));
		m->entries[i].size = size;
	}
}

void manifest_hash(struct manifest *m, size_t i, enum generator_kind kind)
{
	struct manifest_entry *e = &m->entries[i];

	generator_sha256(kind, e->key, e->size, e->sha256);
}

const struct manifest_entry *manifest_find(const struct manifest *m, struct slice key)
{
	size_t low = 0, high = m->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int d = slice_cmp(key, m->entries[middle].key);

		if (d == 0)
			return &m->entries[middle];
		if (d < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

void manifest_release(struct manifest *m)
{
	arena_release(&m->arena);
}
