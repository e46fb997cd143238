/* The judge must fail on what is missing, extra, doubled or damaged, and on nothing else. */
#include "check.h"

#include <stdio.h>

#include "verify/oracle.h"

struct court {
	struct manifest manifest;
	struct oracle *oracle;
};

static int open_court(void **state)
{
	struct court *c = test_calloc(1, sizeof(*c));

	manifest_init(&c->manifest, 3, 100);
	for (size_t i = 0; i < 3; i++)
		manifest_hash(&c->manifest, i, GENERATOR_RANDOM);
	c->oracle = oracle_new(&c->manifest, 1);
	*state = c;
	return 0;
}

static int close_court(void **state)
{
	struct court *c = *state;

	oracle_free(c->oracle);
	manifest_release(&c->manifest);
	test_free(c);
	return 0;
}

static void see(struct court *c, size_t i)
{
	struct untar_member m = {.name = c->manifest.entries[i].key, .size = 100};

	memcpy(m.sha256, c->manifest.entries[i].sha256, SHA256_BYTES);
	oracle_member(c->oracle, &m);
}

static void see_other(struct court *c, const char *name, bool is_under_prefix)
{
	char path[200];
	struct untar_member m = {.size = 1};

	snprintf(path, sizeof(path), SLICE_FMT "%s",
		(int)(is_under_prefix ? c->manifest.prefix.n : 0),
		(const char *)c->manifest.prefix.p, name);
	m.name = slice_str(path);
	oracle_member(c->oracle, &m);
}

static void end(struct court *c, bool whole)
{
	unsigned char hash[SHA256_BYTES] = {0xab};
	char hex[2 * SHA256_BYTES + 1];

	hex_encode(hash, sizeof(hash), hex);
	oracle_end(c->oracle, whole, 1000, slice_str(hex), hash);
}

static void bundle_of(struct court *c, const char *key, const char *files)
{
	oracle_begin(c->oracle, slice_str(key));
	for (const char *f = files; *f; f++)
		see(c, (size_t)(*f - '0'));
	end(c, true);
}

static void assert_problem(struct court *c, const char *word)
{
	assert_false(oracle_judge(c->oracle));
	for (size_t i = 0; i < oracle_n_texts(c->oracle); i++)
		if (strstr(oracle_text(c->oracle, i), word))
			return;
	fail_msg("no problem says '%s'", word);
}

static void all_in_one_or_several_bundles_passes(void **state)
{
	struct court *c = *state;

	bundle_of(c, "bundle-1", "20");
	assert_false(oracle_is_complete(c->oracle));
	bundle_of(c, "bundle-2", "1");
	assert_true(oracle_is_complete(c->oracle));
	assert_true(oracle_judge(c->oracle));
	assert_int_equal(oracle_tally(c->oracle)->n_found, 3);
	assert_int_equal(oracle_tally(c->oracle)->n_bundles, 2);
	assert_int_equal(oracle_tally(c->oracle)->member_bytes, 300);
}

static void a_missing_file_fails(void **state)
{
	struct court *c = *state;

	bundle_of(c, "bundle-1", "02");
	assert_false(oracle_is_complete(c->oracle));
	assert_problem(c, "missing");
	assert_problem(c, "source_file_0002.bin");
}

static void an_extra_file_fails(void **state)
{
	struct court *c = *state;

	oracle_begin(c->oracle, slice_str("bundle-1"));
	see(c, 0);
	see(c, 1);
	see(c, 2);
	see_other(c, "source_file_0004.bin", true);
	end(c, true);
	assert_true(oracle_is_complete(c->oracle));
	assert_problem(c, "extra");
}

static void what_may_arrive_need_not(void **state)
{
	struct court *c = *state;

	oracle_want(c->oracle, 1, WANT_MAYBE);
	bundle_of(c, "bundle-1", "02");
	assert_true(oracle_is_complete(c->oracle));
	assert_true(oracle_judge(c->oracle));
	bundle_of(c, "bundle-2", "1");
	assert_int_equal(oracle_tally(c->oracle)->n_found, 3);
	assert_true(oracle_judge(c->oracle));
	bundle_of(c, "bundle-3", "1");
	assert_problem(c, "duplicate");
}

static void what_must_not_arrive_fails(void **state)
{
	struct court *c = *state;

	oracle_want(c->oracle, 1, WANT_NEVER);
	bundle_of(c, "bundle-1", "02");
	assert_true(oracle_is_complete(c->oracle));
	bundle_of(c, "bundle-2", "1");
	assert_int_equal(oracle_tally(c->oracle)->n_found, 2);
	assert_problem(c, "unwanted");
}

