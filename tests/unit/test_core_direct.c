/* An invocation: records without queue and ledger, and messages of another's queue. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/direct.h"
#include "core/messages.h"
#include "fault.h"
#include "obs/log.h"
#include "world.h"

#define N 10

struct fixture {
	struct world w;
	struct prng prng;
	struct fault fault;
	struct pipeline_config cfg;
	struct s3_event_record records[N];
	struct message_in messages[N];
	atomic_bool stopping;
	const char *verb;
	enum fault_action action;
	int skip, n; /* calls of verb: so many pass, then so many meet the action */
	bool stop_at_verb;
};

static enum fault_action decide(void *arg, const char *verb)
{
	struct fixture *f = arg;

	if (!f->verb || strcmp(verb, f->verb) != 0 || f->n == 0)
		return FAULT_PASS;
	if (f->skip-- > 0)
		return FAULT_PASS;
	f->n--;
	if (f->stop_at_verb)
		f->stopping = true;
	return f->action;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char key[16];

	assert_non_null(f);
	log_configure(LOG_CRITICAL + 1, LOG_FORMAT_JSON);
	world_open(&f->w, 1);
	f->prng = prng_seeded(9);
	f->fault = (struct fault){.decide = decide, .arg = f};
	f->cfg = world_config(&f->w, &f->prng);
	f->cfg.ports.landing = fault_object_store_new(f->w.store, &f->fault);
	f->cfg.ports.distribution = f->cfg.ports.landing;
	f->cfg.batch_max_bytes = 8 * 512;
	for (size_t i = 0; i < N; i++) {
		struct world_object *o;
		size_t at;

		snprintf(key, sizeof(key), "data/%zu", i);
		at = world_put(&f->w, key, 300);
		o = &f->w.objects[at];
		f->records[i] = (struct s3_event_record){
			.object = o->id, .size = o->body.n, .has_size = true};
		f->messages[i] = (struct message_in){.id = o->name, .body = o->event};
	}
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	fault_release(&f->fault);
	os_close(f->cfg.ports.landing);
	world_close(&f->w);
	free(f);
	return 0;
}

static enum rc direct(struct fixture *f, size_t n, struct direct_result *ret)
{
	struct direct_job job = {
		.cfg = &f->cfg, .records = f->records, .n = n, .stopping = &f->stopping};
	struct err err = {0};

	return direct_run(&job, ret, &err);
}

static void the_limit_takes_the_first_that_fit(void **state)
{
	struct fixture *f = *state;
	struct direct_result res;

	assert_int_equal(direct(f, N, &res), RC_OK);
	assert_int_equal(res.n_processed, 8);
	assert_int_equal(res.n_left, 2);
	assert_true(res.by_bytes);
	world_harvest(&f->w);
	assert_int_equal(f->w.n_bundles, 1);
	assert_slice_is(f->w.bundles[0].key, res.key);
	for (size_t i = 0; i < N; i++)
		assert_int_equal(world_times_shipped(&f->w, i), i < 8);
	assert_int_equal(mem_object_store_n_stages(f->w.store), 0);
}

/* It stops at the first that does not fit, though a later one would; one that is larger than the
 * limit ships alone. */
static void the_order_decides_and_a_large_one_ships_alone(void **state)
{
	struct fixture *f = *state;
	size_t at = world_put(&f->w, "data/large", 6000);
	struct world_object *large = &f->w.objects[at];
	struct direct_result res;

	f->records[1] = (struct s3_event_record){
		.object = large->id, .size = large->body.n, .has_size = true};
	assert_int_equal(direct(f, 3, &res), RC_OK);
	assert_int_equal(res.n_processed, 1);
	assert_int_equal(res.n_left, 2);
	f->records[0] = f->records[1];
	assert_int_equal(direct(f, 1, &res), RC_OK);
	assert_int_equal(res.n_processed, 1);
}

static void a_name_that_is_taken_is_left(void **state)
{
	struct fixture *f = *state;
	struct direct_result res;

	f->records[1] = f->records[0];
	assert_int_equal(direct(f, 3, &res), RC_OK);
	assert_int_equal(res.n_processed, 2);
	assert_int_equal(res.n_left, 1);
}

/* What an event may make us read is the landing bucket, not whatever the processor can read. */
static void another_bucket_is_never_read(void **state)
{
	struct fixture *f = *state;
	struct direct_result res;

	assert_int_equal(direct(f, 1, &res), RC_OK);
	world_harvest(&f->w);
	f->records[1].object =
		(struct object_id){slice_str(WORLD_DISTRIBUTION), f->w.bundles[0].key, {0}};
	f->records[1].has_size = false;
	assert_int_equal(direct(f, 2, &res), RC_OK);
	assert_int_equal(res.n_processed, 1);
	assert_int_equal(res.n_failed, 1);
}

static void every_step_that_fails_leaves_nothing_behind(void **state)
{
	static const char *const verbs[] = {
		"stage_begin", "get_many", "stage_write", "stage_finish", "stage_copy", "publish"};

	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++) {
		struct direct_result res;
		struct fixture *f;

		setup(state);
		f = *state;
		f->verb = verbs[i];
		f->action = FAULT_AGAIN;
		f->n = 1;
		assert_int_equal(direct(f, N, &res), RC_AGAIN);
		assert_int_equal(f->n, 0);
		world_harvest(&f->w);
		assert_int_equal(f->w.n_bundles, 0);
		assert_int_equal(mem_object_store_n_stages(f->w.store), 0);
		teardown(state);
	}
}

