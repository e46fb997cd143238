#include "gateway/access/auth.h"

#define DETAIL_MAX_BYTES (64 * 1024)

/* s3cmd signs ListBuckets for the region "US", which S3 has always taken for us-east-1. Any
 * other foreign region is refused, with the right one in the error: SDKs then sign again. */
static const char *region_to_check(const struct request *r)
{
	if (strcmp(r->auth.region, "US") == 0)
		return NULL;
	return r->service->region;
}

/* The secret as it was when this request was checked: a key may be revoked meanwhile. */
struct lookup {
	const struct gateway_keys *keys;
	struct key_grant grant;
};

static struct slice find_secret(void *arg, const char *access_key)
{
	struct lookup *l = arg;

	if (!l->keys->find(l->keys->arg, access_key, &l->grant))
		return (struct slice){0};
	return slice_str(l->grant.secret);
}

static void explain(struct request *r, struct sigv4_detail *detail)
{
	reply_extra(r, "AWSAccessKeyId", slice_str(r->auth.access_key));
	reply_extra(r, "StringToSign", arena_slice(&r->arena, buf_slice(&detail->string_to_sign)));
	reply_extra(r, "CanonicalRequest",
		arena_slice(&r->arena, buf_slice(&detail->canonical_request)));
}

static struct sigv4_request as_sent(const struct request *r)
{
	return (struct sigv4_request){r->method_text, r->path, r->query, r->headers, r->n_headers};
}

enum rc auth_parse(struct request *r, struct err *err)
{
	struct sigv4_request signed_request = as_sent(r);

	return sigv4_parse(&signed_request, &r->auth, err);
}

enum rc auth_verify(struct request *r, const char *service, struct err *err)
{
	struct sigv4_request signed_request = as_sent(r);
	struct lookup lookup = {.keys = &r->service->keys};
	struct sigv4_policy policy = {
		service, NULL, r->now_wall_ms, &r->service->signing_keys, find_secret, &lookup};
	struct sigv4_detail detail;
	enum rc rc;

	policy.region = region_to_check(r);
	buf_init(&detail.canonical_request, DETAIL_MAX_BYTES);
	buf_init(&detail.string_to_sign, DETAIL_MAX_BYTES);
	rc = sigv4_verify(&signed_request, &r->auth, &policy, &r->seed, &detail, err);
	r->is_authenticated = rc == RC_OK;
	r->role = rc == RC_OK ? lookup.grant.role : ROLE_NONE;
	explicit_bzero(&lookup, sizeof(lookup));
	if (rc && err_is(err, "SignatureDoesNotMatch"))
		explain(r, &detail);
	buf_release(&detail.canonical_request);
	buf_release(&detail.string_to_sign);
	return rc;
}

enum rc auth_check_key(const struct request *r, struct err *err)
{
	struct lookup lookup = {.keys = &r->service->keys};
	bool found = find_secret(&lookup, r->auth.access_key).n > 0;

	explicit_bzero(&lookup, sizeof(lookup));
	if (found)
		return RC_OK;
	return err_code(err, RC_REFUSED, "InvalidAccessKeyId", "the access key is not known here");
}

enum rc auth_check(struct request *r, struct err *err)
{
	enum rc rc = auth_parse(r, err);

	return rc ? rc : auth_verify(r, "s3", err);
}
