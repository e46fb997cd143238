#include "wire/sigv4_internal.h"

#include <stdio.h>
#include <strings.h>

#include "wire/uri.h"

static const char algorithm[] = "AWS4-HMAC-SHA256";

/* --- x-amz-content-sha256 --- */

static const struct {
	const char *name;
	enum sigv4_payload payload;
} payload_names[] = {
	{"UNSIGNED-PAYLOAD", SIGV4_PAYLOAD_UNSIGNED},
	{"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", SIGV4_PAYLOAD_STREAM_SIGNED},
	{"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER},
	{"STREAMING-UNSIGNED-PAYLOAD-TRAILER", SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER},
};

#define N_PAYLOAD_NAMES (sizeof(payload_names) / sizeof(payload_names[0]))

const char *sigv4_payload_name(enum sigv4_payload payload)
{
	for (size_t i = 0; i < N_PAYLOAD_NAMES; i++)
		if (payload_names[i].payload == payload)
			return payload_names[i].name;
	return NULL;
}

bool sigv4_payload_is_stream(enum sigv4_payload payload)
{
	return payload == SIGV4_PAYLOAD_STREAM_SIGNED ||
	       payload == SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER ||
	       payload == SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER;
}

enum rc sigv4_payload_parse(struct slice text, enum sigv4_payload *ret_payload,
	unsigned char ret_sha256[SHA256_BYTES], struct err *err)
{
	for (size_t i = 0; i < N_PAYLOAD_NAMES; i++)
		if (slice_eq_str(text, payload_names[i].name)) {
			*ret_payload = payload_names[i].payload;
			return RC_OK;
		}
	if (hex_decode(text, ret_sha256, SHA256_BYTES)) {
		*ret_payload = SIGV4_PAYLOAD_SHA256;
		return RC_OK;
	}
	if (slice_has_prefix(text, slice_str("STREAMING-AWS4-ECDSA-")))
		return err_code(err, RC_REFUSED, "NotImplemented", "ECDSA signatures");
	return err_code(err, RC_REFUSED, "InvalidArgument",
		"x-amz-content-sha256 must be UNSIGNED-PAYLOAD, "
		"STREAMING-UNSIGNED-PAYLOAD-TRAILER, "
		"STREAMING-AWS4-HMAC-SHA256-PAYLOAD, "
		"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a "
		"SHA-256 in hex");
}

/* --- pieces both carriers have --- */

static enum rc malformed(const struct sigv4_auth *auth, struct err *err, const char *why)
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

/* ACCESSKEY/20130524/us-east-1/s3/aws4_request; read from the end, the key itself may hold
 * slashes. */
static enum rc parse_credential(struct sigv4_auth *auth, struct slice s, struct err *err)
{
	struct slice terminator, service, region, date;

	if (!take_last_field(&s, &terminator) || !take_last_field(&s, &service) ||
		!take_last_field(&s, &region) || !take_last_field(&s, &date))
		return malformed(auth, err, "the credential does not have five fields");
	if (!slice_eq_str(terminator, "aws4_request"))
		return malformed(auth, err, "the credential does not end in aws4_request");
	for (size_t i = 0; i < date.n; i++)
		if (date.p[i] < '0' || date.p[i] > '9')
			return malformed(auth, err, "the credential's date is not YYYYMMDD");
	if (date.n != 8 || !copy_text(date, auth->date, 8))
		return malformed(auth, err, "the credential's date is not YYYYMMDD");
	if (!copy_text(service, auth->service, SIGV4_SERVICE_MAX_BYTES) ||
		!copy_text(region, auth->region, SIGV4_REGION_MAX_BYTES) ||
		!copy_text(s, auth->access_key, SIGV4_ACCESS_KEY_MAX_BYTES))
		return malformed(auth, err, "a field of the credential is empty or too long");
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

static enum rc parse_signed_headers(struct sigv4_auth *auth, struct slice s, struct err *err)
{
	struct name_check check;

	check.n = 0;
	if (!copy_text(s, auth->signed_headers, SIGV4_SIGNED_HEADERS_MAX_BYTES) ||
		!sigv4_names_each(auth->signed_headers, name_ok, &check))
		return malformed(
			auth, err, "SignedHeaders is not a list of distinct names in lower case");
	return RC_OK;
}

/* S3 signs in lower case; anything else is no signature of S3's. */
static enum rc parse_signature(struct sigv4_auth *auth, struct slice s, struct err *err)
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

static enum rc parse_payload(struct sigv4_auth *auth, struct slice text, struct err *err)
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
			return malformed(
				auth, err, "the Authorization header is not name=value, …");
		field = field_of(f, name);
		if (!field || field->p)
			return malformed(auth, err,
				"the Authorization header has an unknown or repeated field");
		*field = value;
	}
	if (!f->credential.p || !f->signed_headers.p || !f->signature.p)
		return malformed(auth, err,
			"the Authorization header needs Credential, SignedHeaders and "
			"Signature");
	return RC_OK;
}

