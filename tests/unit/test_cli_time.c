/* cli/time_point and cli/meter. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>

#include "cli/meter.h"
#include "cli/time_point.h"

#define NOW UINT64_C(1795431600000) /* 2026-11-23T11:00:00Z */

static void times_as_users_write_them(void **state)
{
	static const struct {
		const char *text;
		uint64_t ms;
	} good[] = {{"2h", NOW - 7200000}, {"3d", NOW - 3 * UINT64_C(86400000)},
		{"90s", NOW - 90000}, {"30m", NOW - 1800000}, {"0s", NOW},
		{"2026-11-23T11:00:00Z", NOW}, {"2026-11-23T11:00:00", NOW},
		{"2026-11-23T11:00", NOW}, {"2026-11-23T11:00Z", NOW},
		{"2026-11-23", NOW - 39600000}, {"2026-11-23T11:00:00.250Z", NOW + 250}};
	static const char *const bad[] = {"", "2", "h", "2x", "-2h", "2026", "2026-13-01", "Z",
		"2026-11-23T", "2026-11-23T1", "2026-11-23 11:00", "yesterday",
		"99999999999999999999d", "99999d", "2026-11-23T11:00:00+01:00"};
	uint64_t ms;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if (!time_point_parse(good[i].text, NOW, &ms))
			fail_msg("'%s' is refused", good[i].text);
		if (ms != good[i].ms)
			fail_msg("'%s' is taken for %llu", good[i].text, (unsigned long long)ms);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (time_point_parse(bad[i], NOW, &ms))
			fail_msg("'%s' is taken", bad[i]);
}

static void show(bool is_live, uint64_t elapsed_ms, char *ret, size_t max)
{
	FILE *out = fmemopen(ret, max, "w");
	struct meter m;

	memset(ret, 0, max);
	meter_init(&m, out, is_live, "bundles");
	meter_show(&m, &(struct meter_reading){10, 5, 2048, 1024, elapsed_ms});
	fclose(out);
}

static void the_meter_tells_rate_and_time_left_of_long_jobs(void **state)
{
	char text[400];

	(void)state;
	show(false, METER_AFTER_MS - 1, text, sizeof(text));
	assert_string_equal(text, "");
	show(false, 4000, text, sizeof(text));
	assert_string_equal(text, " 50 %, 5 of 10 bundles, 256 B/s, 0:04 left\n");
	show(true, 4000, text, sizeof(text));
	assert_string_equal(text, "\r[############------------]  50 %, 5 of 10 bundles, 256 B/s, "
				  "0:04 left\033[K");
}

static void sizes_are_readable(void **state)
{
	char text[32];

	(void)state;
	bytes_show(1023, text, sizeof(text));
	assert_string_equal(text, "1023 B");
	bytes_show(1536, text, sizeof(text));
	assert_string_equal(text, "1.5 KiB");
	bytes_show(UINT64_MAX, text, sizeof(text));
	assert_string_equal(text, "16384.0 PiB");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_as_users_write_them),
		cmocka_unit_test(the_meter_tells_rate_and_time_left_of_long_jobs),
		cmocka_unit_test(sizes_are_readable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
