/* The whole path over the ports in memory: events in, bundles out; and contract.md's failure table,
 * row by row. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>

#include "obs/log.h"
#include "world.h"

struct fixture {
	struct world w;
	struct prng prng;
	struct pipeline *p;
};

static struct fixture *open_with(void (*change)(struct pipeline_config *cfg))
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct pipeline_config cfg;

	assert_non_null(f);
	world_open(&f->w, 1);
	f->prng = prng_seeded(2);
	cfg = world_config(&f->w, &f->prng);
	if (change)
		change(&cfg);
	f->p = pipeline_new(&cfg);
	return f;
}

static void end(struct fixture *f)
{
	pipeline_free(f->p);
	world_close(&f->w);
	free(f);
}

static void run(struct fixture *f)
{
	assert_true(world_run(&f->w, f->p, 2000));
	world_harvest(&f->w);
}

static void events_come_out_as_one_bundle(void **state)
{
	struct fixture *f = open_with(NULL);
	char key[64];

	(void)state;
	for (size_t i = 0; i < 500; i++) {
		snprintf(key, sizeof(key), "data/%zu.json", i);
		world_announce(&f->w, world_put(&f->w, key, i * 7));
	}
	run(f);
	assert_int_equal(f->w.n_bundles, 1);
	assert_int_equal(f->w.n_members, 500);
	for (size_t i = 0; i < 500; i++) {
		assert_int_equal(world_times_shipped(&f->w, i), 1);
		assert_true(slice_eq(
			f->w.members[i].name, f->w.objects[i].name)); /* plan order is arrival */
	}
	assert_int_equal(pipeline_stats(f->p).bundles, 1);
	assert_int_equal(pipeline_stats(f->p).objects, 500);
	assert_int_equal(pipeline_stats(f->p).in_hand, 0);
	assert_int_equal(mem_object_store_n_stages(f->w.store), 0);
	end(f);
}

static void a_bundle_has_its_headers_and_hash(void **state)
{
	struct fixture *f = open_with(NULL);
	char want[200], hex[65];

	(void)state;
	world_announce(&f->w, world_put(&f->w, "data/a", 100));
	run(f);
	assert_int_equal(f->w.n_bundles, 1);
	hex_encode(f->w.bundles[0].sha256, 32, hex);
	snprintf(want, sizeof(want),
		"content-type:application/gzip\nx-amz-meta-content-sha256:%s\n", hex);
	assert_slice_is(f->w.bundles[0].headers, want);
	assert_true(bundle_key_is_bundle(f->w.bundles[0].key));
	end(f);
}

static void the_same_objects_give_the_same_bytes(void **state)
{
	unsigned char first[32];

	(void)state;
	for (int round = 0; round < 2; round++) {
		struct fixture *f = open_with(NULL);
		char key[64];

		f->prng = prng_seeded((uint64_t)round + 77); /* other plan ids */
		for (size_t i = 0; i < 50; i++) {
			snprintf(key, sizeof(key), "data/%zu", i);
			world_announce(&f->w, world_put(&f->w, key, i * 100));
		}
		run(f);
		assert_int_equal(f->w.n_bundles, 1);
		if (round == 0)
			memcpy(first, f->w.bundles[0].sha256, 32);
		assert_memory_equal(first, f->w.bundles[0].sha256, 32);
		end(f);
	}
}

static void a_batch_waits_for_its_window_and_no_longer(void **state)
{
	struct fixture *f = open_with(NULL);
	uint64_t sent = f->w.clock.boot_ms, took;

	(void)state;
	world_announce(&f->w, world_put(&f->w, "data/a", 10));
	run(f);
	took = f->w.clock.boot_ms - sent;
	assert_in_range(took, 15000, 16000);
	end(f);
}

static void small_batches(struct pipeline_config *cfg)
{
	cfg->batch_max_objects = 10;
}

static struct budget hand_memory;

static void wait_an_hour(struct pipeline_config *cfg)
{
	cfg->batch_window_ms = 3600 * 1000;
	cfg->visibility_ms = 2 * cfg->batch_window_ms;
	budget_init(&hand_memory, "messages", 200 * 1700);
	cfg->memory = &hand_memory;
}

/* Messages that come one by one, each received alone. What they hold is theirs, whatever a receive
 * takes meanwhile. */
