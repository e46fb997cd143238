/*
 * endpoint: where a bucket and a key are on the network.
 *
 * AWS itself is addressed by virtual host (bucket.s3.REGION.amazonaws.com), except for buckets with a
 * dot in the name, which would not fit the certificate; any other endpoint by path. Pure.
 */
#ifndef BALER_ADAPTER_AWS_IDENTITY_ENDPOINT_H
#define BALER_ADAPTER_AWS_IDENTITY_ENDPOINT_H

#include "base/buf.h"
#include "base/err.h"

#define ENDPOINT_AUTHORITY_MAX 255 /* bytes of host:port */

struct endpoint {
	bool is_https;
	bool is_aws;
	char authority[ENDPOINT_AUTHORITY_MAX +
		       1]; /* host, or host:port where it is not the default */
};

/* url NULL: AWS in this region. RC_REFUSED: not http(s)://host[:port][/]. */
enum rc endpoint_init(struct endpoint *e, const char *url, const char *region, struct err *err);

/* Appends the Host header and the path as it is sent and signed. key empty: the bucket itself.
 * RC_REFUSED when a bound is passed. */
enum rc endpoint_target(const struct endpoint *e, struct slice bucket, struct slice key,
	struct buf *host, struct buf *path, struct err *err);

#endif
