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

static char *name_of(struct manifest *m, const struct manifest_plan *plan, size_t i)
{
	if (i == plan->n)
		return arena_printf(&m->arena, SLICE_FMT MANIFEST_MARKER, SLICE_ARG(m->prefix));
	if (plan->names)
		return arena_printf(
			&m->arena, SLICE_FMT "%s", SLICE_ARG(m->prefix), plan->names[i]);
	return arena_printf(&m->arena, SLICE_FMT "source_file_%0*zu.bin", SLICE_ARG(m->prefix),
		digits(plan->n), i + 1);
}

void manifest_init_plan(struct manifest *m, const struct manifest_plan *plan)
{
	struct prng r = prng_system();

	*m = (struct manifest){.n = plan->n + plan->has_marker};
	m->prefix = slice_str(arena_printf(&m->arena, "%s/e2e-test-%08x/",
		plan->root ? plan->root : "data", (unsigned)prng_u64(&r)));
	m->entries = arena_array(&m->arena, m->n, sizeof(*m->entries));
	for (size_t i = 0; i < m->n; i++) {
		m->entries[i].key = slice_str(name_of(m, plan, i));
		m->entries[i].size = plan->size;
	}
}

void manifest_init(struct manifest *m, size_t n, uint64_t size)
{
	manifest_init_plan(m, &(struct manifest_plan){.n = n, .size = size});
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
