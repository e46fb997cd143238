#include "cli/e2e_progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/meter.h"

#define LINE_MAX_CHARS 512
#define COLUMNS_UNKNOWN 80
#define BAR_MIN_CHARS 4

void e2e_progress_init(struct e2e_progress *p, FILE *out, bool is_verbose, const char *name)
{
	struct winsize size = {0};

	*p = (struct e2e_progress){.out = out, .is_verbose = is_verbose, .name = name};
	if (!isatty(fileno(out)))
		return;
	p->columns = ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col
									       : COLUMNS_UNKNOWN;
}

static void tell_bundle(struct e2e_progress *p, const struct run_progress *run)
{
	fprintf(p->out, "%s%s: read '" SLICE_FMT "', %llu bytes: %s%s\n", p->has_line ? "\r" : "",
		p->name, SLICE_ARG(run->bundle), (unsigned long long)run->bundle_bytes,
		rc_name(run->bundle_rc), p->has_line ? "\033[K" : "");
	p->has_line = false;
}

/* How far the phase is, in n of zero when that cannot be said; and in words. */
static const char *read_phase(const struct run_progress *run, struct meter_reading *ret)
{
	*ret = (struct meter_reading){0};
	switch (run->phase) {
	case RUN_CLEANING:
		return "deleting stale bundles";
	case RUN_HASHING:
		ret->n = run->n_files;
		ret->n_done = run->n_hashed;
		ret->done_bytes = run->n_hashed * run->file_bytes;
		ret->bytes = run->n_files * run->file_bytes;
		return "making the files";
	case RUN_UPLOADING:
		ret->n = run->n_upload;
		ret->n_done = run->n_uploaded;
		ret->done_bytes = run->uploaded_bytes;
		ret->bytes = run->n_upload * run->file_bytes;
		return run->round > 1 ? "uploading again" : "uploading";
	case RUN_INVOKING:
		return "waiting for the function";
	case RUN_WAITING:
		ret->n = run->n_files;
		ret->n_done = run->n_found;
		ret->done_bytes = run->n_found * run->file_bytes;
		ret->bytes = run->n_files * run->file_bytes;
		return run->round > 1 ? "waiting again" : "waiting";
	case RUN_SETTLING:
		return "looking for what is too much";
	case RUN_REMOVING:
		return "removing the files";
	case RUN_ENDED:
		break;
	}
	return "done";
}

/* Everything but the bar: "waiting: 45 of 100 files, 2 bundles" at first, then with rate and time left. */
static void describe(const struct e2e_progress *p, const struct run_progress *run,
	const struct meter_reading *now, char *text, size_t max)
{
	const char *what = run->phase == RUN_WAITING ? "files verified" : "files";
	size_t n;

	if (now->n == 0) {
		text[0] = '\0';
		return;
	}
	if (now->elapsed_ms < METER_AFTER_MS)
		snprintf(text, max, ": %llu of %llu %s", (unsigned long long)now->n_done,
			(unsigned long long)now->n, what);
	else {
		text[0] = p->columns ? ' ' : ':';
		meter_describe(now, what, text + 1, max - 1);
	}
	n = strlen(text);
	if (run->phase == RUN_WAITING)
		snprintf(text + n, max - n, ", %llu bundle%s", (unsigned long long)run->n_bundles,
			run->n_bundles == 1 ? "" : "s");
}

/* Cut to the terminal: a line that wraps could not be written over. \033[K: erase the rest of the old one. */
static void write_live(struct e2e_progress *p, const char *doing, const struct meter_reading *now,
	const char *text)
{
	char line[LINE_MAX_CHARS], bar[METER_BAR_CHARS + 1] = "";
	size_t used = strlen(p->name) + 2 + strlen(doing) + strlen(text) + 4;
	size_t chars = used < p->columns ? p->columns - used : 0;

	if (chars > METER_BAR_CHARS)
		chars = METER_BAR_CHARS;
	if (now->n == 0 || now->elapsed_ms < METER_AFTER_MS || chars < BAR_MIN_CHARS)
		chars = 0;
	else
		meter_bar(now, chars, bar);
	snprintf(line, sizeof(line), chars ? "%s: %s [%s]%s" : "%s: %s%s%s", p->name, doing, bar,
		text);
	fprintf(p->out, "\r%.*s\033[K", (int)p->columns - 1, line);
}

static bool is_due(struct e2e_progress *p, const struct run_progress *run)
{
	uint64_t every = p->columns ? METER_LIVE_MS : METER_PLAIN_MS;

	if (p->has_phase && run->phase == p->phase && run->round == p->round &&
		run->elapsed_ms >= p->last_ms)
		return run->elapsed_ms - p->last_ms >= every;
	p->has_phase = true;
	p->phase = run->phase;
	p->round = run->round;
	p->phase_ms = run->elapsed_ms;
	return true;
}

void e2e_progress_tell(void *arg, const struct run_progress *run)
{
	struct e2e_progress *p = arg;
	struct meter_reading now;
	const char *doing = read_phase(run, &now);
	char text[LINE_MAX_CHARS];

	if (p->is_verbose && run->bundle.n)
		tell_bundle(p, run);
	if (!is_due(p, run) || run->phase == RUN_ENDED)
		return;
	p->last_ms = run->elapsed_ms;
	now.elapsed_ms = run->elapsed_ms - p->phase_ms;
	describe(p, run, &now, text, sizeof(text));
	if (p->columns)
		write_live(p, doing, &now, text);
	else
		fprintf(p->out, "%s: %s%s (%.1f s)\n", p->name, doing, text,
			(double)run->elapsed_ms / 1000.0);
	p->has_line = p->columns > 0;
	fflush(p->out);
}

static double megabytes(uint64_t bytes)
{
	return (double)bytes / (1 << 20);
}

void e2e_progress_end(struct e2e_progress *p, const struct run_result *r, bool keeps_files)
{
	if (p->has_line)
		fputs("\r\033[K", p->out);
	p->has_line = p->has_phase = false;
	fprintf(p->out,
		"%s %s: %llu of %llu files (%.1f MiB) in %llu bundle%s (%.1f MiB); uploaded in "
		"%.1f "
		"s, arrived %.1f s later\n",
		r->is_passed ? "PASS" : "FAIL", p->name, (unsigned long long)r->tally.n_found,
		(unsigned long long)r->n_files, megabytes(r->source_bytes),
		(unsigned long long)r->tally.n_bundles, r->tally.n_bundles == 1 ? "" : "s",
		megabytes(r->tally.bundle_bytes), (double)r->upload_ms / 1000.0,
		(double)r->arrival_ms / 1000.0);
	if (r->is_memory_unjudged)
		fprintf(p->out,
			"  the server's memory was not judged: --server-pid tells where to look\n");
	for (size_t i = 0; i < r->n_texts; i++)
		fprintf(p->out, "  %s\n", r->texts[i]);
	if (r->tally.n_problems > r->n_texts)
		fprintf(p->out, "  and %llu more\n",
			(unsigned long long)(r->tally.n_problems - r->n_texts));
	if (!r->is_passed && !keeps_files)
		fprintf(p->out, "  its files are left under '%s' for inspection\n", r->prefix);
	fflush(p->out);
}
