/* Every alarm of obs/alarm_rules.h: what raises it, what just does not, what ends it. */
#include "check.h"

#include "obs/alarm.h"
#include "obs/baseline.h"
#include "obs/log.h"

#define SECOND 1000u
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define STEP (5 * SECOND)

/* A world whose reading only the test changes. */
struct watch {
	struct alarms *alarms;
	struct alarm_reading now;
};

static int setup(void **state)
{
	struct watch *w = test_calloc(1, sizeof(*w));

	log_configure(LOG_CRITICAL, LOG_FORMAT_JSON);
	w->alarms = alarms_new();
	w->now = (struct alarm_reading){.boot_ms = 77 * HOUR, .wall_ms = 1700000000000};
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct watch *w = *state;

	alarms_free(w->alarms);
	test_free(w);
	return 0;
}

static void pass(struct watch *w, uint64_t ms)
{
	w->now.boot_ms += ms;
	w->now.wall_ms += ms;
}

/* Readings every STEP for so long. */
static void observe_for(struct watch *w, uint64_t ms)
{
	for (uint64_t t = 0; t < ms; t += STEP) {
		pass(w, STEP);
		alarms_observe(w->alarms, &w->now);
	}
}

static const struct alarm *find(struct watch *w, const char *name)
{
	static struct alarm raised[ALARM_COUNT];
	size_t n = alarms_raised(w->alarms, raised);

	for (size_t i = 0; i < n; i++)
		if (strcmp(raised[i].name, name) == 0)
			return &raised[i];
	return NULL;
}

static void a_healthy_world_raises_nothing(void **state)
{
	struct watch *w = *state;
	struct alarm raised[ALARM_COUNT];

	w->now.received_last_minute = 6000;
	w->now.oldest_ms = 15 * SECOND;
	w->now.waiting_bundles = 12;
	observe_for(w, 5 * HOUR);
	assert_int_equal(alarms_raised(w->alarms, raised), 0);
}

static void one_dead_letter_is_critical_at_once_and_until_it_is_gone(void **state)
{
	struct watch *w = *state;

	w->now.dead_letters = 1;
	observe_for(w, STEP);
	assert_non_null(find(w, "dead-letters"));
	assert_int_equal(find(w, "dead-letters")->severity, ALARM_CRITICAL);
	assert_int_equal(find(w, "dead-letters")->raised_wall_ms, w->now.wall_ms);
	assert_string_equal(find(w, "dead-letters")->text, "1 dead letter");
	w->now.dead_letters = 0;
	observe_for(w, STEP);
	assert_null(find(w, "dead-letters"));
}

static void five_errors_within_ten_minutes_warn(void **state)
{
	struct watch *w = *state;

	for (int i = 0; i < 4; i++) {
		w->now.errors++;
		observe_for(w, MINUTE);
	}
	assert_null(find(w, "errors"));
	w->now.errors++;
	observe_for(w, STEP);
	assert_non_null(find(w, "errors"));
	assert_int_equal(find(w, "errors")->severity, ALARM_WARNING);
	observe_for(w, 10 * MINUTE);
	assert_null(find(w, "errors"));
}

static void five_errors_spread_wider_do_not(void **state)
{
	struct watch *w = *state;

	for (int i = 0; i < 20; i++) {
		w->now.errors++;
		observe_for(w, 3 * MINUTE);
		assert_null(find(w, "errors"));
	}
}

static void many_errors_at_once_count_each(void **state)
{
	struct watch *w = *state;

	w->now.errors = 5;
	observe_for(w, STEP);
	assert_non_null(find(w, "errors"));
}

static void an_old_queue_is_critical_after_five_minutes(void **state)
{
	struct watch *w = *state;

	w->now.oldest_ms = HOUR + 1;
	observe_for(w, 5 * MINUTE);
	assert_null(find(w, "queue-age"));
	observe_for(w, STEP);
	assert_non_null(find(w, "queue-age"));
	assert_int_equal(find(w, "queue-age")->severity, ALARM_CRITICAL);
}

