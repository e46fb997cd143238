/* baler verify and baler list: show what is in a bundle, and check it. */
#include <stdlib.h>
#include <unistd.h>

#include "adapter/local/audit/local_audit.h"
#include "base/clock.h"
#include "base/json_write.h"
#include "cli/cmd_verify_ledger.h"
#include "cli/commands.h"
#include "cli/meter.h"
#include "cli/s3_client.h"
#include "cli/say.h"
#include "consumer/inspect.h"
#include "consumer/path.h"

struct options {
	char *sha256, *endpoint_url;
	bool members, json;
	/* verify --ledger */
	bool ledger;
	char *data, *landing_bucket, *distribution_bucket, *archive_bucket, *event_prefix;
	uint64_t ledger_retention_ms;
};

#define FIELD(name) offsetof(struct options, name)
#define ENDPOINT                                                                                   \
	{                                                                                          \
		"endpoint-url", 0, "URL", SETTING_TEXT, FIELD(endpoint_url), NULL,                 \
			.flag_only = true,                                                         \
			.help = "where S3 is; else AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, the "    \
				"profile, "                                                        \
				"AWS"                                                              \
	}

const struct setting verify_settings[] = {
	{"sha256", 0, "HEX", SETTING_TEXT, FIELD(sha256), NULL, .flag_only = true,
		.help = "the hash the bundle has to have; an object is checked against its "
			"content-sha256 without it"},
	{"members", 'v', NULL, SETTING_SWITCH, FIELD(members), NULL, .flag_only = true,
		.help = "each member: SHA-256, size, name"},
	ENDPOINT,
	{"json", 0, NULL, SETTING_SWITCH, FIELD(json), NULL, .flag_only = true,
		.help = "one JSON object a line for each bundle, with its members; with --ledger "
			"one in all"},
	{"ledger", 0, NULL, SETTING_SWITCH, FIELD(ledger), NULL, .flag_only = true,
		.help = "check a data folder instead: its store, ledger, queue and bundles"},
	{"data", 0, "DIR", SETTING_TEXT, FIELD(data), "./baler-data",
		.help = "--ledger: the data folder, of a live server or a stopped one"},
	{"landing-bucket", 0, "NAME", SETTING_TEXT, FIELD(landing_bucket),
		"data-aggregator-landing-dev", .help = "--ledger: as of the server"},
	{"distribution-bucket", 0, "NAME", SETTING_TEXT, FIELD(distribution_bucket),
		"data-aggregator-distribution-dev", .variable = "DISTRIBUTION_BUCKET_NAME",
		.help = "--ledger: as of the server"},
	{"archive-bucket", 0, "NAME", SETTING_TEXT, FIELD(archive_bucket),
		"data-aggregator-archive-dev", .help = "--ledger: as of the server"},
	{"event-prefix", 0, "PREFIX", SETTING_TEXT, FIELD(event_prefix), "data/",
		.help = "--ledger: as of the server"},
	{"ledger-retention", 0, "TIME", SETTING_DURATION, FIELD(ledger_retention_ms), "45d", 0,
		3650 * 24 * 3600 * 1000ull, .variable = "IDEMPOTENCY_TTL_DAYS",
		.variable_unit = 24 * 3600 * 1000ull,
		.help = "--ledger: as of the server; what is older may be gone and is not missed"},
	{NULL},
};

const struct setting list_settings[] = {
	ENDPOINT,
	{"json", 0, NULL, SETTING_SWITCH, FIELD(json), NULL, .flag_only = true,
		.help = "a JSON object with the members"},
	{NULL},
};

/* One bundle at a time. */
struct session {
	const struct options *o;
	const char *command;
	bool lists; /* list, not verify */
	uint64_t n_shown;
	struct meter meter;
	uint64_t start_boot_ms; /* of the bundle at hand */
};

static void on_progress(void *arg, uint64_t done_bytes, uint64_t all_bytes)
{
	struct session *s = arg;

	meter_show(
		&s->meter, &(struct meter_reading){.bytes = all_bytes,
				   .done_bytes = done_bytes,
				   .elapsed_ms = clock_boot_ms(clock_system()) - s->start_boot_ms});
}

static void show_text(const struct session *s, const struct untar_member *m)
{
	char hash[2 * SHA256_BYTES + 1];

	hex_encode(m->sha256, SHA256_BYTES, hash);
	if (s->lists)
		say("%12llu  " SLICE_FMT "\n", (unsigned long long)m->size, SLICE_ARG(m->name));
	else if (s->o->members)
		say("%s %12llu  " SLICE_FMT "\n", hash, (unsigned long long)m->size,
			SLICE_ARG(m->name));
}

static void show_json(const struct session *s, const struct untar_member *m)
{
	struct buf out;

	buf_init(&out, 8 * UNTAR_NAME_MAX);
	if (s->n_shown)
		buf_add_char(&out, ',');
	buf_add_char(&out, '{');
	json_text(&out, "name", m->name);
	json_u64(&out, "size", m->size);
	json_hex(&out, "sha256", m->sha256, SHA256_BYTES);
	json_close_object(&out);
	say_lines(stdout, buf_slice(&out));
	buf_release(&out);
}

static void on_member(void *arg, const struct untar_member *m)
{
	struct session *s = arg;

	if (s->o->json || s->lists || s->o->members)
		meter_clear(&s->meter);
	if (s->o->json)
		show_json(s, m);
	else
		show_text(s, m);
	s->n_shown++;
}

