#include "wire/uri.h"

#include <strings.h>

static bool is_lower_alnum(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Four groups of digits: clients would take the name for an address. */
static bool looks_like_ipv4(struct slice name)
{
	size_t dots = 0;

	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] == '.')
			dots++;
		else if (name.p[i] < '0' || name.p[i] > '9')
			return false;
	}
	return dots == 3;
}

bool uri_bucket_valid(struct slice name)
{
	if (name.n < 3 || name.n > URI_BUCKET_MAX_BYTES || looks_like_ipv4(name))
		return false;
	if (!is_lower_alnum(name.p[0]) || !is_lower_alnum(name.p[name.n - 1]))
		return false;
	for (size_t i = 0; i < name.n; i++) {
		unsigned char c = name.p[i];

		if (!is_lower_alnum(c) && c != '-' && c != '.')
			return false;
		if (c == '.' && !is_lower_alnum(name.p[i + 1])) /* not the last: checked above */
			return false;
		if (c == '-' && name.p[i + 1] == '.')
			return false;
	}
	return true;
}

/* The length of the character at p, or 0 when it is none (RFC 3629 section 4). */
static size_t utf8_char(const unsigned char *p, size_t left)
{
	unsigned char low = 0x80, high = 0xbf; /* of the second byte */
	size_t n;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (p[0] == 0xe0)
		low = 0xa0; /* overlong */
	else if (p[0] == 0xed)
		high = 0x9f; /* surrogates */
	else if (p[0] == 0xf0)
		low = 0x90; /* overlong */
	else if (p[0] == 0xf4)
		high = 0x8f; /* beyond U+10FFFF */
	if (left < n || p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

bool utf8_valid(struct slice s)
{
	for (size_t i = 0, n; i < s.n; i += n) {
		n = utf8_char(s.p + i, s.n - i);
		if (n == 0)
			return false;
	}
	return true;
}

static struct slice without_port(struct slice host)
{
	for (size_t i = host.n; i-- > 0;) {
		if (host.p[i] == ':')
			return slice_of(host.p, i);
		if (host.p[i] < '0' || host.p[i] > '9')
			break;
	}
	return host;
}

/* The bucket in a virtual host's name; empty for path style. */
static struct slice bucket_of_host(struct slice host, const char *const *domains)
{
	host = without_port(host);
	for (; domains && *domains; domains++) {
		struct slice domain = slice_str(*domains);
		size_t n = host.n - domain.n - 1; /* of the bucket's name */

		if (host.n <= domain.n + 1 || host.p[n] != '.')
			continue;
		if (slice_eq_nocase(slice_of(host.p + n + 1, domain.n), domain))
			return slice_of(host.p, n);
	}
	return slice_of(NULL, 0);
}

bool uri_host_has_bucket(struct slice host, const char *const *domains)
{
	return bucket_of_host(host, domains).n > 0;
}

static enum rc set_bucket(struct uri_target *t, struct slice name, struct err *err)
{
	if (!uri_bucket_valid(name))
		return err_code(err, RC_REFUSED, "InvalidBucketName",
			"'" SLICE_FMT "' is not a valid bucket name",
			(int)(name.n > 100 ? 100 : name.n), (const char *)name.p);
	memcpy(t->bucket, name.p, name.n);
	t->bucket[name.n] = '\0';
	return RC_OK;
}

static enum rc set_key(struct uri_target *t, struct slice raw, struct err *err)
{
	struct buf key;
	enum rc rc;

	if (raw.n > 3 * URI_KEY_MAX_BYTES)
		return err_code(
			err, RC_REFUSED, "KeyTooLongError", "a key of more than 1024 bytes");
	buf_init(&key, 3 * URI_KEY_MAX_BYTES);
	rc = uri_decode_path(&key, raw, err);
	if (rc != RC_OK)
		goto out;
	if (key.n > URI_KEY_MAX_BYTES)
		rc = err_code(err, RC_REFUSED, "KeyTooLongError", "a key of %zu bytes", key.n);
	else if ((key.n && memchr(key.p, 0, key.n)) || !utf8_valid(buf_slice(&key)))
		rc = err_code(err, RC_REFUSED, "InvalidURI", "a key that is not UTF-8 text");
	if (rc != RC_OK)
		goto out;
	if (key.n)
		memcpy(t->key, key.p, key.n);
	t->key[key.n] = '\0';
	t->key_bytes = key.n;
out:
	buf_release(&key);
	return rc;
}

/* "bucket/key", the bucket up to the first raw slash. */
static enum rc split_bucket_key(struct uri_target *t, struct slice path, struct err *err)
{
	const unsigned char *slash = path.n ? memchr(path.p, '/', path.n) : NULL;
	size_t n = slash ? (size_t)(slash - path.p) : path.n;
	enum rc rc;

	if (path.n == 0)
		return RC_OK;
	rc = set_bucket(t, slice_of(path.p, n), err);
	if (rc != RC_OK || !slash)
		return rc;
	return set_key(t, slice_of(slash + 1, path.n - n - 1), err);
}

enum rc uri_target_parse(struct slice raw_path, struct slice host, const char *const *domains,
	struct uri_target *ret_target, struct err *err)
{
	struct slice rest, bucket = bucket_of_host(host, domains);
	struct uri_target t;
	enum rc rc;

	if (raw_path.n == 0 || raw_path.p[0] != '/')
		return err_code(
			err, RC_REFUSED, "InvalidURI", "the path does not start with a slash");
	rest = slice_of(raw_path.p + 1, raw_path.n - 1);
	t.bucket[0] = t.key[0] = '\0';
	t.key_bytes = 0;
	t.is_virtual_host = bucket.n > 0;
	if (t.is_virtual_host) {
		rc = set_bucket(&t, bucket, err);
		if (rc == RC_OK)
			rc = set_key(&t, rest, err);
	} else {
		rc = split_bucket_key(&t, rest, err);
	}
	if (rc == RC_OK)
		*ret_target = t;
	return rc;
}

/* The whole source may be encoded, its first slash too ("bucket%2Fkey"): then the first %2F
 * parts. */
static struct slice cut_encoded_slash(struct slice s, struct slice *ret_rest)
{
	for (size_t i = 0; i < s.n && s.p[i] != '/'; i++) {
		if (s.n - i < 3 || strncasecmp((const char *)s.p + i, "%2f", 3) != 0)
			continue;
		*ret_rest = slice_of(s.p + i + 3, s.n - i - 3);
		return slice_of(s.p, i);
	}
	*ret_rest = slice_of(NULL, 0);
	return s;
}

static enum rc copy_source_bad(struct err *err)
{
	return err_code(err, RC_REFUSED, "InvalidArgument",
		"x-amz-copy-source must be bucket/key or bucket/key?versionId=id");
}

enum rc uri_copy_source_parse(struct slice source, struct uri_target *ret_target,
	struct slice *ret_version_id, struct err *err)
{
	const unsigned char *question = source.n ? memchr(source.p, '?', source.n) : NULL;
	struct slice path = source, version = {NULL, 0}, key, bucket;
	struct uri_target t = {0};
	enum rc rc;

	if (question) {
		path.n = (size_t)(question - source.p);
		if (!uri_query_find(
			    slice_of(question + 1, source.n - path.n - 1), "versionId", &version) ||
			version.n == 0)
			return copy_source_bad(err);
	}
	if (path.n && path.p[0] == '/') {
		path.p++;
		path.n--;
	} else if (path.n >= 3 && strncasecmp((const char *)path.p, "%2f", 3) == 0) {
		path = slice_of(path.p + 3, path.n - 3);
	}
	bucket = cut_encoded_slash(path, &key);
	if (key.p) {
		rc = set_bucket(&t, bucket, err);
		if (rc == RC_OK)
			rc = set_key(&t, key, err);
	} else {
		rc = split_bucket_key(&t, path, err);
	}
	if (rc != RC_OK)
		return rc;
	if (t.key_bytes == 0)
		return copy_source_bad(err);
	*ret_target = t;
	*ret_version_id = version;
	return RC_OK;
}
