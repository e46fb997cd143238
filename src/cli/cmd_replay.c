/* baler replay: copies bundles from the archive into the distribution bucket again. */
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json_write.h"
#include "cli/commands.h"
#include "cli/human.h"
#include "cli/meter.h"
#include "cli/s3_client.h"
#include "cli/say.h"
#include "cli/time_point.h"
#include "consumer/replay.h"

struct options {
	char *since, *until, *archive_bucket, *distribution_bucket, *endpoint_url;
	bool dry_run, json;
};

#define FIELD(name) offsetof(struct options, name)

const struct setting replay_settings[] = {
	{"since", 0, "TIME", SETTING_TEXT, FIELD(since), NULL, .flag_only = true,
		.help = "instead of names: what was archived since then: 2026-11-23, "
			"2026-11-23T10:30 (UTC),\nor so long ago: 30m, 2h, 3d"},
	{"until", 0, "TIME", SETTING_TEXT, FIELD(until), NULL, .flag_only = true,
		.help = "and until then; else until now"},
	{"archive-bucket", 0, "NAME", SETTING_TEXT, FIELD(archive_bucket),
		"data-aggregator-archive-dev", .help = "where the bundles are"},
	{"distribution-bucket", 0, "NAME", SETTING_TEXT, FIELD(distribution_bucket),
		"data-aggregator-distribution-dev", .variable = "DISTRIBUTION_BUCKET_NAME",
		.help = "where they go"},
	{"endpoint-url", 0, "URL", SETTING_TEXT, FIELD(endpoint_url), NULL, .flag_only = true,
		.help = "where S3 is; else AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, the profile, "
			"AWS"},
	{"dry-run", 0, NULL, SETTING_SWITCH, FIELD(dry_run), NULL, .flag_only = true,
		.help = "only say which"},
	{"json", 0, NULL, SETTING_SWITCH, FIELD(json), NULL, .flag_only = true,
		.help = "one JSON object a line on stdout: each bundle, then the sum"},
	{NULL},
};

struct session {
	const struct options *o;
	struct meter meter;
	uint64_t start_boot_ms;
};

static void print_json(const struct replay_result *r, bool dry_run)
{
	struct buf out;

	buf_init(&out, 16384);
	json_open_object(&out, NULL);
	json_text(&out, "bundle", r->bundle->key);
	json_bool(&out, "ok", r->rc == RC_OK);
	json_bool(&out, "copied", r->rc == RC_OK && !dry_run);
	json_u64(&out, "bytes", r->bundle->size);
	json_time(&out, "archived", r->bundle->modified_wall_ms);
	if (r->rc != RC_OK) {
		json_str(&out, "result", rc_name(r->rc));
		json_str(&out, "error", r->err->text);
	}
	json_close_object(&out);
	buf_add_char(&out, '\n');
	say_lines(stdout, buf_slice(&out));
	buf_release(&out);
}

static void tell(void *arg, const struct replay_result *r)
{
	struct session *s = arg;
	struct slice key = r->bundle->key;

	meter_clear(&s->meter);
	if (r->rc != RC_OK)
		say_error("baler replay: bundle '" SLICE_FMT "': %s\n", SLICE_ARG(key),
			r->err->text);
	if (s->o->json)
		print_json(r, s->o->dry_run);
	else if (r->rc == RC_OK)
		say(SLICE_FMT "\n", SLICE_ARG(key));
	fflush(stdout);
}

static void progress(void *arg, const struct replay_progress *p)
{
	struct session *s = arg;
	struct meter_reading now = {.n = p->n,
		.n_done = p->n_listed ? p->n_listed : p->n_done,
		.bytes = p->total_bytes,
		.done_bytes = p->done_bytes,
		.elapsed_ms = clock_boot_ms(clock_system()) - s->start_boot_ms};

	meter_show(&s->meter, &now);
}

static void print_sum_json(const struct replay_totals *t, bool dry_run)
{
	struct buf out;

	buf_init(&out, 1024);
	json_open_object(&out, NULL);
	json_u64(&out, "bundles", t->n_copied);
	json_u64(&out, "failed", t->n_failed);
	json_u64(&out, "bytes", t->bytes);
	json_bool(&out, "dry_run", dry_run);
	json_close_object(&out);
	buf_add_char(&out, '\n');
	say_lines(stdout, buf_slice(&out));
	buf_release(&out);
}

