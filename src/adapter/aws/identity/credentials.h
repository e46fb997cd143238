/*
 * credentials: who we are to AWS, or to what speaks its language, and where it is.
 *
 * Keys: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN; else the profile (AWS_PROFILE,
 * AWS_DEFAULT_PROFILE, "default") in the credentials file, then in the config file. Roles, SSO, web
 * identity, container and instance credentials are not looked for.
 * Endpoint: the caller's, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, the profile's for s3 (services), the profile's
 * endpoint_url; all but the first are passed over when AWS_IGNORE_CONFIGURED_ENDPOINT_URLS or the profile's
 * ignore_configured_endpoint_urls is true. None: AWS itself.
 * A function's endpoint: the same with AWS_ENDPOINT_URL_LAMBDA for AWS_ENDPOINT_URL_S3.
 * Region: the caller's, AWS_REGION, AWS_DEFAULT_REGION, the profile's region, "us-east-1".
 * AWS_CA_BUNDLE, AWS_MAX_ATTEMPTS: else the profile's ca_bundle, max_attempts.
 * Files: AWS_SHARED_CREDENTIALS_FILE or ~/.aws/credentials, AWS_CONFIG_FILE or ~/.aws/config. A file
 * that is not there is empty; a profile that was asked for and is nowhere is an error.
 * An empty variable counts as unset, as in the AWS SDKs.
 */
#ifndef BALER_ADAPTER_AWS_IDENTITY_CREDENTIALS_H
#define BALER_ADAPTER_AWS_IDENTITY_CREDENTIALS_H

#include "base/err.h"

#define AWS_FILE_MAX_BYTES (1u << 20)
#define AWS_MAX_ATTEMPTS_MAX 100

/* All on the heap; NULL: not given. */
struct aws_settings {
	char *access_key, *secret, *session_token;
	char *endpoint_url;        /* NULL: AWS's own */
	char *lambda_endpoint_url; /* NULL: AWS's own */
	char *region;              /* never NULL */
	char *ca_bundle;
	unsigned max_attempts;     /* of one request, the first counted; 0: not given */
	unsigned stall_s; /* a request without a byte for so long has failed; 0: HTTP_STALL_S */
};

struct aws_settings_request {
	/* getenv, or a test's. */
	const char *(*env)(void *arg, const char *name);
	void *arg;
	const char *endpoint_url, *region; /* the caller's own, or NULL */
};

/* RC_ABSENT: no credentials anywhere. RC_REFUSED: half a pair of keys, an unreadable file, a profile
 * that does not exist or needs what is not supported, an endpoint that is no http(s) url, attempts that are no number. */
enum rc aws_settings_load(const struct aws_settings_request *request,
	struct aws_settings *ret_settings, struct err *err);
/* With the process's environment. */
enum rc aws_settings_from_environment(const char *endpoint_url, const char *region,
	struct aws_settings *ret_settings, struct err *err);
/* Wipes the secret. */
void aws_settings_release(struct aws_settings *settings);

#endif
