/*
 * The table of what each failure does, a test a row, end to end: the pipeline over a real data folder, its faults at the ports,
 * its dead letters as an operator sees them. docs/failures.md says which row is which test.
 */
#include "check.h"

#include "local_fixture.h"

#include "adapter/wrap/fault.h"
#include "base/json.h"
#include "core/direct.h"
#include "core/pipeline.h"
#include "model/s3_event.h"
#include "obs/log.h"
#include "port/operator.h"

#define LANDING "landing"
#define DISTRIBUTION "distribution"
#define ARCHIVE "archive"
#define MAX_RECEIVES 5
#define STEPS_MAX 4000

struct fixture {
	struct local_fixture local;
	struct op_port *op;
	struct prng prng;
	struct fault fault;
	struct pipeline_config cfg;
	struct pipeline *p;
	struct arena arena;
	const char *verb;
	enum fault_action action;
	int n;            /* so many of the verb's calls meet the action; -1: all */
	uint64_t slow_ms; /* of each call of the verb */
};

static enum fault_action decide(void *arg, const char *verb)
{
	struct fixture *f = arg;

	if (!f->verb || strcmp(verb, f->verb) != 0)
		return FAULT_PASS;
	clock_sleep_ms(&f->local.clock, f->slow_ms);
	if (f->n == 0)
		return FAULT_PASS;
	f->n -= f->n > 0;
	return f->action;
}

