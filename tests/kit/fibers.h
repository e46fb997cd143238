/*
 * fibers: many threads of a program, run one at a time on the clock of a world, for tests.
 *
 * A fiber runs until it sleeps on the fibers' clock. Then the fiber whose time comes first goes on,
 * and the clock moves to that time. So a slow call of one thread takes virtual time only, the other
 * threads go on meanwhile, and the order is the same in every run. A ticker of this clock
 * (base/ticker.h) is a fiber too.
 *
 * A fiber may not block on anything but this clock: there is one real thread, so a lock that
 * another fiber holds is never released.
 */
#ifndef BALER_TESTS_KIT_FIBERS_H
#define BALER_TESTS_KIT_FIBERS_H

#include <stdbool.h>

#include "world.h"

#define FIBERS_MAX 32

struct fibers;
struct fiber;

/* clock is borrowed and is moved by fibers_run alone. */
struct fibers *fibers_new(struct world_clock *clock);
/* Ends the program if a fiber has not come to its end; fibers of tickers need not. */
void fibers_free(struct fibers *f);

/* Its sleep suspends the fiber that calls it. */
struct clock *fibers_clock(struct fibers *f);
/* The fiber ends when run returns. */
struct fiber *fibers_start(struct fibers *f, void (*run)(void *arg), void *arg);
/* The fiber that runs now; NULL outside of all. */
struct fiber *fibers_current(const struct fibers *f);
/* Whether it is the fiber of a ticker. */
bool fiber_is_ticker(const struct fiber *fiber);
/* A fiber that is held does not go on, as if its last call were still under way. */
void fiber_hold(struct fiber *fiber, bool is_held);

/* Runs all fibers until then. */
void fibers_run(struct fibers *f, uint64_t until_boot_ms);
/* Whether every fiber that is no ticker's has ended, and no ticker is in the middle of a run. */
bool fibers_have_ended(const struct fibers *f);

#endif
