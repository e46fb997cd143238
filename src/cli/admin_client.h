/*
 * admin_client: asks a running baler for the operator's commands, with the AWS_* credentials and
 * endpoint. An answer is JSON. A failure is reported on stderr, once.
 */
#ifndef BALER_CLI_ADMIN_CLIENT_H
#define BALER_CLI_ADMIN_CLIENT_H

#include "adapter/aws/identity/credentials.h"
#include "adapter/aws/rpc/admin_call.h"
#include "base/json.h"
#include "cli/settings.h"

struct admin_client {
	const char *command; /* for messages: "status" */
	struct aws_settings settings;
	struct admin_line line;
};

/* The settings that every such command has; FIELDs of struct admin_options at offset 0. */
struct admin_options {
	char *endpoint_url;
	char *region;
	bool json;
};
#define ADMIN_SETTINGS                                                                             \
	{"endpoint-url", 0, "URL", SETTING_TEXT, offsetof(struct admin_options, endpoint_url),     \
		NULL, .flag_only = true,                                                           \
		.help = "where baler is; else AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, the "         \
			"profile"},                                                                \
		{"region", 0, "NAME", SETTING_TEXT, offsetof(struct admin_options, region), NULL,  \
			.flag_only = true,                                                         \
			.help = "the region to sign for; else AWS_REGION, the profile"},           \
	{                                                                                          \
		"json", 0, NULL, SETTING_SWITCH, offsetof(struct admin_options, json), NULL,       \
			.flag_only = true, .help = "the answer as JSON on stdout"                  \
	}

/* -1 to go on, else the exit code. */
int admin_client_open(
	struct admin_client *c, const char *command, const struct admin_options *options);
void admin_client_close(struct admin_client *c);

/* A member that an answer must have, with its type. A list of them ends with name NULL. */
struct admin_member {
	const char *name;
	json_type type;
};

/* Makes one call. query as admin_call's; body empty: none. Returns -1 and the answer (the caller
 * decrefs), which has all of needs; else the exit code: 1 when baler refused or answered
 * something else, 2 when it cannot be reached or denies access. */
int admin_client_ask(struct admin_client *c, const char *method, const char *path,
	struct slice query, struct slice body, const struct admin_member *needs,
	json_t **ret_answer);

/* Members of answers. */
uint64_t admin_u64(const json_t *object, const char *name); /* 0 when absent or negative */
const char *admin_str(const json_t *object, const char *name); /* "" when absent */
/* Prints the document on one line. */
void admin_print_json(const json_t *answer);

#endif