static void print_sum(const struct options *o, const struct replay_totals *t)
{
	char bytes[HUMAN_MAX];

	human_bytes(t->bytes, bytes);
	if (o->json)
		print_sum_json(t, o->dry_run);
	else
		say_error("%zu bundles (%s) %s '%s'\n", t->n_copied, bytes,
			o->dry_run ? "would be copied to" : "copied to", o->distribution_bucket);
	fflush(stdout);
}

static int run(struct replay *r, const struct options *o)
{
	struct session s = {.o = o, .start_boot_ms = clock_boot_ms(clock_system())};
	struct replay_totals totals = {0};
	struct err err = {0};
	enum rc rc = s3_client_open(o->endpoint_url, o->archive_bucket, &r->archive, &err);

	meter_init(&s.meter, clock_system(), stderr, isatty(STDERR_FILENO), "bundles");
	r->tell = tell;
	r->progress = progress;
	r->arg = &s;
	if (rc == RC_OK)
		rc = s3_client_open(
			o->endpoint_url, o->distribution_bucket, &r->distribution, &err);
	if (rc == RC_OK)
		rc = replay_run(r, &totals, &err);
	meter_end(&s.meter);
	os_close(r->archive);
	os_close(r->distribution);
	if (rc != RC_OK) {
		say_error("baler replay: %s\n", err.text);
		return EXIT_USAGE;
	}
	print_sum(o, &totals);
	return totals.n_failed || atomic_load(r->stopping) ? EXIT_FAILED : EXIT_OK;
}

static bool read_time(const char *flag, const char *text, uint64_t *ret_wall_ms)
{
	if (!text || time_point_parse(text, clock_wall_ms(clock_system()), ret_wall_ms))
		return true;
	say_error("baler replay: '%s': '%s' is not a time such as 2026-11-23, 2026-11-23T10:30 or "
		"2h\n",
		flag, text);
	return false;
}

/* Keys, or s3://ARCHIVE/KEY, all in one bucket, which is then the archive. */
static bool read_keys(
	const struct command_line *line, struct options *o, struct arena *a, struct slice *ret_keys)
{
	char *bucket, *first = NULL;

	for (size_t i = 0; i < line->n_operands; i++) {
		const char *text = line->operands[i];

		if (!s3_address_is(text)) {
			ret_keys[i] = slice_str(text);
			continue;
		}
		if (!s3_address_parse(text, a, &bucket, &ret_keys[i])) {
			say_error("baler replay: '%s' is not of the form s3://BUCKET/KEY\n",
				text);
			return false;
		}
		if (first && strcmp(first, bucket) != 0) {
			say_error("baler replay: '%s' and '%s' are two archives\n", first,
				bucket);
			return false;
		}
		o->archive_bucket = first = bucket;
	}
	return true;
}

static int replay(const struct command_line *line, struct options *o, struct arena *a)
{
	struct slice *keys = arena_array(a, line->n_operands + 1, sizeof(*keys));
	struct replay r = {.keys = keys,
		.n_keys = line->n_operands,
		.until_wall_ms = clock_wall_ms(clock_system()),
		.dry_run = o->dry_run};

	if (!o->since == (line->n_operands == 0) || (o->until && !o->since)) {
		say_error("baler replay: which bundles? give their names, or --since TIME\n");
		return EXIT_USAGE;
	}
	if (!read_time("--since", o->since, &r.since_wall_ms) ||
		!read_time("--until", o->until, &r.until_wall_ms) || !read_keys(line, o, a, keys))
		return EXIT_USAGE;
	if (strcmp(o->archive_bucket, o->distribution_bucket) == 0) {
		say_error("baler replay: the archive and the distribution bucket are both "
			"'%s'\n",
			o->archive_bucket);
		return EXIT_USAGE;
	}
	r.archive_bucket = o->archive_bucket;
	r.distribution_bucket = o->distribution_bucket;
	r.stopping = stop_on_signals();
	return run(&r, o);
}

int cmd_replay(int argc, char **argv)
{
	struct command_line line = {.command = "replay", .settings = replay_settings};
	struct options o = {0};
	struct arena a = ARENA_INIT;
	int status = command_begin(&line, &o, &a, argc, argv);

	if (status < 0)
		status = replay(&line, &o, &a);
	arena_release(&a);
	return status;
}
