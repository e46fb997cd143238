/* report: the outcome of runs as a JUnit XML document, and as JSON. Pure. */
#ifndef BALER_VERIFY_REPORT_H
#define BALER_VERIFY_REPORT_H

#include "verify/runner.h"

#define REPORT_MAX_BYTES (64u << 20)

struct report_case {
	char *name; /* "07-idempotency", "07-idempotency run 3" */
	struct run_result result;
};

/* One testsuite; appended to out. */
bool report_junit(struct buf *out, const char *suite, uint64_t start_wall_ms,
	const struct report_case *cases, size_t n);
/* {"passed":true,"runs":[…]} and a line break. */
bool report_json(struct buf *out, const struct report_case *cases, size_t n);

#endif
