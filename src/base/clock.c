#include "base/clock.h"

#include <errno.h>
#include <time.h>

static uint64_t read_ms(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static uint64_t system_wall_ms(struct clock *c)
{
	(void)c;
	return read_ms(CLOCK_REALTIME);
}

static uint64_t system_boot_ms(struct clock *c)
{
	(void)c;
	return read_ms(CLOCK_BOOTTIME);
}

static void system_sleep_ms(struct clock *c, uint64_t ms)
{
	struct timespec ts = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};

	(void)c;
	while (nanosleep(&ts, &ts) != 0 && errno == EINTR)
		;
}

struct clock *clock_system(void)
{
	static struct clock c = {
		.wall_ms = system_wall_ms, .boot_ms = system_boot_ms, .sleep_ms = system_sleep_ms};

	return &c;
}
