#include "serve/foreign_landing.h"

#include <stdlib.h>

#include "adapter/aws/s3/s3.h"
#include "adapter/wrap/retry.h"
#include "base/prng.h"
#include "serve/secret_env.h"

/* Maps "AWS_ACCESS_KEY_ID" to BALER_LANDING_ACCESS_KEY_ID. No file and no profile is read,
 * because those belong to the user who started the server. */
static const char *landing_variable(void *arg, const char *name)
{
	static const char *const keys[][2] = {{"AWS_ACCESS_KEY_ID", "BALER_LANDING_ACCESS_KEY_ID"},
		{"AWS_SECRET_ACCESS_KEY", "BALER_LANDING_SECRET_ACCESS_KEY"},
		{"AWS_SESSION_TOKEN", "BALER_LANDING_SESSION_TOKEN"},
		{"AWS_CA_BUNDLE", "AWS_CA_BUNDLE"}};

	(void)arg;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strcmp(name, keys[i][0]) == 0)
			return getenv(keys[i][1]);
	if (strcmp(name, "AWS_SHARED_CREDENTIALS_FILE") == 0 ||
		strcmp(name, "AWS_CONFIG_FILE") == 0)
		return "/dev/null";
	return NULL;
}

enum rc foreign_landing_open(const struct serve_options *o, struct budget *memory,
	struct object_store **ret_store, struct err *err)
{
	struct aws_settings_request request = {.env = landing_variable,
		.endpoint_url = o->landing_endpoint,
		.region = o->landing_region};
	struct retry_policy retries = retry_defaults;
	struct prng jitter = prng_system();
	struct aws_settings settings = {0};
	struct object_store *s3 = NULL;
	enum rc rc;

	retries.attempts = (unsigned)o->landing_retries + 1;
	rc = aws_settings_load(&request, &settings, err);
	settings.stall_s = (unsigned)((o->landing_timeout_ms + 999) / 1000);
	if (rc == RC_OK)
		rc = s3_open(&settings, &s3, err);
	aws_settings_release(&settings);
	secret_env_wipe("BALER_LANDING_SECRET_ACCESS_KEY");
	secret_env_wipe("BALER_LANDING_SESSION_TOKEN");
	if (rc == RC_OK)
		s3_limit_memory(s3, memory);
	if (rc == RC_OK)
		*ret_store =
			retry_object_store_new(s3, &retries, clock_system(), prng_u64(&jitter));
	if (rc == RC_ABSENT)
		return err_set(err, RC_REFUSED,
			"'--landing-endpoint': set BALER_LANDING_ACCESS_KEY_ID and "
			"BALER_LANDING_SECRET_ACCESS_KEY");
	return rc == RC_OK ? rc : err_ctx(err, RC_REFUSED, "'--landing-endpoint'");
}
