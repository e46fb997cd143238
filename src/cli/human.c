#include "cli/human.h"

#include <stdio.h>
#include <string.h>

const char *human_count(uint64_t n, char out[HUMAN_MAX])
{
	char digits[HUMAN_MAX];
	size_t len, j = 0;

	snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n);
	len = strlen(digits);
	for (size_t i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			out[j++] = ',';
		out[j++] = digits[i];
	}
	out[j] = '\0';
	return out;
}

const char *human_bytes(uint64_t n, char out[HUMAN_MAX])
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB"};
	double v = (double)n / 1024;
	size_t i = 0;

	if (n < 1024) {
		snprintf(out, HUMAN_MAX, "%llu B", (unsigned long long)n);
		return out;
	}
	for (; v >= 1024 && i < 4; i++)
		v /= 1024;
	snprintf(out, HUMAN_MAX, "%.1f %s", v, units[i]);
	return out;
}

const char *human_duration(uint64_t ms, char out[HUMAN_MAX])
{
	unsigned long long s = ms / 1000;

	if (s < 60)
		snprintf(out, HUMAN_MAX, "%llu s", s);
	else if (s < 3600)
		snprintf(out, HUMAN_MAX, "%llu m %llu s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(out, HUMAN_MAX, "%llu h %llu m", s / 3600, s / 60 % 60);
	else
		snprintf(out, HUMAN_MAX, "%llu d %llu h", s / 86400, s / 3600 % 24);
	return out;
}
