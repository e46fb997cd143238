/* Published test vectors of every digest and CRC, CRCs of parts combined, base64 both ways. */
#include "check.h"

#include <stdlib.h>

#include "base/digest.h"
#include "base/prng.h"

#define ALL                                                                                        \
	(DIGEST_MD5 | DIGEST_SHA1 | DIGEST_SHA256 | DIGEST_CRC32 | DIGEST_CRC32C | DIGEST_CRC64NVME)

static void final_is(struct digest *d, enum digest_alg alg, const char *want_hex)
{
	unsigned char out[DIGEST_MAX_BYTES];
	char hex[2 * DIGEST_MAX_BYTES + 1];
	size_t n = digest_final(d, alg, out);

	assert_int_equal(n, digest_size(alg));
	hex_encode(out, n, hex);
	assert_string_equal(hex, want_hex);
}

/* The check values of the CRC catalogue, and RFC 1321, FIPS 180 and openssl(1) for the hashes. */
static void known_answers_of_123456789(void **state)
{
	struct digest *d = digest_new(ALL);

	(void)state;
	digest_update(d, slice_str("1234"));
	digest_update(d, slice_str(""));
	digest_update(d, slice_str("56789"));
	final_is(d, DIGEST_MD5, "25f9e794323b453885f5181f1b624d0b");
	final_is(d, DIGEST_SHA1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441");
	final_is(d, DIGEST_SHA256,
		"15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225");
	final_is(d, DIGEST_CRC32, "cbf43926");
	final_is(d, DIGEST_CRC32C, "e3069283");
	final_is(d, DIGEST_CRC64NVME, "ae8b14860a799888");
	digest_free(d);
}

static void known_answers_of_nothing(void **state)
{
	struct digest *d = digest_new(ALL);

	(void)state;
	final_is(d, DIGEST_MD5, "d41d8cd98f00b204e9800998ecf8427e");
	final_is(d, DIGEST_SHA1, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
	final_is(d, DIGEST_SHA256,
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	final_is(d, DIGEST_CRC32, "00000000");
	final_is(d, DIGEST_CRC32C, "00000000");
	final_is(d, DIGEST_CRC64NVME, "0000000000000000");
	digest_free(d);
}

static void a_reset_digest_starts_anew_with_other_algorithms(void **state)
{
	struct digest *d = digest_new(DIGEST_MD5);

	(void)state;
	digest_update(d, slice_str("something else"));
	digest_reset(d, DIGEST_SHA256 | DIGEST_CRC32);
	digest_update(d, slice_str("abc"));
	final_is(d, DIGEST_SHA256,
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	final_is(d, DIGEST_CRC32, "352441c2");
	digest_free(d);
}

static void one_call_digests(void **state)
{
	unsigned char out[SHA256_BYTES];
	char hex[2 * SHA256_BYTES + 1];

	(void)state;
	md5(slice_str("abc"), out);
	hex_encode(out, 16, hex);
	assert_string_equal(hex, "900150983cd24fb0d6963f7d28e17f72");
	sha256((struct slice){0}, out);
	hex_encode(out, SHA256_BYTES, hex);
	assert_string_equal(
		hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void hmac_is(struct slice key, struct slice text, const char *want_hex)
{
	unsigned char out[SHA256_BYTES];
	char hex[2 * SHA256_BYTES + 1];

	hmac_sha256(key, text, out);
	hex_encode(out, SHA256_BYTES, hex);
	assert_string_equal(hex, want_hex);
}

/* RFC 4231, cases 1, 2 and 6. */
static void hmac_vectors(void **state)
{
	unsigned char key[131];

	(void)state;
	memset(key, 0x0b, 20);
	hmac_is(slice_of(key, 20), slice_str("Hi There"),
		"b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
	hmac_is(slice_str("Jefe"), slice_str("what do ya want for nothing?"),
		"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	memset(key, 0xaa, sizeof(key));
	hmac_is(slice_of(key, sizeof(key)),
		slice_str("Test Using Larger Than Block-Size Key - Hash Key First"),
		"60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static uint64_t crc_of(enum digest_alg alg, struct slice s)
{
	switch (alg) {
	case DIGEST_CRC32:
		return crc32_update(0, s);
	case DIGEST_CRC32C:
		return crc32c_update(0, s);
	default:
		return crc64nvme_update(0, s);
	}
}

/* The definition, bit by bit, beside the fast forms: lengths around their strides, every
 * alignment. */
static uint64_t slow_crc(uint64_t poly, uint64_t all_ones, struct slice s)
{
	uint64_t crc = all_ones;

	for (size_t i = 0; i < s.n; i++) {
		crc ^= s.p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ poly : crc >> 1;
	}
	return crc ^ all_ones;
}

static void crcs_are_the_definition_at_every_length_and_alignment(void **state)
{
	unsigned char bytes[600];
	struct prng r = prng_seeded(3);

	(void)state;
	prng_bytes(&r, bytes, sizeof(bytes));
	for (size_t n = 0; n < 580; n++) {
		struct slice s = slice_of(bytes + n % 16, n);

		assert_int_equal(crc_of(DIGEST_CRC32, s), slow_crc(0xedb88320, 0xffffffff, s));
		assert_int_equal(crc_of(DIGEST_CRC32C, s), slow_crc(0x82f63b78, 0xffffffff, s));
		assert_true(
			crc_of(DIGEST_CRC64NVME, s) == slow_crc(0x9a6c9329ac4bc9b5, UINT64_MAX, s));
	}
}

static void crcs_combine_at_every_cut(void **state)
{
	static const enum digest_alg algs[] = {DIGEST_CRC32, DIGEST_CRC32C, DIGEST_CRC64NVME};
	unsigned char bytes[300];
	struct prng r = prng_seeded(4);

	(void)state;
	prng_bytes(&r, bytes, sizeof(bytes));
	for (int i = 0; i < 3; i++) {
		uint64_t whole = crc_of(algs[i], slice_of(bytes, sizeof(bytes)));

		for (size_t cut = 0; cut <= sizeof(bytes); cut++) {
			uint64_t a = crc_of(algs[i], slice_of(bytes, cut));
			uint64_t b = crc_of(algs[i], slice_of(bytes + cut, sizeof(bytes) - cut));

			assert_true(crc_combine(algs[i], a, b, sizeof(bytes) - cut) == whole);
		}
	}
}

static void crcs_continue_where_they_stopped(void **state)
{
	struct slice a = slice_str("12345"), b = slice_str("6789");

	(void)state;
	assert_int_equal(crc32_update(crc32_update(0, a), b), 0xcbf43926);
	assert_int_equal(crc32c_update(crc32c_update(0, a), b), 0xe3069283);
	assert_true(crc64nvme_update(crc64nvme_update(0, a), b) == 0xae8b14860a799888);
}

static void constant_time_compare_sees_every_byte(void **state)
{
	unsigned char a[64] = {0}, b[64] = {0};

	(void)state;
	assert_true(bytes_equal_ct(a, b, 64));
	for (size_t i = 0; i < 64; i++) {
		b[i] = 1;
		assert_false(bytes_equal_ct(a, b, 64));
		b[i] = 0;
	}
}

/* RFC 4648 section 10. */
static void base64_vectors_go_both_ways(void **state)
{
	static const char *const pairs[][2] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="},
		{"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="},
		{"foobar", "Zm9vYmFy"}};

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		unsigned char back[8];
		struct buf out;
		size_t n = 99;

		buf_init(&out, 64);
		assert_true(base64_encode(&out, slice_str(pairs[i][0])));
		assert_slice_is(buf_slice(&out), pairs[i][1]);
		assert_true(base64_decode(slice_str(pairs[i][1]), back, sizeof(back), &n));
		assert_slice_is(slice_of(back, n), pairs[i][0]);
		buf_release(&out);
	}
}

static void base64_is_strict(void **state)
{
	static const char *const bad[] = {"Z", "Zg", "Zg=", "Zg===", "=",
		"====", "Z===", "Zg==Zg==", "Zm9v\n", " Zm9v", "Zm 9v", "Zm9v====", "Zm9-", "Zm9_",
		"Z=9v", "Zm9v=", "Zm9\xc3"};
	unsigned char out[64];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		size_t n = 99;

		if (base64_decode(slice_str(bad[i]), out, sizeof(out), &n))
			fail_msg("'%s' was taken", bad[i]);
		assert_int_equal(n, 99);
	}
	assert_false(base64_decode(slice_of("Zm\0v", 4), out, sizeof(out), &(size_t){0}));
}

static void base64_never_writes_past_its_maximum(void **state)
{
	unsigned char out[4] = {0, 0, 0, 0xee};
	size_t n;

	(void)state;
	assert_true(base64_decode(slice_str("Zm9v"), out, 3, &n));
	assert_false(base64_decode(slice_str("Zm9vYg=="), out, 3, &n));
	assert_int_equal(out[3], 0xee);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_answers_of_123456789),
		cmocka_unit_test(known_answers_of_nothing),
		cmocka_unit_test(a_reset_digest_starts_anew_with_other_algorithms),
		cmocka_unit_test(one_call_digests),
		cmocka_unit_test(hmac_vectors),
		cmocka_unit_test(crcs_are_the_definition_at_every_length_and_alignment),
		cmocka_unit_test(crcs_combine_at_every_cut),
		cmocka_unit_test(crcs_continue_where_they_stopped),
		cmocka_unit_test(constant_time_compare_sees_every_byte),
		cmocka_unit_test(base64_vectors_go_both_ways),
		cmocka_unit_test(base64_is_strict),
		cmocka_unit_test(base64_never_writes_past_its_maximum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
