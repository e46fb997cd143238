#include "obs/alarm.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "obs/baseline.h"
#include "obs/log.h"

#define ERRORS 5
#define ERRORS_WITHIN_MS (10 * 60000u)
#define QUEUE_AGE_MS 3600000u
#define WAITING_BUNDLES 1000
#define DISK_LOW_BYTES (UINT64_C(10) << 30)
#define MINUTE_MS 60000u
#define INBOUND_FLOOR 60 /* objects a minute: less is noise */

static const struct rule {
	const char *name, *meaning;
	enum alarm_severity severity;
	uint64_t for_ms;
} rules[ALARM_COUNT] = {
#define X(id, name, severity, for_ms, meaning) [id] = {name, meaning, severity, for_ms},
#include "obs/alarm_rules.h"
#undef X
};

struct state {
	bool holds, raised;
	uint64_t since_boot_ms; /* while it holds */
	uint64_t raised_wall_ms;
	char text[ALARM_TEXT_MAX];
};

struct alarms {
	/* of the observing thread */
	uint64_t errors_seen;            /* errors of the last reading */
	uint64_t errors_boot_ms[ERRORS]; /* when the latest were seen; ring */
	size_t n_errors;                 /* ever */
	struct baseline inbound;
	bool is_inbound_unusual;
	uint64_t next_minute_boot_ms;
	/* everybody's */
	pthread_mutex_t lock;
	struct state states[ALARM_COUNT]; /* under lock */
};

struct alarms *alarms_new(void)
{
	struct alarms *a = xcalloc(1, sizeof(*a));

	pthread_mutex_init(&a->lock, NULL);
	return a;
}

void alarms_free(struct alarms *a)
{
	if (!a)
		return;
	pthread_mutex_destroy(&a->lock);
	free(a);
}

const char *alarm_severity_name(enum alarm_severity severity)
{
	return severity == ALARM_CRITICAL ? "critical" : "warning";
}

static void note_errors(struct alarms *a, const struct alarm_reading *r)
{
	uint64_t n = r->errors - a->errors_seen;

	for (uint64_t i = 0; i < n && i < ERRORS; i++)
		a->errors_boot_ms[a->n_errors++ % ERRORS] = r->boot_ms;
	a->errors_seen = r->errors;
}

/* The ring holds the times of the latest ERRORS errors, so the oldest of them decides. */
static bool is_failing(const struct alarms *a, const struct alarm_reading *r)
{
	return a->n_errors >= ERRORS &&
	       r->boot_ms - a->errors_boot_ms[a->n_errors % ERRORS] <= ERRORS_WITHIN_MS;
}

static void note_inbound(struct alarms *a, const struct alarm_reading *r)
{
	if (r->boot_ms < a->next_minute_boot_ms)
		return;
	a->next_minute_boot_ms = r->boot_ms + MINUTE_MS;
	a->is_inbound_unusual =
		baseline_is_unusual(&a->inbound, (double)r->received_last_minute, INBOUND_FLOOR);
}

static bool holds_locked(const struct alarms *a, enum alarm_id id, const struct alarm_reading *r)
{
	switch (id) {
	case ALARM_DEAD_LETTERS:
		return r->dead_letters > 0;
	case ALARM_STUCK_PLAN:
		return r->stuck_plans > 0;
	case ALARM_DAMAGE:
		return r->damaged > 0;
	case ALARM_DISK:
		return r->is_disk_refusing;
	case ALARM_BUNDLE_ROOM:
		return r->waiting_bundle && r->waiting_bundle[0];
	case ALARM_CLOCK:
		return r->clock_behind_ms > 0;
	case ALARM_DISK_LOW:
		return r->disk_free_bytes < r->disk_total_bytes / 10 &&
		       r->disk_free_bytes < DISK_LOW_BYTES;
	case ALARM_ERRORS:
		return is_failing(a, r);
	case ALARM_QUEUE_AGE:
		return r->oldest_ms > QUEUE_AGE_MS;
	case ALARM_OUTAGE: /* judged after these two */
		return a->states[ALARM_ERRORS].raised && a->states[ALARM_QUEUE_AGE].raised;
	case ALARM_INBOUND_RATE:
		return a->is_inbound_unusual;
	case ALARM_CONSUMER:
		return r->waiting_bundles >= WAITING_BUNDLES;
	case ALARM_COUNT:
		break;
	}
	return false;
}

