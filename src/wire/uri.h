/*
 * uri: request targets, percent-encoding, and which bucket and key a request names.
 *
 * The signature is made over the path as it was sent; the handler works on the key decoded from
 * that same path, exactly once. Nothing is normalised: "//", "/../", "." and a trailing slash
 * belong to the key. Pure, thread-safe, no allocation except in the caller's buf. Refusals
 * carry S3's code: InvalidURI, KeyTooLongError, InvalidBucketName.
 */
#ifndef BALER_WIRE_URI_H
#define BALER_WIRE_URI_H

#include "base/buf.h"
#include "base/err.h"

#define URI_BUCKET_MAX_BYTES 63
#define URI_KEY_MAX_BYTES 1024

/* AWS's strict form: A-Z a-z 0-9 - . _ ~ stay, all else becomes %XX in upper case; '/' stays
 * when keep_slash. Appends; false when out is full. */
bool uri_encode(struct buf *out, struct slice bytes, bool keep_slash);

/* %XX once; '+' is a plus. RC_REFUSED InvalidURI for a malformed escape or when out is full.
 * Appends. */
enum rc uri_decode_path(struct buf *out, struct slice raw, struct err *err);

/* The same for a query's name or value: '+' is a space. */
enum rc uri_decode_form(struct buf *out, struct slice raw, struct err *err);

/* "/path?query" (or "http://host/path?query", RFC 9112 section 3.2.2) into its raw halves,
 * without the
 * '?'. A target without a path gives "/". */
void uri_split(struct slice target, struct slice *ret_path, struct slice *ret_query);

/* One "name=value" of a query, not decoded. "acl" and "acl=" both have an empty value. */
struct uri_param {
	struct slice name, value;
};

/* Takes the next parameter off the front of *query; false at the end. Empty ones ("&&") are
 * passed over. */
bool uri_query_next(struct slice *query, struct uri_param *ret_param);

/* Whether the query has a parameter of this (decoded) name. The first one's value goes to
 * *ret_raw_value, not decoded (may be NULL). */
bool uri_query_find(struct slice query, const char *name, struct slice *ret_raw_value);

/* Appends the decoded value of the first parameter of this name. RC_ABSENT when there is none;
 * RC_REFUSED InvalidURI. */
enum rc uri_query_get(struct slice query, const char *name, struct buf *out, struct err *err);

/* The bucket and key of a request. The names are copies, terminated for printing; they have no
 * NUL. */
struct uri_target {
	char bucket[URI_BUCKET_MAX_BYTES + 1]; /* "": the service itself (ListBuckets) */
	char key[URI_KEY_MAX_BYTES + 1];       /* "" : the bucket; UTF-8 */
	size_t key_bytes;
	bool is_virtual_host; /* the bucket came from the Host header */
};

/* Whether host names a bucket in front of one of domains. */
bool uri_host_has_bucket(struct slice host, const char *const *domains);

/* host: the Host header, with or without port. domains: base domains ("localhost",
 * "s3.example.org"), NULL-terminated, may be NULL: "photos.localhost:9000" names the bucket
 * photos; any other host means path style. The bucket's name is checked for validity unless
 * empty. RC_REFUSED: InvalidURI (bad escape, NUL, not UTF-8, no leading slash),
 * InvalidBucketName, KeyTooLongError. */
enum rc uri_target_parse(struct slice raw_path, struct slice host, const char *const *domains,
	struct uri_target *ret_target, struct err *err);

/* 3 to 63 of a-z 0-9 - and '.', a letter or digit at both ends, no "..", ".-" or "-.", not like
 * an IPv4 address (S3 user guide, bucket naming rules). */
bool uri_bucket_valid(struct slice name);

/* "bucket/key" or "/bucket/key", percent-encoded (the slash between as %2F too), with an
 * optional
 * "?versionId=…": the header x-amz-copy-source. *ret_version_id is raw, into source, empty when
 * absent. */
enum rc uri_copy_source_parse(struct slice source, struct uri_target *ret_target,
	struct slice *ret_version_id, struct err *err);

/* Whether s is well-formed UTF-8: no overlong form, no surrogate, at most U+10FFFF. */
bool utf8_valid(struct slice s);

#endif
