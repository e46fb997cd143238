/*
 * retention_clock: whether the wall clock can be believed when it says that something is old.
 *
 * Ages are wall time, and a wall clock can be wrong: its battery died, somebody mistyped, a time
 * server failed. A clock that is a year ahead would make everything old at once. Therefore the wall
 * clock is compared with the time that has really passed (boot time; over restarts, the time that
 * was kept in the folder). When more than RETENTION_JUMP_MS are unexplained, nothing is removed
 * until the clock has run on for RETENTION_HOLD_MS, so that somebody can see the warning. After
 * that the clock is believed, because a clock that was put right and a machine that was off for
 * weeks look the same. A clock that falls back ends the hold, because it makes things younger.
 *
 * A machine that is always off for longer than a day ends its hold too, because further jumps do
 * not prolong it.
 *
 * One thread. Only the load and the save block.
 */
#ifndef BALER_ADAPTER_LOCAL_RETENTION_RETENTION_CLOCK_H
#define BALER_ADAPTER_LOCAL_RETENTION_RETENTION_CLOCK_H

#include "adapter/local/local_internal.h"

#define RETENTION_JUMP_MS (24 * 3600000ull)
#define RETENTION_HOLD_MS (24 * 3600000ull)

struct retention_clock {
	uint64_t wall_ms, boot_ms; /* when it was looked at last; 0: never */
	uint64_t hold_ms;          /* how long nothing is removed yet */
	uint64_t saved_wall_ms, saved_hold_ms;
};

/* The times that were kept when the folder was last open. */
enum rc retention_clock_load(struct retention_clock *c, struct local *local, struct err *err);
/* Keeps it, at most every ten minutes unless something has changed. */
enum rc retention_clock_save(struct retention_clock *c, struct local *local, struct err *err);
/* Looks at the clocks; the ms that the wall clock has just jumped ahead by, when that begins a
 * hold, else 0. */
uint64_t retention_clock_look(struct retention_clock *c, uint64_t wall_ms, uint64_t boot_ms);

#endif
