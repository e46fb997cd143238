/* If-* and Range: RFC 9110 sections 13.2.2 and 14.2, as S3 has them. */
#include "check.h"
#include "gateway/s3/conditions.h"

#define MODIFIED_MS 1000000000500ull /* 2001-09-09T01:46:40.5Z */
#define NOW_MS 1100000000000ull
#define BEFORE "Sun, 09 Sep 2001 01:46:39 GMT"
#define EXACT "Sun, 09 Sep 2001 01:46:40 GMT"
#define AFTER "Sun, 09 Sep 2001 01:46:41 GMT"
#define FUTURE "Fri, 09 Sep 2033 01:46:41 GMT"

static void test_conditions(void **state)
{
	static const struct {
		const char *match, *none_match, *modified_since, *unmodified_since;
		enum condition_verdict verdict;
	} cases[] = {
		{NULL, NULL, NULL, NULL, CONDITION_MET},
		{"\"e\"", NULL, NULL, NULL, CONDITION_MET},
		{"e", NULL, NULL, NULL, CONDITION_MET},
		{"*", NULL, NULL, NULL, CONDITION_MET},
		{"\"a\", W/\"e\"", NULL, NULL, NULL, CONDITION_MET},
		{"\"f\"", NULL, NULL, NULL, CONDITION_FAILED},
		{"", NULL, NULL, NULL, CONDITION_FAILED},
		{NULL, "\"e\"", NULL, NULL, CONDITION_NOT_MODIFIED},
		{NULL, "*", NULL, NULL, CONDITION_NOT_MODIFIED},
		{NULL, "\"f\"", NULL, NULL, CONDITION_MET},
		{NULL, NULL, BEFORE, NULL, CONDITION_MET},
		{NULL, NULL, EXACT, NULL, CONDITION_NOT_MODIFIED},
		{NULL, NULL, AFTER, NULL, CONDITION_NOT_MODIFIED},
		{NULL, NULL, NULL, BEFORE, CONDITION_FAILED},
		{NULL, NULL, NULL, EXACT, CONDITION_MET},
		/* a date in the future or of no known form does not count */
		{NULL, NULL, FUTURE, NULL, CONDITION_MET},
		{NULL, NULL, "yesterday", NULL, CONDITION_MET},
		{NULL, NULL, NULL, "yesterday", CONDITION_MET},
		/* the ETag beats the date, both ways */
		{"\"e\"", NULL, NULL, BEFORE, CONDITION_MET},
		{"\"f\"", NULL, NULL, AFTER, CONDITION_FAILED},
		{NULL, "\"f\"", AFTER, NULL, CONDITION_MET},
		{NULL, "\"e\"", BEFORE, NULL, CONDITION_NOT_MODIFIED},
		/* and what must hold beats what spares the body */
		{"\"f\"", "\"e\"", NULL, NULL, CONDITION_FAILED},
		{NULL, "\"e\"", NULL, BEFORE, CONDITION_FAILED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct conditions c = {slice_str(cases[i].match), slice_str(cases[i].none_match),
			slice_str(cases[i].modified_since), slice_str(cases[i].unmodified_since)};

		assert_int_equal(conditions_judge(&c, "e", MODIFIED_MS, NOW_MS), cases[i].verdict);
	}
}

static void test_write_conditions(void **state)
{
	struct bs_condition w;
	struct conditions c = {.if_none_match = slice_str("*")};
	struct err err;

	(void)state;
	assert_int_equal(conditions_of_write(&c, &w, &err), RC_OK);
	assert_true(w.if_none_match_any && !w.if_match.n);
	c = (struct conditions){.if_match = slice_str("\"abc\"")};
	assert_int_equal(conditions_of_write(&c, &w, &err), RC_OK);
	assert_true(!w.if_none_match_any && slice_eq_str(w.if_match, "abc"));
	c = (struct conditions){.if_none_match = slice_str("\"abc\"")};
	assert_int_equal(conditions_of_write(&c, &w, &err), RC_REFUSED);
	assert_true(err_is(&err, "NotImplemented"));
	c = (struct conditions){.if_match = slice_str("a"), .if_none_match = slice_str("*")};
	assert_int_equal(conditions_of_write(&c, &w, &err), RC_REFUSED);
	c = (struct conditions){.if_match = slice_str("\"\"")}; /* would be no condition at all */
	assert_int_equal(conditions_of_write(&c, &w, &err), RC_REFUSED);
	assert_true(err_is(&err, "InvalidArgument"));
	c.if_match = slice_str("");
	assert_int_equal(conditions_of_write(&c, &w, &err), RC_REFUSED);
}

static void test_ranges(void **state)
{
	static const struct {
		const char *text;
		uint64_t size;
		enum range_verdict verdict;
		uint64_t offset, length;
	} cases[] = {
		{"bytes=0-0", 10, RANGE_PART, 0, 1},
		{"bytes=0-9", 10, RANGE_PART, 0, 10},
		{"bytes=3-", 10, RANGE_PART, 3, 7},
		{"bytes=9-99", 10, RANGE_PART, 9, 1},
		{"bytes=-3", 10, RANGE_PART, 7, 3},
		{"bytes=-99", 10, RANGE_PART, 0, 10},
		{"bytes=0-18446744073709551615", 10, RANGE_PART, 0, 10},
		{"bytes=0-99999999999999999999", 10, RANGE_PART, 0, 10},
		{"bytes=-99999999999999999999", 10, RANGE_PART, 0, 10},
		{"bytes=10-", 10, RANGE_UNSATISFIABLE, 0, 0},
		{"bytes=99999999999999999999-", 10, RANGE_UNSATISFIABLE, 0, 0},
		{"bytes=-0", 10, RANGE_UNSATISFIABLE, 0, 0},
		{"bytes=0-", 0, RANGE_UNSATISFIABLE, 0, 0},
		{"bytes=-1", 0, RANGE_UNSATISFIABLE, 0, 0},
		{"", 10, RANGE_WHOLE, 0, 0},
		{"bytes=", 10, RANGE_WHOLE, 0, 0},
		{"bytes=-", 10, RANGE_WHOLE, 0, 0},
		{"bytes=5-1", 10, RANGE_WHOLE, 0, 0},
		{"bytes=0-1,3-4", 10, RANGE_WHOLE, 0, 0},
		{"bytes=x-1", 10, RANGE_WHOLE, 0, 0},
		{"bytes=1", 10, RANGE_WHOLE, 0, 0},
		{"bytes=1-2 ", 10, RANGE_WHOLE, 0, 0},
		{"chars=1-2", 10, RANGE_WHOLE, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t offset = 0, length = 0;

		assert_int_equal(
			range_parse(slice_str(cases[i].text), cases[i].size, &offset, &length),
			cases[i].verdict);
		assert_int_equal(offset, cases[i].offset);
		assert_int_equal(length, cases[i].length);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conditions),
		cmocka_unit_test(test_write_conditions),
		cmocka_unit_test(test_ranges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