static void an_old_queue_that_recovers_in_between_is_timed_anew(void **state)
{
	struct watch *w = *state;

	w->now.oldest_ms = HOUR + 1;
	observe_for(w, 4 * MINUTE);
	w->now.oldest_ms = HOUR;
	observe_for(w, STEP);
	w->now.oldest_ms = HOUR + 1;
	observe_for(w, 5 * MINUTE);
	assert_null(find(w, "queue-age"));
}

static void errors_and_an_old_queue_together_are_an_outage(void **state)
{
	struct watch *w = *state;

	w->now.oldest_ms = 2 * HOUR;
	observe_for(w, 6 * MINUTE);
	assert_null(find(w, "outage"));
	w->now.errors += 5;
	observe_for(w, STEP);
	assert_non_null(find(w, "outage"));
	assert_int_equal(find(w, "outage")->severity, ALARM_CRITICAL);
	w->now.oldest_ms = 0;
	observe_for(w, STEP);
	assert_null(find(w, "outage"));
	assert_non_null(find(w, "errors"));
}

static void a_thousand_bundles_for_three_hours_mean_no_consumer(void **state)
{
	struct watch *w = *state;

	w->now.waiting_bundles = 999;
	observe_for(w, 4 * HOUR);
	assert_null(find(w, "consumer"));
	w->now.waiting_bundles = 1000;
	observe_for(w, 3 * HOUR);
	assert_null(find(w, "consumer"));
	observe_for(w, STEP);
	assert_non_null(find(w, "consumer"));
	assert_int_equal(find(w, "consumer")->severity, ALARM_WARNING);
}

static void a_rate_far_from_usual_for_five_minutes_warns(void **state)
{
	struct watch *w = *state;

	w->now.received_last_minute = 6000;
	observe_for(w, 2 * HOUR);
	w->now.received_last_minute = 0;
	observe_for(w, 5 * MINUTE);
	assert_null(find(w, "inbound-rate"));
	observe_for(w, 2 * MINUTE);
	assert_non_null(find(w, "inbound-rate"));
	w->now.received_last_minute = 6100;
	observe_for(w, MINUTE);
	assert_null(find(w, "inbound-rate"));
}

static void a_new_usual_is_accepted_in_time(void **state)
{
	struct watch *w = *state;

	w->now.received_last_minute = 1000;
	observe_for(w, 2 * HOUR);
	w->now.received_last_minute = 10000;
	observe_for(w, 10 * MINUTE);
	assert_non_null(find(w, "inbound-rate"));
	observe_for(w, 12 * HOUR);
	assert_null(find(w, "inbound-rate"));
}

static void the_baseline_learns_before_it_judges(void **state)
{
	struct baseline b = {0};

	(void)state;
	for (int i = 0; i < BASELINE_LEARNING; i++)
		assert_false(baseline_is_unusual(&b, i % 2 ? 1e6 : 0, 1));
}

static void the_baseline_bears_noise_and_finds_a_jump(void **state)
{
	struct baseline b = {0};

	(void)state;
	for (int i = 0; i < 500; i++)
		assert_false(baseline_is_unusual(&b, 1000 + (i * 7919 % 300), 1));
	assert_true(baseline_is_unusual(&b, 5000, 1));
	assert_false(baseline_is_unusual(&b, 1150, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_healthy_world_raises_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(
			one_dead_letter_is_critical_at_once_and_until_it_is_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(five_errors_within_ten_minutes_warn, setup, teardown),
		cmocka_unit_test_setup_teardown(five_errors_spread_wider_do_not, setup, teardown),
		cmocka_unit_test_setup_teardown(many_errors_at_once_count_each, setup, teardown),
		cmocka_unit_test_setup_teardown(
			an_old_queue_is_critical_after_five_minutes, setup, teardown),
		cmocka_unit_test_setup_teardown(
			an_old_queue_that_recovers_in_between_is_timed_anew, setup, teardown),
		cmocka_unit_test_setup_teardown(
			errors_and_an_old_queue_together_are_an_outage, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_thousand_bundles_for_three_hours_mean_no_consumer, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_rate_far_from_usual_for_five_minutes_warns, setup, teardown),
		cmocka_unit_test_setup_teardown(a_new_usual_is_accepted_in_time, setup, teardown),
		cmocka_unit_test(the_baseline_learns_before_it_judges),
		cmocka_unit_test(the_baseline_bears_noise_and_finds_a_jump),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
