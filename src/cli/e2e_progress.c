#include "cli/e2e_progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/meter.h"
#include "cli/say.h"

#define LINE_MAX_CHARS 512
#define COLUMNS_UNKNOWN 80
#define PLAIN_MS 5000 /* between two lines in a pipe */

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
	if (p->has_line)
		say_to(p->out, "\r\033[K");
	say_to(p->out, "%s: read '" SLICE_FMT "', %llu bytes: %s\n", p->name,
		SLICE_ARG(run->bundle), (unsigned long long)run->bundle_bytes,
		rc_name(run->bundle_rc));
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

/* Behind the meter's part. */
static void count_bundles(const struct run_progress *run, char *text, size_t max)
{
	text[0] = '\0';
	if (run->phase == RUN_WAITING)
		snprintf(text, max, ", %llu bundle%s", (unsigned long long)run->n_bundles,
			run->n_bundles == 1 ? "" : "s");
}

/* "45 of 100 files" at first, then with bar, rate and time left; as wide as room allows, 0: no
 * terminal and no bar. */
static void describe(const struct run_progress *run, const struct meter_reading *now, size_t room,
	char *text, size_t max)
{
	const char *what = run->phase == RUN_WAITING ? "files verified" : "files";

	text[0] = '\0';
	if (now->n == 0)
		return;
	if (now->elapsed_ms < METER_AFTER_MS)
		snprintf(text, max, "%llu of %llu %s", (unsigned long long)now->n_done,
			(unsigned long long)now->n, what);
	else if (room)
		meter_line(what, now, (unsigned)room, text, max);
	else
		meter_text(what, now, text, max);
}

static void write_line(struct e2e_progress *p, const struct run_progress *run, const char *doing,
	const struct meter_reading *now)
{
	char text[LINE_MAX_CHARS], bundles[48], line[2 * LINE_MAX_CHARS];
	size_t used, room = 0;

	count_bundles(run, bundles, sizeof(bundles));
	used = strlen(p->name) + strlen(doing) + 4 + strlen(bundles);
	if (p->columns)
		room = used < p->columns ? p->columns - used : 1;
	describe(run, now, room, text, sizeof(text));
	snprintf(line, sizeof(line), "%s: %s%s%s%s", p->name, doing, text[0] ? ": " : "", text,
		bundles);
	/* The line is cut to the terminal, because a line that wraps could not be written over.
	 * \033[K: erase the rest of the old one. */
	if (p->columns)
		say_to(p->out, "\r%.*s\033[K", (int)p->columns - 1, line);
	else
		say_to(p->out, "%s (%.1f s)\n", line, (double)run->elapsed_ms / 1000.0);
}

static bool is_due(struct e2e_progress *p, const struct run_progress *run)
{
	uint64_t every = p->columns ? METER_LIVE_MS : PLAIN_MS;

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

	if (p->is_verbose && run->bundle.n)
		tell_bundle(p, run);
	if (!is_due(p, run) || run->phase == RUN_ENDED)
		return;
	p->last_ms = run->elapsed_ms;
	now.elapsed_ms = run->elapsed_ms - p->phase_ms;
	write_line(p, run, doing, &now);
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
		say_to(p->out, "\r\033[K");
	p->has_line = p->has_phase = false;
	say_to(p->out, "%s %s: %llu of %llu files (%.1f MiB) in %llu bundle%s (%.1f MiB); uploaded in "
		"%.1f "
		"s, arrived %.1f s later\n",
		r->is_passed ? "PASS" : "FAIL", p->name, (unsigned long long)r->tally.n_found,
		(unsigned long long)r->n_files, megabytes(r->source_bytes),
		(unsigned long long)r->tally.n_bundles, r->tally.n_bundles == 1 ? "" : "s",
		megabytes(r->tally.bundle_bytes), (double)r->upload_ms / 1000.0,
		(double)r->arrival_ms / 1000.0);
	if (r->is_memory_unjudged)
		say_to(p->out, "  the server's memory was not judged: --server-pid tells where to look\n");
	for (size_t i = 0; i < r->n_texts; i++)
		say_to(p->out, "  %s\n", r->texts[i]);
	if (r->tally.n_problems > r->n_texts)
		say_to(p->out, "  and %llu more\n",
			(unsigned long long)(r->tally.n_problems - r->n_texts));
	if (!r->is_passed && !keeps_files)
		say_to(p->out, "  its files are left under '%s' for inspection\n", r->prefix);
	fflush(p->out);
}