static void configure(struct fixture *f)
{
	pipeline_config_init(&f->cfg);
	f->cfg.ports = (struct pipeline_ports){
		.landing = fault_object_store_new(local_object_store(f->local.local), &f->fault),
		.distribution = local_object_store(f->local.local),
		.queue = local_event_queue(f->local.local),
		.ledger = local_ledger(f->local.local),
		.clock = &f->local.clock,
		.prng = &f->prng};
	f->cfg.owner = "test";
	f->cfg.landing_bucket = LANDING;
	f->cfg.distribution_bucket = DISTRIBUTION;
	f->cfg.archive_bucket = ARCHIVE;
	f->cfg.batch_window_ms = 1000;
	f->cfg.receive_wait_ms = 1;
	f->cfg.sole_owner = true;
	f->p = pipeline_new(&f->cfg);
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	struct local_operator_config op = {"test", LANDING, "data/", DISTRIBUTION, true};

	log_configure(LOG_CRITICAL + 1, LOG_FORMAT_JSON);
	fixture_init(&f->local, MAX_RECEIVES);
	fixture_bucket(&f->local, LANDING, BS_ENABLED);
	fixture_bucket(&f->local, DISTRIBUTION, BS_ENABLED);
	fixture_bucket(&f->local, ARCHIVE, BS_ENABLED);
	f->op = local_operator_new(f->local.local, &op);
	f->prng = prng_seeded(3);
	f->fault = (struct fault){.decide = decide, .arg = f};
	configure(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	pipeline_free(f->p);
	fault_release(&f->fault);
	os_close(f->cfg.ports.landing);
	op_close(f->op);
	fixture_release(&f->local);
	arena_release(&f->arena);
	free(f);
	return 0;
}

static enum rc read_text(void *arg, void *out, size_t max, size_t *ret_n, struct err *err)
{
	struct slice *left = arg;

	(void)err;
	*ret_n = left->n < max ? left->n : max;
	if (*ret_n)
		memcpy(out, left->p, *ret_n);
	*left = slice_of(left->p + *ret_n, left->n - *ret_n);
	return RC_OK;
}

/* What the event of it would say. */
static struct s3_event_record put(struct fixture *f, const char *key, const char *body)
{
	struct slice left = slice_str(body);
	struct os_source source = {read_text, &left};
	struct os_object info;
	struct err err = {0};

	if (os_put(local_object_store(f->local.local), slice_str(LANDING), slice_str(key),
		    (struct slice){0}, strlen(body), &source, &f->arena, &info, &err) != RC_OK)
		fail_msg("%s", err.text);
	return (struct s3_event_record){.object = {slice_str(LANDING), info.key, info.version},
		.event_name = slice_str("ObjectCreated:Put"),
		.etag = info.etag,
		.size = strlen(body),
		.has_size = true,
		.time_wall_ms = clock_wall_ms(&f->local.clock)};
}

static void send(struct fixture *f, struct slice body)
{
	enum rc result = RC_FATAL;

	assert_int_equal(eq_send(f->cfg.ports.queue, &body, 1, &result, NULL), RC_OK);
	assert_int_equal(result, RC_OK);
}

/* Returns the message's bytes. */
static struct slice announce(struct fixture *f, const struct s3_event_record *rec)
{
	struct slice text;
	struct buf b;

	buf_init(&b, S3_EVENT_MAX_BYTES);
	assert_true(s3_event_write(&b, rec, "eu-central-1", "req"));
	text = arena_slice(&f->arena, buf_slice(&b));
	buf_release(&b);
	send(f, text);
	return text;
}

static struct eq_stat queue(struct fixture *f)
{
	struct eq_stat st;

	assert_int_equal(eq_stat(f->cfg.ports.queue, &st, NULL), RC_OK);
	return st;
}

/* Until the queue is empty; time is moved on when there is nothing to do. */
static void run(struct fixture *f)
{
	for (int i = 0; i < STEPS_MAX; i++) {
		struct eq_stat st = queue(f);
		struct err err = {0};

		if (!st.visible && !st.in_flight)
			return;
		if (pipeline_step(f->p, &err) == PIPELINE_FATAL)
			fail_msg("%s", err.text);
		fixture_pass(&f->local.clock, 1000);
	}
	fail_msg("the queue does not become empty");
}

/* The manifests of the bundles that a consumer sees. */
struct shown {
	size_t n_bundles, n_members;
	json_t *manifests[8];
};

static enum rc text_begin(void *arg, size_t i, const struct os_object *info, struct err *err)
{
	(void)arg;
	(void)i;
	(void)info;
	(void)err;
	return RC_OK;
}

static enum rc text_data(void *arg, size_t i, struct slice bytes, struct err *err)
{
	(void)i;
	(void)err;
	return buf_add_slice(arg, bytes) ? RC_OK : RC_REFUSED;
}

static enum rc text_end(
	void *arg, size_t i, enum rc outcome, const struct err *why, struct err *err)
{
	(void)arg;
	(void)i;
	(void)why;
	(void)err;
	return outcome;
}

static json_t *read_json(struct fixture *f, struct slice key)
{
	struct object_id id = {slice_str(ARCHIVE), key, {0}};
	struct buf bytes;
	struct os_sink sink = {text_begin, text_data, text_end, &bytes};
	json_t *root = NULL;

	buf_init(&bytes, 1 << 20);
	assert_int_equal(os_get_many(f->cfg.ports.distribution, &id, 1, &sink, NULL), RC_OK);
	assert_int_equal(json_parse(buf_slice(&bytes), 1 << 20, &root, NULL), RC_OK);
	buf_release(&bytes);
	return root;
}

static struct shown look(struct fixture *f)
{
	struct os_list_query q = {.bucket = slice_str(DISTRIBUTION), .max = 100, .versions = true};
	struct os_list_page page;
	struct shown s = {0};

	assert_int_equal(os_list(f->cfg.ports.distribution, &q, &f->arena, &page, NULL), RC_OK);
	assert_in_range(page.n, 0, 8);
	for (size_t i = 0; i < page.n; i++) {
		char *key = arena_printf(
			&f->arena, "manifests/" SLICE_FMT ".json", SLICE_ARG(page.objects[i].key));

		s.manifests[s.n_bundles] = read_json(f, slice_str(key));
		s.n_members +=
			json_array_size(json_object_get(s.manifests[s.n_bundles++], "members"));
	}
	return s;
}

static void forget(struct shown *s)
{
	for (size_t i = 0; i < s->n_bundles; i++)
		json_decref(s->manifests[i]);
}

/* In how many bundles this version is. */
static size_t times_shipped(const struct shown *s, const struct s3_event_record *rec)
{
	size_t n = 0, j;
	json_t *m;

	for (size_t i = 0; i < s->n_bundles; i++) {
		json_array_foreach(json_object_get(s->manifests[i], "members"), j, m)
		{
			n += slice_eq(json_member_str(m, "key"), rec->object.key) &&
			     slice_eq(json_member_str(m, "versionId"), rec->object.version);
		}
	}
	return n;
}

/* How many bundles and members there are, and that rec is in n of them. */
static void assert_shown(struct fixture *f, size_t n_bundles, size_t n_members,
	const struct s3_event_record *rec, size_t n)
{
	struct shown s = look(f);

	assert_int_equal(s.n_bundles, n_bundles);
	assert_int_equal(s.n_members, n_members);
	if (rec)
		assert_int_equal(times_shipped(&s, rec), n);
	forget(&s);
}

/* Exactly one dead letter, with the original message, this code, a reason, the time and so many attempts. */
static void assert_dead(
	struct fixture *f, struct slice message, const char *code, uint32_t attempts)
{
	struct op_dead_page page;

	assert_int_equal(op_dead_list(f->op, &f->arena, "", 10, &page, NULL), RC_OK);
	assert_int_equal(page.n, 1);
	assert_true(slice_eq(page.dead[0].message, message));
	assert_slice_is(page.dead[0].code, code);
	assert_true(page.dead[0].reason.n > 0);
	assert_int_equal(page.dead[0].attempts, attempts);
	assert_true(page.dead[0].died_wall_ms >= page.dead[0].sent_wall_ms);
}

static void assert_none_dead(struct fixture *f)
{
	assert_int_equal(queue(f).dead, 0);
}

static void row_not_json_is_a_dead_letter_at_once(void **state)
{
	struct fixture *f = *state;

	send(f, slice_str("{\"Records\":"));
	run(f);
	assert_dead(f, slice_str("{\"Records\":"), "not-json", 1);
	assert_shown(f, 0, 0, NULL, 0);
}

static void row_no_records_is_a_dead_letter_at_once(void **state)
{
	struct fixture *f = *state;

	send(f, slice_str("{\"Event\":\"s3:SomethingElse\"}"));
	run(f);
	assert_dead(f, slice_str("{\"Event\":\"s3:SomethingElse\"}"), "not-an-event", 1);
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
		assert_dead(f, message, "object-missing", 1);
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
	assert_dead(f, message, "max-receives", MAX_RECEIVES);
	assert_int_equal(pipeline_stats(f->p).retries, MAX_RECEIVES);
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
	assert_dead(f, message, "max-receives", MAX_RECEIVES);
}

static void row_denied_is_retried_then_dead(void **state)
{
	struct fixture *f = *state;
	struct s3_event_record rec = put(f, "data/k", "secret");
	struct slice message = announce(f, &rec);

	f->verb = "get_many";
	f->action = FAULT_DENY;
	f->n = -1;
	run(f);
	assert_shown(f, 0, 0, NULL, 0);
	assert_dead(f, message, "max-receives", MAX_RECEIVES);
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

/* Far more often than max_receives: an outage makes no dead letters. Each pause is longer, and while it lasts the message is visible
 * to nobody and after it to anybody. */
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

/* Two of three are begun before the guard; the third is left, and nothing of it is in the bundle. */
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
		assert_dead(f, message, keys[i].code, 1);
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

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(row_not_json_is_a_dead_letter_at_once),
		TEST(row_no_records_is_a_dead_letter_at_once),
		TEST(row_a_test_event_is_acknowledged_and_dropped),
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