static void begin_json(const char *name)
{
	struct buf out;

	buf_init(&out, 65536);
	json_open_object(&out, NULL);
	json_str(&out, "bundle", name);
	json_open_array(&out, "members");
	say_lines(stdout, buf_slice(&out));
	buf_release(&out);
}

static void end_json(const struct inspected *found, enum rc rc, const struct err *err)
{
	struct buf out;

	buf_init(&out, 65536);
	json_close_array(&out);
	json_bool(&out, "ok", rc == RC_OK);
	json_u64(&out, "bytes", found->bytes);
	json_u64(&out, "member_bytes", found->member_bytes);
	json_str(&out, "sha256", found->sha256);
	json_bool(&out, "hash_checked", found->is_hash_checked);
	if (rc != RC_OK) {
		json_str(&out, "result", rc_name(rc));
		json_str(&out, "error", err->text);
	}
	json_close_object(&out);
	buf_add_char(&out, '\n');
	say_lines(stdout, buf_slice(&out));
	buf_release(&out);
}

/* A file, or an object in a store opened for it. */
static enum rc inspect(
	struct session *s, const char *name, struct inspected *found, struct err *err)
{
	struct inspection what = {.sha256 = s->lists ? NULL : s->o->sha256,
		.member = on_member,
		.progress = on_progress,
		.arg = s};
	struct arena a = ARENA_INIT;
	enum rc rc = RC_OK;
	char *bucket = NULL;

	if (!s3_address_is(name)) {
		what.path = name;
	} else if (!s3_address_parse(name, &a, &bucket, &what.object.key)) {
		rc = err_set(err, RC_REFUSED, "not of the form s3://BUCKET/KEY");
	} else {
		what.object.bucket = slice_str(bucket);
		rc = s3_client_open(s->o->endpoint_url, bucket, &what.store, err);
	}
	s->start_boot_ms = clock_boot_ms(clock_system());
	if (rc == RC_OK)
		rc = inspect_bundle(&what, found, err);
	meter_end(&s->meter);
	os_close(what.store);
	arena_release(&a);
	return rc;
}

static int one(struct session *s, const char *name)
{
	struct inspected found = {0};
	struct err err = {0};
	enum rc rc;

	s->n_shown = 0;
	if (s->o->json)
		begin_json(name);
	rc = inspect(s, name, &found, &err);
	if (s->o->json)
		end_json(&found, rc, &err);
	else if (rc == RC_OK && !s->lists)
		say("%s: ok, %llu members, %llu bytes, SHA-256 %s%s\n", name,
			(unsigned long long)found.members, (unsigned long long)found.bytes,
			found.sha256, found.is_hash_checked ? " as declared" : "");
	fflush(stdout);
	if (rc == RC_OK)
		return EXIT_OK;
	say_error("baler %s: '%s': %s\n", s->command, name, err.text);
	return rc == RC_CORRUPT ? EXIT_FAILED : EXIT_USAGE;
}

static int run_ledger(const struct command_line *line, const struct options *o)
{
	struct local_audit_config cfg = {.folder = o->data,
		.landing_bucket = o->landing_bucket,
		.event_prefix = o->event_prefix,
		.distribution_bucket = o->distribution_bucket,
		.archive_bucket = o->archive_bucket};

	end_on_signals();
	if (line->n_operands == 0)
		return verify_ledger(&cfg, o->ledger_retention_ms, o->json);
	say_error("baler verify: '--ledger' checks '--data DIR' and takes no bundle\n");
	return EXIT_USAGE;
}

static int check_operands(const struct command_line *line, const struct options *o, bool lists)
{
	unsigned char hash[SHA256_BYTES];

	if (line->n_operands == 0 || (lists && line->n_operands > 1)) {
		say_error("baler %s: which bundle? give a file or s3://BUCKET/KEY%s\n",
			line->command, lists ? ", one" : "");
		return EXIT_USAGE;
	}
	if (o->sha256 && !hex_decode(slice_str(o->sha256), hash, SHA256_BYTES)) {
		say_error("baler %s: '--sha256': '%s' is not 64 hex digits\n", line->command,
			o->sha256);
		return EXIT_USAGE;
	}
	if (o->sha256 && line->n_operands > 1) {
		say_error("baler %s: '--sha256' is for one bundle\n", line->command);
		return EXIT_USAGE;
	}
	return -1;
}

static int run(
	const char *command, const struct setting *settings, bool lists, int argc, char **argv)
{
	struct command_line line = {.command = command, .settings = settings};
	struct options o = {0};
	struct session s = {.o = &o, .command = command, .lists = lists};
	struct arena a = ARENA_INIT;
	int status = command_begin(&line, &o, &a, argc, argv);

	if (status < 0 && o.ledger)
		status = run_ledger(&line, &o);
	if (status < 0)
		status = check_operands(&line, &o, lists);
	if (status < 0) {
		meter_init(&s.meter, clock_system(), stderr, isatty(STDERR_FILENO), "");
		end_on_signals();
		status = EXIT_OK;
		for (size_t i = 0; i < line.n_operands; i++) {
			int one_status = one(&s, line.operands[i]);

			status = one_status > status ? one_status : status;
		}
	}
	arena_release(&a);
	return status;
}

int cmd_verify(int argc, char **argv)
{
	return run("verify", verify_settings, false, argc, argv);
}

int cmd_list(int argc, char **argv)
{
	return run("list", list_settings, true, argc, argv);
}