/* Its bytes under a name outside the run's folder are no foreign file. */
static void what_must_not_arrive_fails_under_another_name_too(void **state)
{
	struct court *c = *state;
	struct untar_member m = {.name = slice_str("malicious_file.txt"), .size = 100};

	oracle_want(c->oracle, 1, WANT_NEVER);
	memcpy(m.sha256, c->manifest.entries[1].sha256, SHA256_BYTES);
	oracle_begin(c->oracle, slice_str("bundle-1"));
	see(c, 0);
	see(c, 2);
	oracle_member(c->oracle, &m);
	end(c, true);
	assert_problem(c, "as 'malicious_file.txt'");
}

static void a_file_in_two_bundles_fails(void **state)
{
	struct court *c = *state;

	bundle_of(c, "bundle-1", "012");
	bundle_of(c, "bundle-2", "1");
	assert_problem(c, "duplicate");
}

static void a_file_twice_in_one_bundle_fails_even_when_two_are_expected(void **state)
{
	struct court *c = *state;

	oracle_expect(c->oracle, 2);
	bundle_of(c, "bundle-1", "0012");
	bundle_of(c, "bundle-2", "12");
	assert_problem(c, "more than once");
}

static void a_wrong_hash_or_size_fails(void **state)
{
	struct court *c = *state;
	struct untar_member m = {.name = c->manifest.entries[1].key, .size = 100};

	oracle_begin(c->oracle, slice_str("bundle-1"));
	see(c, 0);
	see(c, 2);
	memcpy(m.sha256, c->manifest.entries[1].sha256, SHA256_BYTES);
	m.sha256[31] ^= 1;
	oracle_member(c->oracle, &m);
	end(c, true);
	assert_false(oracle_is_complete(c->oracle));
	assert_problem(c, "damaged");
}

static void a_bundle_that_lies_about_its_hash_fails(void **state)
{
	struct court *c = *state;
	unsigned char hash[SHA256_BYTES] = {1};

	oracle_begin(c->oracle, slice_str("bundle-1"));
	see(c, 0);
	see(c, 1);
	see(c, 2);
	oracle_end(c->oracle, true, 10, slice_str("00"), hash);
	assert_problem(c, "content-sha256");
}

static void other_producers_files_are_none_of_our_business(void **state)
{
	struct court *c = *state;
	unsigned char hash[SHA256_BYTES] = {1};

	oracle_begin(c->oracle, slice_str("bundle-1"));
	see(c, 0);
	see_other(c, "data/e2e-test-zzzzzzzz/source_file_0001.bin", false);
	see(c, 1);
	see(c, 2);
	end(c, true);
	assert_false(oracle_last_is_ours(c->oracle));
	oracle_begin(c->oracle, slice_str("bundle-2"));
	see_other(c, "data/other", false);
	oracle_end(c->oracle, true, 10, slice_str("not a hash"), hash);
	assert_false(oracle_last_is_ours(c->oracle));
	assert_true(oracle_judge(c->oracle));
	assert_int_equal(oracle_tally(c->oracle)->n_bundles, 1);
	assert_int_equal(oracle_tally(c->oracle)->n_foreign, 1);
}

/* contract.md: "never an empty one". */
static void a_bundle_of_nothing_fails(void **state)
{
	struct court *c = *state;

	bundle_of(c, "bundle-1", "012");
	bundle_of(c, "bundle-2", "");
	assert_problem(c, "empty: bundle 'bundle-2'");
}

/* One that could not be read to its end may well have members. */
static void a_broken_bundle_of_nothing_is_not_called_empty(void **state)
{
	struct court *c = *state;

	oracle_begin(c->oracle, slice_str("bundle-1"));
	end(c, false);
	bundle_of(c, "bundle-1", "012");
	assert_true(oracle_judge(c->oracle));
}

static void a_bundle_without_a_hash_fails(void **state)
{
	struct court *c = *state;
	unsigned char hash[SHA256_BYTES] = {1};

	oracle_begin(c->oracle, slice_str("bundle-1"));
	see(c, 0);
	see(c, 1);
	see(c, 2);
	oracle_end(c->oracle, true, 10, (struct slice){0}, hash);
	assert_problem(c, "no metadata content-sha256");
}

/* A file of ours under a name that it never had, beside itself or instead. */
static void our_bytes_under_another_name_fail(void **state)
{
	struct court *c = *state;
	struct untar_member m = {.name = slice_str("source_file_0002.bin"), .size = 100};

	memcpy(m.sha256, c->manifest.entries[1].sha256, SHA256_BYTES);
	oracle_begin(c->oracle, slice_str("bundle-1"));
	see(c, 0);
	see(c, 1);
	see(c, 2);
	oracle_member(c->oracle, &m);
	end(c, true);
	assert_true(oracle_is_complete(c->oracle));
	assert_int_equal(oracle_tally(c->oracle)->n_problems, 1);
	assert_problem(c, "extra: 'source_file_0002.bin' in 'bundle-1' has the bytes of 'data/");
}

