/* contract.md, "The end-to-end scenarios": the members of a scenario file, their defaults and
 * bounds. */
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

static void every_test_type_of_the_contract_is_known(void **state)
{
	static const char *const types[] = {"s3_trigger", "idempotency_check", "direct_invoke",
		"memory_pressure", "file_not_found", "key_sanitization", "partial_batch_failure"};

	(void)state;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct arena a = ARENA_INIT;
		struct scenario s;
		char text[80];

		snprintf(text, sizeof(text), "{\"test_type\":\"%s\",\"num_files\":2}", types[i]);
		assert_int_equal(parse(text, &s, &a, NULL), RC_OK);
		assert_string_equal(scenario_type_name(s.type), types[i]);
		arena_release(&a);
	}
}

/* One file too few, or too many, for what the type is about. */
static void some_types_need_two_files(void **state)
{
	static const char *const texts[] = {"{\"test_type\":\"file_not_found\"}",
		"{\"test_type\":\"key_sanitization\",\"num_files\":3}"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct arena a = ARENA_INIT;
		struct scenario s;
		struct err err = {0};

		assert_int_equal(parse(texts[i], &s, &a, &err), RC_REFUSED);
		assert_non_null(strstr(err.text, "'num_files'"));
		arena_release(&a);
	}
}

static void scaling_shrinks_and_keeps_what_the_test_needs(void **state)
{
	static const struct {
		enum scenario_type type;
		uint64_t files, size_mb;
		double scale;
		uint64_t files_then, size_mb_then;
	} rows[] = {
		{SCENARIO_S3_TRIGGER, 400, 1, 0.05, 20, 1},
		{SCENARIO_S3_TRIGGER, 1, 100, 0.05, 1, 5},
		{SCENARIO_S3_TRIGGER, 5, 0, 0.05, 1, 0},
		{SCENARIO_S3_TRIGGER, 10000, 1, 1, 10000, 1},
		{SCENARIO_FILE_NOT_FOUND, 5, 1, 0.05, 2, 1},
		{SCENARIO_KEY_SANITIZATION, 2, 1, 0.05, 2, 1},
		{SCENARIO_DIRECT_INVOKE, 10, 50, 0.05, 10, 3},
		{SCENARIO_MEMORY_PRESSURE, 15, 30, 0.1, 15, 3},
		{SCENARIO_PARTIAL_BATCH_FAILURE, 10, 300, 0.05, 10, 15},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct scenario s = {.type = rows[i].type,
			.num_files = rows[i].files,
			.size_mb = rows[i].size_mb};

		scenario_scale(&s, rows[i].scale);
		assert_int_equal(s.num_files, rows[i].files_then);
		assert_int_equal(s.size_mb, rows[i].size_mb_then);
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
		{"04-concurrency", SCENARIO_S3_TRIGGER, GENERATOR_RANDOM, 400, 1, 25, 900},
		{"05-compressible", SCENARIO_S3_TRIGGER, GENERATOR_COMPRESSIBLE, 10, 10, 10, 120},
		{"07-idempotency", SCENARIO_IDEMPOTENCY_CHECK, GENERATOR_RANDOM, 1, 1, 1, 60},
		{"06-disk-limit", SCENARIO_DIRECT_INVOKE, GENERATOR_RANDOM, 10, 50, 10, 240},
		{"08-backlog", SCENARIO_S3_TRIGGER, GENERATOR_COMPRESSIBLE, 10000, 1, 50, 900},
		{"09-memory-pressure", SCENARIO_MEMORY_PRESSURE, GENERATOR_RANDOM, 15, 30, 1, 300},
		{"10-file-not-found", SCENARIO_FILE_NOT_FOUND, GENERATOR_RANDOM, 5, 1, 5, 120},
		{"11-key-sanitization", SCENARIO_KEY_SANITIZATION, GENERATOR_RANDOM, 2, 1, 1, 240},
		{"12-partial-batch", SCENARIO_PARTIAL_BATCH_FAILURE, GENERATOR_RANDOM, 10, 300, 10,
			1800},
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
		cmocka_unit_test(every_test_type_of_the_contract_is_known),
		cmocka_unit_test(some_types_need_two_files),
		cmocka_unit_test(scaling_shrinks_and_keeps_what_the_test_needs),
		cmocka_unit_test(what_is_no_object_is_refused),
		cmocka_unit_test(our_scenarios_have_the_contracts_numbers),
		cmocka_unit_test(a_missing_file_is_absent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
