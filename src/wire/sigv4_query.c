/* The claim of a presigned URL. */
#include "wire/sigv4_internal.h"

#include "wire/uri.h"

static const char *const query_names[SIGV4_Q_COUNT] = {"X-Amz-Algorithm", "X-Amz-Credential",
	"X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature",
	"X-Amz-Security-Token", "X-Amz-Content-Sha256"};

static void note_param(struct sigv4_query_auth *q, struct slice name, struct slice value)
{
	for (size_t i = 0; i < SIGV4_Q_COUNT; i++) {
		if (!slice_eq_nocase(name, slice_str(query_names[i])))
			continue;
		q->is_doubled |= q->raw[i].p != NULL;
		q->raw[i] = value.p ? value : slice_str("");
	}
	if (slice_eq_str(name, "AWSAccessKeyId") || slice_eq_str(name, "Signature"))
		q->is_v2 = true;
}

/* Names are decoded, and compared without regard to case, so that no spelling passes the checks
 * below. */
enum rc sigv4_query_find(struct slice query, struct sigv4_query_auth *ret, struct err *err)
{
	struct uri_param param;
	struct buf name;
	enum rc rc = RC_OK;

	*ret = (struct sigv4_query_auth){0};
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

bool sigv4_query_has_auth(const struct sigv4_query_auth *q)
{
	for (size_t i = 0; i < SIGV4_Q_COUNT; i++)
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
			return sigv4_claim_malformed(auth, err, "X-Amz-Expires is not a number");
	if (text.n == 0)
		return sigv4_claim_malformed(auth, err, "X-Amz-Expires is empty");
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
	return sigv4_claim_payload(auth, text, err);
}

static enum rc parse_query_fields(const struct sigv4_request *req, struct sigv4_auth *auth,
	const struct slice text[SIGV4_Q_COUNT], struct err *err)
{
	enum rc rc;

	if (!slice_eq_str(text[Q_ALGORITHM], sigv4_algorithm))
		return sigv4_claim_malformed(auth, err, "X-Amz-Algorithm is not AWS4-HMAC-SHA256");
	if (!date_basic_parse(text[Q_DATE], &auth->signed_wall_ms))
		return sigv4_claim_malformed(
			auth, err, "X-Amz-Date is not of the form 20130524T000000Z");
	date_basic_format(auth->signed_wall_ms, auth->amz_date);
	rc = sigv4_claim_credential(auth, text[Q_CREDENTIAL], err);
	if (rc == RC_OK)
		rc = parse_expires(auth, text[Q_EXPIRES], err);
	if (rc == RC_OK)
		rc = sigv4_claim_signed_headers(auth, text[Q_SIGNED_HEADERS], err);
	if (rc == RC_OK)
		rc = sigv4_claim_signature(auth, text[Q_SIGNATURE], err);
	if (rc == RC_OK)
		rc = parse_query_payload(req, auth, text[Q_PAYLOAD], err);
	return rc;
}

enum rc sigv4_query_parse(const struct sigv4_request *req, const struct sigv4_query_auth *q,
	struct sigv4_auth *auth, struct err *err)
{
	struct slice text[SIGV4_Q_COUNT] = {0};
	enum rc rc = RC_OK;
	struct buf b;

	auth->carrier = SIGV4_QUERY;
	auth->token = q->raw[Q_TOKEN];
	if (q->is_v2)
		return sigv4_claim_is_v2(err);
	if (q->is_doubled)
		return sigv4_claim_malformed(auth, err, "an X-Amz- parameter is repeated");
	for (size_t i = 0; i < Q_TOKEN; i++)
		if (!q->raw[i].p)
			return sigv4_claim_malformed(auth, err,
				"a presigned URL needs X-Amz-Algorithm, -Credential, "
				"-Date, -Expires, -SignedHeaders and -Signature");
	buf_init(&b, req->query.n);
	buf_reserve(&b, req->query.n); /* so that the slices below stay valid */
	for (size_t i = 0; i < SIGV4_Q_COUNT && rc == RC_OK; i++) {
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
