/*
 * The table of what each failure does, a test a row, end to end: the pipeline over a real data
 * folder, its faults at the ports, its dead letters as an operator sees them. docs/failures.md says
 * which row is which test.
 */
#include "failures_fixture.h"

static void row_not_json_is_a_dead_letter_at_once(void **state)
{
	struct fixture *f = *state;

	send(f, slice_str("{\"Records\":"));
	run(f);
	assert_dead(f, slice_str("{\"Records\":"), "not-json", "not JSON", 1);
	assert_shown(f, 0, 0, NULL, 0);
}

static void row_no_records_is_a_dead_letter_at_once(void **state)
{
	struct fixture *f = *state;

	send(f, slice_str("{\"Event\":\"s3:SomethingElse\"}"));
	run(f);
	assert_dead(
		f, slice_str("{\"Event\":\"s3:SomethingElse\"}"), "not-an-event", "no Records", 1);
}

static void row_a_test_event_is_acknowledged_and_dropped(void **state)
{
	struct fixture *f = *state;

	send(f, slice_str(
			"{\"Service\":\"Amazon S3\",\"Event\":\"s3:TestEvent\",\"Bucket\":\"b\"}"));
	run(f);
	assert_none_dead(f);
	assert_shown(f, 0, 0, NULL, 0);
}

static void row_another_bucket_is_a_dead_letter_and_never_read(void **state)
{
	struct fixture *f = *state;
	struct s3_event_record rec = put(f, "data/k", "bytes");
	struct slice message;

	rec.object.bucket = slice_str(ARCHIVE);
	message = announce(f, &rec);
	run(f);
	assert_dead(f, message, "wrong-bucket", "not the landing bucket", 1);
	assert_shown(f, 0, 0, NULL, 0);
}

static void row_an_event_that_created_nothing_is_acknowledged(void **state)
{
	struct fixture *f = *state;
	struct s3_event_record rec = put(f, "data/k", "bytes");

	rec.event_name = slice_str("ObjectRemoved:Delete");
	announce(f, &rec);
	run(f);
	assert_none_dead(f);
	assert_shown(f, 0, 0, NULL, 0);
}

/* The worker dies right before or right after it sends the dead letter: there is one, with the
 * reason. */
static void row_a_death_around_the_dead_letter_makes_exactly_one(void **state)
{
	static const enum fault_action actions[] = {FAULT_CRASH_BEFORE, FAULT_CRASH_AFTER};

	for (uint32_t i = 0; i < 2; i++) {
		struct s3_event_record rec;
		struct slice message;
		struct fixture *f;

		setup(state);
		f = *state;
		fault_all_ports(f);
		rec = put(f, "data/k", "gone");
		rec.object.key = slice_str("data/never");
		message = announce(f, &rec);
		f->verb = "dead_letter";
		f->action = actions[i];
		f->n = 1;
		while (step_on(f) != PIPELINE_FATAL)
			;
		restart(f);
		run(f);
		/* sent before it died, or at the second delivery */
		assert_dead(
			f, message, "object-missing", "the object or its version is gone", 2 - i);
		assert_shown(f, 0, 0, NULL, 0);
		teardown(state);
	}
}

/* Also when the worker that claimed it first has died with it: the second claim vouches for no more
 * than the first. */
static void row_too_old_for_the_ledger_is_a_dead_letter(void **state)
{
	static const char *const verbs[] = {NULL, "claim", "get_many"};

	for (size_t i = 0; i < 3; i++) {
		struct s3_event_record old, good;
		struct slice message;
		struct fixture *f;

		setup(state);
		f = *state;
		fault_all_ports(f);
		old = put(f, "data/old", "bytes");
		good = put(f, "data/good", "bytes");
		old.time_wall_ms -= UINT64_C(40) * 24 * 3600 * 1000;
		message = announce(f, &old);
		announce(f, &good);
		f->verb = verbs[i];
		f->action = FAULT_CRASH_AFTER;
		f->n = 1;
		while (f->verb && step_on(f) != PIPELINE_FATAL)
			;
		restart(f);
		run(f);
		assert_dead(f, message, "too-old", "older than the ledger can vouch for",
			verbs[i] ? 2 : 1);
		assert_shown(f, 1, 1, &good, 1);
		teardown(state);
	}
}

