/*
 * Every route × every form of payload × every way of not being authenticated is refused before
 * the store is touched (security facts, section 1: one verifier in front of all routes). The
 * store here has no operations at all: reaching it would crash.
 */
#include "check.h"
#include "gateway/front.h"
#include "gateway/http/request.h"
#include "gateway/s3/route.h"

#define SECRET "a secret of the right length, 40 bytes.."

static const struct bucket_store_ops no_ops;
static struct bucket_store no_store = {&no_ops};
static struct service service;

static bool find_key(void *arg, const char *access_key, struct key_grant *ret_grant)
{
	(void)arg;
	if (strcmp(access_key, "KNOWN") != 0)
		return false;
	*ret_grant = (struct key_grant){SECRET, ROLE_ADMIN};
	return true;
}

static int set_up(void **state)
{
	struct gateway_config config = {.store = &no_store, .keys = {find_key, NULL}};

	(void)state;
	service_init(&service, &config, front_begin);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	service_release(&service);
	return 0;
}

static const char *const payloads[] = {
	"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "UNSIGNED-PAYLOAD",
	"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
	"STREAMING-UNSIGNED-PAYLOAD-TRAILER"};

enum { N_PAYLOADS = sizeof(payloads) / sizeof(payloads[0]) };

/* What is wrong with a request; the last is nothing. */
enum flaw { NO_CREDENTIALS, UNKNOWN_KEY, ANOTHER_SECRET, BENT_SIGNATURE, EMPTY_SIGNATURE, NO_FLAW };

static const char *method_name(enum method m)
{
	static const char *const names[] = {"OPTIONS", "GET", "HEAD", "PUT", "POST", "DELETE"};

	return names[m];
}

static const char *target_of(struct arena *a, const struct route *route)
{
	const char *path = route->scope == SCOPE_SERVICE  ? "/"
			   : route->scope == SCOPE_BUCKET ? "/bucket"
							  : "/bucket/key";

	return route->subresource ? arena_printf(a, "%s?%s=1", path, route->subresource) : path;
}

static void add(struct request *r, const char *name, const char *value)
{
	r->headers[r->n_headers++] = (struct header){slice_str(name),
		slice_of(arena_strdup(&r->arena, slice_str(value)), strlen(value))};
}

/* Signs what r has so far; then spoils it. */
static void authorize(struct request *r, const char *payload, enum flaw flaw)
{
	struct slice path, query;
	struct sigv4_signer signer = {
		.access_key = slice_str(flaw == UNKNOWN_KEY ? "OTHER" : "KNOWN"),
		.secret = slice_str(flaw == ANOTHER_SECRET ? "something else entirely" : SECRET),
		.region = "us-east-1",
		.service = "s3",
		.now_wall_ms = clock_wall_ms(service.clock)};
	struct sigv4_headers signature;
	char *authorization, *end;

	uri_split(r->target, &path, &query);
	assert_int_equal(sigv4_sign(&(struct sigv4_request){r->method_text, path, query, r->headers,
					    r->n_headers},
				 &signer, payload, &signature, NULL),
		RC_OK);
	authorization = arena_strdup(&r->arena, buf_slice(&signature.authorization));
	end = authorization + strlen(authorization) - 1;
	if (flaw == BENT_SIGNATURE)
		*end = *end == '0' ? '1' : '0';
	if (flaw == EMPTY_SIGNATURE)
		end[-63] = '\0';
	add(r, "x-amz-date", signature.amz_date);
	add(r, "x-amz-content-sha256", payload);
	if (flaw != NO_CREDENTIALS)
		add(r, "Authorization", authorization);
	buf_release(&signature.authorization);
}

static struct request *make(const struct route *route, const char *payload, enum flaw flaw)
{
	struct arena a = ARENA_INIT;
	struct request *r = request_new(&service, target_of(&a, route));

	arena_release(&a);
	r->headers = arena_array(&r->arena, 16, sizeof(*r->headers));
	r->method_text = slice_str(method_name(route->method));
	add(r, "Host", "127.0.0.1:9000");
	add(r, "Content-Length", "0");
	if (route->header)
		add(r, route->header, "/bucket/source");
	authorize(r, payload, flaw);
	return r;
}

