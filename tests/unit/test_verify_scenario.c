/* contract.md, "The end-to-end scenarios": the members of a scenario file, their defaults and bounds. */
#include "check.h"

#include <stdio.h>

#include "verify/scenario.h"

static enum rc parse(const char *text, struct scenario *ret, struct arena *a, struct err *err)
{
	return scenario_parse(slice_str(text), a, ret, err);
}

static void every_member_is_read(void **state)
{
	struct arena a = ARENA_INIT;
	struct scenario s;
	struct err err;

	(void)state;
	assert_int_equal(
		parse("{\"description\":\"d\",\"landing_bucket\":\"in\",\"distribution_bucket\":"
		      "\"out\",\"test_type\":\"idempotency_check\",\"generator_type\":"
		      "\"compressible\",\"num_files\":7,\"size_mb\":3,\"concurrency\":5,"
		      "\"timeout_seconds\":9,\"lambda_function_name\":\"f\",\"report_file\":\"r."
		      "xml\""
		      ",\"keep_files\":true,\"verbose\":true}",
			&s, &a, &err),
		RC_OK);
	assert_string_equal(s.description, "d");
	assert_string_equal(s.landing_bucket, "in");
	assert_string_equal(s.distribution_bucket, "out");
	assert_int_equal(s.type, SCENARIO_IDEMPOTENCY_CHECK);
	assert_int_equal(s.generator, GENERATOR_COMPRESSIBLE);
	assert_int_equal(s.num_files, 7);
	assert_int_equal(s.size_mb, 3);
	assert_int_equal(s.concurrency, 5);
	assert_int_equal(s.timeout_s, 9);
	assert_string_equal(s.lambda_function_name, "f");
	assert_string_equal(s.report_file, "r.xml");
	assert_true(s.keep_files && s.verbose);
	arena_release(&a);
}

static void the_defaults_are_the_contracts(void **state)
{
	struct arena a = ARENA_INIT;
	struct scenario s;
	struct err err;

	(void)state;
	assert_int_equal(parse("{}", &s, &a, &err), RC_OK);
	assert_string_equal(s.landing_bucket, "data-aggregator-landing-dev");
	assert_string_equal(s.distribution_bucket, "data-aggregator-distribution-dev");
	assert_int_equal(s.type, SCENARIO_S3_TRIGGER);
	assert_int_equal(s.generator, GENERATOR_RANDOM);
	assert_false(s.keep_files);
	assert_null(s.report_file);
	arena_release(&a);
}

/* Each is refused, and the sentence names the member. */
static void a_wrong_member_is_named(void **state)
{
	static const char *const cases[][2] = {
		{"{\"num_file\":1}", "num_file"},
		{"{\"num_files\":\"1\"}", "num_files"},
		{"{\"num_files\":0}", "num_files"},
		{"{\"num_files\":-1}", "num_files"},
		{"{\"num_files\":1.5}", "num_files"},
		{"{\"num_files\":1000001}", "num_files"},
		{"{\"size_mb\":null}", "size_mb"},
		{"{\"size_mb\":5121}", "size_mb"},
		{"{\"concurrency\":0}", "concurrency"},
		{"{\"timeout_seconds\":true}", "timeout_seconds"},
		{"{\"keep_files\":1}", "keep_files"},
		{"{\"verbose\":\"yes\"}", "verbose"},
		{"{\"description\":[]}", "description"},
		{"{\"landing_bucket\":\"\"}", "landing_bucket"},
		{"{\"distribution_bucket\":\"\"}", "distribution_bucket"},
		{"{\"report_file\":{}}", "report_file"},
		{"{\"generator_type\":\"zeros\"}", "generator_type"},
		{"{\"test_type\":\"nonsense\"}", "test_type"},
		{"{\"test_type\":3}", "test_type"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct arena a = ARENA_INIT;
		struct scenario s;
		struct err err = {0};

		if (parse(cases[i][0], &s, &a, &err) != RC_REFUSED)
			fail_msg("%s is taken", cases[i][0]);
		if (!strstr(err.text, cases[i][1]))
			fail_msg("%s: '%s'", cases[i][0], err.text);
		arena_release(&a);
	}
}

static void later_test_types_are_told_from_unknown_ones(void **state)
{
	static const char *const later[] = {"direct_invoke", "memory_pressure", "file_not_found",
		"key_sanitization", "partial_batch_failure"};

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		struct arena a = ARENA_INIT;
		struct scenario s;
		struct err err = {0};
		char text[80];

		snprintf(text, sizeof(text), "{\"test_type\":\"%s\"}", later[i]);
		assert_int_equal(parse(text, &s, &a, &err), RC_REFUSED);
		assert_non_null(strstr(err.text, "is not supported yet"));
		arena_release(&a);
	}
}

