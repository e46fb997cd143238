#include "obs/metrics.h"

#include <dirent.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

static const struct declaration {
	const char *family, *labels, *type, *help;
	bool is_ms;
} declarations[METRIC_COUNT] = {
#define X(id, family_, labels_, type_, help_)                                                      \
	[id] = {family_, labels_, type_, help_,                                                    \
		sizeof(#id) > 3 && #id[sizeof(#id) - 3] == 'M' && #id[sizeof(#id) - 2] == 'S'},
#include "obs/metric_list.h"
#undef X
};

static uint64_t resident_bytes(void)
{
	unsigned long size, resident = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (!f)
		return 0;
	if (fscanf(f, "%lu %lu", &size, &resident) != 2)
		resident = 0;
	fclose(f);
	return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

void metrics_read_resident(uint64_t *ret_bytes, uint64_t *ret_peak_bytes)
{
	FILE *f = fopen("/proc/self/status", "re");
	unsigned long long kib;
	char line[256];

	*ret_bytes = *ret_peak_bytes = 0;
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "VmRSS: %llu", &kib) == 1)
			*ret_bytes = kib << 10;
		else if (sscanf(line, "VmHWM: %llu", &kib) == 1)
			*ret_peak_bytes = kib << 10;
	}
	if (f)
		fclose(f);
}

static uint64_t open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	uint64_t n = 0;

	if (!d)
		return 0;
	while (readdir(d))
		n++;
	closedir(d);
	return n - 3; /* ".", ".." and this one */
}

static uint64_t ms_of(struct timeval t)
{
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_usec / 1000;
}

void metrics_read_process(struct metrics *m)
{
	struct rusage usage;

	m->values[METRIC_BUILD] = 1;
	m->values[METRIC_RESIDENT_BYTES] = resident_bytes();
	m->values[METRIC_OPEN_FILES] = open_files();
	if (getrusage(RUSAGE_SELF, &usage) == 0)
		m->values[METRIC_CPU_MS] = ms_of(usage.ru_utime) + ms_of(usage.ru_stime);
}

static void begin_family(struct buf *out, const char *family, const char *type, const char *help)
{
	buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", family, help, family, type);
}

void metrics_write(struct buf *out, const struct metrics *m)
{
	const char *family = "";

	for (enum metric_id id = 0; id < METRIC_COUNT; id++) {
		const struct declaration *d = &declarations[id];
		unsigned long long v = m->values[id];

		if (strcmp(d->family, family) != 0)
			begin_family(out, d->family, d->type, d->help);
		family = d->family;
		if (d->is_ms)
			buf_addf(out, "%s%s %llu.%03llu\n", family, d->labels, v / 1000, v % 1000);
		else
			buf_addf(out, "%s%s %llu\n", family, d->labels, v);
	}
}

void metrics_write_memory(struct buf *out, const struct budget *shares, size_t n)
{
	static const struct {
		const char *family, *type, *help;
		size_t offset;
	} all[] = {
		{"baler_memory_used_bytes", "gauge", "memory in use, by share of the ceiling",
			offsetof(struct budget, used)},
		{"baler_memory_peak_bytes", "gauge", "the most that was in use since the start",
			offsetof(struct budget, peak)},
		{"baler_memory_max_bytes", "gauge", "what the share may use",
			offsetof(struct budget, max)},
		{"baler_memory_refused_total", "counter",
			"how often something was not granted because the share was used up",
			offsetof(struct budget, refused)},
	};

	for (size_t i = 0; n && i < sizeof(all) / sizeof(all[0]); i++) {
		begin_family(out, all[i].family, all[i].type, all[i].help);
		for (size_t k = 0; k < n; k++)
			buf_addf(out, "%s{share=\"%s\"} %llu\n", all[i].family, shares[k].name,
				(unsigned long long)atomic_load((const _Atomic uint64_t *)(
					const void *)((const char *)&shares[k] +
						      all[i].offset)));
	}
}

void metrics_write_alarms(struct buf *out, struct alarms *alarms)
{
	static const struct {
		const char *name;
		enum alarm_severity severity;
	} all[] = {
#define X(id, name, severity, for_ms, meaning) {name, severity},
#include "obs/alarm_rules.h"
#undef X
	};
	struct alarm raised[ALARM_COUNT];
	size_t n = alarms_raised(alarms, raised), at = 0;

	begin_family(out, "baler_alarm", "gauge", "1 while the alarm is raised");
	for (size_t i = 0; i < ALARM_COUNT; i++) {
		bool is_raised = at < n && strcmp(raised[at].name, all[i].name) == 0;

		at += is_raised;
		buf_addf(out, "baler_alarm{name=\"%s\",severity=\"%s\"} %d\n", all[i].name,
			alarm_severity_name(all[i].severity), is_raised);
	}
}
