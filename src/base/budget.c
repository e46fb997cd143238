#include "base/budget.h"

#include <assert.h>
#include <stddef.h>

void budget_init(struct budget *b, const char *name, uint64_t max)
{
	*b = (struct budget){.name = name, .max = max};
}

static void note_peak(struct budget *b, uint64_t used)
{
	uint64_t peak = atomic_load_explicit(&b->peak, memory_order_relaxed);

	while (used > peak && !atomic_compare_exchange_weak_explicit(&b->peak, &peak, used,
				      memory_order_relaxed, memory_order_relaxed))
		;
}

/* Takes n if `keep` bytes stay free afterwards, or if nobody else uses any. */
static bool take_leaving(struct budget *b, uint64_t holds, uint64_t n, uint64_t free_bytes)
{
	uint64_t used;

	if (!b)
		return true;
	used = atomic_load(&b->used);
	do {
		if (used > b->max || b->max - used < n ||
			(b->max - used - n < free_bytes && used > holds)) {
			atomic_fetch_add(&b->refused, 1);
			return false;
		}
	} while (!atomic_compare_exchange_weak(&b->used, &used, used + n));
	note_peak(b, used + n);
	return true;
}

bool budget_take(struct budget *b, uint64_t n)
{
	return take_leaving(b, 0, n, 0);
}

bool budget_grow(struct budget *b, uint64_t holds, uint64_t n)
{
	return take_leaving(b, holds, n, holds + n);
}

void budget_add(struct budget *b, uint64_t n)
{
	if (b)
		note_peak(b, atomic_fetch_add(&b->used, n) + n);
}

void budget_give(struct budget *b, uint64_t n)
{
	uint64_t before;

	if (!b)
		return;
	before = atomic_fetch_sub(&b->used, n);
	assert(before >= n);
	(void)before;
}

uint64_t budget_room(const struct budget *b)
{
	uint64_t used;

	if (!b)
		return UINT64_MAX;
	used = atomic_load(&b->used);
	return used < b->max ? b->max - used : 0;
}
