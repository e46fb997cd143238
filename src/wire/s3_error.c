#include "wire/s3_error.h"

#include <stddef.h>
#include <string.h>

/* Codes and statuses from the S3 API reference, "Error responses"; sorted by code. */
static const struct s3_error table[] = {
	{"AccessDenied", 403, "this request is not allowed"},
	{"AuthorizationHeaderMalformed", 400, "the Authorization header cannot be understood"},
	{"AuthorizationQueryParametersError", 400,
		"the query's X-Amz- parameters cannot be understood"},
	{"BadDigest", 400, "the body does not have the checksum that came with it"},
	{"BucketAlreadyExists", 409, "a bucket of this name exists"},
	{"BucketAlreadyOwnedByYou", 409, "you own a bucket of this name already"},
	{"BucketNotEmpty", 409, "the bucket still holds objects, versions or uploads"},
	{"ConditionalRequestConflict", 409,
		"another request changed the object meanwhile; try again"},
	{"EntityTooLarge", 400, "the object is larger than allowed"},
	{"EntityTooSmall", 400, "a part other than the last is smaller than allowed"},
	{"ExpiredToken", 400, "the session token has expired"},
	{"IllegalLocationConstraintException", 400, "the region asked for is not this one"},
	{"IllegalVersioningConfigurationException", 400,
		"this versioning configuration is not possible"},
	{"IncompleteBody", 400, "the body ended before its declared length"},
	{"InsufficientStorage", 507, "there is no room for this object; try again later"},
	{"InternalError", 500, "something went wrong here; try again"},
	{"InvalidAccessKeyId", 403, "this access key is not known here"},
	{"InvalidArgument", 400, "an argument has a value that is not allowed"},
	{"InvalidBucketName", 400, "this is not a valid name for a bucket"},
	{"InvalidBucketState", 409, "the bucket's state does not allow this"},
	{"InvalidChunkSizeError", 400, "a chunk's size is not allowed"},
	{"InvalidDigest", 400, "Content-MD5 is not the base64 form of an MD5"},
	{"InvalidEncryptionAlgorithmError", 400, "the encryption asked for is not known"},
	{"InvalidObjectState", 403, "the object's state does not allow this"},
	{"InvalidPart", 400, "a part named was not uploaded, or has another ETag"},
	{"InvalidPartNumber", 416, "the object has no part of this number"},
	{"InvalidPartOrder", 400, "parts must be named once, in ascending order"},
	{"InvalidRange", 416, "the range lies outside the object"},
	{"InvalidRequest", 400, "the request is not valid"},
	{"InvalidStorageClass", 400, "this storage class is not known"},
	{"InvalidTag", 400, "a tag is not valid"},
	{"InvalidToken", 400, "the session token is not valid here"},
	{"InvalidURI", 400, "the path cannot be understood"},
	{"KeyTooLongError", 400, "a key may have 1024 bytes at most"},
	{"MalformedPOSTRequest", 400, "the form cannot be understood"},
	{"MalformedTrailerError", 400, "the body's trailer is not the one that was announced"},
	{"MalformedXML", 400, "the XML cannot be understood or does not fit the request"},
	{"MaxMessageLengthExceeded", 400, "the body is too long"},
	{"MetadataTooLarge", 400, "the user metadata are larger than 2 KB"},
	{"MethodNotAllowed", 405, "this method cannot be used here"},
	{"MissingContentLength", 411, "the length of the body must be declared"},
	{"MissingRequestBodyError", 400, "the request needs a body"},
	{"MissingSecurityHeader", 400, "a header needed for authentication is missing"},
	{"NoSuchBucket", 404, "there is no such bucket"},
	{"NoSuchBucketPolicy", 404, "the bucket has no policy"},
	{"NoSuchCORSConfiguration", 404, "the bucket has no CORS configuration"},
	{"NoSuchKey", 404, "there is no such key"},
	{"NoSuchLifecycleConfiguration", 404, "the bucket has no lifecycle configuration"},
	{"NoSuchTagSet", 404, "there are no tags"},
	{"NoSuchUpload", 404,
		"there is no such multipart upload; it may have been completed or aborted"},
	{"NoSuchVersion", 404, "there is no such version"},
	{"NotImplemented", 501, "this is not implemented here"},
	{"NotModified", 304, "not modified"},
	{"ObjectLockConfigurationNotFoundError", 404, "the bucket has no object lock"},
	{"OperationAborted", 409, "another operation is in the way; try again"},
	{"PermanentRedirect", 301, "the bucket is reached at another endpoint"},
	{"PreconditionFailed", 412, "a condition of the request is not met"},
	{"RequestHeaderSectionTooLarge", 400, "the headers are larger than allowed"},
	{"RequestTimeTooSkewed", 403, "the request's time differs too much from the server's"},
	{"RequestTimeout", 400, "the body did not arrive in time"},
	{"ServerSideEncryptionConfigurationNotFoundError", 404,
		"the bucket has no encryption configuration"},
	{"ServiceUnavailable", 503, "the service is not available; try again"},
	{"SignatureDoesNotMatch", 403,
		"the signature is not the one computed here; check key and signing method"},
	{"SlowDown", 503, "too many requests; slow down"},
	{"TemporaryRedirect", 307, "use the endpoint given, for now"},
	{"TokenRefreshRequired", 400, "the session token must be renewed"},
	{"TooManyBuckets", 400, "no more buckets are allowed"},
	{"TooManyParts", 400, "no more parts are allowed"},
	{"UnexpectedContent", 400, "this request may not have a body"},
	{"UnresolvableGrantByEmailAddress", 400, "this grantee is not known"},
	{"XAmzContentSHA256Mismatch", 400,
		"the body does not have the hash in x-amz-content-sha256"},
	{NULL, 0, NULL},
};

const struct s3_error *s3_error_table(void)
{
	return table;
}

const struct s3_error *s3_error_find(const char *code)
{
	for (const struct s3_error *e = table; e->code; e++)
		if (strcmp(e->code, code) == 0)
			return e;
	return NULL;
}

static const char *code_of_rc(enum rc rc)
{
	switch (rc) {
	case RC_ABSENT:
		return "NoSuchKey";
	case RC_CONFLICT:
		return "PreconditionFailed";
	case RC_AGAIN:
		return "SlowDown";
	case RC_REFUSED:
		return "InvalidRequest";
	case RC_OK:
	case RC_UNKNOWN:
	case RC_CORRUPT:
	case RC_FATAL:
	case RC_SKIP:
		break;
	}
	return "InternalError";
}

const struct s3_error *s3_error_of(enum rc rc, const struct err *err)
{
	const struct s3_error *e = err && err->code[0] ? s3_error_find(err->code) : NULL;

	if (err && (err_is(err, "ENOSPC") || err_is(err, "EDQUOT")))
		e = s3_error_find("InsufficientStorage");
	return e ? e : s3_error_find(code_of_rc(rc));
}
