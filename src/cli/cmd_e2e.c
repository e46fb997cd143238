/* baler e2e: a scenario against an endpoint, judged. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "adapter/aws/s3.h"
#include "adapter/wrap/retry.h"
#include "base/file.h"
#include "base/prng.h"
#include "cli/commands.h"
#include "verify/progress.h"
#include "verify/report.h"

struct e2e_options {
	char *scenario;
	char *endpoint_url;
	char *region;
	char *report;
	bool keep_files;
	bool json;
	uint64_t repeat;
};

#define FIELD(name) offsetof(struct e2e_options, name)

const struct setting e2e_settings[] = {
	{"scenario", 'c', "FILE", SETTING_TEXT, FIELD(scenario), NULL, .flag_only = true,
		.help = "the scenario: a JSON file, as those in scenarios/"},
	{"endpoint-url", 0, "URL", SETTING_TEXT, FIELD(endpoint_url), NULL, .flag_only = true,
		.help = "where S3 is; else AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, the profile, "
			"AWS"},
	{"region", 0, "NAME", SETTING_TEXT, FIELD(region), NULL, .flag_only = true,
		.help = "the region to sign for; else each bucket is asked for its own"},
	{"report", 0, "FILE", SETTING_TEXT, FIELD(report), NULL, .flag_only = true,
		.help = "JUnit XML; instead of the scenario's report_file"},
	{"keep-files", 0, NULL, SETTING_SWITCH, FIELD(keep_files), NULL, .flag_only = true,
		.help = "leave the files and the bundles also after a pass"},
	{"json", 0, NULL, SETTING_SWITCH, FIELD(json), NULL, .flag_only = true,
		.help = "the outcome as JSON on stdout"},
	{"repeat", 0, "N", SETTING_COUNT, FIELD(repeat), "1", 1, 10000, .flag_only = true,
		.help = "run it that many times, one after the other, without a pause"},
	{NULL},
};

/* What is open during the runs. */
struct session {
	const struct e2e_options *options;
	struct scenario scenario;
	struct aws_settings settings;
	struct object_store *landing, *distribution;
	struct arena arena;
	struct report_case *cases;
	size_t n_cases;
	uint64_t start_wall_ms;
	char *name; /* the scenario's file without folder and suffix */
};

static enum rc open_retrying(
	const struct aws_settings *settings, struct object_store **ret_store, struct err *err)
{
	struct prng jitter = prng_system();
	struct object_store *s3;
	enum rc rc = s3_open(settings, &s3, err);

	if (rc != RC_OK)
		return rc;
	*ret_store = retry_object_store_new(s3, &retry_defaults, clock_system(), prng_u64(&jitter));
	return RC_OK;
}

/* A store that signs for the bucket's own region. */
static enum rc open_bucket(
	struct session *s, const char *bucket, struct object_store **ret_store, struct err *err)
{
	char region[OS_REGION_MAX], *before = s->settings.region;
	enum rc rc = open_retrying(&s->settings, ret_store, err);

	if (rc != RC_OK || s->options->region)
		return rc;
	rc = os_bucket_region(*ret_store, slice_str(bucket), region, err);
	if (rc != RC_OK)
		return err_ctx(err, rc, "bucket '%s'", bucket);
	if (strcmp(region, before) == 0)
		return RC_OK;
	os_close(*ret_store);
	*ret_store = NULL;
	s->settings.region = region;
	rc = open_retrying(&s->settings, ret_store, err);
	s->settings.region = before;
	return rc;
}

static enum rc session_open(struct session *s, struct err *err)
{
	enum rc rc = scenario_read(s->options->scenario, &s->arena, &s->scenario, err);

	if (rc == RC_OK)
		rc = aws_settings_from_environment(
			s->options->endpoint_url, s->options->region, &s->settings, err);
	if (rc == RC_OK)
		rc = open_bucket(s, s->scenario.landing_bucket, &s->landing, err);
	if (rc == RC_OK)
		rc = open_bucket(s, s->scenario.distribution_bucket, &s->distribution, err);
	return rc;
}

