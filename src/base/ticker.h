/*
 * ticker: a function that runs again and again, on a thread of its own.
 *
 * The clock decides how time passes. A ticker of the system clock has a pthread. A clock that
 * moves only when a test moves it (clock.h: tickers_add) runs each ticker that is due, in the
 * thread that moves the clock, at the moment when it is due: so a test sees what a ticker does
 * during a slow call, and sees it again in the same order in the next run.
 *
 * Runs of one ticker never overlap. Any thread may kick; one thread starts and stops.
 */
#ifndef BALER_BASE_TICKER_H
#define BALER_BASE_TICKER_H

#include <stdbool.h>

#include "base/clock.h"

struct ticker;

/* Returns the milliseconds until the next run. It must not stop its own ticker. */
typedef uint64_t (*ticker_fn)(void *arg);

/*
 * The first run is first_ms from now. name: what `ps -L` shows, at most 15 bytes. clock and arg
 * are borrowed until ticker_stop has returned. Ends the process if the system has no thread
 * left: every caller needs its ticker.
 */
struct ticker *ticker_start(
	struct clock *clock, const char *name, uint64_t first_ms, ticker_fn run, void *arg);
/* The next run starts at once, or, during a run, as soon as that run has ended. With a clock that a
 * test moves: at its next move. */
void ticker_kick(struct ticker *t);
/* Waits for a run in progress, then frees; no run starts afterwards. NULL is fine. */
void ticker_stop(struct ticker *t);

/* For a clock with tickers_add: runs the ticker if it is due at now_boot_ms and is not running.
 * When its next run is due. */
void ticker_run_due(struct ticker *t, uint64_t now_boot_ms);
uint64_t ticker_due_boot_ms(const struct ticker *t);

#endif
