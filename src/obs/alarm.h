/*
 * alarm: conditions that a person must know of, judged from readings that are taken every few
 * seconds.
 *
 * The alarms and their severity are in obs/alarm_rules.h. Each change is logged (alarm-raised,
 * alarm-cleared). A condition that must hold for a time is timed by the boot clock from the reading
 * that first showed it, and the time starts anew with the process. Thread-safe.
 */
#ifndef BALER_OBS_ALARM_H
#define BALER_OBS_ALARM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* a key has 1,024 bytes at most, and bucket, version and cause stand beside it */
#define ALARM_TEXT_MAX 1600

enum alarm_severity { ALARM_WARNING, ALARM_CRITICAL };

enum alarm_id {
#define X(id, name, severity, for_ms, meaning) id,
#include "obs/alarm_rules.h"
#undef X
	ALARM_COUNT
};

struct alarm_reading {
	uint64_t boot_ms, wall_ms;     /* when it was taken */
	uint64_t dead_letters;         /* messages */
	uint64_t oldest_ms;            /* age of the oldest message not acknowledged */
	uint64_t waiting_bundles;      /* in distribution, not taken */
	uint64_t received_last_minute; /* objects */
	uint64_t errors;               /* failures of bundling since the start; only grows */
	/* of the data folder's disk; total 0: unknown */
	uint64_t disk_free_bytes, disk_total_bytes;
	bool is_disk_refusing;                      /* a write found no room lately */
	/* the one that waits for room; NULL or "": none */
	const char *waiting_bundle;
	/* bytes that it needs, and bytes that were free */
	uint64_t needed_bytes, had_bytes;
	/* the wall clock, behind the newest thing that is stored; 0: it is not */
	uint64_t clock_behind_ms;
	uint64_t damaged;              /* stored things that are damaged */
	uint64_t stuck_plans;          /* sealed plans that cannot be published */
	const char *stuck_plan;        /* describes the oldest stuck plan, when there is one */
	const char *damage;            /* describes the first damaged thing, when there is one */
};

struct alarm {
	const char *name, *meaning;
	enum alarm_severity severity;
	uint64_t raised_wall_ms;
	char text[ALARM_TEXT_MAX]; /* the reading that raised it, in words */
};

struct alarms;

struct alarms *alarms_new(void);
void alarms_free(struct alarms *a);
/* Readings come in the order of their boot_ms. */
void alarms_observe(struct alarms *a, const struct alarm_reading *reading);
/* The alarms that are raised now, in the order of enum alarm_id. Returns how many. */
size_t alarms_raised(struct alarms *a, struct alarm ret_alarms[ALARM_COUNT]);

/* "warning", "critical" */
const char *alarm_severity_name(enum alarm_severity severity);

#endif
