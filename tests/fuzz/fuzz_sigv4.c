/* A request as text ("METHOD target", then "name: value" lines). Whatever it claims is parsed
 * within bounds; nothing is accepted, for nobody knows the secret; and what our signer signs,
 * header or URL, our verifier accepts. */
#include "fuzz.h"
#include "wire/sigv4.h"
#include "wire/uri.h"

#define MAX_HEADERS 40
#define NOW_MS 1369353600000ull
#define HASH "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static struct slice secret_of(void *arg, const char *access_key)
{
	(void)access_key;
	return slice_str(arg);
}

static struct slice take_line(struct slice *s)
{
	const unsigned char *lf = s->n ? memchr(s->p, '\n', s->n) : NULL;
	size_t n = lf ? (size_t)(lf - s->p) : s->n;
	struct slice line = slice_of(s->p, n);

	n += lf != NULL;
	*s = slice_of(s->p + n, s->n - n);
	return line;
}

static struct slice cut_at(struct slice s, int c, struct slice *ret_rest)
{
	const unsigned char *at = s.n ? memchr(s.p, c, s.n) : NULL;
	size_t n = at ? (size_t)(at - s.p) : s.n;

	*ret_rest = at ? slice_of(at + 1, s.n - n - 1) : slice_of(NULL, 0);
	return slice_of(s.p, n);
}

static void verify(const struct sigv4_request *req, const char *secret, bool must_accept)
{
	struct sigv4_policy policy = {.service = "s3",
		.now_wall_ms = NOW_MS,
		.secret = secret_of,
		.arg = (void *)(uintptr_t)secret};
	struct sigv4_auth auth;
	struct sigv4_seed seed;
	struct err err = {0};
	enum rc rc = sigv4_parse(req, &auth, &err);

	if (rc == RC_OK) {
		MUST(strlen(auth.access_key) <= SIGV4_ACCESS_KEY_MAX_BYTES);
		MUST(strlen(auth.signed_headers) <= SIGV4_SIGNED_HEADERS_MAX_BYTES);
		MUST(strlen(auth.date) == 8);
		rc = sigv4_verify(req, &auth, &policy, &seed, NULL, &err);
	}
	MUST(rc == RC_OK || err.code[0]);
	MUST((rc == RC_OK) == must_accept);
}

/* With the fuzzer's method, target and extra header. */
static void check_own(const struct sigv4_request *req)
{
	struct sigv4_signer by = {.access_key = slice_str("KEY"),
		.secret = slice_str("ours"),
		.region = "us-east-1",
		.service = "s3",
		.now_wall_ms = NOW_MS};
	struct header h[5] = {{slice_str("Host"), slice_str("localhost:9000")},
		{slice_str("x-amz-meta-a"),
			req->n_headers ? req->headers[0].value : slice_str("")}};
	struct sigv4_request own = {req->method, req->path, req->query, h, 2};
	struct sigv4_headers s;
	struct buf query;

	if (sigv4_sign(&own, &by, HASH, &s, NULL) == RC_OK) {
		h[2] = (struct header){slice_str("x-amz-date"), slice_str(s.amz_date)};
		h[3] = (struct header){
			slice_str("x-amz-content-sha256"), slice_str(s.content_sha256)};
		h[4] = (struct header){slice_str("authorization"), buf_slice(&s.authorization)};
		own.n_headers = 5;
		verify(&own, "ours", true);
		sigv4_headers_release(&s);
		own.n_headers = 2;
	}
	buf_init(&query, 65536);
	if (sigv4_presign(&own, &by, 60, &query, NULL) == RC_OK) {
		own.query = buf_slice(&query);
		verify(&own, "ours", true);
	}
	buf_release(&query);
}

/* A query with credentials of its own is refused beside ours, rightly. */
static bool has_credentials(struct slice query)
{
	for (size_t i = 0; i + 5 < query.n; i++)
		if (query.p[i] == '%' || (query.p[i] | 32) == 'x' || query.p[i] == 'A' ||
			query.p[i] == 'S')
			return true;
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice left = slice_of(data, size), line = take_line(&left), target;
	struct header headers[MAX_HEADERS];
	struct sigv4_request req = {.headers = headers};
	struct slice secret_unknown = slice_str("nobody knows this one");

	req.method = cut_at(line, ' ', &target);
	uri_split(target, &req.path, &req.query);
	while (left.n && req.n_headers < MAX_HEADERS) {
		struct header *h = &headers[req.n_headers++];

		line = take_line(&left);
		h->name = cut_at(line, ':', &h->value);
	}
	verify(&req, (const char *)secret_unknown.p, false);
	if (!has_credentials(req.query))
		check_own(&req);
	return 0;
}
