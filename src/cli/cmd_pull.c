/* baler pull: bundles out of the bucket, files into a folder. */
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json_write.h"
#include "cli/commands.h"
#include "cli/human.h"
#include "cli/meter.h"
#include "cli/s3_client.h"
#include "cli/say.h"
#include "consumer/pull.h"

struct options {
	char *to, *bucket, *endpoint_url;
	bool watch, keep, json;
	uint64_t poll_ms, jobs;
	unsigned on_conflict;
};

#define FIELD(name) offsetof(struct options, name)

const struct setting pull_settings[] = {
	{"to", 0, "DIR", SETTING_TEXT, FIELD(to), NULL, .flag_only = true,
		.help = "the folder the files come to; made if need be"},
	{"watch", 0, NULL, SETTING_SWITCH, FIELD(watch), NULL, .flag_only = true,
		.help = "go on looking for bundles until SIGTERM or SIGINT"},
	{"poll", 0, "TIME", SETTING_DURATION, FIELD(poll_ms), "2s", 100, 86400000,
		.flag_only = true, .help = "with --watch: how often to look"},
	{"keep", 0, NULL, SETTING_SWITCH, FIELD(keep), NULL, .flag_only = true,
		.help = "leave the bundles in the bucket"},
	{"on-conflict", 0, "WHAT", SETTING_CHOICE, FIELD(on_conflict), "newer",
		.choices = "newer|beside|fail", .flag_only = true,
		.help = "when another content lies under a file's name. newer: a file that pull "
			"wrote is replaced by\nthe version of a later bundle, anything else is "
			"left alone, and so is the bundle.\nbeside: the same, but the file comes "
			"as NAME~ID beside it. fail: nothing is ever replaced"},
	{"bucket", 0, "NAME", SETTING_TEXT, FIELD(bucket), "data-aggregator-distribution-dev",
		.variable = "DISTRIBUTION_BUCKET_NAME", .help = "the distribution bucket"},
	{"endpoint-url", 0, "URL", SETTING_TEXT, FIELD(endpoint_url), NULL, .flag_only = true,
		.help = "where S3 is; else AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, the profile, "
			"AWS"},
	{"jobs", 0, "N", SETTING_COUNT, FIELD(jobs), "4", 1, PULL_JOBS_MAX, .flag_only = true,
		.help = "bundles at a time"},
	{"json", 0, NULL, SETTING_SWITCH, FIELD(json), NULL, .flag_only = true,
		.help = "one JSON object a line on stdout: each bundle, then the sum"},
	{NULL},
};

struct session {
	const struct options *o;
	struct meter meter;
};

static void add_counts(struct buf *out, uint64_t bytes, const struct extract_counts *c)
{
	const uint64_t *n = c->placed;

	json_u64(out, "bundle_bytes", bytes);
	json_u64(out, "files", c->members);
	json_u64(out, "file_bytes", c->bytes);
	json_u64(out, "new", n[PLACED_NEW]);
	json_u64(out, "same", n[PLACED_SAME]);
	json_u64(out, "replaced", n[PLACED_NEWER]);
	json_u64(out, "older", n[PLACED_OLDER]);
	json_u64(out, "beside", n[PLACED_BESIDE]);
}

static void print(struct buf *out)
{
	say_lines(stdout, buf_slice(out));
	fflush(stdout);
	buf_release(out);
}

static void print_json(const struct pull_result *r)
{
	struct buf out;

	buf_init(&out, 16384);
	json_open_object(&out, NULL);
	json_str(&out, "bundle", r->bundle);
	json_bool(&out, "ok", r->rc == RC_OK || r->rc == RC_ABSENT);
	json_bool(&out, "extracted_before", r->was_extracted);
	json_bool(&out, "deleted", r->is_deleted);
	add_counts(&out, r->bytes, &r->counts);
	if (r->rc != RC_OK) {
		json_str(&out, "result", rc_name(r->rc));
		json_str(&out, "error", r->err->text);
	}
	json_close_object(&out);
	buf_add_char(&out, '\n');
	print(&out);
}