static size_t versions_in(struct fixture *f, const char *bucket)
{
	struct os_list_query query = {.bucket = slice_str(bucket), .max = 100, .versions = true};
	struct arena a = ARENA_INIT;
	struct os_list_page page;
	size_t n;

	assert_int_equal(os_list(f->w.store, &query, &a, &page, NULL), RC_OK);
	n = page.n;
	arena_release(&a);
	return n;
}

/* Of three that are published the copy and the manifest come first: what is in the archive without
 * its bundle is taken out again. */
static void what_is_archived_and_never_published_is_taken_out_again(void **state)
{
	static const enum fault_action actions[] = {FAULT_AGAIN, FAULT_LOST, FAULT_APPLIED};

	for (size_t i = 0; i < 9; i++) {
		bool is_out = i == 8; /* the bundle's own publishing, answered as unknown */
		struct direct_result res;
		struct fixture *f;

		setup(state);
		f = *state;
		f->verb = "publish";
		f->skip = (int)(i % 3);
		f->action = actions[i / 3];
		f->n = 1;
		assert_int_equal(direct(f, N, &res) == RC_OK, is_out);
		assert_int_equal(f->n, 0);
		world_harvest(&f->w);
		assert_int_equal(f->w.n_bundles, is_out);
		assert_int_equal(versions_in(f, WORLD_ARCHIVE), is_out ? 2 : 0);
		assert_int_equal(mem_object_store_n_stages(f->w.store), 0);
		teardown(state);
	}
}

static void a_stop_gives_it_up(void **state)
{
	struct fixture *f = *state;
	struct direct_result res;

	f->verb = "get_many";
	f->action = FAULT_PASS;
	f->n = 1;
	f->stop_at_verb = true;
	assert_int_equal(direct(f, N, &res), RC_AGAIN);
	world_harvest(&f->w);
	assert_int_equal(f->w.n_bundles, 0);
	assert_int_equal(mem_object_store_n_stages(f->w.store), 0);
}

static enum rc messages(struct fixture *f)
{
	struct err err = {0};

	return messages_run(
		&f->cfg, f->messages, N, f->w.clock.boot_ms + 60000, &f->stopping, &err);
}

static void messages_are_shipped_once_and_answered(void **state)
{
	struct fixture *f = *state;

	f->messages[3].body = slice_str("not json");
	world_remove(&f->w, 5);
	for (int again = 0; again < 2; again++) {
		assert_int_equal(messages(f), RC_OK);
		for (size_t i = 0; i < N; i++)
			assert_int_equal(f->messages[i].must_come_back, i == 3 || i == 5);
	}
	world_harvest(&f->w);
	for (size_t i = 0; i < N; i++)
		assert_int_equal(world_times_shipped(&f->w, i), i != 3 && i != 5);
}

static void messages_come_back_when_a_port_fails_and_ship_when_it_does_not(void **state)
{
	struct fixture *f = *state;

	f->verb = "stage_begin";
	f->action = FAULT_AGAIN;
	f->n = 1;
	assert_int_equal(messages(f), RC_OK);
	assert_true(f->messages[0].must_come_back);
	assert_int_equal(messages(f), RC_OK);
	assert_int_equal(messages(f), RC_OK);
	world_harvest(&f->w);
	for (size_t i = 0; i < N; i++) {
		assert_false(f->messages[i].must_come_back);
		assert_int_equal(world_times_shipped(&f->w, i), 1);
	}
}

static void all_messages_come_back_of_a_worker_that_dies(void **state)
{
	struct fixture *f = *state;

	f->verb = "publish";
	f->action = FAULT_CRASH_BEFORE;
	f->n = 1;
	assert_int_equal(messages(f), RC_FATAL);
	for (size_t i = 0; i < N; i++)
		assert_true(f->messages[i].must_come_back);
}

/* Some were shipped and acknowledged before it died: whoever sent them hears nothing of it, and the
 * ledger knows them. */
static void also_those_come_back_that_were_done_before_it_died(void **state)
{
	struct fixture *f = *state;

	f->cfg.batch_max_objects = 4;
	f->verb = "publish";
	f->action = FAULT_CRASH_BEFORE;
	f->skip = 3; /* of the first bundle: itself, its copy, its manifest */
	f->n = 1;
	assert_int_equal(messages(f), RC_FATAL);
	world_harvest(&f->w);
	assert_int_equal(f->w.n_bundles, 1);
	for (size_t i = 0; i < N; i++)
		assert_true(f->messages[i].must_come_back);
}

static void all_messages_come_back_when_there_is_no_time_or_an_end(void **state)
{
	struct fixture *f = *state;
	struct err err = {0};

	assert_int_equal(
		messages_run(&f->cfg, f->messages, N, f->w.clock.boot_ms, &f->stopping, &err),
		RC_OK);
	for (size_t i = 0; i < N; i++)
		assert_true(f->messages[i].must_come_back);
	f->stopping = true;
	assert_int_equal(messages(f), RC_OK);
	for (size_t i = 0; i < N; i++)
		assert_true(f->messages[i].must_come_back);
	world_harvest(&f->w);
	assert_int_equal(f->w.n_bundles, 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_limit_takes_the_first_that_fit),
		TEST(the_order_decides_and_a_large_one_ships_alone),
		TEST(a_name_that_is_taken_is_left),
		TEST(another_bucket_is_never_read),
		cmocka_unit_test(every_step_that_fails_leaves_nothing_behind),
		cmocka_unit_test(what_is_archived_and_never_published_is_taken_out_again),
		TEST(a_stop_gives_it_up),
		TEST(messages_are_shipped_once_and_answered),
		TEST(messages_come_back_when_a_port_fails_and_ship_when_it_does_not),
		TEST(all_messages_come_back_of_a_worker_that_dies),
		TEST(also_those_come_back_that_were_done_before_it_died),
		TEST(all_messages_come_back_when_there_is_no_time_or_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
