#include "wire/sigv4_internal.h"

#include <strings.h>

static enum rc scope_bad(const struct sigv4_auth *auth, struct err *err, const char *what,
	const char *got, const char *wanted)
{
	return err_code(err, RC_REFUSED,
		auth->carrier == SIGV4_QUERY ? "AuthorizationQueryParametersError"
					     : "AuthorizationHeaderMalformed",
		"the credential's %s '%s' is wrong; expecting '%s'", what, got, wanted);
}

static enum rc check_scope(
	const struct sigv4_auth *auth, const struct sigv4_policy *policy, struct err *err)
{
	char day[9] = {0};

	memcpy(day, auth->amz_date, 8);
	if (strcmp(auth->service, policy->service) != 0)
		return scope_bad(auth, err, "service", auth->service, policy->service);
	if (policy->region && strcmp(auth->region, policy->region) != 0)
		return scope_bad(auth, err, "region", auth->region, policy->region);
	if (strcmp(auth->date, day) != 0)
		return scope_bad(auth, err, "date", auth->date, day);
	return RC_OK;
}

/* A presigned URL has a window instead of the skew; but a clock that is fast by less than the
 * skew may make one. */
static enum rc check_time(const struct sigv4_auth *auth, uint64_t now_wall_ms, struct err *err)
{
	uint64_t signed_ms = auth->signed_wall_ms;

	if (auth->carrier == SIGV4_QUERY) {
		if (signed_ms > now_wall_ms + SIGV4_SKEW_MS)
			return err_code(
				err, RC_REFUSED, "AccessDenied", "Request is not valid yet");
		if (now_wall_ms >= signed_ms + 1000ull * auth->expires_s)
			return err_code(err, RC_REFUSED, "AccessDenied", "Request has expired");
		return RC_OK;
	}
	if (signed_ms > now_wall_ms + SIGV4_SKEW_MS || now_wall_ms > signed_ms + SIGV4_SKEW_MS)
		return err_code(err, RC_REFUSED, "RequestTimeTooSkewed",
			"the request was signed at %s", auth->amz_date);
	return RC_OK;
}

static enum rc not_signed(struct err *err, struct slice name)
{
	return err_code(err, RC_REFUSED, "AccessDenied",
		"there were headers present in the request which were not signed: " SLICE_FMT,
		(int)(name.n > 100 ? 100 : name.n), (const char *)name.p);
}

/* Anyone could have added a header that is not signed: an x-amz-copy-source would turn a presigned
 * PUT into a copy. */
static enum rc check_signed_headers(
	const struct sigv4_request *req, const struct sigv4_auth *auth, struct err *err)
{
	struct slice host = slice_str("host"), date = slice_str("date");

	if (!sigv4_names_have(auth->signed_headers, host) ||
		!header_find(req->headers, req->n_headers, "host", NULL))
		return not_signed(err, host);
	for (size_t i = 0; i < req->n_headers; i++) {
		struct slice name = req->headers[i].name;

		if (name.n >= 6 && strncasecmp((const char *)name.p, "x-amz-", 6) == 0 &&
			!sigv4_names_have(auth->signed_headers, name))
			return not_signed(err, name);
	}
	if (auth->carrier == SIGV4_HEADER &&
		!header_find(req->headers, req->n_headers, "x-amz-date", NULL) &&
		!sigv4_names_have(auth->signed_headers, date))
		return not_signed(err, date);
	return RC_OK;
}

static enum rc find_secret(const struct sigv4_auth *auth, const struct sigv4_policy *policy,
	struct slice *ret_secret, struct err *err)
{
	*ret_secret = policy->secret(policy->arg, auth->access_key);
	if (ret_secret->n == 0)
		return err_code(
			err, RC_REFUSED, "InvalidAccessKeyId", "the access key is not known here");
	if (auth->token.n)
		return err_code(
			err, RC_REFUSED, "InvalidToken", "session tokens are not used here");
	return RC_OK;
}

static enum rc mismatch(struct sigv4_detail *detail, struct slice canonical_request,
	const char *string_to_sign, struct err *err)
{
	if (detail) {
		buf_add_slice(&detail->canonical_request, canonical_request);
		buf_add_str(&detail->string_to_sign, string_to_sign);
	}
	return err_code(err, RC_REFUSED, "SignatureDoesNotMatch",
		"the signature is not the one computed here; check key and signing method");
}

static enum rc check_signature(const struct sigv4_request *req, const struct sigv4_auth *auth,
	const struct sigv4_policy *policy, struct slice secret, struct sigv4_seed *ret_seed,
	struct sigv4_detail *detail, struct err *err)
{
	unsigned char key[SHA256_BYTES], signature[SHA256_BYTES];
	char scope[SIGV4_SCOPE_MAX], text[SIGV4_STRING_MAX];
	struct buf canonical;
	enum rc rc;

	buf_init(&canonical, SIGV4_CANONICAL_MAX_BYTES);
	buf_reserve(&canonical, 2048); /* most requests need no more */
	rc = sigv4_canonical_request(&canonical, req, strcmp(policy->service, "s3") == 0,
		auth->signed_headers, auth->payload_text, auth->carrier == SIGV4_QUERY, err);
	if (rc != RC_OK)
		goto out;
	sigv4_scope(auth->date, auth->region, auth->service, scope);
	sigv4_string_to_sign(auth->amz_date, scope, buf_slice(&canonical), text);
	sigv4_key(policy->keys, secret, auth->date, auth->region, auth->service, key);
	hmac_sha256(slice_of(key, sizeof(key)), slice_str(text), signature);
	if (!bytes_equal_ct(signature, auth->signature, sizeof(signature)))
		rc = mismatch(detail, buf_slice(&canonical), text, err);
	else if (ret_seed)
		sigv4_seed_set(ret_seed, key, auth->amz_date, scope, signature);
out:
	explicit_bzero(key, sizeof(key));
	explicit_bzero(signature, sizeof(signature)); /* on a mismatch: the right answer */
	buf_release(&canonical);
	return rc;
}

enum rc sigv4_verify(const struct sigv4_request *req, const struct sigv4_auth *auth,
	const struct sigv4_policy *policy, struct sigv4_seed *ret_seed, struct sigv4_detail *detail,
	struct err *err)
{
	struct slice secret;
	enum rc rc = check_scope(auth, policy, err);

	if (rc == RC_OK)
		rc = check_time(auth, policy->now_wall_ms, err);
	if (rc == RC_OK)
		rc = check_signed_headers(req, auth, err);
	if (rc == RC_OK)
		rc = find_secret(auth, policy, &secret, err);
	if (rc == RC_OK)
		rc = check_signature(req, auth, policy, secret, ret_seed, detail, err);
	return rc;
}