static void a_trickle_holds_what_its_messages_hold(void **state)
{
	struct fixture *f = open_with(wait_an_hour);
	char key[64];

	(void)state;
	for (size_t i = 0; i < 100; i++) {
		snprintf(key, sizeof(key), "data/%zu.json", i);
		world_announce(&f->w, world_put(&f->w, key, 1));
		pipeline_step(f->p, NULL);
		pipeline_step(f->p, NULL);
	}
	assert_int_equal(pipeline_stats(f->p).in_hand, 100);
	assert_in_range(pipeline_stats(f->p).in_hand_bytes, 100 * 800, 100 * 1700);
	end(f);
}

/* Long before its window is over: memory is what closes it. Nothing is lost or sent back for
 * that. */
static void a_batch_that_fills_its_memory_closes_early(void **state)
{
	struct fixture *f = open_with(wait_an_hour);
	uint64_t begin = f->w.clock.boot_ms, most = 0;
	char key[64];

	(void)state;
	for (size_t i = 0; i < 1000; i++) {
		snprintf(key, sizeof(key), "data/%zu.json", i);
		world_announce(&f->w, world_put(&f->w, key, 1));
	}
	for (size_t i = 0; i < 100; i++) {
		pipeline_step(f->p, NULL);
		if (pipeline_stats(f->p).in_hand_bytes > most)
			most = pipeline_stats(f->p).in_hand_bytes;
	}
	assert_in_range(f->w.clock.boot_ms - begin, 0, 60 * 1000);
	assert_in_range(pipeline_stats(f->p).objects, 700, 1000);
	assert_in_range(most, 1, 200 * 1700 + 1700);
	assert_in_range(hand_memory.peak, most, 200 * 1700 * 11 / 10);
	assert_int_equal(pipeline_stats(f->p).dead_letters, 0);
	end(f);
	assert_int_equal(hand_memory.used, 0);
}

static void a_full_batch_does_not_wait(void **state)
{
	struct fixture *f = open_with(small_batches);
	uint64_t sent = f->w.clock.boot_ms;
	char key[64];

	(void)state;
	for (size_t i = 0; i < 20; i++) {
		snprintf(key, sizeof(key), "data/%zu", i);
		world_announce(&f->w, world_put(&f->w, key, 10));
	}
	run(f);
	assert_int_equal(f->w.n_bundles, 2);
	assert_in_range(f->w.clock.boot_ms - sent, 0, 2000);
	end(f);
}

static void byte_limit(struct pipeline_config *cfg)
{
	cfg->batch_max_bytes = 8 * 1024;
}

static void the_byte_limit_counts_blocks_of_512_and_closes_the_bundle(void **state)
{
	struct fixture *f = open_with(byte_limit);
	char key[64];

	(void)state;
	for (size_t i = 0; i < 10; i++) { /* 1,000 … bytes: two blocks each, so eight a bundle */
		snprintf(key, sizeof(key), "data/%zu", i);
		world_announce(&f->w, world_put(&f->w, key, 1000));
	}
	run(f);
	assert_int_equal(f->w.n_bundles, 2);
	assert_int_equal(f->w.bundles[0].n_members + f->w.bundles[1].n_members, 10);
	assert_true(f->w.bundles[0].n_members == 8 || f->w.bundles[1].n_members == 8);
	end(f);
}

static void an_object_above_the_limit_ships_alone(void **state)
{
	struct fixture *f = open_with(byte_limit);

	(void)state;
	world_announce(&f->w, world_put(&f->w, "data/small", 10));
	world_announce(&f->w, world_put(&f->w, "data/large", 100000));
	world_announce(&f->w, world_put(&f->w, "data/small2", 10));
	run(f);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(world_times_shipped(&f->w, i), 1);
	for (size_t i = 0; i < f->w.n_bundles; i++)
		assert_true(f->w.bundles[i].n_members == 1);
	end(f);
}

static void a_duplicate_ships_once_in_the_batch_and_after_it(void **state)
{
	struct fixture *f = open_with(NULL);
	size_t i;

	(void)state;
	i = world_put(&f->w, "data/a", 10);
	for (int n = 0; n < 3; n++)
		world_announce(&f->w, i);
	run(f);
	world_announce(&f->w, i);
	world_announce(&f->w, i);
	run(f);
	assert_int_equal(world_times_shipped(&f->w, i), 1);
	assert_int_equal(f->w.n_bundles, 1);
	assert_int_equal(pipeline_stats(f->p).duplicates, 1);
	assert_int_equal(world_queue(&f->w).dead, 0);
	end(f);
}