static void describe(const struct alarms *a, enum alarm_id id, const struct alarm_reading *r,
	char text[ALARM_TEXT_MAX])
{
	switch (id) {
	case ALARM_DEAD_LETTERS:
		snprintf(text, ALARM_TEXT_MAX, "%llu dead letter%s",
			(unsigned long long)r->dead_letters, r->dead_letters == 1 ? "" : "s");
		break;
	case ALARM_STUCK_PLAN:
		snprintf(text, ALARM_TEXT_MAX, "%s", r->stuck_plan);
		break;
	case ALARM_DAMAGE:
		snprintf(text, ALARM_TEXT_MAX, "%llu damaged, the first: %s",
			(unsigned long long)r->damaged, r->damage);
		break;
	case ALARM_DISK:
	case ALARM_DISK_LOW:
		snprintf(text, ALARM_TEXT_MAX, "%llu of %llu bytes are free",
			(unsigned long long)r->disk_free_bytes,
			(unsigned long long)r->disk_total_bytes);
		break;
	case ALARM_BUNDLE_ROOM:
		snprintf(text, ALARM_TEXT_MAX, "bundle '%s' needs %llu bytes, and %llu are free",
			r->waiting_bundle, (unsigned long long)r->needed_bytes,
			(unsigned long long)r->had_bytes);
		break;
	case ALARM_CLOCK:
		snprintf(text, ALARM_TEXT_MAX, "it is %llu hours behind",
			(unsigned long long)r->clock_behind_ms / 3600000);
		break;
	case ALARM_INBOUND_RATE:
		snprintf(text, ALARM_TEXT_MAX,
			"%llu objects in the last minute, usually about %.0f",
			(unsigned long long)r->received_last_minute, a->inbound.mean);
		break;
	case ALARM_CONSUMER:
		snprintf(text, ALARM_TEXT_MAX, "%llu bundles wait",
			(unsigned long long)r->waiting_bundles);
		break;
	default:
		snprintf(text, ALARM_TEXT_MAX,
			"%llu errors since the start, oldest message %llu s old",
			(unsigned long long)r->errors, (unsigned long long)r->oldest_ms / 1000);
		break;
	}
}

/* Returns the change: 1 raised, -1 cleared, 0 none. */
static int judge_locked(struct alarms *a, enum alarm_id id, const struct alarm_reading *r)
{
	struct state *s = &a->states[id];
	bool held = s->holds, was_raised = s->raised;

	s->holds = holds_locked(a, id, r);
	if (s->holds && !held)
		s->since_boot_ms = r->boot_ms;
	s->raised = s->holds && r->boot_ms - s->since_boot_ms >= rules[id].for_ms;
	if (s->raised)
		describe(a, id, r, s->text);
	if (s->raised && !was_raised)
		s->raised_wall_ms = r->wall_ms;
	return (int)s->raised - (int)was_raised;
}

void alarms_observe(struct alarms *a, const struct alarm_reading *reading)
{
	int changes[ALARM_COUNT];
	char texts[ALARM_COUNT][ALARM_TEXT_MAX];

	note_errors(a, reading);
	note_inbound(a, reading);
	pthread_mutex_lock(&a->lock);
	for (enum alarm_id id = 0; id < ALARM_COUNT; id++) {
		changes[id] = judge_locked(a, id, reading);
		memcpy(texts[id], a->states[id].text, ALARM_TEXT_MAX);
	}
	pthread_mutex_unlock(&a->lock);
	for (enum alarm_id id = 0; id < ALARM_COUNT; id++) {
		if (changes[id] > 0)
			log_event(EV_ALARM_RAISED, LF_STR(alarm, rules[id].name),
				LF_STR(severity, alarm_severity_name(rules[id].severity)),
				LF_STR(cause, texts[id]));
		else if (changes[id] < 0)
			log_event(EV_ALARM_CLEARED, LF_STR(alarm, rules[id].name));
	}
}

size_t alarms_raised(struct alarms *a, struct alarm ret_alarms[ALARM_COUNT])
{
	size_t n = 0;

	pthread_mutex_lock(&a->lock);
	for (enum alarm_id id = 0; id < ALARM_COUNT; id++) {
		const struct state *s = &a->states[id];

		if (!s->raised)
			continue;
		ret_alarms[n] = (struct alarm){.name = rules[id].name,
			.meaning = rules[id].meaning,
			.severity = rules[id].severity,
			.raised_wall_ms = s->raised_wall_ms};
		memcpy(ret_alarms[n++].text, s->text, ALARM_TEXT_MAX);
	}
	pthread_mutex_unlock(&a->lock);
	return n;
}
