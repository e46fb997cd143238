/* seal: opens what it sealed and nothing else. */
#include "check.h"

#include "base/seal.h"

static const unsigned char key[SEAL_KEY_BYTES] = {1, 2, 3};

/* McGrew and Viega, "The Galois/Counter Mode of Operation", test case 14: AES-256, all zeros. */
static void test_a_published_vector(void **state)
{
	static const unsigned char zeros[SEAL_KEY_BYTES];
	unsigned char sealed[12 + 16 + 16] = {0};
	struct buf out;

	(void)state;
	assert_true(hex_decode(slice_str("cea7403d4d606b6e074ec5d3baf39d18"
					 "d0d1c8a799996bf0265b98b5d48ab919"),
		sealed + 12, 32));
	buf_init(&out, 64);
	assert_int_equal(
		seal_open(zeros, slice_str(""), slice_of(sealed, sizeof(sealed)), &out, NULL),
		RC_OK);
	assert_int_equal(out.n, 16);
	assert_memory_equal(out.p, zeros, 16);
	buf_release(&out);
}

static void test_what_was_changed_does_not_open(void **state)
{
	unsigned char other[SEAL_KEY_BYTES] = {1, 2, 4};
	struct slice text = slice_str("a secret"), context = slice_str("whose");
	struct buf sealed, out;

	(void)state;
	buf_init(&sealed, 256);
	buf_init(&out, 256);
	seal(key, context, text, &sealed);
	assert_int_equal(sealed.n, text.n + SEAL_OVERHEAD_BYTES);
	assert_null(memmem(sealed.p, sealed.n, text.p, text.n));
	assert_int_equal(seal_open(key, context, buf_slice(&sealed), &out, NULL), RC_OK);
	assert_true(slice_eq(buf_slice(&out), text));
	buf_reset(&out);
	assert_int_equal(seal_open(other, context, buf_slice(&sealed), &out, NULL), RC_CORRUPT);
	assert_int_equal(
		seal_open(key, slice_str("whos"), buf_slice(&sealed), &out, NULL), RC_CORRUPT);
	for (size_t i = 0; i < sealed.n; i++) {
		sealed.p[i] ^= 1;
		assert_int_equal(
			seal_open(key, context, buf_slice(&sealed), &out, NULL), RC_CORRUPT);
		sealed.p[i] ^= 1;
	}
	for (size_t n = 0; n < sealed.n; n++)
		assert_int_equal(
			seal_open(key, context, slice_of(sealed.p, n), &out, NULL), RC_CORRUPT);
	assert_int_equal(out.n, 0);
	buf_release(&sealed);
	buf_release(&out);
}

static void test_no_two_sealed_texts_are_alike(void **state)
{
	struct buf a, b;

	(void)state;
	buf_init(&a, 256);
	buf_init(&b, 256);
	seal(key, slice_str("c"), slice_str("same"), &a);
	seal(key, slice_str("c"), slice_str("same"), &b);
	assert_false(slice_eq(buf_slice(&a), buf_slice(&b)));
	buf_release(&a);
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_published_vector),
		cmocka_unit_test(test_what_was_changed_does_not_open),
		cmocka_unit_test(test_no_two_sealed_texts_are_alike),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