static void versions_of_one_key_and_keys_of_one_name_ship_in_different_bundles(void **state)
{
	struct fixture *f = open_with(NULL);

	(void)state;
	for (int n = 0; n < 3; n++)
		world_announce(&f->w, world_put(&f->w, "data/a", 10));
	world_announce(&f->w, world_put(&f->w, "data/%61", 10));
	world_announce(&f->w, world_put(&f->w, "data//a", 10));
	world_announce(&f->w, world_put(&f->w, "data/other", 10));
	run(f);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(world_times_shipped(&f->w, i), 1);
	assert_int_equal(f->w.n_bundles, 5);
	for (size_t i = 0; i < f->w.n_members; i++) {
		for (size_t j = 0; j < i; j++)
			assert_false(
				slice_eq(f->w.members[i].name, f->w.members[j].name) &&
				slice_eq(f->w.members[i].bundle_key, f->w.members[j].bundle_key));
	}
	end(f);
}

/* The only dead letter, and its code. */
static void assert_only_dead(struct fixture *f, const char *code)
{
	struct slice body, found;

	assert_int_equal(world_queue(&f->w).dead, 1);
	assert_true(mem_event_queue_dead(f->w.queue, 0, &body, &found));
	assert_slice_is(found, code);
}

static void a_message_that_is_not_json_is_a_dead_letter_at_once(void **state)
{
	struct fixture *f = open_with(NULL);
	uint64_t sent = f->w.clock.boot_ms;

	(void)state;
	world_send(&f->w, "{\"Records\": oops");
	run(f);
	assert_only_dead(f, "not-json");
	assert_in_range(f->w.clock.boot_ms - sent, 0, 1000);
	end(f);
}

static void json_without_records_is_a_dead_letter(void **state)
{
	struct fixture *f = open_with(NULL);

	(void)state;
	world_send(&f->w, "{\"hello\": 1}");
	run(f);
	assert_only_dead(f, "not-an-event");
	end(f);
}

static void a_test_event_is_dropped(void **state)
{
	struct fixture *f = open_with(NULL);

	(void)state;
	world_send(&f->w,
		"{\"Service\":\"Amazon S3\",\"Event\":\"s3:TestEvent\",\"Bucket\":\"landing\"}");
	run(f);
	assert_int_equal(world_queue(&f->w).dead, 0);
	assert_int_equal(f->w.n_bundles, 0);
	end(f);
}

static void a_removal_is_dropped(void **state)
{
	struct fixture *f = open_with(NULL);

	(void)state;
	world_send(&f->w, "{\"Records\":[{\"eventName\":\"ObjectRemoved:Delete\",\"s3\":{"
			  "\"bucket\":{\"name\":"
			  "\"landing\"},\"object\":{\"key\":\"data/a\",\"versionId\":\"v\"}}}]}");
	run(f);
	assert_int_equal(world_queue(&f->w).dead, 0);
	assert_int_equal(f->w.n_bundles, 0);
	end(f);
}

static void an_event_of_another_bucket_is_never_fetched(void **state)
{
	struct fixture *f = open_with(NULL);

	(void)state;
	world_send(&f->w,
		"{\"Records\":[{\"eventName\":\"ObjectCreated:Put\",\"s3\":{\"bucket\":{\"name\":"
		"\"distribution\"},\"object\":{\"key\":\"data/"
		"a\",\"versionId\":\"v\",\"size\":1}}}]}");
	run(f);
	assert_only_dead(f, "wrong-bucket");
	assert_int_equal(f->w.n_bundles, 0);
	end(f);
}

static struct lg_object record_of(struct fixture *f, size_t i)
{
	struct lg_object rec = {0};

	lg_object_get(f->w.ledger, &f->w.arena, &f->w.objects[i].id, &rec, NULL);
	return rec;
}

static void a_refused_key_is_on_record_and_a_dead_letter(void **state)
{
	struct fixture *f = open_with(NULL);
	size_t bad, good;

	(void)state;
	bad = world_put(&f->w, "data/../../evil", 10);
	good = world_put(&f->w, "data/good", 10);
	world_announce(&f->w, bad);
	world_announce(&f->w, good);
	run(f);
	assert_only_dead(f, "UNSAFE_S3_KEY_PATH");
	assert_int_equal(record_of(f, bad).state, LG_REJECTED);
	assert_slice_is(record_of(f, bad).reason, "UNSAFE_S3_KEY_PATH");
	assert_int_equal(world_times_shipped(&f->w, good), 1);
	assert_int_equal(f->w.n_members, 1);
	assert_int_equal(pipeline_stats(f->p).rejected, 1);
	end(f);
}