#define STAGE_LIMIT (65536 + 4096)

static uint64_t stage_max_of_a_store_with_small_records(struct object_store *os, size_t record_bytes)
{
	(void)os;
	/* an archive's copy has a record too */
	assert_true(record_bytes > 100000 && record_bytes < LG_STAGED_MAX / 2);
	return STAGE_LIMIT;
}

/* What can never be staged is not fetched again and again: with its size announced it is not even
 * read. Others ship. */
static void row_too_large_for_any_stage_is_a_dead_letter(void **state)
{
	for (int announced = 0; announced < 2; announced++) {
		struct object_store_ops limited;
		struct s3_event_record large, good;
		const struct object_store_ops *ops;
		struct object_store *store;
		struct slice message;
		struct fixture *f;
		char body[STAGE_LIMIT + 1];

		setup(state);
		f = *state;
		store = local_object_store(f->local.local);
		ops = store->ops;
		limited = *ops;
		limited.stage_max = stage_max_of_a_store_with_small_records;
		store->ops = &limited;
		restart(f);
		memset(body, 'x', STAGE_LIMIT);
		body[STAGE_LIMIT] = '\0';
		large = put(f, "data/large", body);
		large.has_size = announced;
		good = put(f, "data/good", "bytes");
		message = announce(f, &large);
		announce(f, &good);
		run(f);
		assert_dead(f, message, "too-large", "the object has 69632 bytes; the largest", 1);
		assert_shown(f, 1, 1, &good, 1);
		store->ops = ops;
		teardown(state);
	}
}

/* By key, by version, by delete marker: the bundle ships without it. */
static void row_what_is_gone_is_left_out_and_a_dead_letter(void **state)
{
	for (int how = 0; how < 3; how++) {
		struct s3_event_record gone, good;
		struct object_id id;
		struct slice message;
		struct fixture *f;
		enum rc result;

		setup(state);
		f = *state;
		gone = put(f, "data/gone", "gone");
		good = put(f, "data/good", "good");
		if (how == 0)
			gone.object.key = slice_str("data/never");
		id = gone.object;
		if (how == 2) /* the event has no version: what is latest is a marker */
			id.version = gone.object.version = (struct slice){0};
		if (how > 0)
			assert_int_equal(os_delete_many(f->cfg.ports.distribution, id.bucket, &id,
						 1, &result, NULL),
				RC_OK);
		message = announce(f, &gone);
		announce(f, &good);
		run(f);
		assert_shown(f, 1, 1, &good, 1);
		assert_dead(f, message, "object-missing", "is gone", 1);
		teardown(state);
	}
}

static void row_overwritten_before_processing_each_event_ships_its_version(void **state)
{
	struct fixture *f = *state;
	struct s3_event_record first = put(f, "data/k", "first"), second = put(f, "data/k", "2nd");
	struct shown s;

	announce(f, &first);
	announce(f, &second);
	run(f);
	s = look(f);
	assert_int_equal(s.n_bundles, 2); /* one name: two bundles */
	assert_int_equal(times_shipped(&s, &first), 1);
	assert_int_equal(times_shipped(&s, &second), 1);
	forget(&s);
	assert_none_dead(f);
}

static void row_another_size_is_never_bundled_retried_then_dead(void **state)
{
	struct fixture *f = *state;
	struct s3_event_record rec = put(f, "data/k", "four"), good = put(f, "data/g", "good");
	struct slice message;

	rec.size++;
	message = announce(f, &rec);
	announce(f, &good);
	run(f);
	assert_shown(f, 1, 1, &good, 1);
	assert_dead(f, message, "object-mismatch", "the event says 5 bytes, the object has 4",
		MAX_RECEIVES);
	assert_int_equal(pipeline_stats(f->p).retries, MAX_RECEIVES - 1);
}

static void row_another_etag_is_never_bundled_retried_then_dead(void **state)
{
	struct fixture *f = *state;
	struct s3_event_record rec = put(f, "data/k", "four");
	struct slice message;

	rec.etag = slice_str("00112233445566778899aabbccddeeff");
	message = announce(f, &rec);
	run(f);
	assert_shown(f, 0, 0, NULL, 0);
	assert_dead(f, message, "object-mismatch",
		"the event says ETag '00112233445566778899aabbccddeeff', the object has '",
		MAX_RECEIVES);
}

