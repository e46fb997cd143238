/* The pieces of a claim that an Authorization header and a presigned URL both have. */
#include "wire/sigv4_internal.h"

#include <stdio.h>

const char sigv4_algorithm[] = "AWS4-HMAC-SHA256";

enum rc sigv4_claim_malformed(const struct sigv4_auth *auth, struct err *err, const char *why)
{
	return err_code(err, RC_REFUSED,
		auth->carrier == SIGV4_QUERY ? "AuthorizationQueryParametersError"
					     : "AuthorizationHeaderMalformed",
		"%s", why);
}

/* A copy with NUL; false when it is empty, too long, or holds something unprintable. */
static bool copy_text(struct slice s, char *out, size_t max_bytes)
{
	if (s.n == 0 || s.n > max_bytes)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] >= 0x7f)
			return false;
	memcpy(out, s.p, s.n);
	out[s.n] = '\0';
	return true;
}

/* The last field of "a/b/c", which is taken off. */
static bool take_last_field(struct slice *s, struct slice *ret_field)
{
	for (size_t i = s->n; i-- > 0;) {
		if (s->p[i] != '/')
			continue;
		*ret_field = slice_of(s->p + i + 1, s->n - i - 1);
		s->n = i;
		return true;
	}
	return false;
}

/* ACCESSKEY/20130524/us-east-1/s3/aws4_request; it is read from the end, because the key itself may
 * have slashes. */
enum rc sigv4_claim_credential(struct sigv4_auth *auth, struct slice s, struct err *err)
{
	struct slice terminator, service, region, date;

	if (!take_last_field(&s, &terminator) || !take_last_field(&s, &service) ||
		!take_last_field(&s, &region) || !take_last_field(&s, &date))
		return sigv4_claim_malformed(auth, err, "the credential does not have five fields");
	if (!slice_eq_str(terminator, "aws4_request"))
		return sigv4_claim_malformed(
			auth, err, "the credential does not end in aws4_request");
	for (size_t i = 0; i < date.n; i++)
		if (date.p[i] < '0' || date.p[i] > '9')
			return sigv4_claim_malformed(
				auth, err, "the credential's date is not YYYYMMDD");
	if (date.n != 8 || !copy_text(date, auth->date, 8))
		return sigv4_claim_malformed(auth, err, "the credential's date is not YYYYMMDD");
	if (!copy_text(service, auth->service, SIGV4_SERVICE_MAX_BYTES) ||
		!copy_text(region, auth->region, SIGV4_REGION_MAX_BYTES) ||
		!copy_text(s, auth->access_key, SIGV4_ACCESS_KEY_MAX_BYTES))
		return sigv4_claim_malformed(
			auth, err, "a field of the credential is empty or too long");
	return RC_OK;
}

struct name_check {
	struct slice seen[SIGV4_MAX_HEADERS];
	size_t n;
};

static bool name_ok(void *arg, struct slice name)
{
	struct name_check *check = arg;

	if (name.n == 0 || check->n == SIGV4_MAX_HEADERS)
		return false;
	for (size_t i = 0; i < name.n; i++)
		if ((name.p[i] >= 'A' && name.p[i] <= 'Z') || name.p[i] == ':' || name.p[i] == ',')
			return false;
	for (size_t i = 0; i < check->n; i++)
		if (slice_eq(check->seen[i], name))
			return false;
	check->seen[check->n++] = name;
	return true;
}

enum rc sigv4_claim_signed_headers(struct sigv4_auth *auth, struct slice s, struct err *err)
{
	struct name_check check;

	check.n = 0;
	if (!copy_text(s, auth->signed_headers, SIGV4_SIGNED_HEADERS_MAX_BYTES) ||
		!sigv4_names_each(auth->signed_headers, name_ok, &check))
		return sigv4_claim_malformed(
			auth, err, "SignedHeaders is not a list of distinct names in lower case");
	return RC_OK;
}

/* S3's signatures are in lower case; any other text is refused. */
enum rc sigv4_claim_signature(struct sigv4_auth *auth, struct slice s, struct err *err)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] >= 'A' && s.p[i] <= 'F')
			return err_code(err, RC_REFUSED, "SignatureDoesNotMatch",
				"the signature is not in lower case");
	if (!hex_decode(s, auth->signature, SHA256_BYTES))
		return err_code(err, RC_REFUSED, "SignatureDoesNotMatch",
			"the signature is not 64 hex digits");
	return RC_OK;
}

enum rc sigv4_claim_payload(struct sigv4_auth *auth, struct slice text, struct err *err)
{
	enum rc rc = sigv4_payload_parse(text, &auth->payload, auth->payload_sha256, err);

	if (rc != RC_OK)
		return rc;
	if (auth->carrier == SIGV4_QUERY && sigv4_payload_is_stream(auth->payload))
		return err_code(
			err, RC_REFUSED, "NotImplemented", "a streaming body with a presigned URL");
	snprintf(auth->payload_text, sizeof(auth->payload_text), "%.*s", (int)text.n,
		(const char *)text.p);
	return RC_OK;
}

enum rc sigv4_claim_is_v2(struct err *err)
{
	return err_code(err, RC_REFUSED, "InvalidRequest",
		"the authorization mechanism you have provided is not supported; please use "
		"AWS4-HMAC-SHA256");
}