static void an_object_that_is_gone_is_rejected_and_the_rest_ships(void **state)
{
	struct fixture *f = open_with(NULL);
	size_t gone, kept;

	(void)state;
	gone = world_put(&f->w, "data/gone", 10);
	kept = world_put(&f->w, "data/kept", 10);
	world_remove(&f->w, gone);
	world_announce(&f->w, gone);
	world_announce(&f->w, kept);
	run(f);
	assert_only_dead(f, "object-missing");
	assert_int_equal(record_of(f, gone).state, LG_REJECTED);
	assert_int_equal(world_times_shipped(&f->w, kept), 1);
	world_announce(
		&f->w, gone); /* again: terminal, and still a dead letter rather than nothing */
	run(f);
	assert_int_equal(world_queue(&f->w).dead, 2);
	assert_int_equal(f->w.n_bundles, 1);
	end(f);
}

static void nothing_left_publishes_nothing(void **state)
{
	struct fixture *f = open_with(NULL);
	struct lg_plan plan;
	bool discarded;
	size_t gone;

	(void)state;
	gone = world_put(&f->w, "data/gone", 10);
	world_remove(&f->w, gone);
	world_announce(&f->w, gone);
	run(f);
	assert_int_equal(f->w.n_bundles, 0);
	assert_true(mem_ledger_plan(f->w.ledger, 0, &plan, &discarded));
	assert_int_equal(plan.state, PLAN_ABORTED);
	assert_true(discarded);
	assert_int_equal(mem_object_store_n_stages(f->w.store), 0);
	end(f);
}

/* An event that lies about the object: its size or its ETag. */
static void lying_event(struct fixture *f, const char *field, const char *value)
{
	size_t i = world_put(&f->w, "data/a", 10);
	char text[1024];

	snprintf(text, sizeof(text),
		"{\"Records\":[{\"eventName\":\"ObjectCreated:Put\",\"s3\":{\"bucket\":{\"name\":"
		"\"landing\"},"
		"\"object\":{\"key\":\"data/a\",\"versionId\":\"" SLICE_FMT "\",\"%s\":%s}}}]}",
		SLICE_ARG(f->w.objects[i].id.version), field, value);
	world_send(&f->w, text);
}

static void what_differs_from_its_event_is_never_bundled(void **state)
{
	static const char *const lies[][2] = {
		{"size", "11111"}, {"eTag", "\"00000000000000000000000000000000\""}};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct fixture *f = open_with(NULL);

		/* The queue's own limit makes the dead letter; here, only that every try is
		 * counted. */
		lying_event(f, lies[i][0], lies[i][1]);
		world_announce(&f->w, world_put(&f->w, "data/honest", 10));
		for (int step = 0; step < 300; step++)
			pipeline_step(f->p, NULL);
		world_harvest(&f->w);
		assert_int_equal(f->w.n_members, 1);
		assert_int_equal(world_times_shipped(&f->w, 1), 1);
		assert_true(pipeline_stats(f->p).retries >= 2);
		end(f);
	}
}

static void a_multipart_etag_is_compared_as_text(void **state)
{
	struct fixture *f = open_with(NULL);

	(void)state;
	lying_event(f, "eTag",
		/* not comparable with the store's plain one */
		"\"00000000000000000000000000000000-3\"");
	run(f);
	assert_int_equal(world_times_shipped(&f->w, 0), 1);
	end(f);
}

static void a_message_with_many_records_is_settled_when_all_are(void **state)
{
	struct fixture *f = open_with(NULL);
	struct slice v[3];
	char text[2048];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		size_t at = world_put(&f->w, i < 2 ? "data/a" : "data/gone", 10);

		v[i] = f->w.objects[at].id.version;
	}
	world_remove(&f->w, 2);