static enum rc check_scheme(struct slice value, struct err *err)
{
	size_t n = sizeof(algorithm) - 1;

	if (value.n > n && memcmp(value.p, algorithm, n) == 0 && value.p[n] == ' ')
		return RC_OK;
	if (slice_has_prefix(value, slice_str("AWS ")))
		return err_code(err, RC_REFUSED, "InvalidRequest",
			"the authorization mechanism you have provided is not supported; "
			"please use "
			"AWS4-HMAC-SHA256");
	return err_code(err, RC_REFUSED, "InvalidArgument",
		"only AWS4-HMAC-SHA256 authorization is supported");
}

static enum rc parse_header_date(
	const struct sigv4_request *req, struct sigv4_auth *auth, struct err *err)
{
	struct slice text;
	bool ok = false;

	if (header_find(req->headers, req->n_headers, "x-amz-date", &text))
		ok = iso_basic_parse(text, &auth->signed_wall_ms);
	else if (header_find(req->headers, req->n_headers, "date", &text) == 1)
		ok = iso_basic_parse(text, &auth->signed_wall_ms) ||
		     http_date_parse(text, &auth->signed_wall_ms);
	if (!ok)
		return err_code(err, RC_REFUSED, "AccessDenied",
			"authentication needs a valid x-amz-date or Date header");
	iso_basic_format(auth->signed_wall_ms, auth->amz_date);
	return RC_OK;
}

static enum rc parse_header(const struct sigv4_request *req, struct slice authorization,
	struct sigv4_auth *auth, struct err *err)
{
	struct fields f = {0};
	struct slice payload;
	enum rc rc = check_scheme(authorization, err);
	size_t skip = sizeof(algorithm);

	auth->carrier = SIGV4_HEADER;
	if (rc != RC_OK)
		return rc;
	rc = split_authorization(
		auth, slice_of(authorization.p + skip, authorization.n - skip), &f, err);
	if (rc == RC_OK)
		rc = parse_credential(auth, f.credential, err);
	if (rc == RC_OK)
		rc = parse_signed_headers(auth, f.signed_headers, err);
	if (rc == RC_OK)
		rc = parse_signature(auth, f.signature, err);
	if (rc == RC_OK)
		rc = parse_header_date(req, auth, err);
	if (rc != RC_OK)
		return rc;
	if (!header_find(req->headers, req->n_headers, "x-amz-content-sha256", &payload))
		return err_code(err, RC_REFUSED, "InvalidRequest",
			"the header x-amz-content-sha256 is missing");
	header_find(req->headers, req->n_headers, "x-amz-security-token", &auth->token);
	return parse_payload(auth, payload, err);
}

/* --- presigned URLs --- */

enum {
	Q_ALGORITHM,
	Q_CREDENTIAL,
	Q_DATE,
	Q_EXPIRES,
	Q_SIGNED_HEADERS,
	Q_SIGNATURE,
	Q_TOKEN,
	Q_PAYLOAD,
	N_Q
};

static const char *const query_names[N_Q] = {"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date",
	"X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature", "X-Amz-Security-Token",
	"X-Amz-Content-Sha256"};

struct query_auth {
	struct slice raw[N_Q]; /* p == NULL: absent */
	bool is_doubled;
	bool is_v2; /* AWSAccessKeyId, Signature */
};

static void note_param(struct query_auth *q, struct slice name, struct slice value)
{
	for (size_t i = 0; i < N_Q; i++) {
		if (!slice_eq_nocase(name, slice_str(query_names[i])))
			continue;
		q->is_doubled |= q->raw[i].p != NULL;
		q->raw[i] = value.p ? value : slice_str("");
	}
	if (slice_eq_str(name, "AWSAccessKeyId") || slice_eq_str(name, "Signature"))
		q->is_v2 = true;
}

/* Names are taken decoded and without regard to case, so that no spelling slips past what
 * follows. */
static enum rc find_query_auth(struct slice query, struct query_auth *ret, struct err *err)
{
	struct uri_param param;
	struct buf name;
	enum rc rc = RC_OK;

	*ret = (struct query_auth){0};
	buf_init(&name, query.n + 1);
	while (rc == RC_OK && uri_query_next(&query, &param)) {
		if (param.name.n && memchr(param.name.p, '%', param.name.n)) {
			buf_reset(&name);
			rc = uri_decode_form(&name, param.name, err);
			param.name = buf_slice(&name);
		}
		if (rc == RC_OK)
			note_param(ret, param.name, param.value);
	}
	buf_release(&name);
	return rc;
}

