/* What the verification of one request costs: parse and verify of a typical signed PUT, with cached
 * and with newly derived keys, and of a presigned GET. Prints microseconds a request, the median of
 * 5 rounds. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "wire/sigv4.h"

#define ROUNDS 5
#define PER_ROUND 20000
#define NOW_MS 1369353600000ull
#define SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define HASH "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"

static struct slice secret_of(void *arg, const char *access_key)
{
	(void)arg;
	(void)access_key;
	return slice_str(SECRET);
}

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double measure(const struct sigv4_request *req, const struct sigv4_policy *policy)
{
	double us[ROUNDS];

	for (int r = 0; r < ROUNDS; r++) {
		double start = now_us();

		for (int i = 0; i < PER_ROUND; i++) {
			struct sigv4_auth auth;
			struct sigv4_seed seed;

			if (sigv4_parse(req, &auth, NULL) != RC_OK ||
				sigv4_verify(req, &auth, policy, &seed, NULL, NULL) != RC_OK)
				abort();
		}
		us[r] = (now_us() - start) / PER_ROUND;
	}
	qsort(us, ROUNDS, sizeof(us[0]), by_value);
	return us[ROUNDS / 2];
}

int main(void)
{
	struct sigv4_signer by = {.access_key = slice_str("AKIAIOSFODNN7EXAMPLE"),
		.secret = slice_str(SECRET),
		.region = "us-east-1",
		.service = "s3",
		.now_wall_ms = NOW_MS};
	struct header h[16] = {{slice_str("Host"), slice_str("127.0.0.1:9000")},
		{slice_str("Content-Type"), slice_str("application/json")},
		{slice_str("x-amz-checksum-crc32"), slice_str("NSRBwg==")},
		{slice_str("x-amz-sdk-checksum-algorithm"), slice_str("CRC32")}};
	struct sigv4_request req = {slice_str("PUT"),
		slice_str("/landing/data/2026/11/23/0123456789.json"), slice_str("x-id=PutObject"),
		h, 4};
	struct sigv4_policy policy = {.service = "s3", .now_wall_ms = NOW_MS, .secret = secret_of};
	struct sigv4_headers signed_headers;
	struct sigv4_keys keys;
	struct buf query;

	sigv4_keys_init(&keys);
	buf_init(&query, 4096);
	if (sigv4_presign(&req, &by, 60, &query, NULL) != RC_OK ||
		sigv4_sign(&req, &by, HASH, &signed_headers, NULL) != RC_OK)
		abort();
	h[4] = (struct header){slice_str("X-Amz-Date"), slice_str(signed_headers.amz_date)};
	h[5] = (struct header){
		slice_str("X-Amz-Content-Sha256"), slice_str(signed_headers.content_sha256)};
	h[6] = (struct header){
		slice_str("Authorization"), buf_slice(&signed_headers.authorization)};
	h[7] = (struct header){slice_str("User-Agent"), slice_str("Boto3/1.43 md/Botocore#1.43")};
	h[8] = (struct header){slice_str("Expect"), slice_str("100-continue")};
	h[9] = (struct header){slice_str("Content-Length"), slice_str("4096")};
	req.n_headers = 10;
	printf("verify, keys derived anew  %6.2f us\n", measure(&req, &policy));
	policy.keys = &keys;
	printf("verify, keys kept          %6.2f us\n", measure(&req, &policy));
	req.n_headers = 4;
	req.query = buf_slice(&query);
	printf("verify, presigned URL      %6.2f us\n", measure(&req, &policy));
	sigv4_headers_release(&signed_headers);
	sigv4_keys_release(&keys);
	buf_release(&query);
	return 0;
}
