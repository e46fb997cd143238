#include "cli/meter.h"

#include <string.h>

void meter_init(struct meter *m, FILE *out, bool is_live, const char *what)
{
	*m = (struct meter){
		.out = out, .is_live = is_live, .what = what, .next_ms = METER_AFTER_MS};
}

void bytes_show(uint64_t bytes, char *out, size_t max)
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB"};
	double v = (double)bytes / 1024;
	size_t i = 0;

	if (bytes < 1024) {
		snprintf(out, max, "%llu B", (unsigned long long)bytes);
		return;
	}
	for (; v >= 1024 && i + 1 < sizeof(units) / sizeof(units[0]); i++)
		v /= 1024;
	snprintf(out, max, "%.1f %s", v, units[i]);
}

static double share(const struct meter_reading *now)
{
	double s = now->bytes ? (double)now->done_bytes / (double)now->bytes
		   : now->n   ? (double)now->n_done / (double)now->n
			      : 0;

	return s > 1 ? 1 : s;
}

void meter_describe(const struct meter_reading *now, const char *what, char *line, size_t max)
{
	double done = share(now), seconds = (double)now->elapsed_ms / 1000;
	uint64_t left_s = done > 0 ? (uint64_t)(seconds / done - seconds + 0.5) : 0;
	char rate[32], left[48] = "";

	if (now->bytes)
		bytes_show((uint64_t)((double)now->done_bytes / seconds), rate, sizeof(rate));
	else
		snprintf(rate, sizeof(rate), "%.1f", (double)now->n_done / seconds);
	if (done > 0)
		snprintf(left, sizeof(left), ", %llu:%02llu left", (unsigned long long)left_s / 60,
			(unsigned long long)left_s % 60);
	snprintf(line, max, "%3.0f %%, %llu of %llu %s, %s/s%s", 100 * done,
		(unsigned long long)now->n_done, (unsigned long long)now->n, what, rate, left);
}

void meter_bar(const struct meter_reading *now, size_t chars, char *bar)
{
	memset(bar, '-', chars);
	memset(bar, '#', (size_t)(share(now) * (double)chars));
	bar[chars] = '\0';
}

void meter_show(struct meter *m, const struct meter_reading *now)
{
	char line[160], bar[METER_BAR_CHARS + 1];

	if (now->elapsed_ms < m->next_ms)
		return;
	m->next_ms = now->elapsed_ms + (m->is_live ? METER_LIVE_MS : METER_PLAIN_MS);
	meter_describe(now, m->what, line, sizeof(line));
	meter_bar(now, METER_BAR_CHARS, bar);
	/* \033[K: erase the rest of the old line. */
	if (m->is_live)
		fprintf(m->out, "\r[%s] %s\033[K", bar, line);
	else
		fprintf(m->out, "%s\n", line);
	m->has_line = m->is_live;
	fflush(m->out);
}

void meter_clear(struct meter *m)
{
	if (m->has_line)
		fputs("\r\033[K", m->out);
	m->has_line = false;
	fflush(m->out);
}

void meter_end(struct meter *m)
{
	meter_clear(m);
	m->next_ms = METER_AFTER_MS;
}