static void one_under_a_wrong_name_is_missing_too(void **state)
{
	struct court *c = *state;
	struct untar_member m = {.name = slice_str("source_file_0002.bin"), .size = 100};

	memcpy(m.sha256, c->manifest.entries[1].sha256, SHA256_BYTES);
	oracle_begin(c->oracle, slice_str("bundle-1"));
	see(c, 0);
	see(c, 2);
	oracle_member(c->oracle, &m);
	end(c, true);
	assert_problem(c, "missing");
	assert_problem(c, "extra");
}

static void the_names_of_foreign_members_are_told(void **state)
{
	struct court *c = *state;

	oracle_begin(c->oracle, slice_str("bundle-1"));
	see(c, 0);
	for (int i = 0; i < ORACLE_FOREIGN_MAX + 5; i++)
		see_other(c, "data/other", false);
	end(c, true);
	assert_true(oracle_last_has_ours(c->oracle));
	assert_int_equal(oracle_last_n_foreign(c->oracle), ORACLE_FOREIGN_MAX);
	assert_string_equal(oracle_last_foreign(c->oracle, 0), "data/other");
	assert_int_equal(oracle_tally(c->oracle)->n_foreign, ORACLE_FOREIGN_MAX + 5);
	bundle_of(c, "bundle-2", "12");
	assert_int_equal(oracle_last_n_foreign(c->oracle), 0);
}

static void the_largest_bundle_is_told(void **state)
{
	struct court *c = *state;

	bundle_of(c, "bundle-1", "0");
	assert_int_equal(oracle_tally(c->oracle)->largest_bytes, 0); /* alone it may be any size */
	bundle_of(c, "bundle-2", "12");
	assert_int_equal(oracle_tally(c->oracle)->largest_bytes, 1024);
}

/* A download that broke off is read again: its members count once. */
static void a_bundle_read_twice_counts_once(void **state)
{
	struct court *c = *state;

	oracle_begin(c->oracle, slice_str("bundle-1"));
	see(c, 0);
	see(c, 1);
	end(c, false);
	bundle_of(c, "bundle-1", "012");
	assert_true(oracle_last_is_ours(c->oracle));
	assert_true(oracle_judge(c->oracle));
}

/* idempotency_check: the second round needs a second, distinct bundle. */
static void two_copies_in_two_bundles(void **state)
{
	struct court *c = *state;

	bundle_of(c, "bundle-1", "012");
	assert_true(oracle_is_complete(c->oracle));
	oracle_expect(c->oracle, 2);
	assert_false(oracle_is_complete(c->oracle));
	bundle_of(c, "bundle-2", "210");
	assert_true(oracle_is_complete(c->oracle));
	assert_true(oracle_judge(c->oracle));
	bundle_of(c, "bundle-3", "2");
	assert_problem(c, "duplicate");
}

static void one_copy_where_two_are_expected_fails(void **state)
{
	struct court *c = *state;

	oracle_expect(c->oracle, 2);
	bundle_of(c, "bundle-1", "012");
	assert_problem(c, "missing");
}

static void many_problems_are_counted_and_some_kept(void **state)
{
	struct court *c = *state;

	for (int i = 0; i < 1000; i++)
		oracle_problem(c->oracle, "problem %d", i);
	assert_int_equal(oracle_n_texts(c->oracle), ORACLE_PROBLEMS_MAX);
	assert_int_equal(oracle_tally(c->oracle)->n_problems, 1000);
	assert_string_equal(oracle_text(c->oracle, 0), "problem 0");
}

#define IN_COURT(fn) cmocka_unit_test_setup_teardown(fn, open_court, close_court)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_COURT(all_in_one_or_several_bundles_passes),
		IN_COURT(a_missing_file_fails),
		IN_COURT(an_extra_file_fails),
		IN_COURT(what_may_arrive_need_not),
		IN_COURT(what_must_not_arrive_fails),
		IN_COURT(what_must_not_arrive_fails_under_another_name_too),
		IN_COURT(a_file_in_two_bundles_fails),
		IN_COURT(a_file_twice_in_one_bundle_fails_even_when_two_are_expected),
		IN_COURT(a_wrong_hash_or_size_fails),
		IN_COURT(a_bundle_that_lies_about_its_hash_fails),
		IN_COURT(other_producers_files_are_none_of_our_business),
		IN_COURT(a_bundle_of_nothing_fails),
		IN_COURT(a_broken_bundle_of_nothing_is_not_called_empty),
		IN_COURT(a_bundle_without_a_hash_fails),
		IN_COURT(our_bytes_under_another_name_fail),
		IN_COURT(one_under_a_wrong_name_is_missing_too),
		IN_COURT(the_names_of_foreign_members_are_told),
		IN_COURT(the_largest_bundle_is_told),
		IN_COURT(a_bundle_read_twice_counts_once),
		IN_COURT(two_copies_in_two_bundles),
		IN_COURT(one_copy_where_two_are_expected_fails),
		IN_COURT(many_problems_are_counted_and_some_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
