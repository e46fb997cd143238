/* SigV4: AWS's published S3 examples as referees ("Signature Calculations … Examples: Signature
 * Calculations in AWS Signature Version 4"), made by our signer and accepted by our verifier; then
 * every rule of the verifier with its exact code (security facts, section 3, cases 1 to 17). */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>

#include "wire/sigv4.h"

#define ACCESS_KEY "AKIAIOSFODNN7EXAMPLE"
#define SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define DAY_MS 1369353600000ull /* 2013-05-24T00:00:00Z */
#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define HOST "examplebucket.s3.amazonaws.com"
#define AMZ_DATE "20130524T000000Z"
#define MAX_HEADERS 24

/* A request put together from texts; headers with a NULL value are dropped. */
struct sample {
	struct sigv4_request req;
	struct header headers[MAX_HEADERS];
};

static void add(struct sample *s, const char *name, const char *value)
{
	assert_true(s->req.n_headers < MAX_HEADERS);
	s->headers[s->req.n_headers++] = (struct header){slice_str(name), slice_str(value)};
}

static void begin(struct sample *s, const char *method, const char *path, const char *query)
{
	memset(s, 0, sizeof(*s));
	s->req.method = slice_str(method);
	s->req.path = slice_str(path);
	s->req.query = slice_str(query);
	s->req.headers = s->headers;
}

static void set(struct sample *s, const char *name, const char *value)
{
	for (size_t i = 0; i < s->req.n_headers; i++)
		if (slice_eq_nocase(s->headers[i].name, slice_str(name))) {
			s->headers[i].value = slice_str(value);
			return;
		}
	add(s, name, value);
}

static void drop(struct sample *s, const char *name)
{
	for (size_t i = 0; i < s->req.n_headers; i++)
		if (slice_eq_nocase(s->headers[i].name, slice_str(name)))
			s->headers[i--] = s->headers[--s->req.n_headers];
}

static struct slice secret_of(void *arg, const char *access_key)
{
	(void)arg;
	return slice_str(strcmp(access_key, ACCESS_KEY) == 0 ? SECRET : "");
}

static struct sigv4_policy policy_at(uint64_t now_wall_ms)
{
	return (struct sigv4_policy){.service = "s3",
		.region = "us-east-1",
		.now_wall_ms = now_wall_ms,
		.secret = secret_of};
}

static struct sigv4_signer signer(void)
{
	return (struct sigv4_signer){.access_key = slice_str(ACCESS_KEY),
		.secret = slice_str(SECRET),
		.region = "us-east-1",
		.service = "s3",
		.now_wall_ms = DAY_MS};
}

static enum rc check(const struct sample *s, const struct sigv4_policy *policy,
	struct sigv4_auth *auth, struct err *err)
{
	enum rc rc = sigv4_parse(&s->req, auth, err);

	return rc == RC_OK ? sigv4_verify(&s->req, auth, policy, NULL, NULL, err) : rc;
}

/* Expects this code from parse and verify; "" for acceptance. */
static void expect_at(const struct sample *s, uint64_t now_wall_ms, const char *code)
{
	struct sigv4_policy policy = policy_at(now_wall_ms);
	struct sigv4_auth auth;
	struct err err = {0};
	enum rc rc = check(s, &policy, &auth, &err);

	if (rc != RC_OK && !code[0])
		fail_msg("refused: %s: %s", err.code, err.text);
	assert_string_equal(err.code, code);
	assert_int_equal(rc == RC_OK, code[0] == '\0');
}

static void expect(const struct sample *s, const char *code)
{
	expect_at(s, DAY_MS, code);
}

/* --- the published examples --- */

struct example {
	const char *method, *path, *query, *payload, *signed_headers, *signature;
	const char *extra[8]; /* name, value, … */
};

