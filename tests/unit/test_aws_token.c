/* Tokens between pages of a listing: a listing goes forward, or it ends. */
#include "check.h"

#include "adapter/aws/s3/s3_token.h"

static enum rc advance(struct s3_token *t, const char *first, const char *last, bool is_versions)
{
	struct err err;

	return s3_token_advance(t, slice_str(first), slice_str(last), is_versions, &err);
}

static void test_a_token_is_read_as_it_was_made(void **state)
{
	static const char *const keys[] = {"", "a", "a b\n c", "7 7\n"};
	static const char *const servers[] = {"", "token", "1 2\n", "v\nk"};
	struct arena a = ARENA_INIT;
	struct err err;

	(void)state;
	for (size_t i = 0; i < 4; i++)
		for (size_t k = 0; k < 4; k++) {
			struct s3_token made = {i, slice_str(keys[i]), slice_str(servers[k])}, read;

			assert_int_equal(s3_token_read(s3_token_make(&made, &a), &read, &err), RC_OK);
			assert_int_equal(read.n_still, i);
			assert_true(slice_eq(read.last_key, made.last_key));
			assert_true(slice_eq(read.of_server, made.of_server));
		}
	arena_release(&a);
}

static void test_what_is_no_token_is_refused(void **state)
{
	static const char *const bad[] = {
		"x", "1", "1 2", "1 5\nabcd", "-1 0\n", "18446744073709551616 0\n", "1 x\n", " 0\n"};
	struct s3_token token;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(s3_token_read(slice_str(bad[i]), &token, &err), RC_REFUSED);
}

static void test_pages_go_forward(void **state)
{
	struct s3_token t = {0};

	(void)state;
	assert_int_equal(advance(&t, "a", "c", false), RC_OK);
	assert_int_equal(advance(&t, "d", "d", false), RC_OK);
	assert_int_equal(advance(&t, "d", "e", false), RC_CORRUPT);
	assert_int_equal(advance(&t, "c", "z", false), RC_CORRUPT);
	assert_int_equal(advance(&t, "d", "e", true), RC_OK); /* versions of one key on two pages */
	assert_int_equal(advance(&t, "a", "z", true), RC_CORRUPT);
}

/* Empty pages, and pages of versions of one key, end after some time. */
static void test_pages_that_stand_still_end(void **state)
{
	(void)state;
	for (int is_versions = 0; is_versions < 2; is_versions++) {
		struct s3_token t = {0};
		unsigned n = 0;

		advance(&t, "k", "k", is_versions);
		while (advance(&t, is_versions ? "k" : NULL, is_versions ? "k" : NULL,
			       is_versions) == RC_OK)
			assert_in_range(++n, 1, S3_TOKEN_STILL_MAX);
		assert_int_equal(n, S3_TOKEN_STILL_MAX);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_token_is_read_as_it_was_made),
		cmocka_unit_test(test_what_is_no_token_is_refused),
		cmocka_unit_test(test_pages_go_forward),
		cmocka_unit_test(test_pages_that_stand_still_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