static void row_denied_is_retried_then_dead(void **state)
{
	struct fixture *f = *state;
	struct s3_event_record rec = put(f, "data/k", "secret");
	struct slice message = announce(f, &rec);

	uint64_t began = clock_boot_ms(&f->local.clock);

	f->verb = "get_many";
	f->action = FAULT_DENY;
	f->n = -1;
	run(f);
	/* who rolls a policy out has some minutes */
	assert_in_range(clock_boot_ms(&f->local.clock) - began, 500000, 1200000);
	assert_shown(f, 0, 0, NULL, 0);
	assert_dead(f, message, "access-denied", "a fault on purpose", MAX_RECEIVES);
}

static void row_denied_for_a_while_ships_when_the_policy_is_there(void **state)
{
	struct fixture *f = *state;
	struct s3_event_record rec = put(f, "data/k", "secret");

	announce(f, &rec);
	f->verb = "get_many";
	f->action = FAULT_DENY;
	f->n = MAX_RECEIVES - 1;
	run(f);
	assert_shown(f, 1, 1, &rec, 1);
	assert_none_dead(f);
}

/* Far more often than max_receives: an outage makes no dead letters. Each pause is longer, and
 * while it lasts the message is visible to nobody and after it to anybody. */
static void row_throttled_is_retried_with_backoff_and_not_counted(void **state)
{
	struct fixture *f = *state;
	struct s3_event_record rec = put(f, "data/k", "busy");
	uint64_t began = clock_boot_ms(&f->local.clock);

	announce(f, &rec);
	f->verb = "get_many";
	f->action = FAULT_AGAIN;
	f->n = 3 * MAX_RECEIVES;
	run(f);
	assert_int_equal(f->n, 0);
	assert_shown(f, 1, 1, &rec, 1);
	assert_none_dead(f);
	assert_true(pipeline_stats(f->p).failures >= 3 * MAX_RECEIVES);
	/* 2 s doubled to 120 s, at least half of each */
	assert_true(clock_boot_ms(&f->local.clock) - began > 500000);
}

static void row_the_byte_limit_closes_the_bundle_and_the_rest_is_not_counted(void **state)
{
	struct fixture *f = *state;
	struct s3_event_record rec[3];

	pipeline_free(f->p);
	f->cfg.batch_max_bytes = 1024; /* two blocks */
	f->p = pipeline_new(&f->cfg);
	for (int i = 0; i < 3; i++) {
		rec[i] = put(f, arena_printf(&f->arena, "data/%d", i), "one block");
		announce(f, &rec[i]);
	}
	run(f);
	assert_shown(f, 2, 3, &rec[2], 1);
	assert_none_dead(f);
	assert_int_equal(pipeline_stats(f->p).retries, 0);
}

/* Two of three are begun before the guard; the third is left, and nothing of it is in the
 * bundle. */
static void row_the_time_guard_closes_the_bundle_with_what_it_holds(void **state)
{
	struct fixture *f = *state;
	atomic_bool stopping = false;
	struct s3_event_record rec[3];
	struct direct_job job = {.cfg = &f->cfg, .records = rec, .n = 3, .stopping = &stopping};
	struct direct_result res;

	for (int i = 0; i < 3; i++)
		rec[i] = put(f, arena_printf(&f->arena, "data/%d", i), "some bytes");
	f->verb = "get_many";
	f->slow_ms = 5000; /* before the first object */
	job.close_boot_ms = clock_boot_ms(&f->local.clock) + 1000;
	assert_int_equal(direct_run(&job, &res, NULL), RC_OK);
	assert_true(res.by_time);
	assert_int_equal(res.n_processed, 1); /* never an empty bundle for lack of time */
	assert_int_equal(res.n_left, 2);
	assert_int_equal(res.n_failed, 0);
	assert_shown(f, 1, 1, &rec[0], 1);
	f->verb = NULL;
	job.close_boot_ms = clock_boot_ms(&f->local.clock) + 100000;
	assert_int_equal(direct_run(&job, &res, NULL), RC_OK);
	assert_false(res.by_time);
	assert_int_equal(res.n_processed, 3);
}

