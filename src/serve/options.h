/* options: the settings of 'baler serve', as the server takes them; cli/serve_options reads
 * them. */
#ifndef BALER_SERVE_OPTIONS_H
#define BALER_SERVE_OPTIONS_H

#include "base/arena.h"
#include "base/err.h"

struct serve_options {
	char *config;
	char *data;
	char *listen;
	char *tls_cert, *tls_key; /* files; both or neither */
	bool allow_plain_http;
	uint64_t memory_bytes; /* the process's ceiling (serve/memory.h) */
	uint64_t batch_window_ms;
	uint64_t batch_max_objects;
	uint64_t batch_max_bytes, max_bundle_input_bytes; /* the smaller counts; 0: no such limit */
	unsigned compression; /* as enum gzip_mode */
	unsigned log_level;   /* as enum log_level */
	unsigned log_format;  /* as enum log_format */
	uint64_t error_sampling_ppm;
	char *service_name; /* or NULL */
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
	uint64_t landing_retries, landing_timeout_ms;
	uint64_t reconcile_interval_ms, reconcile_after_ms; /* interval 0: never */
	char *environment;
	char *function_name;
	uint64_t invoke_timeout_ms, timeout_guard_ms;
};

#define SERVE_LEDGER_SAFE_MS (45 * 86400000ull) /* docs/protocol.md section 4 */
#define SERVE_QUEUE_RETENTION_MS (4 * 86400000ull)

/* The most that one bundle's objects may be together. */
uint64_t serve_bundle_max_bytes(const struct serve_options *o);

/* The most that one bundle's objects may be together. */
uint64_t serve_bundle_max_bytes(const struct serve_options *o);

/* Checks the rules that concern several settings. RC_REFUSED. */
enum rc serve_options_check(const struct serve_options *o, struct err *err);

/* "HOST:PORT", "[::1]:PORT", "HOST" (port 9000); host from a. RC_REFUSED. */
enum rc serve_listen_parse(const char *text, struct arena *a, char **ret_host, uint16_t *ret_port, struct err *err);

#endif