static const struct example examples[] = {
	{"GET", "/test.txt", "", EMPTY_SHA256, "host;range;x-amz-content-sha256;x-amz-date",
		"f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
		{"Range", "bytes=0-9"}},
	{"PUT", "/test%24file.text", "",
		"44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
		"date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
		"98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
		{"Date", "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class",
			"REDUCED_REDUNDANCY"}},
	{"GET", "/", "lifecycle", EMPTY_SHA256, "host;x-amz-content-sha256;x-amz-date",
		"fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543", {0}},
	{"GET", "/", "max-keys=2&prefix=J", EMPTY_SHA256, "host;x-amz-content-sha256;x-amz-date",
		"34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7", {0}},
};

static void begin_example(struct sample *s, const struct example *e)
{
	begin(s, e->method, e->path, e->query);
	add(s, "Host", HOST);
	for (size_t i = 0; i < 8 && e->extra[i]; i += 2)
		add(s, e->extra[i], e->extra[i + 1]);
}

static void authorization_of(const struct example *e, const char *separator, char out[600])
{
	snprintf(out, 600,
		"AWS4-HMAC-SHA256 Credential=" ACCESS_KEY
		"/20130524/us-east-1/s3/aws4_request%sSignedHeaders=%s%sSignature=%s",
		separator, e->signed_headers, separator, e->signature);
}

static void published_examples_are_signed(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
		const struct example *e = &examples[i];
		struct sigv4_signer by = signer();
		struct sigv4_headers h;
		struct sample s;
		char want[600];

		begin_example(&s, e);
		add(&s, "User-Agent", "is not signed");
		assert_int_equal(sigv4_sign(&s.req, &by, e->payload, &h, NULL), RC_OK);
		authorization_of(e, ", ", want);
		assert_string_equal(buf_cstr(&h.authorization), want);
		assert_string_equal(h.amz_date, AMZ_DATE);
		assert_string_equal(h.content_sha256, e->payload);
		sigv4_headers_release(&h);
	}
}

static void published_examples_are_accepted(void **state)
{
	static const char *const separators[] = {", ", ",", " , "};

	(void)state;
	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++)
		for (size_t k = 0; k < 3; k++) {
			struct sample s;
			char text[600];

			begin_example(&s, &examples[i]);
			add(&s, "x-amz-content-sha256", examples[i].payload);
			add(&s, "X-Amz-Date", AMZ_DATE);
			authorization_of(&examples[i], separators[k], text);
			add(&s, "Authorization", text);
			expect(&s, "");
			s.req.method = slice_str("DELETE");
			expect(&s, "SignatureDoesNotMatch");
		}
}

#define PRESIGNED_QUERY                                                                            \
	"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=" ACCESS_KEY                            \
	"%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=" AMZ_DATE                         \
	"&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature="                           \
	"aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"

static void published_presigned_url(void **state)
{
	struct sigv4_signer by = signer();
	struct sample s;
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	begin(&s, "GET", "/test.txt", "");
	add(&s, "Host", HOST);
	assert_int_equal(sigv4_presign(&s.req, &by, 86400, &out, NULL), RC_OK);
	assert_string_equal(buf_cstr(&out), PRESIGNED_QUERY);
	s.req.query = buf_slice(&out);
	expect(&s, "");
	buf_release(&out);
}

/* The requests whose chunks test_wire_chunked.c decodes. */
static void expect_seed(const char *payload, bool has_trailer, const char *signature)
{
	struct sigv4_policy policy = policy_at(DAY_MS);
	struct sigv4_signer by = signer();
	struct sigv4_headers h;
	struct sigv4_auth auth;
	struct sigv4_seed seed = {0};
	struct sample s;

	begin(&s, "PUT", "/examplebucket/chunkObject.txt", "");
	add(&s, "Host", "s3.amazonaws.com");
	add(&s, "x-amz-storage-class", "REDUCED_REDUNDANCY");
	add(&s, "Content-Encoding", "aws-chunked");
	add(&s, "x-amz-decoded-content-length", "66560");
	if (has_trailer)
		add(&s, "x-amz-trailer", "x-amz-checksum-crc32c");
	else
		add(&s, "Content-Length", "66824");
	assert_int_equal(sigv4_sign(&s.req, &by, payload, &h, NULL), RC_OK);
	assert_string_equal(h.seed.signature, signature);
	add(&s, "x-amz-date", h.amz_date);
	add(&s, "x-amz-content-sha256", h.content_sha256);
	add(&s, "Authorization", buf_cstr(&h.authorization));
	assert_int_equal(sigv4_parse(&s.req, &auth, NULL), RC_OK);
	assert_int_equal(sigv4_verify(&s.req, &auth, &policy, &seed, NULL, NULL), RC_OK);
	assert_memory_equal(&seed, &h.seed, sizeof(seed));
	sigv4_headers_release(&h);
}

