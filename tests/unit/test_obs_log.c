/* Log lines: their fields, and what the last error keeps of them. */
#include "check.h"

#include "base/json.h"
#include "obs/log.h"

static const struct {
	enum log_event id;
	enum log_level level;
} events[] = {
#define X(id, level, name, meaning) {id, level},
#include "obs/log_events.h"
#undef X
};

/* Whatever error is logged, what 'baler status' shows is its cause. */
static void test_the_last_error_has_its_cause(void **state)
{
	struct log_last last;
	char cause[64];
	size_t n = 0;

	(void)state;
	log_configure(LOG_CRITICAL + 1, LOG_FORMAT_JSON);
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		if (events[i].level < LOG_ERROR)
			continue;
		snprintf(cause, sizeof(cause), "AccessDenied number %zu", i);
		log_event(events[i].id, LF_STR(bundle, "bundle-1.tar.gz"), LF_STR(cause, cause),
			LF_U64(objects, 7));
		assert_true(log_last_error(&last));
		assert_string_equal(last.text, cause);
		n++;
	}
	assert_in_range(n, 3, 100);
}

static void test_without_a_cause_the_meaning_is_kept(void **state)
{
	struct log_last last;

	(void)state;
	log_event(EV_STEP_FAILED, LF_STR(step, "scan"));
	assert_true(log_last_error(&last));
	assert_string_equal(last.event, "step-failed");
	assert_non_null(strstr(last.text, "one round of bundling failed"));
}

/* A cause of any length, cut; a line of any bytes is JSON all the same. */
static void test_a_line_is_json_whatever_the_cause(void **state)
{
	static struct log_tail tail;
	static char cause[5000];
	struct log_last last;
	json_t *line = NULL;
	struct err err = {0};

	(void)state;
	memset(cause, 'x', sizeof(cause) - 1);
	cause[1] = '\x1b';
	cause[2] = '\x9b';
	cause[3] = '"';
	log_tail_begin(&tail);
	log_event(EV_STEP_FAILED, LF_STR(step, "scan"), LF_STR(cause, cause), LF_U64(objects, 7));
	log_tail_end();
	assert_int_equal(json_parse(slice_of(tail.bytes, tail.n), LOG_TAIL_BYTES, &line, &err), RC_OK);
	assert_int_equal(json_integer_value(json_object_get(line, "objects")), 7);
	assert_string_equal(json_string_value(json_object_get(line, "step")), "scan");
	assert_in_range(json_string_length(json_object_get(line, "cause")), 1000, 1040);
	for (size_t i = 0; i + 1 < tail.n; i++)
		assert_in_range(tail.bytes[i], 0x20, 0xff);
	assert_true(log_last_error(&last));
	assert_int_equal(strlen(last.text), sizeof(last.text) - 1);
	json_decref(line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_last_error_has_its_cause),
		cmocka_unit_test(test_without_a_cause_the_meaning_is_kept),
		cmocka_unit_test(test_a_line_is_json_whatever_the_cause),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