/* [security 3.1, 3.2] */
static void test_every_route_denies(void **state)
{
	unsigned n = 0;

	(void)state;
	for (const struct route *route = route_table(); route->name; route++)
		for (int p = 0; p < N_PAYLOADS; p++)
			for (int flaw = 0; flaw < NO_FLAW; flaw++, n++) {
				struct request *r = make(route, payloads[p], (enum flaw)flaw);

				front_begin(r);
				assert_int_equal(r->phase, PHASE_REPLY);
				assert_int_equal(r->reply.status, 403);
				assert_false(r->is_authenticated);
				assert_null(r->operation);
				request_free(r);
			}
	assert_true(n > 25 * N_PAYLOADS * NO_FLAW);
}

/* The same requests without a flaw get past the verifier: the test above is about flaws. */
static void test_the_right_signature_passes(void **state)
{
	(void)state;
	for (const struct route *route = route_table(); route->name; route++) {
		struct request *r = make(route, "UNSIGNED-PAYLOAD", NO_FLAW);
		struct request *unknown = make(route, "UNSIGNED-PAYLOAD", NO_FLAW);

		/* stop before the store: a header that no route takes */
		add(unknown, "X-Amz-Unheard-Of", "1");
		front_begin(unknown);
		assert_int_equal(unknown->reply.status, 403); /* it is not signed */
		request_free(unknown);
		if (!route->operation.begin) {
			front_begin(r);
			assert_true(r->is_authenticated);
			assert_ptr_equal(r->operation, &route->operation);
			assert_int_equal(r->phase, PHASE_BODY);
		}
		request_free(r);
	}
}

/* A name goes to each operation exactly once, whatever else the table holds. */
static void test_routes_are_distinct(void **state)
{
	(void)state;
	for (const struct route *a = route_table(); a->name; a++)
		for (const struct route *b = a + 1; b->name; b++) {
			bool same =
				a->method == b->method && a->scope == b->scope &&
				!a->subresource == !b->subresource &&
				(!a->subresource || strcmp(a->subresource, b->subresource) == 0);

			assert_string_not_equal(a->name, b->name);
			/* of two alike the one with a header to ask for must come first */
			if (same)
				assert_true(a->header && !b->header);
		}
}

static void test_health_needs_no_signature_and_says_nothing(void **state)
{
	struct request *r = request_new(&service, "/-/health");

	(void)state;
	r->method_text = slice_str("GET");
	front_begin(r);
	assert_int_equal(r->reply.status, 200);
	assert_true(slice_eq_str(r->reply.bytes, "ok\n"));
	request_free(r);
}

/* Security facts 3.23: what would let two servers disagree on where a request ends. */
static void test_ambiguous_framing_is_refused(void **state)
{
	static const char *const pairs[][2][2] = {
		{{"Content-Length", "3"}, {"Content-Length", "3"}},
		{{"Content-Length", "3"}, {"Transfer-Encoding", "chunked"}},
		{{"Transfer-Encoding", "chunked"}, {"transfer-encoding", "chunked"}},
		{{"Transfer-Encoding", "chunked, chunked"}, {"X", "y"}},
		{{"Transfer-Encoding", "gzip"}, {"X", "y"}},
		{{"Content-Length", "+3"}, {"X", "y"}},
		{{"Content-Length", "99999999999999999999"}, {"X", "y"}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct request *r = request_new(&service, "/bucket/key");

		r->headers = arena_array(&r->arena, 4, sizeof(*r->headers));
		r->method_text = slice_str("PUT");
		add(r, pairs[i][0][0], pairs[i][0][1]);
		add(r, pairs[i][1][0], pairs[i][1][1]);
		front_begin(r);
		assert_int_equal(r->reply.status, 400);
		assert_true(r->reply.close);
		request_free(r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_route_denies),
		cmocka_unit_test(test_the_right_signature_passes),
		cmocka_unit_test(test_routes_are_distinct),
		cmocka_unit_test(test_health_needs_no_signature_and_says_nothing),
		cmocka_unit_test(test_ambiguous_framing_is_refused),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
