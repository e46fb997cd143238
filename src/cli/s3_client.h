/* s3_client: what the commands of an S3 client share: opening a bucket, the s3:// form of an
 * address, signals. */
#ifndef BALER_CLI_S3_CLIENT_H
#define BALER_CLI_S3_CLIENT_H

#include <stdatomic.h>

#include "adapter/aws/identity/credentials.h"
#include "port/object_store.h"

/* The bucket's own store, retrying, signed for its region. endpoint_url: the flag's, or NULL.
 * os_close. */
enum rc s3_client_open(const char *endpoint_url, const char *bucket,
	struct object_store **ret_store, struct err *err);

/* The same with given settings, which are not changed. The region is asked for unless is_fixed;
 * ret_region is the region that requests are signed for. */
enum rc s3_client_open_with(const struct aws_settings *settings, const char *bucket, bool is_fixed,
	struct object_store **ret_store, char ret_region[OS_REGION_MAX], struct err *err);

/* "s3://BUCKET/KEY", from a. false: not of that form. */
bool s3_address_parse(const char *text, struct arena *a, char **ret_bucket, struct slice *ret_key);
bool s3_address_is(const char *text);

/* From now on SIGTERM and SIGINT set the flag; a second one ends the process. */
const atomic_bool *stop_on_signals(void);
/* From now on these signals end the process at once, but the meter's line is removed first. */
void end_on_signals(void);

#endif
