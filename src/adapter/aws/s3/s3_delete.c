#include <stdio.h>

#include "adapter/aws/s3/s3_call.h"
#include "model/object_headers.h"

/* 1,000 keys of 1,024 bytes, each byte an XML reference of 6 bytes */
#define DELETE_BODY_MAX (8u << 20)

/* XML 1.0 cannot contain these characters. A key with one of them is deleted by a request of its
 * own. */
static bool fits_xml(struct slice key)
{
	for (size_t i = 0; i < key.n; i++)
		if (key.p[i] < 0x20)
			return false;
	return true;
}

static struct slice named_version(struct slice version)
{
	if (slice_has_prefix(version, slice_str("seq:")))
		version.n = 0;
	return version.n ? version : (struct slice){0};
}

static enum rc delete_one(
	struct s3 *s3, struct slice bucket, const struct object_id *object, struct err *err)
{
	struct s3_call call = {.method = "DELETE", .bucket = bucket, .key = object->key};
	struct slice version = named_version(object->version);
	struct buf query;
	enum rc rc;

	buf_init(&query, S3_URL_MAX);
	if (version.n)
		s3_query_add(&query, "versionId", version);
	call.query = buf_slice(&query);
	rc = s3_call_run(s3, &call, err);
	/* [OS-10]: an absent key counts as deleted. An absent bucket is an error. */
	if (rc == RC_ABSENT && !err_is(err, "NoSuchBucket"))
		rc = RC_OK;
	s3_call_release(&call);
	buf_release(&query);
	return rc;
}

static void take_failure(const struct s3xml_deleted *failed, const struct object_id *objects,
	size_t n, enum rc *results)
{
	char code[ERR_CODE_MAX];
	enum rc rc;

	snprintf(code, sizeof(code), SLICE_FMT, SLICE_ARG(failed->code));
	rc = strcmp(code, "InternalError") == 0 ? RC_UNKNOWN : s3_rc_of_code(code, 400, true);
	if (rc == RC_ABSENT)
		rc = RC_OK;
	for (size_t i = 0; i < n; i++)
		if (slice_eq(failed->key, objects[i].key) &&
			slice_eq(failed->version_id, named_version(objects[i].version)))
			results[i] = rc;
}

static bool md5_header(struct buf *headers, struct slice body)
{
	unsigned char hash[16];
	struct buf text;
	bool ok;

	md5(body, hash);
	buf_init(&text, 64);
	base64_encode(&text, slice_of(hash, sizeof(hash)));
	ok = object_headers_add(headers, slice_str("content-md5"), buf_slice(&text)) &&
	     object_headers_add(headers, slice_str("content-type"), slice_str("application/xml"));
	buf_release(&text);
	return ok;
}

static enum rc read_failures(const struct s3_call *call, const struct object_id *objects, size_t n,
	enum rc *results, struct err *err)
{
	struct s3xml_delete_result result = {0};
	struct arena a = ARENA_INIT;
	enum rc rc = s3xml_read_delete_result(buf_slice(&call->answer), &a, &result, err);

	if (rc != RC_OK)
		rc = s3_bad_document(call, err);
	for (size_t i = 0; rc == RC_OK && i < result.n_items; i++)
		if (result.items[i].code.n)
			take_failure(&result.items[i], objects, n, results);
	arena_release(&a);
	return rc;
}

/* Deletes at most S3XML_MAX_DELETES objects, whose keys XML can contain. */
static enum rc delete_chunk(struct s3 *s3, struct slice bucket, const struct object_id *objects,
	size_t n, enum rc *results, struct err *err)
{
	struct s3_call call = {.method = "POST",
		.bucket = bucket,
		.query = slice_str("delete="),
		.has_body = true};
	struct arena a = ARENA_INIT;
	struct s3xml_delete what = {.n_objects = n, .quiet = true};
	struct buf body, headers;
	enum rc rc;

	what.objects = arena_array(&a, n, sizeof(*what.objects));
	for (size_t i = 0; i < n; i++) {
		what.objects[i].key = objects[i].key;
		what.objects[i].version_id = named_version(objects[i].version);
		results[i] = RC_OK;
	}
	buf_init(&body, DELETE_BODY_MAX);
	buf_init(&headers, 256);
	s3xml_write_delete(&body, &what);
	md5_header(&headers, buf_slice(&body));
	call.body = buf_slice(&body);
	call.headers = buf_slice(&headers);
	rc = s3_call_run(s3, &call, err);
	if (rc == RC_OK)
		rc = read_failures(&call, objects, n, results, err);
	s3_call_release(&call);
	buf_release(&body);
	buf_release(&headers);
	arena_release(&a);
	return rc;
}

/* How many of the first objects can go into one document. */
static size_t chunk_size(const struct object_id *objects, size_t n)
{
	size_t i = 0;

	while (i < n && i < S3XML_MAX_DELETES && fits_xml(objects[i].key))
		i++;
	return i;
}

enum rc s3_delete_many(struct object_store *os, struct slice bucket,
	const struct object_id *objects, size_t n, enum rc *results, struct err *err)
{
	struct s3 *s3 = (struct s3 *)os;

	for (size_t i = 0; i < n;) {
		size_t part = chunk_size(objects + i, n - i);
		enum rc rc;

		if (part == 0) {
			part = 1;
			results[i] = delete_one(s3, bucket, &objects[i], err);
			rc = results[i] == RC_ABSENT ? RC_ABSENT : RC_OK;
		} else {
			rc = delete_chunk(s3, bucket, objects + i, part, results + i, err);
		}
		if (rc != RC_OK) {
			for (size_t j = i; j < n; j++)
				results[j] = j < i + part ? rc : RC_AGAIN;
			return rc;
		}
		i += part;
	}
	return RC_OK;
}
