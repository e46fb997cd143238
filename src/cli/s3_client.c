#include "cli/s3_client.h"

#include <signal.h>
#include <stdio.h>

#include "adapter/aws/s3/s3.h"
#include "adapter/wrap/retry.h"
#include "base/prng.h"
#include "cli/meter.h"

static enum rc open_retrying(
	const struct aws_settings *settings, struct object_store **ret_store, struct err *err)
{
	struct retry_policy retries = retry_defaults;
	struct prng jitter = prng_system();
	struct object_store *s3;
	enum rc rc = s3_open(settings, &s3, err);

	if (settings->max_attempts)
		retries.attempts = settings->max_attempts;
	if (rc == RC_OK)
		*ret_store = retry_object_store_new(
			s3, &retries, clock_system(), prng_u64(&jitter));
	return rc;
}

enum rc s3_client_open_with(const struct aws_settings *settings, const char *bucket, bool is_fixed,
	struct object_store **ret_store, char ret_region[OS_REGION_MAX], struct err *err)
{
	struct aws_settings there = *settings;
	char region[OS_REGION_MAX];
	struct object_store *store;
	enum rc rc = open_retrying(settings, &store, err);

	if (rc != RC_OK)
		return rc;
	snprintf(region, sizeof(region), "%s", settings->region);
	if (!is_fixed)
		rc = os_bucket_region(store, slice_str(bucket), region, err);
	if (rc != RC_OK) {
		os_close(store);
		return err_ctx(err, rc, "bucket '%s'", bucket);
	}
	if (strcmp(region, settings->region) != 0) {
		os_close(store);
		there.region = region;
		rc = open_retrying(&there, &store, err);
		if (rc != RC_OK)
			return rc;
	}
	memcpy(ret_region, region, sizeof(region));
	*ret_store = store;
	return RC_OK;
}

enum rc s3_client_open(const char *endpoint_url, const char *bucket,
	struct object_store **ret_store, struct err *err)
{
	char region[OS_REGION_MAX];
	struct aws_settings settings = {0};
	enum rc rc = aws_settings_from_environment(endpoint_url, NULL, &settings, err);

	if (rc == RC_OK) {
		rc = s3_client_open_with(&settings, bucket, false, ret_store, region, err);
		aws_settings_release(&settings);
	}
	return rc;
}

bool s3_address_is(const char *text)
{
	return strncmp(text, "s3://", 5) == 0;
}

bool s3_address_parse(const char *text, struct arena *a, char **ret_bucket, struct slice *ret_key)
{
	const char *bucket = text + 5, *slash;

	if (!s3_address_is(text))
		return false;
	slash = strchr(bucket, '/');
	if (!slash || slash == bucket || slash[1] == '\0')
		return false;
	*ret_bucket = arena_strdup(a, slice_of(bucket, (size_t)(slash - bucket)));
	*ret_key = arena_slice(a, slice_str(slash + 1));
	return true;
}

static atomic_bool stopping;

static void end_on_signal(int number)
{
	meter_wipe();
	signal(number, SIG_DFL);
	raise(number);
}

static void stop_on_signal(int number)
{
	if (atomic_exchange(&stopping, true))
		end_on_signal(number);
}

static void handle(void (*handler)(int))
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = (int)SA_RESTART};

	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
}

const atomic_bool *stop_on_signals(void)
{
	handle(stop_on_signal);
	return &stopping;
}

void end_on_signals(void)
{
	handle(end_on_signal);
}
