#include "gateway/s3/route.h"

#include <strings.h>

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
	{"ListBuckets", GET, SERVICE, NULL, NULL, BODY_NONE, NULL, op_list_buckets, ACTION_LIST_BUCKETS},

	{"CreateBucket", PUT, BUCKET, NULL, NULL, BODY_DOCUMENT, NULL, op_create_bucket, ACTION_CONFIGURE},
	{"HeadBucket", METHOD_HEAD, BUCKET, NULL, NULL, BODY_NONE, NULL, op_head_bucket, ACTION_FIND_BUCKET},
	{"DeleteBucket", METHOD_DELETE, BUCKET, NULL, NULL, BODY_NONE, NULL, op_delete_bucket, ACTION_CONFIGURE},
	{"GetBucketLocation", GET, BUCKET, "location", NULL, BODY_NONE, NULL, op_get_location, ACTION_FIND_BUCKET},
	{"GetBucketVersioning", GET, BUCKET, "versioning", NULL, BODY_NONE, NULL, op_get_versioning, ACTION_READ_SETTINGS},
	{"PutBucketVersioning", PUT, BUCKET, "versioning", NULL, BODY_DOCUMENT, NULL, op_put_versioning, ACTION_CONFIGURE},
	{"ListObjects", GET, BUCKET, NULL, NULL, BODY_NONE, NULL, op_list_objects, ACTION_LIST},
	{"ListObjectVersions", GET, BUCKET, "versions", NULL, BODY_NONE, NULL, op_list_versions, ACTION_LIST},
	{"ListMultipartUploads", GET, BUCKET, "uploads", NULL, BODY_NONE, NULL, op_list_uploads, ACTION_LIST_UPLOADS},
	{"DeleteObjects", POST, BUCKET, "delete", NULL, BODY_DOCUMENT, NULL, op_delete_objects, ACTION_DELETE},

	{"GetBucketAcl", GET, BUCKET, "acl", NULL, BODY_NONE, NULL, op_get_acl, ACTION_READ_SETTINGS},
	{"PutBucketAcl", PUT, BUCKET, "acl", NULL, BODY_DOCUMENT, NULL, op_put_acl, ACTION_CONFIGURE},
	{"GetBucketPolicy", GET, BUCKET, "policy", NULL, BODY_NONE, NULL, op_get_absent, ACTION_READ_SETTINGS},
	{"GetBucketCors", GET, BUCKET, "cors", NULL, BODY_NONE, NULL, op_get_absent, ACTION_READ_SETTINGS},
	{"GetBucketTagging", GET, BUCKET, "tagging", NULL, BODY_NONE, NULL, op_get_absent, ACTION_READ_SETTINGS},
	{"GetBucketLifecycleConfiguration", GET, BUCKET, "lifecycle", NULL, BODY_NONE, NULL, op_get_absent, ACTION_READ_SETTINGS},
	{"GetBucketEncryption", GET, BUCKET, "encryption", NULL, BODY_NONE, NULL, op_get_absent, ACTION_READ_SETTINGS},
	{"GetObjectLockConfiguration", GET, BUCKET, "object-lock", NULL, BODY_NONE, NULL, op_get_absent, ACTION_READ_SETTINGS},
	{"GetBucketRequestPayment", GET, BUCKET, "requestPayment", NULL, BODY_NONE, NULL, op_get_request_payment, ACTION_READ_SETTINGS},

	{"CopyObject", PUT, OBJECT, NULL, "x-amz-copy-source", BODY_NONE, NULL, op_copy_object, ACTION_PUT},
	{"PutObject", PUT, OBJECT, NULL, NULL, BODY_OBJECT, op_put_object_begin, op_put_object, ACTION_PUT},
	{"GetObject", GET, OBJECT, NULL, NULL, BODY_NONE, NULL, op_get_object, ACTION_GET},
	{"HeadObject", METHOD_HEAD, OBJECT, NULL, NULL, BODY_NONE, NULL, op_get_object, ACTION_GET},
	{"DeleteObject", METHOD_DELETE, OBJECT, NULL, NULL, BODY_NONE, NULL, op_delete_object, ACTION_DELETE},
	{"GetObjectAcl", GET, OBJECT, "acl", NULL, BODY_NONE, NULL, op_get_acl, ACTION_GET},
	{"PutObjectAcl", PUT, OBJECT, "acl", NULL, BODY_DOCUMENT, NULL, op_put_acl, ACTION_CONFIGURE},
	{"GetObjectTagging", GET, OBJECT, "tagging", NULL, BODY_NONE, NULL, op_get_object_tagging, ACTION_GET},

	{"CreateMultipartUpload", POST, OBJECT, "uploads", NULL, BODY_NONE, NULL, op_create_upload, ACTION_PUT},
	{"UploadPartCopy", PUT, OBJECT, "uploadId", "x-amz-copy-source", BODY_NONE, NULL, op_copy_part, ACTION_PUT},
	{"UploadPart", PUT, OBJECT, "uploadId", NULL, BODY_OBJECT, op_upload_part_begin, op_upload_part, ACTION_PUT},
	{"ListParts", GET, OBJECT, "uploadId", NULL, BODY_NONE, NULL, op_list_parts, ACTION_TEND_UPLOAD},
	{"CompleteMultipartUpload", POST, OBJECT, "uploadId", NULL, BODY_PARTS, NULL, op_complete_upload, ACTION_PUT},
	{"AbortMultipartUpload", METHOD_DELETE, OBJECT, "uploadId", NULL, BODY_NONE, NULL, op_abort_upload, ACTION_TEND_UPLOAD},
	{0},
};
/* clang-format on */

/* Query parameters that choose an operation, ours and those S3 has beside. The order decides
 * when several are given. */
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