static void published_streaming_seeds(void **state)
{
	(void)state;
	expect_seed("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", false,
		"4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9");
	expect_seed("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", true,
		"106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e");
}

/* --- requests of our own --- */

static struct sigv4_headers signed_headers; /* the last good() */

/* A signed PUT with a query, an extra header and a body hash. */
static void good(struct sample *s)
{
	struct sigv4_signer by = signer();
	struct err err = {0};

	begin(s, "PUT", "/bucket/a%20b//../c", "b=2&a=%2F&a&x-id=PutObject");
	add(s, "Host", "localhost:9000");
	add(s, "Content-Type", "  text/plain;   charset=utf-8 ");
	add(s, "x-amz-meta-a", "one");
	add(s, "x-amz-meta-a", "two");
	sigv4_headers_release(&signed_headers);
	if (sigv4_sign(&s->req, &by, EMPTY_SHA256, &signed_headers, &err) != RC_OK)
		fail_msg("%s", err.text);
	add(s, "X-Amz-Date", signed_headers.amz_date);
	add(s, "X-Amz-Content-SHA256", signed_headers.content_sha256);
	add(s, "Authorization", buf_cstr(&signed_headers.authorization));
	add(s, "User-Agent", "changed by a proxy");
}

static void own_request_is_accepted(void **state)
{
	struct sample s;

	(void)state;
	good(&s);
	expect(&s, "");
	set(&s, "Content-Type", "text/plain; charset=utf-8"); /* blanks do not count */
	expect(&s, "");
	s.req.query = slice_str("a&a=/&b=%32&x-id=PutObject"); /* the same, spelt otherwise */
	expect(&s, "");
}

static void parse_tells_what_is_claimed(void **state)
{
	struct sigv4_auth auth;
	struct sample s;

	(void)state;
	good(&s);
	assert_int_equal(sigv4_parse(&s.req, &auth, NULL), RC_OK);
	assert_int_equal(auth.carrier, SIGV4_HEADER);
	assert_string_equal(auth.access_key, ACCESS_KEY);
	assert_string_equal(auth.region, "us-east-1");
	assert_int_equal(auth.signed_wall_ms, DAY_MS);
	assert_int_equal(auth.payload, SIGV4_PAYLOAD_SHA256);
	assert_int_equal(auth.payload_sha256[0], 0xe3);
	begin(&s, "GET", "/", "");
	add(&s, "Host", "localhost");
	assert_int_equal(sigv4_parse(&s.req, &auth, NULL), RC_ABSENT);
	expect(&s, "AccessDenied");
}

/* Anything signed, once changed, is noticed. */
static void changes_are_noticed(void **state)
{
	struct sample s;

	(void)state;
	good(&s);
	s.req.method = slice_str("GET");
	expect(&s, "SignatureDoesNotMatch");
	good(&s);
	s.req.path = slice_str("/bucket/c"); /* nothing is normalised */
	expect(&s, "SignatureDoesNotMatch");
	good(&s);
	s.req.path = slice_str("/bucket/a b//../c");
	expect(&s, "SignatureDoesNotMatch");
	good(&s);
	s.req.query = slice_str("b=2&a=%2F&a&x-id=DeleteObject");
	expect(&s, "SignatureDoesNotMatch");
	good(&s);
	set(&s, "Host", "localhost:9001");
	expect(&s, "SignatureDoesNotMatch");
	good(&s);
	set(&s, "x-amz-content-sha256", "UNSIGNED-PAYLOAD");
	expect(&s, "SignatureDoesNotMatch");
	good(&s);
	drop(&s, "Content-Type");
	expect(&s, "SignatureDoesNotMatch");
}