static bool has_query_auth(const struct query_auth *q)
{
	for (size_t i = 0; i < N_Q; i++)
		if (q->raw[i].p)
			return true;
	return q->is_v2;
}

/* Out of range is 403, not a number 400: as s3-tests have it. */
static enum rc parse_expires(struct sigv4_auth *auth, struct slice text, struct err *err)
{
	bool is_negative = text.n > 1 && text.p[0] == '-';
	uint64_t s = 0;

	if (is_negative)
		text = slice_of(text.p + 1, text.n - 1);
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] < '0' || text.p[i] > '9')
			return malformed(auth, err, "X-Amz-Expires is not a number");
	if (text.n == 0)
		return malformed(auth, err, "X-Amz-Expires is empty");
	if (is_negative || !slice_to_u64(text, &s) || s == 0 || s > SIGV4_EXPIRES_MAX_S)
		return err_code(err, RC_REFUSED, "AccessDenied",
			"X-Amz-Expires must be 1 to %d seconds", SIGV4_EXPIRES_MAX_S);
	auth->expires_s = (uint32_t)s;
	return RC_OK;
}

static enum rc parse_query_payload(const struct sigv4_request *req, struct sigv4_auth *auth,
	struct slice param, struct err *err)
{
	struct slice text = param.p ? param : slice_str("UNSIGNED-PAYLOAD");

	header_find(req->headers, req->n_headers, "x-amz-content-sha256", &text);
	return parse_payload(auth, text, err);
}

static enum rc parse_query_fields(const struct sigv4_request *req, struct sigv4_auth *auth,
	const struct slice text[N_Q], struct err *err)
{
	enum rc rc;

	if (!slice_eq_str(text[Q_ALGORITHM], algorithm))
		return malformed(auth, err, "X-Amz-Algorithm is not AWS4-HMAC-SHA256");
	if (!iso_basic_parse(text[Q_DATE], &auth->signed_wall_ms))
		return malformed(auth, err, "X-Amz-Date is not of the form 20130524T000000Z");
	iso_basic_format(auth->signed_wall_ms, auth->amz_date);
	rc = parse_credential(auth, text[Q_CREDENTIAL], err);
	if (rc == RC_OK)
		rc = parse_expires(auth, text[Q_EXPIRES], err);
	if (rc == RC_OK)
		rc = parse_signed_headers(auth, text[Q_SIGNED_HEADERS], err);
	if (rc == RC_OK)
		rc = parse_signature(auth, text[Q_SIGNATURE], err);
	if (rc == RC_OK)
		rc = parse_query_payload(req, auth, text[Q_PAYLOAD], err);
	return rc;
}

static enum rc parse_query(const struct sigv4_request *req, const struct query_auth *q,
	struct sigv4_auth *auth, struct err *err)
{
	struct slice text[N_Q] = {0};
	enum rc rc = RC_OK;
	struct buf b;

	auth->carrier = SIGV4_QUERY;
	auth->token = q->raw[Q_TOKEN];
	if (q->is_v2)
		return check_scheme(slice_str("AWS "), err);
	if (q->is_doubled)
		return malformed(auth, err, "an X-Amz- parameter is repeated");
	for (size_t i = 0; i < Q_TOKEN; i++)
		if (!q->raw[i].p)
			return malformed(auth, err,
				"a presigned URL needs X-Amz-Algorithm, -Credential, "
				"-Date, -Expires, -SignedHeaders and -Signature");
	buf_init(&b, req->query.n);
	buf_reserve(&b, req->query.n); /* so that the slices below stay where they are */
	for (size_t i = 0; i < N_Q && rc == RC_OK; i++) {
		size_t at = b.n;

		if (i == Q_TOKEN || !q->raw[i].p)
			continue;
		rc = uri_decode_form(&b, q->raw[i], err);
		text[i] = slice_of(b.p + at, b.n - at);
	}
	if (rc == RC_OK)
		rc = parse_query_fields(req, auth, text, err);
	buf_release(&b);
	return rc;
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
	struct query_auth query;
	enum rc rc = check_single_headers(req, err);

	if (rc == RC_OK)
		rc = find_query_auth(req->query, &query, err);
	if (rc != RC_OK)
		return rc;
	if (n + has_query_auth(&query) > 1)
		return err_code(err, RC_REFUSED, "InvalidArgument",
			"only one authorization, in the header or in the query, is allowed");
	if (n)
		rc = parse_header(req, authorization, &auth, err);
	else if (has_query_auth(&query))
		rc = parse_query(req, &query, &auth, err);
	else
		return err_code(err, RC_ABSENT, "AccessDenied", "the request is not signed");
	if (rc == RC_OK)
		*ret_auth = auth;
	return rc;
}
