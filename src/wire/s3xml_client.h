/*
 * s3xml_client: the answers of an S3 server, as a client reads them. The rules and bounds of
 * s3xml.h hold; strings live in the caller's arena. An answer that is not the expected document is
 * RC_CORRUPT MalformedXML (to be retried like a 500, because S3 may break off inside a 200). A
 * document whose root is <Error> is RC_CORRUPT with that error's code in err->code, also inside a
 * 200. Listings that were asked for with encoding-type=url are decoded here when the server says
 * that it has encoded them (EncodingType).
 */
#ifndef BALER_WIRE_S3XML_CLIENT_H
#define BALER_WIRE_S3XML_CLIENT_H

#include "wire/s3xml.h"

/* <Error>; missing fields are empty. RC_CORRUPT when it is no error document. */
struct s3xml_error_info {
	struct slice code, message, request_id, region, endpoint, key;
};
enum rc s3xml_read_error(
	struct slice document, struct arena *arena, struct s3xml_error_info *ret, struct err *err);

/* One object, version or delete marker of a listing. */
struct s3xml_entry {
	struct slice key;
	struct slice version_id; /* versions only */
	struct slice etag;       /* without quotes; empty for a marker */
	uint64_t size_bytes;
	uint64_t modified_wall_ms;
	bool is_latest, is_delete_marker; /* versions only */
};

/* Entries and prefixes of one page, each. S3 gives 1,000; some stores give more than they were
 * asked for. */
#define S3XML_LISTING_MAX 10000

/* ListBucketResult (v1 and v2) and ListVersionsResult. */
struct s3xml_listing {
	struct s3xml_entry *entries;
	size_t n_entries;
	struct slice *prefixes; /* CommonPrefixes */
	size_t n_prefixes;
	bool is_truncated;
	struct slice next_token;      /* v2: NextContinuationToken */
	struct slice next_key_marker; /* v1: NextMarker; versions: NextKeyMarker */
	struct slice next_version_id_marker;
};
enum rc s3xml_read_listing(
	struct slice document, struct arena *arena, struct s3xml_listing *ret, struct err *err);

/* ListAllMyBucketsResult: the names. */
struct s3xml_buckets {
	struct slice *names;
	size_t n_names;
};
enum rc s3xml_read_buckets(
	struct slice document, struct arena *arena, struct s3xml_buckets *ret, struct err *err);

/* InitiateMultipartUploadResult. */
enum rc s3xml_read_initiate(
	struct slice document, struct arena *arena, struct slice *ret_upload_id, struct err *err);

/* CompleteMultipartUploadResult and CopyObjectResult: the ETag without quotes, and a checksum
 * if there is one. */
struct s3xml_stored {
	struct slice etag;
	struct checksum checksum;  /* alg 0: none */
	uint64_t modified_wall_ms; /* CopyObjectResult */
};
enum rc s3xml_read_stored(
	struct slice document, struct arena *arena, struct s3xml_stored *ret, struct err *err);

/* ListPartsResult. */
struct s3xml_listed_part {
	unsigned number;
	struct slice etag; /* without quotes */
	uint64_t size_bytes;
	struct checksum checksum;
};
struct s3xml_parts {
	struct s3xml_listed_part *parts;
	size_t n_parts;
	bool is_truncated;
	unsigned next_part_number_marker;
};
enum rc s3xml_read_parts(
	struct slice document, struct arena *arena, struct s3xml_parts *ret, struct err *err);

/* ListMultipartUploadsResult. */
struct s3xml_upload {
	struct slice key, upload_id;
	uint64_t initiated_wall_ms;
};
struct s3xml_uploads {
	struct s3xml_upload *uploads;
	size_t n_uploads;
	bool is_truncated;
	struct slice next_key_marker, next_upload_id_marker;
};
enum rc s3xml_read_uploads(
	struct slice document, struct arena *arena, struct s3xml_uploads *ret, struct err *err);

/* DeleteResult: the objects that were not deleted, and the deleted ones unless the request was
 * quiet. */
struct s3xml_deleted {
	struct slice key, version_id;
	struct slice code, message; /* code empty: deleted */
};
struct s3xml_delete_result {
	struct s3xml_deleted *items;
	size_t n_items, n_errors;
};
enum rc s3xml_read_delete_result(struct slice document, struct arena *arena,
	struct s3xml_delete_result *ret, struct err *err);

/* LocationConstraint: "" is us-east-1, "EU" eu-west-1; given back as the region's name. */
enum rc s3xml_read_location(
	struct slice document, struct arena *arena, struct slice *ret_region, struct err *err);

/* A request body for DeleteObjects (Quiet) and CompleteMultipartUpload. */
void s3xml_write_delete(struct buf *out, const struct s3xml_delete *what);
void s3xml_write_complete(struct buf *out, const struct s3xml_complete *what);

#endif
