#include "gateway/s3/route.h"

#include <strings.h>

#include "gateway/http/request.h"
#include "gateway/s3/metadata.h"
#include "gateway/s3/ops.h"

#define GET METHOD_GET
#define PUT METHOD_PUT
#define POST METHOD_POST
#define SERVICE SCOPE_SERVICE
#define BUCKET SCOPE_BUCKET
#define OBJECT SCOPE_OBJECT

/* clang-format off */
static const struct route routes[] = {
	{"ListBuckets", GET, SERVICE, NULL, NULL, ACTION_LIST_BUCKETS, {BODY_NONE, NULL, op_list_buckets}},

	{"CreateBucket", PUT, BUCKET, NULL, NULL, ACTION_CONFIGURE, {BODY_DOCUMENT, NULL, op_create_bucket}},
	{"HeadBucket", METHOD_HEAD, BUCKET, NULL, NULL, ACTION_FIND_BUCKET, {BODY_NONE, NULL, op_head_bucket}},
	{"DeleteBucket", METHOD_DELETE, BUCKET, NULL, NULL, ACTION_CONFIGURE, {BODY_NONE, NULL, op_delete_bucket}},
	{"GetBucketLocation", GET, BUCKET, "location", NULL, ACTION_FIND_BUCKET, {BODY_NONE, NULL, op_get_location}},
	{"GetBucketVersioning", GET, BUCKET, "versioning", NULL, ACTION_READ_SETTINGS, {BODY_NONE, NULL, op_get_versioning}},
	{"PutBucketVersioning", PUT, BUCKET, "versioning", NULL, ACTION_CONFIGURE, {BODY_DOCUMENT, NULL, op_put_versioning}},
	{"ListObjects", GET, BUCKET, NULL, NULL, ACTION_LIST, {BODY_NONE, NULL, op_list_objects}},
	{"ListObjectVersions", GET, BUCKET, "versions", NULL, ACTION_LIST, {BODY_NONE, NULL, op_list_versions}},
	{"ListMultipartUploads", GET, BUCKET, "uploads", NULL, ACTION_LIST_UPLOADS, {BODY_NONE, NULL, op_list_uploads}},
	{"DeleteObjects", POST, BUCKET, "delete", NULL, ACTION_DELETE, {BODY_DOCUMENT, NULL, op_delete_objects}},

	{"GetBucketAcl", GET, BUCKET, "acl", NULL, ACTION_READ_SETTINGS, {BODY_NONE, NULL, op_get_acl}},
	{"PutBucketAcl", PUT, BUCKET, "acl", NULL, ACTION_CONFIGURE, {BODY_DOCUMENT, NULL, op_put_acl}},
	{"GetBucketPolicy", GET, BUCKET, "policy", NULL, ACTION_READ_SETTINGS, {BODY_NONE, NULL, op_get_absent}},
	{"GetBucketCors", GET, BUCKET, "cors", NULL, ACTION_READ_SETTINGS, {BODY_NONE, NULL, op_get_absent}},
	{"GetBucketTagging", GET, BUCKET, "tagging", NULL, ACTION_READ_SETTINGS, {BODY_NONE, NULL, op_get_absent}},
	{"GetBucketLifecycleConfiguration", GET, BUCKET, "lifecycle", NULL, ACTION_READ_SETTINGS, {BODY_NONE, NULL, op_get_absent}},
	{"GetBucketEncryption", GET, BUCKET, "encryption", NULL, ACTION_READ_SETTINGS, {BODY_NONE, NULL, op_get_absent}},
	{"GetObjectLockConfiguration", GET, BUCKET, "object-lock", NULL, ACTION_READ_SETTINGS, {BODY_NONE, NULL, op_get_absent}},
	{"GetBucketRequestPayment", GET, BUCKET, "requestPayment", NULL, ACTION_READ_SETTINGS, {BODY_NONE, NULL, op_get_request_payment}},

	{"CopyObject", PUT, OBJECT, NULL, "x-amz-copy-source", ACTION_PUT, {BODY_NONE, NULL, op_copy_object}},
	{"PutObject", PUT, OBJECT, NULL, NULL, ACTION_PUT, {BODY_OBJECT, op_put_object_begin, op_put_object}},
	{"GetObject", GET, OBJECT, NULL, NULL, ACTION_GET, {BODY_NONE, NULL, op_get_object}},
	{"HeadObject", METHOD_HEAD, OBJECT, NULL, NULL, ACTION_GET, {BODY_NONE, NULL, op_get_object}},
	{"DeleteObject", METHOD_DELETE, OBJECT, NULL, NULL, ACTION_DELETE, {BODY_NONE, NULL, op_delete_object}},
	{"GetObjectAcl", GET, OBJECT, "acl", NULL, ACTION_GET, {BODY_NONE, NULL, op_get_acl}},
	{"PutObjectAcl", PUT, OBJECT, "acl", NULL, ACTION_CONFIGURE, {BODY_DOCUMENT, NULL, op_put_acl}},
	{"GetObjectTagging", GET, OBJECT, "tagging", NULL, ACTION_GET, {BODY_NONE, NULL, op_get_object_tagging}},

	{"CreateMultipartUpload", POST, OBJECT, "uploads", NULL, ACTION_PUT, {BODY_NONE, NULL, op_create_upload}},
	{"UploadPartCopy", PUT, OBJECT, "uploadId", "x-amz-copy-source", ACTION_PUT, {BODY_NONE, NULL, op_copy_part}},
	{"UploadPart", PUT, OBJECT, "uploadId", NULL, ACTION_PUT, {BODY_OBJECT, op_upload_part_begin, op_upload_part}},
	{"ListParts", GET, OBJECT, "uploadId", NULL, ACTION_TEND_UPLOAD, {BODY_NONE, NULL, op_list_parts}},
	{"CompleteMultipartUpload", POST, OBJECT, "uploadId", NULL, ACTION_PUT, {BODY_PARTS, NULL, op_complete_upload}},
	{"AbortMultipartUpload", METHOD_DELETE, OBJECT, "uploadId", NULL, ACTION_TEND_UPLOAD, {BODY_NONE, NULL, op_abort_upload}},
	{0},
};
/* clang-format on */

