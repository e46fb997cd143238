/*
 * round_internal: what round.c, which carries a plan from open to done, and round_decide.c,
 * which says what becomes of each unit, share.
 */
#ifndef BALER_CORE_ROUND_INTERNAL_H
#define BALER_CORE_ROUND_INTERNAL_H

#include "core/bundle.h"
#include "core/heartbeat.h"
#include "core/round.h"

struct round {
	struct round_context *c;
	struct lg_plan plan;
	struct unit **units; /* by slot */
	size_t n;
	struct bundle bundle;
	bool published;
	struct beat beat;
	uint64_t stop_seen_boot_ms; /* 0: not asked to stop */
	struct arena arena;
};

static inline bool round_is_mine(const struct unit *u)
{
	return u->claim == CLAIM_MINE;
}

/* The objects are not at fault: all units that are still ours to decide are tried again later. */
void round_retry_all(struct round *r, bool at_once);
/* Objects that spoilt a bundle must not spoil the next one. They wait longer than the other units
 * of that bundle, which are tried again at once. Returns how many there are. */
size_t round_put_aside(struct round *r);
/* A verdict for every unit, when the plan has come to its end. */
void round_decide_all(struct round *r);

#endif
