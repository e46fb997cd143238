/*
 * meter: shows how far a long job is: on a terminal one line with a bar, the rate and the time
 * left, which is written over and never wider than the terminal. Nothing elsewhere, and nothing
 * before METER_AFTER_MS, because short jobs need no meter.
 *
 * Between two readings a thread of the meter goes on drawing the last one, so that a job that is
 * silent for long still counts its seconds. One job at a time in the process; any thread may call,
 * one after the other.
 */
#ifndef BALER_CLI_METER_H
#define BALER_CLI_METER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/sync.h"

#define METER_AFTER_MS 2000
#define METER_LIVE_MS 100

struct meter_reading {
	uint64_t n, n_done;         /* how many things; 0: unknown so far */
	uint64_t bytes, done_bytes; /* 0 bytes: progress is counted in things */
	uint64_t elapsed_ms;
};

struct meter {
	struct work work; /* its own, first */
	struct clock *clock;
	FILE *out;
	bool is_live;
	const char *what; /* "bundles" */
	/* Its own. */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct work_pool *ticker;
	bool is_ending; /* under lock, like the rest */
	bool has_line;
	bool is_held; /* the line is away; until the next reading */
	struct meter_reading last;
	uint64_t last_boot_ms, next_ms;
};

/* clock and out are borrowed until meter_end. is_live: out is a terminal. */
void meter_init(
	struct meter *m, struct clock *clock, FILE *out, bool is_live, const char *what);
void meter_show(struct meter *m, const struct meter_reading *now);
/* Takes the line away, for another text; the next reading shows it again. */
void meter_clear(struct meter *m);
/* A new job. */
void meter_end(struct meter *m);
/* Removes the line; the meter draws no more. For signal handlers. */
void meter_wipe(void);

/* "45 %, 9 of 20 WHAT, 1.5 MiB/s, 0:12 left", for a caller who composes the line; elapsed_ms must
 * not be 0, max is at least 256. */
void meter_text(const char *what, const struct meter_reading *now, char *out, size_t max);
/* The line for a terminal of so many columns: at most columns - 1 characters; max is at least
 * 256. */
void meter_line(
	const char *what, const struct meter_reading *now, unsigned columns, char *out, size_t max);

#endif
