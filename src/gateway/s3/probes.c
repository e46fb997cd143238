/*
 * Settings that clients ask for before they start, and that cannot be set here. The answers are
 * those of a bucket on which none of them was ever configured.
 */
#include "gateway/s3/ops.h"
#include "wire/s3xml.h"

/* The object, when one is meant, else the bucket, must be there. */
static enum rc check_subject(struct request *r, struct err *err)
{
	struct bs_object marker;
	struct slice version;
	enum rc rc;

	if (!r->key.n)
		return bucket_check(r, NULL, err);
	rc = request_version(r, &version, err);
	if (rc)
		return rc;
	return bs_call(r->service->store, open, r->bucket, r->key, version, &r->reply.reader,
		&marker, err);
}

enum rc op_get_acl(struct request *r, struct err *err)
{
	struct buf *out = &r->reply.document;
	enum rc rc = check_subject(r, err);

	if (rc)
		return rc;
	s3xml_begin(out);
	s3xml_open_root(out, "AccessControlPolicy");
	write_owner(out, "Owner");
	s3xml_open(out, "AccessControlList");
	s3xml_open(out, "Grant");
	buf_add_str(out, "<Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" "
			 "xsi:type=\"CanonicalUser\"><ID>" OWNER_ID "</ID><DisplayName>" OWNER_NAME
			 "</DisplayName></Grantee>");
	s3xml_str(out, "Permission", "FULL_CONTROL");
	s3xml_close(out, "Grant");
	s3xml_close(out, "AccessControlList");
	s3xml_close(out, "AccessControlPolicy");
	return reply_document(r);
}

/* x-amz-acl: private is the state anyway (other values were refused before); a document would grant
 * something. */
enum rc op_put_acl(struct request *r, struct err *err)
{
	enum rc rc = check_subject(r, err);

	if (rc)
		return rc;
	if (r->body.document.n || !request_header(r, "x-amz-acl").p)
		return err_code(err, RC_REFUSED, "NotImplemented",
			"access control lists are not implemented here");
	return reply_empty(r, 200);
}

enum rc op_get_absent(struct request *r, struct err *err)
{
	static const char *const codes[][2] = {{"policy", "NoSuchBucketPolicy"},
		{"cors", "NoSuchCORSConfiguration"}, {"tagging", "NoSuchTagSet"},
		{"lifecycle", "NoSuchLifecycleConfiguration"},
		{"encryption", "ServerSideEncryptionConfigurationNotFoundError"},
		{"object-lock", "ObjectLockConfigurationNotFoundError"}};
	enum rc rc = bucket_check(r, NULL, err);

	if (rc)
		return rc;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (uri_query_find(r->query, codes[i][0], NULL))
			return err_code(err, RC_ABSENT, codes[i][1],
				"the bucket has no such configuration");
	return err_code(err, RC_REFUSED, "NotImplemented", "not implemented here");
}

enum rc op_get_object_tagging(struct request *r, struct err *err)
{
	struct buf *out = &r->reply.document;
	enum rc rc = check_subject(r, err);

	if (rc)
		return rc;
	s3xml_begin(out);
	s3xml_open_root(out, "Tagging");
	s3xml_open(out, "TagSet");
	s3xml_close(out, "TagSet");
	s3xml_close(out, "Tagging");
	return reply_document(r);
}

enum rc op_get_request_payment(struct request *r, struct err *err)
{
	struct buf *out = &r->reply.document;
	enum rc rc = bucket_check(r, NULL, err);

	if (rc)
		return rc;
	s3xml_begin(out);
	s3xml_open_root(out, "RequestPaymentConfiguration");
	s3xml_str(out, "Payer", "BucketOwner");
	s3xml_close(out, "RequestPaymentConfiguration");
	return reply_document(r);
}
