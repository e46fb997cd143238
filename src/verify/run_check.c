#include "verify/invoke.h"
#include "verify/memory.h"
#include "verify/run.h"

/* Checks that the oracle cannot make. */

/* Members of other producers may be anything. Therefore the most that they can take, packed, is
 * subtracted. */
static void check_compression(struct run *run)
{
	const struct oracle_tally *t = oracle_tally(run->oracle);
	uint64_t ours = t->member_bytes - t->foreign_bytes;
	uint64_t others = t->foreign_bytes + t->foreign_bytes / 64 + 2048 * t->n_foreign;

	if (run->scenario->generator != GENERATOR_COMPRESSIBLE || ours == 0)
		return;
	if (t->bundle_bytes > ours / RUNNER_SMALLER + others)
		oracle_problem(run->oracle,
			"the bundles are hardly smaller than their sources: %llu of %llu bytes",
			(unsigned long long)t->bundle_bytes, (unsigned long long)t->member_bytes);
}

/* Stopped early means: the first files, in order. */
static void check_order(struct run *run)
{
	size_t n = run_n_sources(run), i = 0;

	while (i < n && oracle_seen(run->oracle, i))
		i++;
	for (; i < n; i++)
		if (oracle_seen(run->oracle, i))
			oracle_problem(run->oracle,
				"order: '" SLICE_FMT "' arrived before others in front of it",
				SLICE_ARG(run->manifest.entries[i].key));
}

static void check_memory(struct run *run)
{
	struct err err = {0};

	run->result.is_memory_unjudged =
		!run->options->server_pid && run->scenario->type == SCENARIO_MEMORY_PRESSURE;
	if (!run->options->server_pid)
		return;
	if (memory_peak(run->options->server_pid, &run->result.peak_bytes, &err) != RC_OK) {
		oracle_problem(run->oracle, "%s", err.text);
		return;
	}
	if (run->scenario->type == SCENARIO_MEMORY_PRESSURE &&
		run->result.peak_bytes > RUNNER_MEMORY_MAX)
		oracle_problem(run->oracle, "the server's memory reached %llu MiB, more than %llu",
			(unsigned long long)run->result.peak_bytes >> 20, RUNNER_MEMORY_MAX >> 20);
}

/* A bundle may exceed the limit with one file, because it cannot be divided; with two or more files
 * it could. */
static void check_bundle_sizes(struct run *run)
{
	const struct oracle_tally *t = oracle_tally(run->oracle);
	size_t fit = invoke_fitting(&run->manifest, run->scenario->bundle_limit);
	uint64_t least = fit ? (run->manifest.n + fit - 1) / fit : run->manifest.n;

	if (t->n_bundles < least)
		oracle_problem(run->oracle, "%llu bundles for what needs %llu of at most %llu MiB",
			(unsigned long long)t->n_bundles, (unsigned long long)least,
			(unsigned long long)run->scenario->bundle_limit >> 20);
	if (t->largest_bytes > run->scenario->bundle_limit)
		oracle_problem(run->oracle, "a bundle holds %llu bytes, more than %llu MiB",
			(unsigned long long)t->largest_bytes,
			(unsigned long long)run->scenario->bundle_limit >> 20);
}

/* Other tools read "processed_records", so it must be the number of files that came out. */
static void check_processed(struct run *run)
{
	uint64_t n = oracle_tally(run->oracle)->n_found;

	if (!run->tells_processed)
		oracle_problem(run->oracle,
			"the log's tail has no line with '" INVOKE_PROCESSED_WORDS "<n>'");
	else if (run->n_processed != n)
		oracle_problem(run->oracle,
			"the log says " INVOKE_PROCESSED_WORDS "%llu, but %llu arrived",
			(unsigned long long)run->n_processed, (unsigned long long)n);
}

void run_check(struct run *run, bool is_over)
{
	if (is_over)
		check_compression(run);
	if (is_over && scenario_is_direct(run->scenario->type))
		check_processed(run);
	if (run->scenario->type == SCENARIO_MEMORY_PRESSURE)
		check_order(run);
	if (run->scenario->type == SCENARIO_PARTIAL_BATCH_FAILURE)
		check_bundle_sizes(run);
	check_memory(run);
}
