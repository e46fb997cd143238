#include "gateway/s3/metadata.h"

#include <strings.h>

#include "wire/aws_chunked.h"
#include "wire/header.h"

#define META_PREFIX "x-amz-meta-"

/* Headers that are kept and given back unchanged. */
static const char *const kept[] = {"content-type", "content-encoding", "cache-control",
	"content-disposition", "content-language", "expires", NULL};

/* The x-amz-* headers that baler implements, and those that are safe to ignore. */
static const char *const known[] = {"x-amz-date", "x-amz-content-sha256", "x-amz-security-token",
	"x-amz-decoded-content-length", "x-amz-trailer", "x-amz-sdk-checksum-algorithm",
	"x-amz-checksum-mode", "x-amz-checksum-algorithm", "x-amz-checksum-type",
	"x-amz-copy-source", "x-amz-copy-source-range", "x-amz-copy-source-if-match",
	"x-amz-copy-source-if-none-match", "x-amz-copy-source-if-modified-since",
	"x-amz-copy-source-if-unmodified-since", "x-amz-metadata-directive", "x-amz-mp-object-size",
	"x-amz-request-payer", "x-amz-user-agent", "x-amz-te", "x-amz-object-ownership",
	"x-amz-optional-object-attributes", NULL};

/* Known with these values only. */
static const struct {
	const char *name;
	const char *value;
	const char *code;
} fixed[] = {
	{"x-amz-acl", "private", "NotImplemented"},
	{"x-amz-acl", "bucket-owner-full-control", "NotImplemented"},
	{"x-amz-storage-class", "STANDARD", "InvalidStorageClass"},
	{"x-amz-expected-bucket-owner", OWNER_ID, "AccessDenied"},
	{"x-amz-source-expected-bucket-owner", OWNER_ID, "AccessDenied"},
	{"x-amz-bucket-object-lock-enabled", "false", "NotImplemented"},
	{"x-amz-tagging-directive", "COPY", "NotImplemented"},
};

static bool in_list(const char *const *list, struct slice name)
{
	for (; *list; list++)
		if (slice_eq_nocase(name, slice_str(*list)))
			return true;
	return false;
}

static bool has_prefix_nocase(struct slice s, const char *prefix)
{
	size_t n = strlen(prefix);

	return s.n >= n && strncasecmp((const char *)s.p, prefix, n) == 0;
}

static enum rc check_header(const struct header *h, struct err *err)
{
	const char *code = "NotImplemented";

	if (!has_prefix_nocase(h->name, "x-amz-") || has_prefix_nocase(h->name, META_PREFIX) ||
		checksum_from_header(h->name) || in_list(known, h->name))
		return RC_OK;
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		if (!slice_eq_nocase(h->name, slice_str(fixed[i].name)))
			continue;
		if (slice_eq_str(header_trim(h->value), fixed[i].value))
			return RC_OK;
		code = fixed[i].code;
	}
	return err_code(err, RC_REFUSED, code,
		"the header '" SLICE_FMT "' with this value is not implemented here",
		SLICE_ARG(h->name));
}

enum rc metadata_check_headers(struct request *r, struct err *err)
{
	for (size_t i = 0; i < r->n_headers; i++) {
		enum rc rc = check_header(&r->headers[i], err);

		if (rc)
			return rc;
	}
	return RC_OK;
}

static enum rc add(struct buf *out, struct slice name, struct slice value, struct err *err)
{
	if (object_headers_add(out, name, value))
		return RC_OK;
	return err_code(err, RC_REFUSED, "InvalidRequest",
		"the header '" SLICE_FMT "' cannot be kept", SLICE_ARG(name));
}

/* "aws-chunked" describes how the body was sent and not the object. */
static enum rc add_encoding(struct buf *out, struct slice value, struct err *err)
{
	struct buf rest;
	enum rc rc = RC_OK;

	buf_init(&rest, value.n + 1);
	aws_chunked_strip_encoding(&rest, value);
	if (rest.n)
		rc = add(out, slice_str("content-encoding"), buf_slice(&rest), err);
	buf_release(&rest);
	return rc;
}

enum rc metadata_read(struct request *r, struct buf *out, struct err *err)
{
	bool has_type = false;
	size_t meta_bytes = 0;
	enum rc rc = RC_OK;

	for (size_t i = 0; i < r->n_headers && !rc; i++) {
		const struct header *h = &r->headers[i];
		struct slice value = header_trim(h->value);

		if (has_prefix_nocase(h->name, META_PREFIX)) {
			meta_bytes += h->name.n - strlen(META_PREFIX) + value.n;
			rc = add(out, h->name, value, err);
		} else if (slice_eq_nocase(h->name, slice_str("content-encoding"))) {
			rc = add_encoding(out, value, err);
		} else if (in_list(kept, h->name) && value.n) {
			has_type |= slice_eq_nocase(h->name, slice_str("content-type"));
			rc = add(out, h->name, value, err);
		}
	}
	if (meta_bytes > GATEWAY_METADATA_MAX_BYTES)
		return err_code(err, RC_REFUSED, "MetadataTooLarge",
			"the user metadata have %zu bytes, %d are allowed", meta_bytes,
			GATEWAY_METADATA_MAX_BYTES);
	if (!rc && !has_type)
		rc = add(out, slice_str("content-type"), slice_str("binary/octet-stream"), err);
	return rc;
}

void metadata_add_checksum(struct buf *out, const struct checksum *c)
{
	char text[CHECKSUM_TEXT_MAX];

	if (!c->alg)
		return;
	checksum_format(c, text);
	object_headers_add(out, slice_str(checksum_header(c->alg)), slice_str(text));
	object_headers_add(
		out, slice_str("x-amz-checksum-type"), slice_str(checksum_type_name(c->type)));
}

struct checksum metadata_checksum(struct slice headers)
{
	struct checksum c = {0};

	for (const enum digest_alg *alg = checksum_algs; *alg; alg++) {
		struct slice text = object_headers_get(headers, checksum_header(*alg));

		if (text.p && checksum_parse(*alg, text, &c, NULL) == RC_OK)
			return c;
	}
	return (struct checksum){0};
}

void metadata_copy(struct buf *out, struct slice headers)
{
	struct slice name, value;
	size_t pos = 0;

	while (object_headers_next(headers, &pos, &name, &value))
		if (in_list(kept, name) || has_prefix_nocase(name, META_PREFIX))
			object_headers_add(out, name, value);
}

void metadata_reply_checksum(struct request *r, const struct checksum *c)
{
	char text[CHECKSUM_TEXT_MAX];

	if (!c->alg)
		return;
	checksum_format(c, text);
	reply_header(r, checksum_header(c->alg), slice_str(text));
	reply_header_str(r, "x-amz-checksum-type", checksum_type_name(c->type));
}

void metadata_reply(struct request *r, struct slice headers, bool with_checksum)
{
	struct slice name, value;
	struct checksum c;
	size_t pos = 0;

	while (object_headers_next(headers, &pos, &name, &value))
		if (in_list(kept, name) || has_prefix_nocase(name, META_PREFIX))
			reply_header(r, arena_strdup(&r->arena, name), value);
	if (!with_checksum)
		return;
	c = metadata_checksum(headers);
	metadata_reply_checksum(r, &c);
}
