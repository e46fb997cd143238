/*
 * progress: where a run is, for whoever waits: one line that is written over on a terminal; in a pipe
 * a plain line at each change of phase and at most every PROGRESS_PLAIN_MS.
 */
#ifndef BALER_VERIFY_PROGRESS_H
#define BALER_VERIFY_PROGRESS_H

#include <stdio.h>

#include "verify/runner.h"

#define PROGRESS_LIVE_MS 100
#define PROGRESS_PLAIN_MS 5000

struct progress {
	FILE *out;
	bool is_live;
	bool is_verbose; /* a line for each bundle too */
	const char *name;
	/* Its own. */
	bool has_line;
	enum run_phase last_phase;
	unsigned last_round;
	uint64_t last_ms;
	bool has_last;
};

/* is_live: out is a terminal. */
void progress_init(struct progress *p, FILE *out, bool is_live, bool is_verbose, const char *name);
/* For struct run_options; arg is the struct progress. */
void progress_tell(void *arg, const struct run_progress *run);
/* The last line of a run: "PASS 07-idempotency: …", and what is wrong. */
void progress_end(struct progress *p, const struct run_result *result, bool keeps_files);

#endif
