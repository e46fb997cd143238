/* serve_options: what 'baler serve' can be told. */
#ifndef BALER_CLI_SERVE_OPTIONS_H
#define BALER_CLI_SERVE_OPTIONS_H

#include "cli/settings.h"

struct serve_options {
	char *config;
	char *data;
	char *listen;
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
};

/* "HOST:PORT", "[::1]:PORT", "HOST" (port 9000); host from a. RC_REFUSED. */
enum rc serve_listen_parse(const char *text, struct arena *a, char **ret_host, uint16_t *ret_port, struct err *err);

#endif
