/*
 * credentials: the access key, the endpoint and the region for an S3 store, found as the AWS
 * SDKs find them.
 *
 * Keys: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN; else the profile (AWS_PROFILE,
 * AWS_DEFAULT_PROFILE, "default") in the credentials file, then in the config file. Roles, SSO, web
 * identity, container and instance credentials are not looked for.
 * Endpoint: the first of the caller's, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, the profile's
 * endpoint_url for s3 (section "services") and the profile's endpoint_url. Only the caller's
 * counts when AWS_IGNORE_CONFIGURED_ENDPOINT_URLS or the profile's
 * ignore_configured_endpoint_urls is true. Without any: AWS.
 * Endpoint of Lambda: the same, with AWS_ENDPOINT_URL_LAMBDA in the place of AWS_ENDPOINT_URL_S3.
 * Region: the caller's, AWS_REGION, AWS_DEFAULT_REGION, the profile's region, "us-east-1".
 * AWS_CA_BUNDLE, AWS_MAX_ATTEMPTS: else the profile's ca_bundle, max_attempts.
 * Files: AWS_SHARED_CREDENTIALS_FILE or ~/.aws/credentials, AWS_CONFIG_FILE or ~/.aws/config. A
 * file that is not there is empty; a profile that was asked for and is nowhere is an error. An
 * empty variable counts as unset, as in the AWS SDKs.
 */
#ifndef BALER_ADAPTER_AWS_IDENTITY_CREDENTIALS_H
#define BALER_ADAPTER_AWS_IDENTITY_CREDENTIALS_H

#include "base/err.h"

#define AWS_FILE_MAX_BYTES (1u << 20)
#define AWS_MAX_ATTEMPTS_MAX 100

/* Every string is on the heap; NULL: the setting was not given. */
struct aws_settings {
	char *access_key, *secret, *session_token;
	char *endpoint_url;        /* NULL: the endpoint of AWS */
	char *lambda_endpoint_url; /* NULL: the endpoint of AWS */
	char *region;              /* never NULL */
	char *ca_bundle;
	unsigned max_attempts;     /* attempts of one request, with the first; 0: not given */
	unsigned stall_s; /* seconds without a byte after which a request fails; 0: HTTP_STALL_S */
};

struct aws_settings_request {
	/* Reads a variable: getenv, or a function of a test. */
	const char *(*env)(void *arg, const char *name);
	void *arg;
	const char *endpoint_url, *region; /* the caller's own, or NULL */
};

/* RC_ABSENT: no credentials were found. RC_REFUSED: only one key of the pair is given, a file
 * cannot be read, the profile does not exist or needs something that is not supported, the
 * endpoint is not an http(s) URL, or the number of attempts is not a number. */
enum rc aws_settings_load(const struct aws_settings_request *request,
	struct aws_settings *ret_settings, struct err *err);
/* The same, with the environment of this process. */
enum rc aws_settings_from_environment(const char *endpoint_url, const char *region,
	struct aws_settings *ret_settings, struct err *err);
/* Frees the strings and overwrites the secret. */
void aws_settings_release(struct aws_settings *settings);

#endif