/* The Authorization header of good() with one piece exchanged. */
static void expect_authorization(const char *from, const char *to, const char *code)
{
	struct sample s;
	char text[1200];
	const char *whole, *at;

	good(&s);
	whole = buf_cstr(&signed_headers.authorization);
	at = strstr(whole, from);
	assert_non_null(at);
	snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - whole), whole, to, at + strlen(from));
	set(&s, "Authorization", text);
	expect(&s, code);
}

static void scope_is_checked(void **state)
{
	(void)state;
	expect_authorization("/s3/", "/sqs/", "AuthorizationHeaderMalformed");
	expect_authorization("/us-east-1/", "/eu-west-1/", "AuthorizationHeaderMalformed");
	expect_authorization("/20130524/", "/20130525/", "AuthorizationHeaderMalformed");
	expect_authorization("/20130524/", "/2013052x/", "AuthorizationHeaderMalformed");
	expect_authorization("aws4_request", "aws3_request", "AuthorizationHeaderMalformed");
	expect_authorization("/s3/aws4_request", "", "AuthorizationHeaderMalformed");
	expect_authorization(ACCESS_KEY, "", "AuthorizationHeaderMalformed");
	expect_authorization(ACCESS_KEY, "NOBODY", "InvalidAccessKeyId");
}

static void authorization_is_parsed_strictly(void **state)
{
	(void)state;
	expect_authorization("AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA1 ", "InvalidArgument");
	expect_authorization("AWS4-HMAC-SHA256 Credential=", "AWS x:y ", "InvalidRequest");
	expect_authorization("AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA256", "InvalidArgument");
	expect_authorization("Signature=", "Signature=0", "SignatureDoesNotMatch");
	expect_authorization("Signature=", "Sig=", "AuthorizationHeaderMalformed");
	expect_authorization(
		"Signature=", "Signature=a, Signature=", "AuthorizationHeaderMalformed");
	expect_authorization("SignedHeaders=", "SignedHeaders=;", "AuthorizationHeaderMalformed");
	expect_authorization("=content-type;", "=Content-Type;", "AuthorizationHeaderMalformed");
	expect_authorization("=content-type;", "=host;", "AuthorizationHeaderMalformed");
	expect_authorization(", ", " ", "AuthorizationHeaderMalformed");
}

static void signature_in_any_other_form_is_refused(void **state)
{
	struct sample s;
	char text[1200];
	char *signature;

	(void)state;
	good(&s);
	snprintf(text, sizeof(text), "%s", buf_cstr(&signed_headers.authorization));
	signature = strstr(text, "Signature=") + 10;
	set(&s, "Authorization", text);
	expect(&s, "");
	signature[0] = signature[0] == '0' ? '1' : '0';
	expect(&s, "SignatureDoesNotMatch");
	memset(signature, 'A', 64);
	expect(&s, "SignatureDoesNotMatch");
	signature[63] = '\0';
	set(&s, "Authorization", text);
	expect(&s, "SignatureDoesNotMatch");
}

static void skew_is_fifteen_minutes(void **state)
{
	struct sample s;

	(void)state;
	good(&s);
	expect_at(&s, DAY_MS + 15 * 60000, "");
	expect_at(&s, DAY_MS - 15 * 60000, "");
	expect_at(&s, DAY_MS + 15 * 60000 + 1, "RequestTimeTooSkewed");
	expect_at(&s, DAY_MS - 15 * 60000 - 1, "RequestTimeTooSkewed");
	set(&s, "X-Amz-Date", "20130524T000001"); /* malformed */
	expect(&s, "AccessDenied");
	drop(&s, "X-Amz-Date");
	expect(&s, "AccessDenied");
	set(&s, "Date", "Fri, 24 May 2013 00:00:00 GMT"); /* not signed */
	expect(&s, "AccessDenied");
	set(&s, "Date", "yesterday");
	expect(&s, "AccessDenied");
}

