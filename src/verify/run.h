/* run: what the parts of the runner share. Inside runner.c, run_look.c, run_check.c and
 * run_tidy.c only. */
#ifndef BALER_VERIFY_RUN_H
#define BALER_VERIFY_RUN_H

#include "verify/key_set.h"
#include "verify/runner.h"
#include "verify/upload.h"

struct run {
	const struct run_options *options;
	const struct scenario *scenario;
	struct slice landing, distribution;
	struct manifest manifest;
	struct oracle *oracle;
	struct upload upload[2]; /* of each round */
	struct key_set known;    /* bundles that need no further reading */
	struct object_id *own;   /* bundles that hold only our files; from arena */
	size_t n_own, cap_own;
	struct arena arena;
	struct run_progress progress;
	struct run_result result;
	/* error of the last look, or of a bundle in it; "" when there was none */
	struct err look_err;
	uint64_t start_boot_ms;
	unsigned n_lookups; /* of foreign members */
	/* Of the invocation. */
	bool has_stopped; /* at its time limit, which is allowed */
	bool tells_processed;
	uint64_t n_processed;
};

/* The files of the scenario: all of the manifest but a marker. */
size_t run_n_sources(const struct run *run);

static inline uint64_t run_now_ms(const struct run *run)
{
	return clock_boot_ms(run->options->clock);
}

void run_tell(struct run *run, enum run_phase phase);

/* Looking. */
void run_look(struct run *run);
/* Looks until is_done or that much time has passed; false: the time is over. */
bool run_wait(struct run *run, bool (*is_done)(const struct run *run), uint64_t timeout_ms);

/* Checks that the oracle cannot make. is_over: nothing ended early. */
void run_check(struct run *run, bool is_over);

/* Before and after. */
enum rc run_clean(struct run *run, struct err *err);
enum rc run_check_landing(struct run *run, struct err *err);
void run_remove(struct run *run);

#endif