static void tell_failure(const struct pull_result *r)
{
	if (*r->bundle)
		say_error("baler pull: bundle '%s': %s\n", r->bundle, r->err->text);
	else
		say_error("baler pull: %s\n", r->err->text);
}

static void tell(void *arg, const struct pull_result *r)
{
	struct session *s = arg;

	meter_clear(&s->meter);
	if (r->rc != RC_OK && r->rc != RC_ABSENT)
		tell_failure(r);
	else if (!*r->bundle)
		say_error("baler pull: bucket '%s' can be listed again\n", s->o->bucket);
	if (s->o->json)
		print_json(r);
	else if (r->rc == RC_OK && r->was_extracted)
		say("%s: was extracted before, deleted\n", r->bundle);
	else if (r->rc == RC_OK && *r->bundle)
		say("%s: %llu files\n", r->bundle, (unsigned long long)r->counts.members);
	fflush(stdout);
}

static void progress(void *arg, const struct pull_progress *p)
{
	struct session *s = arg;

	if (!p)
		meter_end(&s->meter);
	else if (p->n_listed)
		meter_show(&s->meter, &(struct meter_reading){
					      .n_done = p->n_listed, .elapsed_ms = p->elapsed_ms});
	else
		meter_show(&s->meter, &(struct meter_reading){p->n_bundles, p->n_done,
					      p->total_bytes, p->done_bytes, p->elapsed_ms});
}

static void print_sum(const struct session *s, const struct pull_totals *t)
{
	char bytes[HUMAN_MAX];
	struct buf out;

	if (s->o->json) {
		buf_init(&out, 16384);
		json_open_object(&out, NULL);
		json_u64(&out, "bundles", t->n_bundles);
		json_u64(&out, "failed", t->n_failed);
		json_bool(&out, "stopped", t->was_stopped);
		add_counts(&out, t->bytes, &t->counts);
		json_close_object(&out);
		buf_add_char(&out, '\n');
		print(&out);
		return;
	}
	human_bytes(t->counts.bytes, bytes);
	say_error("%llu bundles, %llu files (%s)", (unsigned long long)t->n_bundles,
		(unsigned long long)t->counts.members, bytes);
	if (t->n_failed)
		say_error("; %llu bundles are left in the bucket",
			(unsigned long long)t->n_failed);
	say_error("\n");
}

static int pull(const struct options *o)
{
	struct session s = {.o = o};
	struct pull_options p = {.bucket = o->bucket,
		.dir = o->to,
		.policy = (enum on_conflict)o->on_conflict,
		.jobs = (unsigned)o->jobs,
		.keep = o->keep,
		.watch_ms = o->watch ? o->poll_ms : 0,
		.stopping = stop_on_signals(),
		.clock = clock_system(),
		.tell = tell,
		.progress = progress,
		.arg = &s};
	struct pull_totals totals = {0};
	struct err err = {0};
	enum rc rc = s3_client_open(o->endpoint_url, o->bucket, &p.store, &err);

	meter_init(&s.meter, clock_system(), stderr, isatty(STDERR_FILENO), "bundles");
	if (rc == RC_OK)
		rc = pull_run(&p, &totals, &err);
	os_close(p.store);
	if (rc != RC_OK) {
		say_error("baler pull: %s\n", err.text);
		return EXIT_USAGE;
	}
	print_sum(&s, &totals);
	if (o->watch && totals.was_stopped)
		return EXIT_OK;
	return totals.n_failed || totals.was_stopped ? EXIT_FAILED : EXIT_OK;
}

int cmd_pull(int argc, char **argv)
{
	struct command_line line = {.command = "pull", .settings = pull_settings};
	struct options o = {0};
	struct arena a = ARENA_INIT;
	int status = command_begin(&line, &o, &a, argc, argv);

	if (status < 0 && line.n_operands) {
		say_error("baler pull: takes no operand such as '%s'; did you mean --to %s?\n",
			line.operands[0], line.operands[0]);
		status = EXIT_USAGE;
	} else if (status < 0 && !o.to) {
		say_error("baler pull: where to? give --to DIR\n");
		status = EXIT_USAGE;
	}
	if (status < 0)
		status = pull(&o);
	arena_release(&a);
	return status;
}