static void what_must_be_signed(void **state)
{
	struct sample s;

	(void)state;
	good(&s);
	add(&s, "x-amz-copy-source", "/bucket/secret");
	expect(&s, "AccessDenied");
	good(&s);
	add(&s, "X-AMZ-Bypass-Governance-Retention", "");
	expect(&s, "AccessDenied");
	expect_authorization("host;", "", "AccessDenied");
	expect_authorization("x-amz-date;", "", "AccessDenied");
	good(&s);
	drop(&s, "Host");
	expect(&s, "AccessDenied");
}

static void single_headers_are_single(void **state)
{
	static const char *const names[] = {"host", "x-amz-date", "x-amz-content-sha256"};
	struct sample s;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		good(&s);
		add(&s, names[i], "x");
		expect(&s, "InvalidRequest");
	}
	good(&s);
	add(&s, "Authorization", buf_cstr(&signed_headers.authorization));
	expect(&s, "InvalidArgument");
}

static void header_and_query_do_not_mix(void **state)
{
	static const char *const queries[] = {PRESIGNED_QUERY, "X-Amz-Signature=0",
		"x-amz-algorithm=x", "X-Amz-Credential=", "X%2DAmz%2DSignature=0",
		"AWSAccessKeyId=a", "X-Amz-Security-Token=t"};
	struct sample s;

	(void)state;
	for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
		good(&s);
		s.req.query = slice_str(queries[i]);
		expect(&s, "InvalidArgument");
	}
}

