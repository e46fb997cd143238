/*
 * meter: how far a long job is, for whoever waits: on a terminal one line with a bar, the rate and the time left, written over;
 * in a pipe a plain line now and then. Nothing before METER_AFTER_MS: short jobs need none.
 */
#ifndef BALER_CLI_METER_H
#define BALER_CLI_METER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define METER_AFTER_MS 2000
#define METER_LIVE_MS 100
#define METER_PLAIN_MS 5000
#define METER_BAR_CHARS 24

struct meter {
	FILE *out;
	bool is_live;
	const char *what; /* "bundles" */
	/* Its own. */
	bool has_line;
	uint64_t next_ms;
};

struct meter_reading {
	uint64_t n, n_done;         /* things */
	uint64_t bytes, done_bytes; /* 0 bytes: progress is counted in things */
	uint64_t elapsed_ms;
};

/* is_live: out is a terminal. */
void meter_init(struct meter *m, FILE *out, bool is_live, const char *what);
void meter_show(struct meter *m, const struct meter_reading *now);
/* Takes the line away, for another text; the next reading shows it again. */
void meter_clear(struct meter *m);
/* A new job. */
void meter_end(struct meter *m);
/* For whoever composes a line of his own: " 45 %, 9 of 20 WHAT, 1.5 MiB/s, 0:12 left", and the bar, of that many characters. elapsed_ms
 * must not be 0. */
void meter_describe(const struct meter_reading *now, const char *what, char *line, size_t max);
void meter_bar(const struct meter_reading *now, size_t chars, char *bar);
/* "1.5 MiB"; max at least 16. */
void bytes_show(uint64_t bytes, char *out, size_t max);

#endif
