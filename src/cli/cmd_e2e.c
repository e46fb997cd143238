/* baler e2e: scenarios against an endpoint, judged. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "adapter/aws/lambda/lambda.h"
#include "base/file.h"
#include "cli/commands.h"
#include "cli/e2e_progress.h"
#include "cli/s3_client.h"
#include "cli/say.h"
#include "cli/scenario_files.h"
#include "verify/report.h"

struct e2e_options {
	char *scenario;
	char *endpoint_url;
	char *region;
	char *report;
	bool keep_files;
	bool json;
	bool all, verbose, shared;
	char *scale;
	uint64_t repeat, server_pid, bundle_limit, timeout_ms;
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
		.help = "JUnit XML, one file for all; instead of each scenario's report_file"},
	{"keep-files", 0, NULL, SETTING_SWITCH, FIELD(keep_files), NULL, .flag_only = true,
		.help = "leave the files and the bundles also after a pass"},
	{"json", 0, NULL, SETTING_SWITCH, FIELD(json), NULL, .flag_only = true,
		.help = "the outcome as JSON on stdout"},
	{"repeat", 0, "N", SETTING_COUNT, FIELD(repeat), "1", 1, 10000, .flag_only = true,
		.help = "run each that many times, one after the other, without a pause"},
	{"all", 0, NULL, SETTING_SWITCH, FIELD(all), NULL, .flag_only = true,
		.help = "every scenario of the folders named, or else of ./scenarios"},
	{"scale", 0, "F", SETTING_TEXT, FIELD(scale), "1", .flag_only = true,
		.help = "shrink numbers and sizes of files to this part, such as 0.05; the report "
			"says so"},
	{"timeout", 0, "TIME", SETTING_DURATION, FIELD(timeout_ms), NULL, 1000,
		SCENARIO_MAX_TIMEOUT_S * 1000ull, .flag_only = true,
		.help = "wait that long for the files; instead of each scenario's "
			"timeout_seconds"},
	{"verbose", 0, NULL, SETTING_SWITCH, FIELD(verbose), NULL, .flag_only = true,
		.help = "a line for each bundle that is read"},
	{"shared", 0, NULL, SETTING_SWITCH, FIELD(shared), NULL, .flag_only = true,
		.help = "the bundles may hold files of other landing buckets too: members that "
			"this one does not know are not called extra"},
	{"bundle-limit", 0, "SIZE", SETTING_BYTES, FIELD(bundle_limit), "400MiB", 1 << 20,
		1ull << 40, .flag_only = true,
		.help = "what one bundle may hold at the server (its --batch-max-bytes)"},
	{"server-pid", 0, "PID", SETTING_COUNT, FIELD(server_pid), NULL, 1, UINT32_MAX,
		.flag_only = true,
		.help = "the server's process, if it is on this machine: its peak memory is told"},
	{NULL},
};

/* Everything that is open during the runs of all scenarios. */
struct session {
	const struct e2e_options *options;
	double scale;
	char **paths; /* of the scenarios */
	size_t n_paths;
	struct aws_settings settings;
	struct arena arena;
	struct report_case *cases;
	size_t n_cases;
	uint64_t start_wall_ms;
	bool has_lost_report; /* a scenario's own, that could not be written */
};

/* Everything that is open during the runs of one scenario. */
struct stage {
	struct session *session;
	struct scenario scenario;
	struct object_store *landing, *distribution;
	struct function *function;
	char region[OS_REGION_MAX]; /* of the landing bucket */
	char *name;                 /* the scenario's file without folder and suffix */
};

/* A store that signs for the bucket's own region. */
static enum rc open_bucket(struct session *s, const char *bucket, struct object_store **ret_store,
	char region[OS_REGION_MAX], struct err *err)
{
	return s3_client_open_with(
		&s->settings, bucket, s->options->region != NULL, ret_store, region, err);
}

/* In the landing bucket's region, where its function is. */
static enum rc open_function(struct stage *stage, struct err *err)
{
	struct aws_settings settings = stage->session->settings;

	settings.region = stage->region;
	return lambda_open(&settings, &stage->function, err);
}

/* A report file that cannot be written is reported before the run, not after it. */
static enum rc check_report(const char *path, struct err *err)
{
	const char *slash = path ? strrchr(path, '/') : NULL;
	char folder[PATH_MAX] = ".";

