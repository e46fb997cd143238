/* report: the outcome of runs as a table, as a JUnit XML document, and as JSON. Pure. */
#ifndef BALER_VERIFY_REPORT_H
#define BALER_VERIFY_REPORT_H

#include "verify/runner.h"

#define REPORT_MAX_BYTES (64u << 20)

struct report_case {
	char *scenario;    /* "07-idempotency" */
	char *name;        /* the same, or "07-idempotency run 3" */
	char *setup_error; /* why it could not be run; NULL: it was, and result counts */
	struct run_result result;
};

struct report {
	const char *name; /* of the suite */
	uint64_t start_wall_ms;
	/* 1: the sizes of the scenarios; any other scale is shown in every form of the report */
	double scale;
	const struct report_case *cases;
	size_t n;
};

size_t report_count_failed(const struct report *r);
size_t report_count_errors(const struct report *r);

/* One testsuite; appended to out. */
bool report_junit(struct buf *out, const struct report *r);
/* {"passed":true,"scale":1,"runs":[…]} and a line break. */
bool report_json(struct buf *out, const struct report *r);
/* A line a scenario and one for all, in columns; the same on a terminal and in a pipe. Of
 * several runs of one scenario it has how many passed, the shortest and the longest time, the
 * highest peak, and the other figures of the first that failed, or else of the last. */
bool report_table(struct buf *out, const struct report *r);

#endif
