/*
 * endpoint: where a bucket and a key are on the network.
 *
 * AWS is addressed by virtual host (bucket.s3.REGION.amazonaws.com). A bucket with a dot in its
 * name is addressed by path, because the certificate of AWS does not cover such a host. Every
 * other endpoint is addressed by path. The functions do no I/O.
 */
#ifndef BALER_ADAPTER_AWS_IDENTITY_ENDPOINT_H
#define BALER_ADAPTER_AWS_IDENTITY_ENDPOINT_H

#include "base/buf.h"
#include "base/err.h"

#define ENDPOINT_AUTHORITY_MAX 255 /* bytes of host:port */

struct endpoint {
	bool is_https;
	bool is_aws;
	/* host, or host:port when the port is not the default */
	char authority[ENDPOINT_AUTHORITY_MAX + 1];
};

/* url NULL: AWS in this region. RC_REFUSED: url is not of the form http(s)://host[:port][/]. */
enum rc endpoint_init(struct endpoint *e, const char *url, const char *region, struct err *err);

/* Appends the value of the Host header and the path, as they are sent and signed. An empty key
 * means the bucket itself. RC_REFUSED: the result is longer than host or path may be. */
enum rc endpoint_target(const struct endpoint *e, struct slice bucket, struct slice key,
	struct buf *host, struct buf *path, struct err *err);

#endif