#define RECORD(key)                                                                                \
	"{\"eventName\":\"ObjectCreated:Put\",\"s3\":{\"bucket\":{\"name\":\"landing\"},"          \
	"\"object\":{\"key\":\"" key "\",\"versionId\":\"" SLICE_FMT "\"}}}"
	snprintf(text, sizeof(text),
		"{\"Records\":[" RECORD("data/a") "," RECORD("data/a") "," RECORD("data/gone") "]}",
		SLICE_ARG(v[0]), SLICE_ARG(v[1]), SLICE_ARG(v[2]));
	world_send(&f->w, text);
	run(f);
	assert_int_equal(world_times_shipped(&f->w, 0), 1);
	assert_int_equal(world_times_shipped(&f->w, 1), 1);
	assert_int_equal(f->w.n_bundles, 2);
	assert_only_dead(f, "object-missing");
	end(f);
}

static void an_event_older_than_the_ledger_can_vouch_for_is_refused(void **state)
{
	struct fixture *f = open_with(NULL);
	size_t i = world_put(&f->w, "data/a", 10);

	(void)state;
	world_announce(&f->w, i);
	f->w.clock.wall_ms += UINT64_C(31) * 24 * 3600 * 1000;
	run(f);
	assert_only_dead(f, "too-old");
	assert_int_equal(f->w.n_bundles, 0);
	end(f);
}

static void stopping_hands_the_waiting_batch_back_uncounted(void **state)
{
	struct fixture *f = open_with(NULL);
	struct arena a = ARENA_INIT;
	struct eq_message *m;
	uint64_t began;
	size_t n;

	(void)state;
	world_announce(&f->w, world_put(&f->w, "data/a", 10));
	for (int i = 0; i < 3; i++)
		pipeline_step(f->p, NULL);
	assert_int_equal(pipeline_stats(f->p).in_hand, 1);
	began = f->w.clock.boot_ms;
	pipeline_stop(f->p);
	assert_int_equal(pipeline_step(f->p, NULL), PIPELINE_STOPPED);
	assert_int_equal(pipeline_step(f->p, NULL), PIPELINE_STOPPED);
	assert_int_equal(f->w.clock.boot_ms, began);
	assert_int_equal(pipeline_stats(f->p).in_hand, 0);
	assert_int_equal(eq_receive(f->w.queue, &a, 10, 0, 1000, &m, &n, NULL), RC_OK);
	assert_int_equal(n, 1);
	assert_int_equal(m[0].receive_count, 1);
	arena_release(&a);
	end(f);
}

static int quiet(void **state)
{
	(void)state;
	log_configure(LOG_CRITICAL, LOG_FORMAT_JSON);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_come_out_as_one_bundle),
		cmocka_unit_test(a_bundle_has_its_headers_and_hash),
		cmocka_unit_test(the_same_objects_give_the_same_bytes),
		cmocka_unit_test(a_batch_waits_for_its_window_and_no_longer),
		cmocka_unit_test(a_full_batch_does_not_wait),
		cmocka_unit_test(a_trickle_holds_what_its_messages_hold),
		cmocka_unit_test(a_batch_that_fills_its_memory_closes_early),
		cmocka_unit_test(the_byte_limit_counts_blocks_of_512_and_closes_the_bundle),
		cmocka_unit_test(an_object_above_the_limit_ships_alone),
		cmocka_unit_test(a_duplicate_ships_once_in_the_batch_and_after_it),
		cmocka_unit_test(
			versions_of_one_key_and_keys_of_one_name_ship_in_different_bundles),
		cmocka_unit_test(a_message_that_is_not_json_is_a_dead_letter_at_once),
		cmocka_unit_test(json_without_records_is_a_dead_letter),
		cmocka_unit_test(a_test_event_is_dropped),
		cmocka_unit_test(a_removal_is_dropped),
		cmocka_unit_test(an_event_of_another_bucket_is_never_fetched),
		cmocka_unit_test(a_refused_key_is_on_record_and_a_dead_letter),
		cmocka_unit_test(an_object_that_is_gone_is_rejected_and_the_rest_ships),
		cmocka_unit_test(nothing_left_publishes_nothing),
		cmocka_unit_test(what_differs_from_its_event_is_never_bundled),
		cmocka_unit_test(a_multipart_etag_is_compared_as_text),
		cmocka_unit_test(a_message_with_many_records_is_settled_when_all_are),
		cmocka_unit_test(an_event_older_than_the_ledger_can_vouch_for_is_refused),
		cmocka_unit_test(stopping_hands_the_waiting_batch_back_uncounted),
	};

	return cmocka_run_group_tests(tests, quiet, NULL);
}