static void payload_is_a_closed_set(void **state)
{
	static const struct {
		const char *text, *code;
		enum sigv4_payload payload;
	} rows[] = {{EMPTY_SHA256, "", SIGV4_PAYLOAD_SHA256},
		{"UNSIGNED-PAYLOAD", "", SIGV4_PAYLOAD_UNSIGNED},
		{"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "", SIGV4_PAYLOAD_STREAM_SIGNED},
		{"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", "",
			SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER},
		{"STREAMING-UNSIGNED-PAYLOAD-TRAILER", "", SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER},
		{"STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "NotImplemented", 0},
		{"STREAMING-UNSIGNED-PAYLOAD", "InvalidArgument", 0},
		{"unsigned-payload", "InvalidArgument", 0}, {"", "InvalidArgument", 0},
		{"e3b0", "InvalidArgument", 0}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned char hash[SHA256_BYTES];
		enum sigv4_payload payload = 0;
		struct err err = {0};
		enum rc rc = sigv4_payload_parse(slice_str(rows[i].text), &payload, hash, &err);

		assert_string_equal(err.code, rows[i].code);
		assert_int_equal(rc, rows[i].code[0] ? RC_REFUSED : RC_OK);
		assert_int_equal(payload, rows[i].payload);
		if (payload > SIGV4_PAYLOAD_SHA256)
			assert_string_equal(sigv4_payload_name(payload), rows[i].text);
	}
}

static void payload_header_is_required(void **state)
{
	struct sample s;

	(void)state;
	good(&s);
	drop(&s, "x-amz-content-sha256");
	expect(&s, "InvalidRequest");
	good(&s);
	set(&s, "x-amz-content-sha256", "STREAMING-NONSENSE");
	expect(&s, "InvalidArgument");
}

static void session_token_is_refused(void **state)
{
	struct sigv4_signer by = signer();
	struct sigv4_headers h;
	struct sample s;

	(void)state;
	by.token = slice_str("token");
	begin(&s, "GET", "/", "");
	add(&s, "host", "localhost");
	assert_int_equal(sigv4_sign(&s.req, &by, EMPTY_SHA256, &h, NULL), RC_OK);
	assert_non_null(strstr(buf_cstr(&h.authorization), "x-amz-security-token"));
	add(&s, "x-amz-date", h.amz_date);
	add(&s, "x-amz-content-sha256", h.content_sha256);
	add(&s, "x-amz-security-token", "token");
	add(&s, "authorization", buf_cstr(&h.authorization));
	expect(&s, "InvalidToken");
	sigv4_headers_release(&h);
}

/* --- presigned URLs --- */

static struct buf presigned; /* the last good_presigned() */

static void good_presigned(struct sample *s, const char *method, const char *query)
{
	struct sigv4_signer by = signer();

	begin(s, method, "/bucket/key", query);
	add(s, "Host", "localhost:9000");
	buf_release(&presigned);
	buf_init(&presigned, 4096);
	assert_int_equal(sigv4_presign(&s->req, &by, 60, &presigned, NULL), RC_OK);
	s->req.query = buf_slice(&presigned);
}

static void presigned_window(void **state)
{
	struct sample s;

	(void)state;
	good_presigned(&s, "GET", "x-id=GetObject&response-content-type=a%2Fb");
	expect_at(&s, DAY_MS, "");
	expect_at(&s, DAY_MS + 59999, "");
	expect_at(&s, DAY_MS + 60000, "AccessDenied");
	expect_at(&s, DAY_MS - 15 * 60000, ""); /* a fast clock */
	expect_at(&s, DAY_MS - 15 * 60000 - 1, "AccessDenied");
}

static void presigned_is_for_one_request(void **state)
{
	struct sample s;

	(void)state;
	good_presigned(&s, "GET", "");
	s.req.method = slice_str("PUT");
	expect(&s, "SignatureDoesNotMatch");
	good_presigned(&s, "PUT", "");
	add(&s, "x-amz-copy-source", "/bucket/secret");
	expect(&s, "AccessDenied");
	good_presigned(&s, "PUT", "");
	add(&s, "x-amz-meta-a", "b");
	expect(&s, "AccessDenied");
	good_presigned(&s, "PUT", "");
	add(&s, "x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
	expect(&s, "NotImplemented");
}

/* The presigned query with one piece exchanged. */
static void expect_query(const char *from, const char *to, const char *code)
{
	struct sample s;
	char text[2000];
	const char *whole, *at;

	good_presigned(&s, "GET", "x-id=GetObject");
	whole = buf_cstr(&presigned);
	at = strstr(whole, from);
	assert_non_null(at);
	snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - whole), whole, to, at + strlen(from));
	s.req.query = slice_str(text);
	expect(&s, code);
}

static void presigned_query_is_parsed_strictly(void **state)
{
	const char *malformed = "AuthorizationQueryParametersError";

	(void)state;
	expect_query("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1", malformed);
	expect_query("X-Amz-Algorithm=AWS4-HMAC-SHA256&", "", malformed);
	expect_query("&X-Amz-Expires=60", "", malformed);
	expect_query("&X-Amz-Signature=", "&other=", malformed);
	expect_query("&X-Amz-Expires=60", "&X-Amz-Expires=60&x-amz-expires=60", malformed);
	expect_query("Expires=60", "Expires=soon", malformed);
	expect_query("Expires=60", "Expires=", malformed);
	expect_query("Expires=60", "Expires=-1", "AccessDenied");
	expect_query("Expires=60", "Expires=0", "AccessDenied");
	expect_query("Expires=60", "Expires=604801", "AccessDenied");
	expect_query("Expires=60", "Expires=99999999999999999999999", "AccessDenied");
	expect_query("Expires=60", "Expires=61", "SignatureDoesNotMatch");
	expect_query("Date=2013", "Date=x013", malformed);
	expect_query("%2F20130524%2F", "%2F20130523%2F", malformed);
	expect_query("%2Fs3%2F", "%2Fs4%2F", malformed);
	expect_query("SignedHeaders=host", "SignedHeaders=", malformed);
	expect_query("SignedHeaders=host", "SignedHeaders=date", "AccessDenied");
	expect_query("GetObject", "%zz", "InvalidURI");
	expect_query("x-id=GetObject&", "Signature=x&", "InvalidRequest");
}

static void sigv2_is_named(void **state)
{
	struct sample s;

	(void)state;
	begin(&s, "GET", "/b/k", "AWSAccessKeyId=a&Signature=b&Expires=1");
	add(&s, "Host", "localhost");
	expect(&s, "InvalidRequest");
}

/* JS v3 puts the signature in the middle and the payload's name in the query. */
static void presigned_order_is_free(void **state)
{
	struct sigv4_signer by = signer();
	struct sample s;
	const char *at;
	char text[2000];

	(void)state;
	begin(&s, "PUT", "/bucket/key", "X-Amz-Content-Sha256=UNSIGNED-PAYLOAD&x-id=PutObject");
	add(&s, "Host", "localhost:9000");
	buf_reset(&presigned);
	assert_int_equal(sigv4_presign(&s.req, &by, 60, &presigned, NULL), RC_OK);
	at = strstr(buf_cstr(&presigned), "&X-Amz-Signature=");
	snprintf(text, sizeof(text), "%s&%.*s", at + 1, (int)(at - (const char *)presigned.p),
		(const char *)presigned.p);
	s.req.query = slice_str(text);
	expect(&s, "");
}

/* --- the rest --- */

static void any_region_by_policy(void **state)
{
	struct sigv4_policy policy = policy_at(DAY_MS);
	struct sigv4_signer by = signer();
	struct sigv4_headers h;
	struct sigv4_auth auth;
	struct sample s;

	(void)state;
	by.region = "US"; /* s3cmd */
	begin(&s, "GET", "/", "");
	add(&s, "host", "localhost");
	assert_int_equal(sigv4_sign(&s.req, &by, EMPTY_SHA256, &h, NULL), RC_OK);
	add(&s, "x-amz-date", h.amz_date);
	add(&s, "x-amz-content-sha256", h.content_sha256);
	add(&s, "authorization", buf_cstr(&h.authorization));
	expect(&s, "AuthorizationHeaderMalformed");
	policy.region = NULL;
	assert_int_equal(check(&s, &policy, &auth, NULL), RC_OK);
	sigv4_headers_release(&h);
}

static void mismatch_shows_its_work(void **state)
{
	struct sigv4_policy policy = policy_at(DAY_MS);
	struct sigv4_detail detail;
	struct sigv4_auth auth;
	struct sample s;

	(void)state;
	good(&s);
	s.req.method = slice_str("GET");
	buf_init(&detail.canonical_request, 65536);
	buf_init(&detail.string_to_sign, 4096);
	assert_int_equal(sigv4_parse(&s.req, &auth, NULL), RC_OK);
	assert_int_equal(sigv4_verify(&s.req, &auth, &policy, NULL, &detail, NULL), RC_REFUSED);
	assert_string_equal(buf_cstr(&detail.canonical_request),
		"GET\n/bucket/a%20b//../c\na=&a=%2F&b=2&x-id=PutObject\n"
		"content-type:text/plain; charset=utf-8\nhost:localhost:9000\n"
		"x-amz-content-sha256:" EMPTY_SHA256 "\nx-amz-date:" AMZ_DATE
		"\nx-amz-meta-a:one,two\n\n"
		"content-type;host;x-amz-content-sha256;x-amz-date;x-amz-meta-a\n" EMPTY_SHA256);
	assert_int_equal(
		strncmp(buf_cstr(&detail.string_to_sign),
			"AWS4-HMAC-SHA256\n" AMZ_DATE "\n20130524/us-east-1/s3/aws4_request\n", 60),
		0);
	buf_release(&detail.canonical_request);
	buf_release(&detail.string_to_sign);
}

/* Other services encode the path again: Lambda's f%3Alive is signed as f%253Alive. */
static void other_services_encode_twice(void **state)
{
	struct sample s;
	struct buf out;

	(void)state;
	begin(&s, "GET", "/2015-03-31/functions/f%3Alive/invocations", "");
	add(&s, "host", "h");
	buf_init(&out, 1024);
	assert_int_equal(
		sigv4_canonical_request(&out, &s.req, false, "host", "x", false, NULL), RC_OK);
	assert_string_equal(buf_cstr(&out),
		"GET\n/2015-03-31/functions/f%253Alive/invocations\n\nhost:h\n\nhost\nx");
	buf_release(&out);
}

static void keys_are_derived_once_and_kept_apart(void **state)
{
	struct sigv4_keys keys;
	unsigned char plain[SHA256_BYTES], kept[SHA256_BYTES], other[SHA256_BYTES];
	char region[16];

	(void)state;
	sigv4_keys_init(&keys);
	sigv4_key(NULL, slice_str(SECRET), "20130524", "us-east-1", "s3", plain);
	for (unsigned i = 0; i < 3 * SIGV4_KEYS_SLOTS; i++) { /* more than there are slots */
		sigv4_key(&keys, slice_str(SECRET), "20130524", "us-east-1", "s3", kept);
		assert_memory_equal(kept, plain, sizeof(plain));
		snprintf(region, sizeof(region), "r%u", i);
		sigv4_key(&keys, slice_str(SECRET), "20130524", region, "s3", other);
		assert_memory_not_equal(other, plain, sizeof(plain));
	}
	sigv4_key(&keys, slice_str("changed"), "20130524", "us-east-1", "s3", other);
	assert_memory_not_equal(other, plain, sizeof(plain));
	sigv4_key(&keys, slice_str(SECRET), "20130525", "us-east-1", "s3", other);
	assert_memory_not_equal(other, plain, sizeof(plain));
	sigv4_keys_release(&keys);
}

static void sizes_are_bounded(void **state)
{
	static char long_text[40000];
	struct sample s;

	(void)state;
	memset(long_text, 'a', sizeof(long_text) - 1);
	good(&s);
	s.req.query = slice_str(long_text);
	expect(&s, "InvalidURI");
	for (size_t i = 1; i < sizeof(long_text); i += 2)
		long_text[i] = '&';
	long_text[2 * SIGV4_MAX_PARAMS + 1] = '\0';
	good(&s);
	s.req.query = slice_str(long_text);
	expect(&s, "InvalidRequest");
	expect_authorization(ACCESS_KEY,
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaa",
		"AuthorizationHeaderMalformed");
}

static int release(void **state)
{
	(void)state;
	sigv4_headers_release(&signed_headers);
	buf_release(&presigned);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_examples_are_signed),
		cmocka_unit_test(published_examples_are_accepted),
		cmocka_unit_test(published_presigned_url),
		cmocka_unit_test(published_streaming_seeds),
		cmocka_unit_test(own_request_is_accepted),
		cmocka_unit_test(parse_tells_what_is_claimed),
		cmocka_unit_test(changes_are_noticed),
		cmocka_unit_test(scope_is_checked),
		cmocka_unit_test(authorization_is_parsed_strictly),
		cmocka_unit_test(signature_in_any_other_form_is_refused),
		cmocka_unit_test(skew_is_fifteen_minutes),
		cmocka_unit_test(what_must_be_signed),
		cmocka_unit_test(single_headers_are_single),
		cmocka_unit_test(header_and_query_do_not_mix),
		cmocka_unit_test(payload_is_a_closed_set),
		cmocka_unit_test(payload_header_is_required),
		cmocka_unit_test(session_token_is_refused),
		cmocka_unit_test(presigned_window),
		cmocka_unit_test(presigned_is_for_one_request),
		cmocka_unit_test(presigned_query_is_parsed_strictly),
		cmocka_unit_test(sigv2_is_named),
		cmocka_unit_test(presigned_order_is_free),
		cmocka_unit_test(any_region_by_policy),
		cmocka_unit_test(mismatch_shows_its_work),
		cmocka_unit_test(other_services_encode_twice),
		cmocka_unit_test(keys_are_derived_once_and_kept_apart),
		cmocka_unit_test(sizes_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, release);
}
