/*
 * batcher: the units that wait for a plan, and the choice of the units that go into the next plan.
 *
 * Units are taken in the order of arrival. A plan takes units until it has batch_max_objects, or
 * until the next unit would pass batch_max_bytes (the first unit of a plan may pass it; then it is
 * alone). A plan takes only members that can be extracted side by side (model/name_set.h): when two
 * units cannot, the later one waits for the next plan. Therefore two versions of one key are never
 * in one bundle. Contested units, which another plan has claimed, are taken apart from all others.
 * Suspects are units whose earlier plans died. They go first, and in small groups: 100, then 10,
 * then alone.
 */
#ifndef BALER_CORE_BATCHER_H
#define BALER_CORE_BATCHER_H

#include "base/table.h"
#include "core/unit.h"

#define BATCHER_SUSPECT_ATTEMPTS                                                                   \
	3 /* plans that claimed it and died; protocol.md section 4, "one object that crashes" */
#define BATCHER_POISON_ATTEMPTS 7 /* a unit with so many attempts has been alone in two of them */

struct unit_list {
	struct unit *first, **last;
	size_t n;
	uint64_t rounded_bytes;
	uint64_t due_boot_ms; /* the earliest; UINT64_MAX when empty */
};

struct batcher {
	struct unit_list waiting, suspects;
	/* each unit goes in a bundle of its own, as soon as a maker is free */
	struct unit_list alone;
	struct unit_list contested; /* they go together, as soon as a maker is free */
	struct table by_identity; /* all units of these lists */
	size_t max_objects;
	uint64_t max_bytes;
};

void batcher_init(struct batcher *b, size_t max_objects, uint64_t max_bytes);
void batcher_release(struct batcher *b);

/* The waiting unit of that identity, or NULL. */
struct unit *batcher_find(const struct batcher *b, struct slice identity);
/* u lives in its message's memory. To those that go alone, to the suspects when its attempts
 * say so, or to the contested. */
void batcher_add(struct batcher *b, struct unit *u);
/* Forgets all units. */
void batcher_clear(struct batcher *b);

bool batcher_full(const struct batcher *b);
size_t batcher_n(const struct batcher *b); /* without those that go alone or are contested */
/* When the first must go, on the boot clock; UINT64_MAX when there is none. */
uint64_t batcher_due_boot_ms(const struct batcher *b);

/* How many units with that many attempts may share a plan. */
size_t batcher_company(const struct batcher *b, uint32_t attempts);

bool batcher_has_alone(const struct batcher *b);
/* Takes the first of those that go alone; *ret_units has one. 0: there is none. */
size_t batcher_take_alone(struct batcher *b, struct arena *a, struct unit ***ret_units);
bool batcher_has_contested(const struct batcher *b);
/* Takes a plan's units out of the contested, as batcher_take does. */
size_t batcher_take_contested(
	struct batcher *b, struct arena *a, struct unit ***ret_units, bool *ret_by_bytes);
/* Takes the next plan's units out, in plan order; the array is in a. *ret_by_bytes: the byte
 * limit closed it. */
size_t batcher_take(
	struct batcher *b, struct arena *a, struct unit ***ret_units, bool *ret_by_bytes);

#endif
