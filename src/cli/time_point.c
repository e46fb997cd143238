#include "cli/time_point.h"

#include <string.h>

#include "base/date.h"

static bool parse_ago(const char *text, uint64_t now_wall_ms, uint64_t *ret_wall_ms)
{
	static const struct {
		char unit;
		uint64_t ms;
	} units[] = {{'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', 86400000}};
	size_t digits = strspn(text, "0123456789");
	uint64_t n, ms;

	if (!slice_to_u64(slice_of(text, digits), &n) || strlen(text) != digits + 1)
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (text[digits] != units[i].unit)
			continue;
		if (__builtin_mul_overflow(n, units[i].ms, &ms) || ms > now_wall_ms)
			return false;
		*ret_wall_ms = now_wall_ms - ms;
		return true;
	}
	return false;
}

bool time_point_parse(const char *text, uint64_t now_wall_ms, uint64_t *ret_wall_ms)
{
	static const char rest[] = "T00:00:00Z";
	char whole[40];
	size_t n = strlen(text);

	if (parse_ago(text, now_wall_ms, ret_wall_ms))
		return true;
	if (n && text[n - 1] == 'Z')
		n--;
	/* A date, to the minute, to the second, or with a fraction. */
	if (n != 10 && n != 16 && (n < 19 || n > 30))
		return false;
	memcpy(whole, text, n);
	if (n < 19)
		strcpy(whole + n, rest + (n - 10));
	else
		strcpy(whole + n, "Z");
	return date_iso_parse(slice_str(whole), ret_wall_ms);
}
