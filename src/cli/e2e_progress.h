/*
 * e2e_progress: shows how far a run of `baler e2e` is. On a terminal it is one line that is written
 * over, with a bar, rate and time left once a phase lasts METER_AFTER_MS. In a pipe it is a plain
 * line at each change of phase, and at most every METER_PLAIN_MS.
 */
#ifndef BALER_CLI_E2E_PROGRESS_H
#define BALER_CLI_E2E_PROGRESS_H

#include <stdio.h>

#include "verify/runner.h"

struct e2e_progress {
	FILE *out;
	unsigned columns; /* columns of the terminal; 0: out is no terminal */
	bool is_verbose;  /* a line for each bundle too */
	const char *name;
	/* Its own. */
	bool has_line;
	bool has_phase;
	enum run_phase phase;
	unsigned round;
	uint64_t phase_ms; /* when it began */
	uint64_t last_ms;  /* when the last line was written */
};

/* Asks out whether it is a terminal, and how wide. */
void e2e_progress_init(struct e2e_progress *p, FILE *out, bool is_verbose, const char *name);
/* For struct run_options; arg is the struct e2e_progress. */
void e2e_progress_tell(void *arg, const struct run_progress *run);
/* The last line of a run: "PASS 07-idempotency: …", and the problems. */
void e2e_progress_end(struct e2e_progress *p, const struct run_result *result, bool keeps_files);

#endif
