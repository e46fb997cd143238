/* serve_options: what 'baler serve' can be told. */
#ifndef BALER_CLI_SERVE_OPTIONS_H
#define BALER_CLI_SERVE_OPTIONS_H

#include "cli/settings.h"

struct serve_options {
	char *config;
	char *data;
	char *listen;
	char *tls_cert, *tls_key; /* files; both or neither */
	bool allow_plain_http;
	uint64_t batch_window_ms;
	uint64_t batch_max_objects;
	uint64_t batch_max_bytes;
	unsigned compression; /* as enum gzip_mode */
	unsigned log_level;   /* as enum log_level */
	unsigned log_format;  /* as enum log_format */
	char *landing_bucket, *distribution_bucket, *archive_bucket;
	char *event_prefix;
	char *region;
	uint64_t visibility_timeout_ms;
	uint64_t max_receives;
	/* how long things are kept; 0: for ever */
	uint64_t landing_retention_ms, distribution_retention_ms, upload_retention_ms;
	uint64_t ledger_retention_ms, dead_letter_retention_ms;
	char *events_token, *metrics_token;
	char *landing_endpoint, *landing_region; /* another S3 store, or NULL */
	char *environment;
	char *function_name;
	uint64_t invoke_timeout_ms, timeout_guard_ms;
};

#define SERVE_LEDGER_SAFE_MS (45 * 86400000ull) /* docs/protocol.md section 4 */
#define SERVE_QUEUE_RETENTION_MS (4 * 86400000ull)

/* What no range of one setting says. RC_REFUSED. */
enum rc serve_options_check(const struct serve_options *o, struct err *err);

/* "HOST:PORT", "[::1]:PORT", "HOST" (port 9000); host from a. RC_REFUSED. */
enum rc serve_listen_parse(const char *text, struct arena *a, char **ret_host, uint16_t *ret_port, struct err *err);

#endif
