#include "cli/serve_options.h"

#include <stdlib.h>

#include "cli/commands.h"
#include "obs/log.h"
#include "serve/memory.h"

#define MIB (1ull << 20)
#define SECOND 1000ull
#define HOUR (3600 * SECOND)
#define DAY (24 * HOUR)
#define YEARS (3650 * DAY)
#define FIELD(name) offsetof(struct serve_options, name)

const struct setting serve_settings[] = {
	{"config", 'c', "FILE", SETTING_TEXT, FIELD(config), NULL, .flag_only = true,
		.help = "settings file: YAML, one 'name: value' a line, names as here without "
			"'--'\n"
			"(BALER_CONFIG names it too)"},
	{"data", 0, "DIR", SETTING_TEXT, FIELD(data), "./baler-data",
		.help = "data folder: database, large objects, root key; made when missing"},
	{"listen", 0, "HOST:PORT", SETTING_TEXT, FIELD(listen), "127.0.0.1:9000",
		.help = "where to accept requests; port 0 takes a free one"},
	{"tls-cert", 0, "FILE", SETTING_TEXT, FIELD(tls_cert), NULL,
		.help = "speak HTTPS with this certificate, PEM, with the chain behind it; needs "
			"--tls-key"},
	{"tls-key", 0, "FILE", SETTING_TEXT, FIELD(tls_key), NULL,
		.help = "the certificate's private key, PEM without a password; nobody else may "
			"read it"},
	{"allow-plain-http", 0, NULL, SETTING_SWITCH, FIELD(allow_plain_http), NULL,
		.help = "listen on other addresses than loopback also without TLS"},
	{"memory", 0, "SIZE", SETTING_BYTES, FIELD(memory_bytes), "256MiB", MEMORY_MIN_BYTES,
		MEMORY_MAX_BYTES,
		.help = "the most memory this process may take: more makes more connections, "
			"larger bundles\n"
			"of many objects and larger caches possible"},
	{"batch-window", 0, "TIME", SETTING_DURATION, FIELD(batch_window_ms), "15s", 100, 12 * HOUR,
		.help = "a bundle is closed when its oldest object has waited this long"},
	{"batch-max-objects", 0, "N", SETTING_COUNT, FIELD(batch_max_objects), "10000", 1, 100000,
		.help = "a bundle holds at most this many objects"},
	{"batch-max-bytes", 0, "SIZE", SETTING_BYTES, FIELD(batch_max_bytes), "400MiB", MIB,
		1024 * 1024 * MIB, .variable = "MAX_BUNDLE_ON_DISK_MB", .variable_unit = MIB,
		.help = "a bundle holds at most this much, each object rounded up to 512 bytes; a "
			"larger\n"
			"object gets a bundle of its own"},
	{"max-bundle-input", 0, "SIZE", SETTING_BYTES, FIELD(max_bundle_input_bytes), NULL, MIB,
		1024 * 1024 * MIB, .variable = "MAX_BUNDLE_INPUT_MB", .variable_unit = MIB,
		.help = "a second limit of the same kind: the smaller one counts"},
	{"compression", 0, "MODE", SETTING_CHOICE, FIELD(compression), "balanced",
		.choices = "balanced|fast|best|none",
		.help = "how hard to squeeze: fast is about five times as quick as balanced, and "
			"larger"},
	{"log-level", 0, "LEVEL", SETTING_CHOICE, FIELD(log_level), "INFO",
		.choices = "DEBUG|INFO|WARNING|ERROR|CRITICAL", .variable = "LOG_LEVEL",
		.help = "the least level that is logged to stderr"},
	{"log-format", 0, "FORMAT", SETTING_CHOICE, FIELD(log_format), "auto",
		.choices = "auto|json|text", .help = "auto: text on a terminal, JSON elsewhere"},
	{"error-sampling-rate", 0, "SHARE", SETTING_SHARE, FIELD(error_sampling_ppm), "1", 0,
		1000000, .variable = "ERROR_SAMPLING_RATE",
		.help = "the share of lines about one failed object, message or request that is "
			"logged, evenly spread; each says how many were left out before it. "
			"Nothing else depends on it"},
	{"service-name", 0, "NAME", SETTING_TEXT, FIELD(service_name), NULL,
		.variable = "SERVICE_NAME", .help = "each JSON log line has it as 'service'"},
	{"landing-bucket", 0, "NAME", SETTING_TEXT, FIELD(landing_bucket),
		"data-aggregator-landing-dev", .help = "bucket whose objects are bundled"},
	{"distribution-bucket", 0, "NAME", SETTING_TEXT, FIELD(distribution_bucket),
		"data-aggregator-distribution-dev", .variable = "DISTRIBUTION_BUCKET_NAME",
		.help = "bucket the bundles appear in"},
	{"archive-bucket", 0, "NAME", SETTING_TEXT, FIELD(archive_bucket),
		"data-aggregator-archive-dev", .help = "bucket that keeps a copy of every bundle"},
	{"event-prefix", 0, "PREFIX", SETTING_TEXT, FIELD(event_prefix), "data/",
		.help = "only keys that start with this are bundled"},
	{"region", 0, "NAME", SETTING_TEXT, FIELD(region), "us-east-1",
		.help = "the region the endpoint says it is in"},
	{"visibility-timeout", 0, "TIME", SETTING_DURATION, FIELD(visibility_timeout_ms), "200s",
		10 * SECOND, 12 * HOUR,
		.help = "how long a message taken from the queue is hidden from other workers; "
			"raised to the "
			"batch window and the lease of a bundle (1m) together when shorter"},
	{"max-receives", 0, "N", SETTING_COUNT, FIELD(max_receives), "5", 1, 1000,
		.help = "failed deliveries after which a message becomes a dead letter"},
	{"landing-retention", 0, "TIME", SETTING_DURATION, FIELD(landing_retention_ms), "7d", 0,
		YEARS,
		.help = "how long an object stays in the landing bucket once it is bundled; 0: "
			"for ever"},
	{"distribution-retention", 0, "TIME", SETTING_DURATION, FIELD(distribution_retention_ms),
		"14d", 0, YEARS,
		.help = "how long a bundle stays in the distribution bucket, taken or not; 0: for "
			"ever"},
	{"upload-retention", 0, "TIME", SETTING_DURATION, FIELD(upload_retention_ms), "1d", 0,
		YEARS, .help = "how long a multipart upload may stay incomplete; 0: for ever"},
	{"ledger-retention", 0, "TIME", SETTING_DURATION, FIELD(ledger_retention_ms), "45d", 0,
		YEARS, .variable = "IDEMPOTENCY_TTL_DAYS", .variable_unit = DAY,
		.help = "how long it is remembered that an object was bundled, at least while its "
			"version\n"
			"exists; 0: for ever. Below 45d a late duplicate can ship twice; below 4d "
			"is refused"},
	{"dead-letter-retention", 0, "TIME", SETTING_DURATION, FIELD(dead_letter_retention_ms),
		"14d", 0, YEARS, .help = "how long dead letters are kept; 0: for ever"},
	{"events-token", 0, "TOKEN", SETTING_TEXT, FIELD(events_token), NULL, .is_secret = true,
		.help = "what another store must show as 'Authorization: Bearer TOKEN' to send "
			"events to\n"
			"/-/events; at least 16 characters; no flag, as command lines are seen"},
	{"metrics-token", 0, "TOKEN", SETTING_TEXT, FIELD(metrics_token), NULL, .is_secret = true,
		.help = "what Prometheus must show as 'Authorization: Bearer TOKEN' to read "
			"/-/metrics; at "
			"least 16 characters; no flag, as command lines are seen"},
	{"landing-endpoint", 0, "URL", SETTING_TEXT, FIELD(landing_endpoint), NULL,
		.help = "the landing bucket is in this S3 store, which sends its events to "
			"/-/events; keys in\n"
			"BALER_LANDING_ACCESS_KEY_ID, BALER_LANDING_SECRET_ACCESS_KEY (and "
			"_SESSION_TOKEN)"},
	{"reconcile-interval", 0, "TIME", SETTING_DURATION, FIELD(reconcile_interval_ms), "0s", 0,
		30 * DAY,
		.help = "with --landing-endpoint: how often the landing bucket is looked through "
			"for objects\n"
			"whose events were lost; it needs versions, and takes in what was there "
			"before baler\n"
			"too; 0: never"},
	{"reconcile-after", 0, "TIME", SETTING_DURATION, FIELD(reconcile_after_ms), "15m", 0,
		30 * DAY,
		.help = "how long an object's event is waited for until it counts as lost"},
	{"landing-region", 0, "NAME", SETTING_TEXT, FIELD(landing_region), "us-east-1",
		.help = "the region to sign for at the landing endpoint"},
	{"landing-retries", 0, "N", SETTING_COUNT, FIELD(landing_retries), "3", 0, 100,
		.variable = "MAX_RETRIES_PER_RECORD",
		.help = "how often a failed call to the landing endpoint is tried again at once, "
			"for a minute at most; then its message goes back to the queue"},
	{"landing-timeout", 0, "TIME", SETTING_DURATION, FIELD(landing_timeout_ms), "30s", SECOND,
		900 * SECOND, .variable = "S3_OPERATION_TIMEOUT_SECONDS", .variable_unit = SECOND,
		.help = "a call to the landing endpoint has failed when no byte moves for so long"},
	{"environment", 0, "NAME", SETTING_TEXT, FIELD(environment), "dev",
		.variable = "ENVIRONMENT",
		.help = "what this installation is; only dev and test may be invoked directly"},
	{"function-name", 0, "NAME", SETTING_TEXT, FIELD(function_name),
		"data-aggregator-processor-dev",
		.help = "the name Lambda clients invoke the processor by"},
	{"invoke-timeout", 0, "TIME", SETTING_DURATION, FIELD(invoke_timeout_ms), "15m", 1 * SECOND,
		900 * SECOND, .help = "an invocation ends after this long"},
	{"timeout-guard", 0, "TIME", SETTING_DURATION, FIELD(timeout_guard_ms), "10s", 0,
		900 * SECOND, .variable = "TIMEOUT_GUARD_THRESHOLD_SECONDS",
		.variable_unit = SECOND,
		.help = "so long before its end an invocation closes its bundle with what it "
			"holds"},
	{NULL},
};

