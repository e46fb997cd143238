#include "verify/progress.h"

void progress_init(struct progress *p, FILE *out, bool is_live, bool is_verbose, const char *name)
{
	*p = (struct progress){
		.out = out, .is_live = is_live, .is_verbose = is_verbose, .name = name};
}

static void tell_bundle(struct progress *p, const struct run_progress *run)
{
	fprintf(p->out, "%s%s: read '" SLICE_FMT "', %llu bytes: %s%s\n", p->has_line ? "\r" : "",
		p->name, SLICE_ARG(run->bundle), (unsigned long long)run->bundle_bytes,
		rc_name(run->bundle_rc), p->has_line ? "\033[K" : "");
	p->has_line = false;
}

static void describe(char *line, size_t max, const struct run_progress *run)
{
	static const char *const doing[] = {
		[RUN_CLEANING] = "deleting stale bundles",
		[RUN_HASHING] = "making the files",
		[RUN_INVOKING] = "waiting for the function",
		[RUN_SETTLING] = "looking for what is too much",
		[RUN_REMOVING] = "removing the files",
		[RUN_ENDED] = "done",
	};
	const char *again = run->round > 1 ? " again" : "";

	switch (run->phase) {
	case RUN_UPLOADING:
		snprintf(line, max, "uploading%s: %llu of %llu files", again,
			(unsigned long long)run->n_uploaded, (unsigned long long)run->n_upload);
		break;
	case RUN_WAITING:
		snprintf(line, max, "waiting%s: %llu of %llu files verified, %llu bundle%s", again,
			(unsigned long long)run->n_found, (unsigned long long)run->n_files,
			(unsigned long long)run->n_bundles, run->n_bundles == 1 ? "" : "s");
		break;
	default:
		snprintf(line, max, "%s", doing[run->phase]);
	}
}

static bool is_due(const struct progress *p, const struct run_progress *run)
{
	uint64_t every = p->is_live ? PROGRESS_LIVE_MS : PROGRESS_PLAIN_MS;

	return !p->has_last || run->phase != p->last_phase || run->round != p->last_round ||
	       run->elapsed_ms < p->last_ms || run->elapsed_ms - p->last_ms >= every;
}

void progress_tell(void *arg, const struct run_progress *run)
{
	struct progress *p = arg;
	char line[160];

	if (p->is_verbose && run->bundle.n)
		tell_bundle(p, run);
	if (!is_due(p, run) || run->phase == RUN_ENDED)
		return;
	p->has_last = true;
	p->last_phase = run->phase;
	p->last_round = run->round;
	p->last_ms = run->elapsed_ms;
	describe(line, sizeof(line), run);
	/* \033[K: erase the rest of the old line. */
	if (p->is_live)
		fprintf(p->out, "\r%s: %s (%.1f s)\033[K", p->name, line,
			(double)run->elapsed_ms / 1000.0);
	else
		fprintf(p->out, "%s: %s (%.1f s)\n", p->name, line,
			(double)run->elapsed_ms / 1000.0);
	p->has_line = p->is_live;
	fflush(p->out);
}

static double megabytes(uint64_t bytes)
{
	return (double)bytes / (1 << 20);
}

void progress_end(struct progress *p, const struct run_result *r, bool keeps_files)
{
	if (p->has_line)
		fputs("\r\033[K", p->out);
	p->has_line = p->has_last = false;
	fprintf(p->out,
		"%s %s: %llu of %llu files (%.1f MiB) in %llu bundle%s (%.1f MiB); uploaded in "
		"%.1f "
		"s, arrived %.1f s later\n",
		r->is_passed ? "PASS" : "FAIL", p->name, (unsigned long long)r->tally.n_found,
		(unsigned long long)r->n_files, megabytes(r->source_bytes),
		(unsigned long long)r->tally.n_bundles, r->tally.n_bundles == 1 ? "" : "s",
		megabytes(r->tally.bundle_bytes), (double)r->upload_ms / 1000.0,
		(double)r->arrival_ms / 1000.0);
	for (size_t i = 0; i < r->n_texts; i++)
		fprintf(p->out, "  %s\n", r->texts[i]);
	if (r->tally.n_problems > r->n_texts)
		fprintf(p->out, "  and %llu more\n",
			(unsigned long long)(r->tally.n_problems - r->n_texts));
	if (!r->is_passed && !keeps_files)
		fprintf(p->out, "  its files are left under '%s' for inspection\n", r->prefix);
	fflush(p->out);
}