static void row_nothing_left_publishes_nothing(void **state)
{
	struct fixture *f = *state;
	struct s3_event_record rec = put(f, "data/k", "gone");
	enum rc result;

	os_delete_many(f->cfg.ports.distribution, rec.object.bucket, &rec.object, 1, &result, NULL);
	announce(f, &rec);
	run(f);
	assert_int_equal(queue(f).dead, 1);
	assert_shown(f, 0, 0, NULL, 0);
}

static void row_a_rejected_key_is_a_dead_letter_at_once_with_its_code(void **state)
{
	static const struct {
		const char *key, *code;
	} keys[] = {{"data/../evil", "UNSAFE_S3_KEY_PATH"}, {"data/ x", "INVALID_S3_KEY_FORMAT"},
		{"data/\xe2\x80\xaex", "INVALID_S3_KEY_CHARACTER"}};

	for (size_t i = 0; i < 3; i++) {
		struct s3_event_record rec;
		struct slice message;
		struct fixture *f;

		setup(state);
		f = *state;
		rec = put(f, keys[i].key, "bytes");
		message = announce(f, &rec);
		run(f);
		assert_dead(f, message, keys[i].code, "", 1);
		assert_true(the_dead(f).reason.n > 0);
		assert_shown(f, 0, 0, NULL, 0);
		teardown(state);
	}
}

static void row_two_keys_of_one_name_ship_in_two_bundles(void **state)
{
	struct fixture *f = *state;
	struct s3_event_record a = put(f, "data/x", "a"), b = put(f, "data//x", "b");

	announce(f, &a);
	announce(f, &b);
	run(f);
	assert_shown(f, 2, 2, &a, 1);
	assert_shown(f, 2, 2, &b, 1);
	assert_none_dead(f);
}

/* Extracted from one bundle, one of them would be lost, or end the extraction. */
static void row_names_that_cannot_lie_side_by_side_ship_in_two_bundles(void **state)
{
	struct fixture *f = *state;
	struct s3_event_record a = put(f, "data/x", "a"), b = put(f, "data/X", "b"),
			       c = put(f, "data/x/y", "c");

	announce(f, &a);
	announce(f, &b);
	announce(f, &c);
	run(f);
	assert_shown(f, 3, 3, &a, 1);
	assert_shown(f, 3, 3, &b, 1);
	assert_shown(f, 3, 3, &c, 1);
	assert_none_dead(f);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(row_not_json_is_a_dead_letter_at_once),
		TEST(row_no_records_is_a_dead_letter_at_once),
		TEST(row_a_test_event_is_acknowledged_and_dropped),
		TEST(row_another_bucket_is_a_dead_letter_and_never_read),
		TEST(row_an_event_that_created_nothing_is_acknowledged),
		cmocka_unit_test(row_too_old_for_the_ledger_is_a_dead_letter),
		cmocka_unit_test(row_too_large_for_any_stage_is_a_dead_letter),
		cmocka_unit_test(row_a_death_around_the_dead_letter_makes_exactly_one),
		cmocka_unit_test(row_what_is_gone_is_left_out_and_a_dead_letter),
		TEST(row_overwritten_before_processing_each_event_ships_its_version),
		TEST(row_another_size_is_never_bundled_retried_then_dead),
		TEST(row_another_etag_is_never_bundled_retried_then_dead),
		TEST(row_denied_is_retried_then_dead),
		TEST(row_denied_for_a_while_ships_when_the_policy_is_there),
		TEST(row_throttled_is_retried_with_backoff_and_not_counted),
		TEST(row_the_byte_limit_closes_the_bundle_and_the_rest_is_not_counted),
		TEST(row_the_time_guard_closes_the_bundle_with_what_it_holds),
		TEST(row_nothing_left_publishes_nothing),
		cmocka_unit_test(row_a_rejected_key_is_a_dead_letter_at_once_with_its_code),
		TEST(row_two_keys_of_one_name_ship_in_two_bundles),
		TEST(row_names_that_cannot_lie_side_by_side_ship_in_two_bundles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
