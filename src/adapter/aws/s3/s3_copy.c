#include "adapter/aws/s3/s3_call.h"
#include "model/object_headers.h"
#include "wire/uri.h"

/* bytes: a bucket, a percent-encoded key of 1,024 bytes, a versionId */
#define COPY_SOURCE_MAX 4096

/* CopyObject copies the metadata of the source too, unless a header asks for something else. */
static bool copy_headers(struct buf *out, const struct object_id *from)
{
	struct buf source;
	bool ok;

	buf_init(&source, COPY_SOURCE_MAX);
	buf_add_slice(&source, from->bucket);
	buf_add_char(&source, '/');
	uri_encode(&source, from->key, true);
	if (s3_is_version(from->version)) {
		buf_add_str(&source, "?versionId=");
		uri_encode(&source, from->version, false);
	}
	ok = !source.overflow &&
	     object_headers_add(out, slice_str("x-amz-copy-source"), buf_slice(&source)) &&
	     object_headers_add(out, slice_str("x-amz-metadata-directive"), slice_str("COPY"));
	buf_release(&source);
	return ok;
}

enum rc s3_copy(struct object_store *os, const struct object_id *from, struct slice bucket,
	struct slice key, struct arena *a, struct os_object *ret_info, struct err *err)
{
	struct s3 *s3 = (struct s3 *)os;
	struct s3_call call = {.method = "PUT", .bucket = bucket, .key = key};
	struct s3xml_stored stored;
	struct buf headers;
	enum rc rc;

	buf_init(&headers, OBJECT_HEADERS_MAX);
	if (!copy_headers(&headers, from)) {
		buf_release(&headers);
		return err_set(err, RC_REFUSED, "the source's name is too long");
	}
	call.headers = buf_slice(&headers);
	rc = s3_call_run(s3, &call, err);
	if (rc == RC_OK) {
		/* S3 can report an error, or end early, in a response whose status is 200. */
		rc = s3xml_read_stored(buf_slice(&call.answer), a, &stored, err);
		if (rc != RC_OK)
			rc = s3_bad_document(&call, err);
	}
	if (rc == RC_OK) {
		s3_call_object(&call, key, a, ret_info);
		ret_info->etag = stored.etag;
		ret_info->modified_wall_ms = stored.modified_wall_ms;
		ret_info->headers = (struct slice){0};
		ret_info->size = 0;
	}
	s3_call_release(&call);
	buf_release(&headers);
	return rc;
}