/* name and variable are one. */
const struct setting serve_inert[] = {
	{"IDEMPOTENCY_TABLE_NAME", 0, "NAME", SETTING_TEXT,
		.help = "the ledger is in the data folder, not in a table"},
	{"SPOOL_FILE_MAX_SIZE_MB", 0, "N", SETTING_COUNT, .min = 1, .max = 1024 * 1024,
		.help = "objects are streamed whatever their size; none is held in memory whole"},
	{NULL},
};

enum rc serve_inert_check(struct arena *a, struct err *err)
{
	union {
		char *text;
		uint64_t number;
	} ignored;
	enum rc rc = RC_OK;

	for (const struct setting *s = serve_inert; s->name && rc == RC_OK; s++) {
		const char *text = getenv(s->name);

		if (text)
			rc = setting_parse(
				s, arena_printf(a, "'%s'", s->name), text, 0, &ignored, a, err);
	}
	return rc;
}

static void say_inert(const char *setting, const char *why)
{
	log_event(EV_SETTING_INERT, LF_STR(setting, setting), LF_STR(cause, why));
}

void serve_inert_announce(const struct command_line *line, const struct serve_options *o)
{
	static const char *const of_landing[] = {"landing-region", "landing-retries",
		"landing-timeout", "reconcile-interval", "reconcile-after"};

	for (const struct setting *s = serve_inert; s->name; s++)
		if (getenv(s->name))
			say_inert(s->name, s->help);
	for (size_t i = 0; i < sizeof(of_landing) / sizeof(of_landing[0]); i++)
		if (!o->landing_endpoint && setting_is_set(line, of_landing[i]))
			say_inert(of_landing[i],
				"the landing bucket is in the data folder; this is for "
				"--landing-endpoint");
	if (o->landing_endpoint && setting_is_set(line, "landing-retention"))
		say_inert("landing-retention", "nothing is removed from a store that is not ours");
}