static void what_is_no_object_is_refused(void **state)
{
	static const char *const texts[] = {"", "[]", "3", "{", "{\"a\":1,}", "null"};
	struct arena a = ARENA_INIT;
	struct scenario s;

	(void)state;
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(parse(texts[i], &s, &a, NULL), RC_REFUSED);
	arena_release(&a);
}

/* The files this project ships have contract.md's numbers. */
static void our_scenarios_have_the_contracts_numbers(void **state)
{
	static const struct {
		const char *file;
		enum scenario_type type;
		enum generator_kind generator;
		uint64_t num_files, size_mb, concurrency, timeout_s;
	} rows[] = {
		{"00-single-file", SCENARIO_S3_TRIGGER, GENERATOR_RANDOM, 1, 1, 1, 120},
		{"01-batching", SCENARIO_S3_TRIGGER, GENERATOR_RANDOM, 50, 1, 16, 120},
		{"02-large-file", SCENARIO_S3_TRIGGER, GENERATOR_RANDOM, 1, 100, 1, 120},
		{"03-zero-byte", SCENARIO_S3_TRIGGER, GENERATOR_RANDOM, 5, 0, 5, 120},
		{"05-compressible", SCENARIO_S3_TRIGGER, GENERATOR_COMPRESSIBLE, 10, 10, 10, 120},
		{"07-idempotency", SCENARIO_IDEMPOTENCY_CHECK, GENERATOR_RANDOM, 1, 1, 1, 60},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct arena a = ARENA_INIT;
		struct scenario s;
		struct err err = {0};
		char path[512];

		snprintf(path, sizeof(path), "%s/%s.json", SCENARIOS, rows[i].file);
		if (scenario_read(path, &a, &s, &err) != RC_OK)
			fail_msg("%s", err.text);
		assert_int_equal(s.type, rows[i].type);
		assert_int_equal(s.generator, rows[i].generator);
		assert_int_equal(s.num_files, rows[i].num_files);
		assert_int_equal(s.size_mb, rows[i].size_mb);
		assert_int_equal(s.concurrency, rows[i].concurrency);
		assert_int_equal(s.timeout_s, rows[i].timeout_s);
		arena_release(&a);
	}
}

static void a_missing_file_is_absent(void **state)
{
	struct arena a = ARENA_INIT;
	struct scenario s;
	struct err err = {0};

	(void)state;
	assert_int_equal(scenario_read("no/such/scenario.json", &a, &s, &err), RC_ABSENT);
	assert_non_null(strstr(err.text, "no/such/scenario.json"));
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_member_is_read),
		cmocka_unit_test(the_defaults_are_the_contracts),
		cmocka_unit_test(a_wrong_member_is_named),
		cmocka_unit_test(later_test_types_are_told_from_unknown_ones),
		cmocka_unit_test(what_is_no_object_is_refused),
		cmocka_unit_test(our_scenarios_have_the_contracts_numbers),
		cmocka_unit_test(a_missing_file_is_absent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