/* Query parameters that choose an operation, those of this gateway and all others of S3. When a
 * request has several, the order decides. */
static const char *const subresources[] = {"uploadId", "uploads", "delete", "versions",
	"versioning", "location", "acl", "policy", "policyStatus", "cors", "tagging", "lifecycle",
	"encryption", "object-lock", "requestPayment", "website", "logging", "notification",
	"replication", "accelerate", "analytics", "inventory", "metrics", "ownershipControls",
	"publicAccessBlock", "intelligent-tiering", "legal-hold", "retention", "torrent", "restore",
	"select", "attributes", "append", "session", "metadataTable", "metadataConfiguration",
	"abac", "renameObject", "encryption", "annotations", NULL};

const struct route *route_table(void)
{
	return routes;
}

static const char *find_subresource(const struct request *r)
{
	for (const char *const *s = subresources; *s; s++)
		if (uri_query_find(r->query, *s, NULL))
			return *s;
	return NULL;
}

/* "?something" with neither value nor meaning for us is an operation we do not know; SDKs' own
 * marks ("x-id=PutObject") have values. */
static enum rc check_bare_params(const struct request *r, struct err *err)
{
	static const char *const known[] = {"prefix", "delimiter", "marker", "max-keys",
		"encoding-type", "continuation-token", "start-after", "fetch-owner", "key-marker",
		"version-id-marker", "upload-id-marker", "versionId", "list-type", "partNumber",
		"part-number-marker", "max-parts", "max-uploads", "max-buckets", "bucket-region",
		NULL};
	struct slice query = r->query;
	struct uri_param param;

	while (uri_query_next(&query, &param)) {
		const char *const *k = known;

		if (param.value.n || slice_has_prefix(param.name, slice_str("response-")) ||
			slice_has_prefix(param.name, slice_str("X-Amz-")))
			continue;
		while (*k && !slice_eq_str(param.name, *k))
			k++;
		if (!*k && !find_subresource(r))
			return err_code(err, RC_REFUSED, "NotImplemented",
				"the subresource '" SLICE_FMT "' is not implemented here",
				SLICE_ARG(param.name));
	}
	return RC_OK;
}

static bool fits(const struct route *route, const struct request *r, const char *subresource)
{
	if (!route->subresource != !subresource)
		return false;
	if (subresource && strcmp(subresource, route->subresource) != 0)
		return false;
	return !route->header || request_header(r, route->header).p;
}

static enum scope scope_of(const struct request *r)
{
	if (r->key.n)
		return SCOPE_OBJECT;
	return r->bucket.n ? SCOPE_BUCKET : SCOPE_SERVICE;
}

enum rc route_find(struct request *r, const struct route **ret_route, struct err *err)
{
	const char *subresource = find_subresource(r);
	enum scope scope = scope_of(r);
	enum rc rc = metadata_check_headers(r, err);

	if (rc || (rc = check_bare_params(r, err)))
		return rc;
	for (const struct route *route = routes; route->name; route++)
		if (route->method == r->method && route->scope == scope &&
			fits(route, r, subresource)) {
			*ret_route = route;
			return RC_OK;
		}
	if (subresource)
		return err_code(err, RC_REFUSED, "NotImplemented",
			"the subresource '%s' with this method is not implemented here",
			subresource);
	return err_code(err, RC_REFUSED, "MethodNotAllowed",
		"the method is not allowed against this resource");
}

static enum rc check_source(
	const struct request *r, const struct route *route, struct err *err)
{
	struct slice version;
	struct uri_target from;
	enum rc rc =
		uri_copy_source_parse(request_header(r, route->header), &from, &version, err);

	return rc ? rc : roles_check(r, ACTION_GET, slice_str(from.bucket), err);
}

enum rc route_check_role(const struct request *r, const struct route *route, struct err *err)
{
	enum action action = route->action;
	enum rc rc = roles_check(r, action, r->bucket, err);

	if (!rc && route->header) /* a copy */
		rc = check_source(r, route, err);
	if (!rc && (action == ACTION_PUT || action == ACTION_DELETE) &&
		request_header(r, "if-match").p)
		rc = roles_check(r, ACTION_GET, r->bucket, err);
	return rc;
}