	if (slash)
		snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path + 1), path);
	if (!path || !*path || access(folder, W_OK) == 0)
		return RC_OK;
	return err_ctx(err, err_errno(err, errno, "write into '%s'", folder), "report '%s'", path);
}

static enum rc stage_open(struct stage *stage, const char *path, struct err *err)
{
	struct session *s = stage->session;
	char ignored[OS_REGION_MAX];
	enum rc rc = scenario_read(path, &s->arena, &stage->scenario, err);

	if (rc != RC_OK)
		return rc;
	stage->scenario.bundle_limit = s->options->bundle_limit;
	scenario_scale(&stage->scenario, s->scale);
	if (s->options->timeout_ms)
		stage->scenario.timeout_s = (s->options->timeout_ms + 999) / 1000;
	if (!s->options->report)
		rc = check_report(stage->scenario.report_file, err);
	if (rc != RC_OK) {
		stage->scenario.report_file = NULL;
		return rc;
	}
	rc = open_bucket(s, stage->scenario.landing_bucket, &stage->landing, stage->region, err);
	if (rc == RC_OK)
		rc = open_bucket(
			s, stage->scenario.distribution_bucket, &stage->distribution, ignored, err);
	if (rc == RC_OK && scenario_is_direct(stage->scenario.type))
		rc = open_function(stage, err);
	return rc;
}

static void stage_close(struct stage *stage)
{
	os_close(stage->landing);
	os_close(stage->distribution);
	fn_close(stage->function);
}

/* "scenarios/07-idempotency.json" → "07-idempotency" */
static char *name_of(struct arena *a, const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	const char *dot = strrchr(name, '.');

	return arena_strdup(
		a, slice_of(name, dot && dot != name ? (size_t)(dot - name) : strlen(name)));
}

static enum rc run_one(struct stage *stage, struct report_case *c, struct err *err)
{
	const struct e2e_options *options = stage->session->options;
	bool keeps = options->keep_files || stage->scenario.keep_files;
	struct e2e_progress progress;
	struct run_options run = {
		.landing = stage->landing,
		.distribution = stage->distribution,
		.function = stage->function,
		.region = stage->region,
		.server_pid = options->server_pid,
		.clock = clock_system(),
		.scenario = &stage->scenario,
		.keep_files = keeps,
		.is_shared = options->shared,
		.progress = e2e_progress_tell,
		.arg = &progress,
	};
	enum rc rc;

	e2e_progress_init(&progress, stderr, options->verbose || stage->scenario.verbose, c->name);
	rc = runner_run(&run, &stage->session->arena, &c->result, err);
	if (rc == RC_OK)
		e2e_progress_end(&progress, &c->result, keeps);
	return rc;
}

static struct report_case *new_case(struct session *s, char *name, uint64_t i)
{
	struct report_case *c = &s->cases[s->n_cases++];

	c->scenario = name;
	c->name = s->options->repeat == 1
			  ? arena_strdup(&s->arena, slice_str(name))
			  : arena_printf(&s->arena, "%s run %llu", name, (unsigned long long)i + 1);
	return c;
}

static enum rc write_junit(const char *path, const struct report *r, struct err *err)
{
	struct buf out;
	enum rc rc;

	buf_init(&out, REPORT_MAX_BYTES);
	report_junit(&out, r);
	rc = file_replace(path, buf_slice(&out), 0644, err);
	buf_release(&out);
	return rc == RC_OK ? rc : err_ctx(err, rc, "report");
}

/* The scenario's own report_file: all of its runs, unless one report is asked for. */
static void write_own_report(struct session *s, const struct stage *stage, size_t first)
{
	struct report r = {.name = stage->name,
		.start_wall_ms = s->start_wall_ms,
		.scale = s->scale,
		.cases = s->cases + first,
		.n = s->n_cases - first};
	const char *path = stage->scenario.report_file;
	struct err err = {0};

	if (s->options->report || !path || !*path || write_junit(path, &r, &err) == RC_OK)
		return;
	say_error("baler e2e: %s\n", err.text);
	s->has_lost_report = true;
}

/* All runs of one scenario; when one run cannot take place, no further run is tried. */
static void run_scenario(struct session *s, const char *path)
{
	struct stage stage = {.session = s, .name = name_of(&s->arena, path)};
	struct err err = {0};
	size_t first = s->n_cases;
	enum rc rc = stage_open(&stage, path, &err);

	for (uint64_t i = 0; i < s->options->repeat; i++) {
		struct report_case *c = new_case(s, stage.name, i);

		if (rc == RC_OK)
			rc = run_one(&stage, c, &err);
		if (rc == RC_OK)
			continue;
		c->setup_error = arena_strdup(&s->arena, slice_str(err.text));
		say_error("baler e2e: %s\n", err.text);
		break;
	}
	stage_close(&stage);
	write_own_report(s, &stage, first);
}