static void session_close(struct session *s)
{
	os_close(s->landing);
	os_close(s->distribution);
	aws_settings_release(&s->settings);
	free(s->cases);
	arena_release(&s->arena);
}

/* "scenarios/07-idempotency.json" → "07-idempotency" */
static char *name_of(struct arena *a, const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	const char *dot = strrchr(name, '.');

	return arena_strdup(
		a, slice_of(name, dot && dot != name ? (size_t)(dot - name) : strlen(name)));
}

static enum rc run_one(struct session *s, size_t i, struct err *err)
{
	bool keeps = s->options->keep_files || s->scenario.keep_files;
	struct report_case *c = &s->cases[i];
	struct progress progress;
	struct run_options run = {
		.landing = s->landing,
		.distribution = s->distribution,
		.clock = clock_system(),
		.scenario = &s->scenario,
		.keep_files = keeps,
		.progress = progress_tell,
		.arg = &progress,
	};
	enum rc rc;

	c->name = s->options->repeat == 1 ? s->name
					  : arena_printf(&s->arena, "%s run %zu", s->name, i + 1);
	progress_init(&progress, stderr, isatty(STDERR_FILENO), s->scenario.verbose, c->name);
	rc = runner_run(&run, &s->arena, &c->result, err);
	if (rc == RC_OK)
		progress_end(&progress, &c->result, keeps);
	return rc;
}

/* Written even when a later run could not take place. */
static enum rc write_reports(const struct session *s, struct err *err)
{
	const char *path = s->options->report ? s->options->report : s->scenario.report_file;
	struct buf out;
	enum rc rc = RC_OK;

	buf_init(&out, REPORT_MAX_BYTES);
	if (path && *path) {
		report_junit(&out, s->name, s->start_wall_ms, s->cases, s->n_cases);
		rc = file_replace(path, buf_slice(&out), 0644, err);
		buf_reset(&out);
	}
	if (s->options->json) {
		report_json(&out, s->cases, s->n_cases);
		fputs(buf_cstr(&out), stdout);
		fflush(stdout);
	}
	buf_release(&out);
	return rc == RC_OK ? rc : err_ctx(err, rc, "report");
}

static int run_all(struct session *s, struct err *err)
{
	size_t n = (size_t)s->options->repeat, failed = 0;
	enum rc rc = RC_OK, report_rc;

	s->cases = xcalloc(n, sizeof(*s->cases));
	for (size_t i = 0; i < n && rc == RC_OK; i++) {
		rc = run_one(s, i, err);
		if (rc == RC_OK)
			failed += !s->cases[s->n_cases++].result.is_passed;
	}
	report_rc = write_reports(s, rc == RC_OK ? err : NULL);
	if (rc != RC_OK || report_rc != RC_OK)
		return EXIT_USAGE;
	if (n > 1)
		fprintf(stderr, "%zu of %zu runs passed\n", n - failed, n);
	return failed ? EXIT_FAILED : EXIT_OK;
}

static int e2e(const struct e2e_options *options)
{
	struct session s = {.options = options, .start_wall_ms = clock_wall_ms(clock_system())};
	struct err err = {0};
	int status = EXIT_USAGE;
	enum rc rc;

	s.name = name_of(&s.arena, options->scenario);
	rc = session_open(&s, &err);
	if (rc == RC_OK)
		status = run_all(&s, &err);
	if (status == EXIT_USAGE)
		fprintf(stderr, "baler e2e: %s\n", err.text);
	session_close(&s);
	return status;
}

int cmd_e2e(int argc, char **argv)
{
	struct command_line line = {.command = "e2e", .settings = e2e_settings};
	struct e2e_options options = {0};
	struct arena a = ARENA_INIT;
	int status = command_begin(&line, &options, &a, argc, argv);

	if (status < 0 && (line.n_operands || !options.scenario)) {
		if (line.n_operands)
			fprintf(stderr,
				"baler e2e: takes no operand such as '%s'; did you mean -c %s?\n",
				line.operands[0], line.operands[0]);
		else
			fputs("baler e2e: which scenario? give -c FILE\n", stderr);
		status = EXIT_USAGE;
	}
	if (status < 0)
		status = e2e(&options);
	arena_release(&a);
	return status;
}
