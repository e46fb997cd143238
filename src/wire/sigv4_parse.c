/* Who claims to ask: the Authorization header, and the choice between it and the query. */
#include "wire/sigv4_internal.h"

/* --- the Authorization header --- */

struct fields {
	struct slice credential, signed_headers, signature;
};

/* Takes "name=value" up to the next comma off *s. */
static bool take_field(struct slice *s, struct slice *ret_name, struct slice *ret_value)
{
	const unsigned char *comma = s->n ? memchr(s->p, ',', s->n) : NULL;
	struct slice field = slice_of(s->p, comma ? (size_t)(comma - s->p) : s->n);
	const unsigned char *equals;

	*s = comma ? slice_of(comma + 1, s->n - field.n - 1) : slice_of(NULL, 0);
	field = header_trim(field);
	equals = field.n ? memchr(field.p, '=', field.n) : NULL;
	if (!equals)
		return false;
	*ret_name = slice_of(field.p, (size_t)(equals - field.p));
	*ret_value = slice_of(equals + 1, field.n - ret_name->n - 1);
	return true;
}

static struct slice *field_of(struct fields *f, struct slice name)
{
	if (slice_eq_str(name, "Credential"))
		return &f->credential;
	if (slice_eq_str(name, "SignedHeaders"))
		return &f->signed_headers;
	if (slice_eq_str(name, "Signature"))
		return &f->signature;
	return NULL;
}

static enum rc split_authorization(
	const struct sigv4_auth *auth, struct slice s, struct fields *f, struct err *err)
{
	while (s.n) {
		struct slice name, value, *field;

		if (!take_field(&s, &name, &value))
			return sigv4_claim_malformed(
				auth, err, "the Authorization header is not name=value, …");
		field = field_of(f, name);
		if (!field || field->p)
			return sigv4_claim_malformed(auth, err,
				"the Authorization header has an unknown or repeated field");
		*field = value;
	}
	if (!f->credential.p || !f->signed_headers.p || !f->signature.p)
		return sigv4_claim_malformed(auth, err,
			"the Authorization header needs Credential, SignedHeaders and "
			"Signature");
	return RC_OK;
}

static enum rc check_scheme(const struct sigv4_auth *auth, struct slice value, struct err *err)
{
	size_t n = sizeof(sigv4_algorithm) - 1;

	if (value.n > n && memcmp(value.p, sigv4_algorithm, n) == 0 && value.p[n] == ' ')
		return RC_OK;
	if (slice_eq_str(value, sigv4_algorithm))
		return sigv4_claim_malformed(
			auth, err, "the Authorization header has nothing but a name");
	if (slice_has_prefix(value, slice_str("AWS ")))
		return sigv4_claim_is_v2(err);
	return err_code(err, RC_REFUSED, "InvalidArgument",
		"only AWS4-HMAC-SHA256 authorization is supported");
}

static enum rc parse_header_date(
	const struct sigv4_request *req, struct sigv4_auth *auth, struct err *err)
{
	struct slice text;
	bool ok = false;

	if (header_find(req->headers, req->n_headers, "x-amz-date", &text))
		ok = date_basic_parse(text, &auth->signed_wall_ms);
	else if (header_find(req->headers, req->n_headers, "date", &text) == 1)
		ok = date_basic_parse(text, &auth->signed_wall_ms) ||
		     date_http_parse(text, &auth->signed_wall_ms);
	if (!ok)
		return err_code(err, RC_REFUSED, "AccessDenied",
			"authentication needs a valid x-amz-date or Date header");
	date_basic_format(auth->signed_wall_ms, auth->amz_date);
	return RC_OK;
}

static enum rc parse_header(const struct sigv4_request *req, struct slice authorization,
	struct sigv4_auth *auth, struct err *err)
{
	struct fields f = {0};
	struct slice payload;
	enum rc rc = check_scheme(auth, authorization, err);
	size_t skip = sizeof(sigv4_algorithm);

	auth->carrier = SIGV4_HEADER;
	if (rc != RC_OK)
		return rc;
	rc = split_authorization(
		auth, slice_of(authorization.p + skip, authorization.n - skip), &f, err);
	if (rc == RC_OK)
		rc = sigv4_claim_credential(auth, f.credential, err);
	if (rc == RC_OK)
		rc = sigv4_claim_signed_headers(auth, f.signed_headers, err);
	if (rc == RC_OK)
		rc = sigv4_claim_signature(auth, f.signature, err);
	if (rc == RC_OK)
		rc = parse_header_date(req, auth, err);
	if (rc != RC_OK)
		return rc;
	header_find(req->headers, req->n_headers, "x-amz-security-token", &auth->token);
	if (!header_find(req->headers, req->n_headers, "x-amz-content-sha256", &payload)) {
		if (strcmp(auth->service, "s3") != 0) {
			auth->payload = SIGV4_PAYLOAD_UNSTATED;
			return RC_OK;
		}
		return err_code(err, RC_REFUSED, "InvalidRequest",
			"the header x-amz-content-sha256 is missing");
	}
	return sigv4_claim_payload(auth, payload, err);
}

/* --- who asks --- */

static enum rc check_single_headers(const struct sigv4_request *req, struct err *err)
{
	static const char *const single[] = {"host", "x-amz-date", "x-amz-content-sha256",
		"x-amz-security-token", "x-amz-decoded-content-length"};

	if (req->n_headers > SIGV4_MAX_HEADERS)
		return err_code(err, RC_REFUSED, "RequestHeaderSectionTooLarge", "%zu headers",
			req->n_headers);
	for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++)
		if (header_find(req->headers, req->n_headers, single[i], NULL) > 1)
			return err_code(err, RC_REFUSED, "InvalidRequest",
				"the header '%s' is repeated", single[i]);
	return RC_OK;
}

enum rc sigv4_parse(const struct sigv4_request *req, struct sigv4_auth *ret_auth, struct err *err)
{
	struct slice authorization = {NULL, 0};
	size_t n = header_find(req->headers, req->n_headers, "authorization", &authorization);
	struct sigv4_auth auth = {0};
	struct sigv4_query_auth query;
	enum rc rc = check_single_headers(req, err);

	if (rc == RC_OK)
		rc = sigv4_query_find(req->query, &query, err);
	if (rc != RC_OK)
		return rc;
	if (n + sigv4_query_has_auth(&query) > 1)
		return err_code(err, RC_REFUSED, "InvalidArgument",
			"only one authorization, in the header or in the query, is allowed");
	if (n)
		rc = parse_header(req, authorization, &auth, err);
	else if (sigv4_query_has_auth(&query))
		rc = sigv4_query_parse(req, &query, &auth, err);
	else
		return err_code(err, RC_ABSENT, "AccessDenied", "the request is not signed");
	if (rc == RC_OK)
		*ret_auth = auth;
	return rc;
}
