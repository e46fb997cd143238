/* cli/time_point and cli/meter. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>

#include "cli/human.h"
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

/* A clock that stands still, so that the line does not depend on how long the test took. */
static uint64_t stands(struct clock *c)
{
	(void)c;
	return 1;
}

static void show(bool is_live, uint64_t elapsed_ms, char *ret, size_t max)
{
	struct clock still = {stands, stands, NULL};
	FILE *out = fmemopen(ret, max, "w");
	struct meter m;

	/* a dumb terminal gets no line, and whoever runs the tests may have one */
	setenv("TERM", "xterm", 1);
	memset(ret, 0, max);
	meter_init(&m, &still, out, is_live, "bundles");
	meter_show(&m, &(struct meter_reading){10, 5, 2048, 1024, elapsed_ms});
	meter_end(&m);
	fclose(out);
}

static void the_meter_is_silent_in_pipes_and_for_short_jobs(void **state)
{
	char text[400];

	(void)state;
	show(false, 60000, text, sizeof(text));
	assert_string_equal(text, "");
	show(true, METER_AFTER_MS - 500, text, sizeof(text));
	assert_string_equal(text, "");
	show(true, 4000, text, sizeof(text));
	assert_string_equal(text, "\r[############------------] 50 %, 5 of 10 bundles, 256 B/s, "
				  "0:04 left\033[K\r\033[K");
}

static void the_line_is_as_wide_as_the_terminal(void **state)
{
	static const struct {
		struct meter_reading now;
		unsigned columns;
		const char *line;
	} lines[] = {
		{{10, 5, 2048, 1024, 4000}, 80,
			"[############------------] 50 %, 5 of 10 bundles, 256 B/s, 0:04 left"},
		{{10, 5, 2048, 1024, 4000}, 60,
			"[#######--------] 50 %, 5 of 10 bundles, 256 B/s, 0:04 left"},
		{{10, 5, 2048, 1024, 4000}, 50, "50 %, 5 of 10 bundles, 256 B/s, 0:04 left"},
		{{10, 5, 2048, 1024, 4000}, 40, "[######------] 50 %, 256 B/s, 0:04 left"},
		{{10, 5, 2048, 1024, 4000}, 20, "50 %, 0:04 left"},
		{{10, 5, 2048, 1024, 4000}, 6, "50 %,"},
		{{0, 0, 2048, 512, 2000}, 80,
			"[######------------------] 25 %, 512 B of 2.0 KiB, 256 B/s, 0:06 left"},
		{{0, 0, 0, 4096, 2000}, 80, "4.0 KiB, 2.0 KiB/s"},
		{{0, 3000, 0, 0, 2000}, 80, "3000 bundles, 1500.0/s"},
		{{4, 1, 0, 0, 1800000}, 80,
			"[######------------------] 25 %, 1 of 4 bundles, 0.0/s, 1:30:00 left"},
		{{1000, 1, 0, 0, 1800000}, 60,
			"[-------------] 0 %, 1 of 1000 bundles, 0.0/s, 20 days left"},
	};
	char line[256];

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		meter_line("bundles", &lines[i].now, lines[i].columns, line, sizeof(line));
		assert_string_equal(line, lines[i].line);
		assert_true(strlen(line) < lines[i].columns);
	}
}

static void sizes_are_readable(void **state)
{
	char text[HUMAN_MAX];

	(void)state;
	assert_string_equal(human_bytes(1023, text), "1023 B");
	assert_string_equal(human_bytes(1536, text), "1.5 KiB");
	assert_string_equal(human_bytes(UINT64_MAX, text), "16384.0 PiB");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_as_users_write_them),
		cmocka_unit_test(the_meter_is_silent_in_pipes_and_for_short_jobs),
		cmocka_unit_test(the_line_is_as_wide_as_the_terminal),
		cmocka_unit_test(sizes_are_readable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
