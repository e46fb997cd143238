/*
 * clock: the only source of time and of sleep, so that a simulator can own both.
 *
 * Wall time (since 1970, UTC) is for people and for names; boot time (since the machine started,
 * never set, counts suspend) is for leases and timeouts. They are never mixed: wall values are
 * called …_wall_ms, boot values …_boot_ms, durations …_ms.
 */
#ifndef BALER_BASE_CLOCK_H
#define BALER_BASE_CLOCK_H

#include <stdint.h>

struct ticker;

struct clock {
	uint64_t (*wall_ms)(struct clock *c);
	uint64_t (*boot_ms)(struct clock *c);
	void (*sleep_ms)(struct clock *c, uint64_t ms);
	/* Only of a clock that a test moves: the clock runs these tickers (base/ticker.h) while it
	 * moves. NULL: tickers are threads. */
	void (*tickers_add)(struct clock *c, struct ticker *t);
	void (*tickers_remove)(struct clock *c, struct ticker *t);
};

/* The machine's own clock; shared, thread-safe. */
struct clock *clock_system(void);

static inline uint64_t clock_wall_ms(struct clock *c)
{
	return c->wall_ms(c);
}

static inline uint64_t clock_boot_ms(struct clock *c)
{
	return c->boot_ms(c);
}

static inline void clock_sleep_ms(struct clock *c, uint64_t ms)
{
	c->sleep_ms(c, ms);
}

#endif
