#include "adapter/aws/identity/endpoint.h"

#include <stdio.h>
#include <strings.h>

#include "wire/uri.h"

static enum rc aws_endpoint(struct endpoint *e, const char *region, struct err *err)
{
	bool is_china = strncmp(region, "cn-", 3) == 0;
	int n = snprintf(e->authority, sizeof(e->authority), "s3.%s.amazonaws.com%s", region,
		is_china ? ".cn" : "");

	if (n < 0 || (size_t)n >= sizeof(e->authority))
		return err_set(err, RC_REFUSED, "region '%s' is too long", region);
	e->is_https = e->is_aws = true;
	return RC_OK;
}

/* A default port is not sent in the Host header, so it must not be signed either. */
static void drop_default_port(struct endpoint *e)
{
	const char *port = e->is_https ? ":443" : ":80";
	size_t n = strlen(e->authority), p = strlen(port);

	if (n > p && strcmp(e->authority + n - p, port) == 0)
		e->authority[n - p] = '\0';
}

enum rc endpoint_init(struct endpoint *e, const char *url, const char *region, struct err *err)
{
	const char *host, *end;

	*e = (struct endpoint){0};
	if (!url)
		return aws_endpoint(e, region, err);
	e->is_https = strncasecmp(url, "https://", 8) == 0;
	if (!e->is_https && strncasecmp(url, "http://", 7) != 0)
		return err_set(
			err, RC_REFUSED, "endpoint '%s' must begin with http:// or https://", url);
	host = url + (e->is_https ? 8 : 7);
	end = host + strcspn(host, "/?#");
	if (end == host || (*end != '\0' && strcmp(end, "/") != 0) ||
		memchr(host, '@', (size_t)(end - host)))
		return err_set(err, RC_REFUSED,
			"endpoint '%s' must be http(s)://host[:port] and no more", url);
	if (end - host > ENDPOINT_AUTHORITY_MAX)
		return err_set(err, RC_REFUSED, "endpoint '%.80s…' is too long", url);
	memcpy(e->authority, host, (size_t)(end - host));
	drop_default_port(e);
	return RC_OK;
}

enum rc endpoint_target(const struct endpoint *e, struct slice bucket, struct slice key,
	struct buf *host, struct buf *path, struct err *err)
{
	bool is_virtual = e->is_aws && !(bucket.n && memchr(bucket.p, '.', bucket.n));

	if (is_virtual && bucket.n) {
		buf_add_slice(host, bucket);
		buf_add_char(host, '.');
	}
	buf_add_str(host, e->authority);
	buf_add_char(path, '/');
	if (!is_virtual)
		buf_add_slice(path, bucket);
	if (!is_virtual && key.n)
		buf_add_char(path, '/');
	uri_encode(path, key, true);
	if (host->overflow || path->overflow)
		return err_set(err, RC_REFUSED, "the key is too long");
	return RC_OK;
}