static void print(struct buf *out)
{
	say_lines(stdout, buf_slice(out));
	fflush(stdout);
}

static enum rc write_reports(const struct session *s, const struct report *r, struct err *err)
{
	struct buf out;

	buf_init(&out, REPORT_MAX_BYTES);
	if (s->options->json)
		report_json(&out, r);
	else if (r->n > 1)
		report_table(&out, r);
	print(&out);
	buf_release(&out);
	return s->options->report ? write_junit(s->options->report, r, err) : RC_OK;
}

static int run_all(struct session *s)
{
	struct report r = {.start_wall_ms = s->start_wall_ms, .scale = s->scale};
	struct err err = {0};
	size_t failed;

	s->cases = xcalloc(s->n_paths * s->options->repeat, sizeof(*s->cases));
	for (size_t i = 0; i < s->n_paths; i++)
		run_scenario(s, s->paths[i]);
	r.name = s->n_paths == 1 ? name_of(&s->arena, s->paths[0]) : "baler e2e";
	r.cases = s->cases;
	r.n = s->n_cases;
	failed = report_count_failed(&r);
	if (write_reports(s, &r, &err) != RC_OK) {
		say_error("baler e2e: %s\n", err.text);
		return EXIT_USAGE;
	}
	if (report_count_errors(&r) || s->has_lost_report)
		return EXIT_USAGE;
	if (s->n_paths == 1 && r.n > 1)
		say_error("%zu of %zu runs passed\n", r.n - failed, r.n);
	return failed ? EXIT_FAILED : EXIT_OK;
}

static enum rc take_scale(const char *text, double *ret_scale, struct err *err)
{
	char *end;
	double scale = strtod(text, &end);

	if (end == text || *end || !(scale > 0 && scale <= 1))
		return err_set(err, RC_REFUSED,
			"'--scale': '%s' is not a number above 0, at most 1", text);
	*ret_scale = scale;
	return RC_OK;
}

/* -c and what stands there beside the flags; with --all folders, else files. */
static enum rc find_paths(struct session *s, const struct command_line *line, struct err *err)
{
	const struct e2e_options *o = s->options;
	char here[] = "scenarios";
	enum rc rc = RC_OK;

	if (o->scenario)
		rc = scenario_files_add(
			&s->arena, o->scenario, o->all, &s->paths, &s->n_paths, err);
	for (size_t i = 0; rc == RC_OK && i < line->n_operands; i++)
		rc = scenario_files_add(
			&s->arena, line->operands[i], o->all, &s->paths, &s->n_paths, err);
	if (rc == RC_OK && o->all && s->n_paths == 0)
		rc = scenario_files_add(&s->arena, here, true, &s->paths, &s->n_paths, err);
	if (rc == RC_OK && s->n_paths == 0)
		rc = err_set(err, RC_REFUSED, "which scenario? give -c FILE, or --all");
	if (rc == RC_OK)
		rc = check_report(o->report, err);
	return rc;
}

static int e2e(const struct e2e_options *options, const struct command_line *line)
{
	struct session s = {.options = options, .start_wall_ms = clock_wall_ms(clock_system())};
	struct err err = {0};
	int status = EXIT_USAGE;
	enum rc rc = take_scale(options->scale, &s.scale, &err);

	if (rc == RC_OK)
		rc = find_paths(&s, line, &err);
	if (rc == RC_OK)
		rc = aws_settings_from_environment(
			options->endpoint_url, options->region, &s.settings, &err);
	if (rc == RC_OK)
		status = run_all(&s);
	else
		say_error("baler e2e: %s\n", err.text);
	aws_settings_release(&s.settings);
	free(s.cases);
	free(s.paths);
	arena_release(&s.arena);
	return status;
}

int cmd_e2e(int argc, char **argv)
{
	struct command_line line = {.command = "e2e", .settings = e2e_settings};
	struct e2e_options options = {0};
	struct arena a = ARENA_INIT;
	int status = command_begin(&line, &options, &a, argc, argv);

	if (status < 0)
		status = e2e(&options, &line);
	arena_release(&a);
	return status;
}
