/* Steps 4 and 5: what is packed, what is left out and why, and what breaking off costs. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/bundle.h"
#include "core/plan.h"
#include "core/seal.h"
#include "fault.h"
#include "world.h"

#define N 5

/* The first `n` calls of that verb meet the action. */
struct trouble {
	const char *verb;
	enum fault_action action;
	int n;
};

struct fixture {
	struct world w;
	struct trouble trouble;
	struct fault fault;
	struct object_store *store;
	struct lg_plan plan;
	struct unit units[N], *order[N];
	struct bundle_job job;
	struct bundle bundle;
	int ticks;
	enum rc tick_answer;
};

static unsigned n_stages_begun;

static enum fault_action decide(void *arg, const char *verb)
{
	struct trouble *t = arg;

	n_stages_begun += strcmp(verb, "stage_begin") == 0;
	return t->verb && strcmp(verb, t->verb) == 0 && t->n-- > 0 ? t->action : FAULT_PASS;
}

static enum rc tick(void *arg, struct err *err)
{
	struct fixture *f = arg;

	f->ticks++;
	return f->tick_answer == RC_OK ? RC_OK : err_set(err, f->tick_answer, "fenced");
}

static int setup_of(void **state, size_t size_step)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char key[16];

	assert_non_null(f);
	world_open(&f->w, 1);
	f->fault = (struct fault){.decide = decide, .arg = &f->trouble};
	f->store = fault_object_store_new(f->w.store, &f->fault);
	f->plan = plan_make(&f->w.arena, &f->w.prng, f->w.clock.wall_ms, slice_str("w"),
		slice_str(WORLD_DISTRIBUTION));
	for (size_t i = 0; i < N; i++) {
		struct world_object *o;
		size_t at;

		snprintf(key, sizeof(key), "data/%zu", i);
		at = world_put(&f->w, key, size_step * i);
		o = &f->w.objects[at];
		f->units[i] = (struct unit){.object = o->id,
			.name = o->name,
			.size = o->body.n,
			.has_size = true,
			.slot = (uint32_t)i,
			.claim = CLAIM_MINE};
		f->order[i] = &f->units[i];
	}
	f->job = (struct bundle_job){
		f->store, f->store, &f->plan, {0}, GZIP_FAST,
		NULL, NULL, UINT64_MAX, 0, NULL, 0, tick, f};
	*state = f;
	return 0;
}

static int setup(void **state)
{
	return setup_of(state, 300);
}

/* Of objects that go into the archive as they come. */
static int setup_large(void **state)
{
	return setup_of(state, BUNDLE_HELD_BYTES + 1);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	bundle_release(&f->bundle);
	os_close(f->store);
	world_close(&f->w);
	free(f);
	return 0;
}

static enum rc make(struct fixture *f)
{
	return bundle_make(&f->job, f->order, N, &f->bundle, NULL);
}

/* Publishes what was staged and checks that exactly the packed units are in it, in order. */
static void assert_holds_the_packed(struct fixture *f)
{
	size_t n = 0;

	assert_int_equal(os_publish(f->w.store, f->plan.bucket, f->plan.key,
				 buf_slice(&f->bundle.staged), NULL),
		RC_OK);
	world_harvest(&f->w);
	assert_int_equal(f->w.n_bundles, 1);
	assert_int_equal(f->w.bundles[0].size, f->bundle.size_bytes);
	assert_memory_equal(f->w.bundles[0].sha256, f->bundle.sha256, SHA256_BYTES);
	for (size_t i = 0; i < N; i++) {
		if (f->units[i].fetch != FETCH_PACKED)
			continue;
		assert_true(slice_eq(f->w.members[n].name, f->w.objects[i].name));
		assert_true(slice_eq(f->w.members[n].body, f->w.objects[i].body));
		n++;
	}
	assert_int_equal(n, f->w.n_members);
	assert_int_equal(n, f->bundle.n_members);
}

static void all_are_packed_in_plan_order(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(make(f), RC_OK);
	assert_int_equal(f->bundle.n_members, N);
	assert_holds_the_packed(f);
}

static void the_seal_excludes_exactly_what_was_not_packed(void **state)
{
	struct fixture *f = *state;
	struct lg_seal seal;

	world_remove(&f->w, 1);
	world_remove(&f->w, 4);
	assert_int_equal(make(f), RC_OK);
	seal = seal_record(&f->w.arena, &f->bundle, f->order, N);
	assert_int_equal(seal.n_slots, N);
	assert_int_equal(lg_count_excluded(seal.excluded), 2);
	assert_true(lg_is_excluded(seal.excluded, 1));
	assert_true(lg_is_excluded(seal.excluded, 4));
	assert_true(lg_excluded_fits(seal.excluded, N));
	assert_int_equal(f->units[1].fetch, FETCH_MISSING);
	assert_holds_the_packed(f);
}

static void size_or_etag_that_differ_keep_it_out(void **state)
{
	struct fixture *f = *state;

	f->units[0].size++;
	f->units[2].etag = slice_str("00112233445566778899aabbccddeeff");
	f->units[3].etag = slice_str(
		/* the store's is plain: nothing to compare */
		"00112233445566778899aabbccddeeff-2");
	assert_int_equal(make(f), RC_OK);
	assert_int_equal(f->units[0].fetch, FETCH_MISMATCH);
	assert_int_equal(f->units[2].fetch, FETCH_MISMATCH);
	assert_int_equal(f->units[3].fetch, FETCH_PACKED);
	assert_holds_the_packed(f);
}

/* Both sides: an object is the event's only when it has as many bytes, not fewer and not more. */
static void an_object_larger_or_smaller_than_its_event_stays_out(void **state)
{
	struct fixture *f = *state;

	f->units[1].size--;
	f->units[2].size++;
	f->units[3].size = 0;
	f->units[4].size = UINT64_MAX;
	assert_int_equal(make(f), RC_OK);
	assert_int_equal(f->units[0].fetch, FETCH_PACKED);
	for (size_t i = 1; i < N; i++) {
		assert_int_equal(f->units[i].fetch, FETCH_MISMATCH);
		assert_non_null(strstr(f->units[i].why, "the event says"));
	}
	assert_holds_the_packed(f);
}

/* A store whose objects came in parts. */
#define PARTS_ETAG "00112233445566778899aabbccddeeff-2"

struct parts_sink {
	const struct os_sink *inner;
};

static struct object_store *parts_inner;

static enum rc parts_begin(void *arg, size_t i, const struct os_object *info, struct err *err)
{
	const struct os_sink *inner = ((struct parts_sink *)arg)->inner;
	struct os_object changed = *info;

	changed.etag = slice_str(PARTS_ETAG);
	return inner->begin(inner->arg, i, &changed, err);
}

static enum rc parts_data(void *arg, size_t i, struct slice bytes, struct err *err)
{
	const struct os_sink *inner = ((struct parts_sink *)arg)->inner;

	return inner->data(inner->arg, i, bytes, err);
}

static enum rc parts_end(
	void *arg, size_t i, enum rc outcome, const struct err *why, struct err *err)
{
	const struct os_sink *inner = ((struct parts_sink *)arg)->inner;

	return inner->end(inner->arg, i, outcome, why, err);
}

static enum rc parts_get_many(struct object_store *os, const struct object_id *objects, size_t n,
	const struct os_sink *sink, struct err *err)
{
	struct parts_sink arg = {sink};
	const struct os_sink parts = {parts_begin, parts_data, parts_end, &arg};

	(void)os;
	return os_get_many(parts_inner, objects, n, &parts, err);
}

/* The ETag of an object in parts is compared with one of the same form: another number of parts, or
 * another sum, is another object. One of another form proves nothing. */
static void etags_of_objects_in_parts_are_compared(void **state)
{
	static const struct {
		const char *announced;
		enum unit_fetch fetch;
	} rows[N] = {
		{PARTS_ETAG, FETCH_PACKED},
		{"00112233445566778899AABBCCDDEEFF-2", FETCH_PACKED},
		{"00112233445566778899aabbccddeeff-3", FETCH_MISMATCH},
		{"10112233445566778899aabbccddeeff-2", FETCH_MISMATCH},
		{"00112233445566778899aabbccddeeff", FETCH_PACKED},
	};
	struct fixture *f = *state;
	struct object_store_ops ops = *f->store->ops;
	struct object_store in_parts = {&ops};

	ops.get_many = parts_get_many;
	parts_inner = f->store;
	f->job.landing = &in_parts;
	for (size_t i = 0; i < N; i++)
		f->units[i].etag = slice_str(rows[i].announced);
	assert_int_equal(make(f), RC_OK);
	for (size_t i = 0; i < N; i++)
		assert_int_equal(f->units[i].fetch, rows[i].fetch);
	assert_non_null(strstr(f->units[2].why, PARTS_ETAG));
	assert_holds_the_packed(f);
}

static void what_is_denied_stays_out(void **state)
{
	struct fixture *f = *state;
	size_t denied = 0;

	f->trouble = (struct trouble){"get_many", FAULT_DENY, 1};
	assert_int_equal(make(f), RC_OK);
	for (size_t i = 0; i < N; i++)
		denied += f->units[i].fetch == FETCH_DENIED;
	assert_int_equal(denied, 1);
	assert_int_equal(f->bundle.n_members, N - 1);
	assert_holds_the_packed(f);
}

static void assert_one_broke_off(struct fixture *f)
{
	size_t broken = 0;

	n_stages_begun = 0;
	f->trouble = (struct trouble){"get_many", FAULT_OBJECT, 1};
	assert_int_equal(make(f), RC_OK);
	for (size_t i = 0; i < N; i++)
		broken +=
			f->units[i].fetch == FETCH_TRANSIENT || f->units[i].fetch == FETCH_MISMATCH;
	assert_int_equal(broken, 1);
	assert_int_equal(f->bundle.n_members, N - 1);
	assert_int_equal(mem_object_store_n_stages(f->w.store), 1);
	assert_holds_the_packed(f);
	assert_int_equal(mem_object_store_n_stages(f->w.store), 0);
}

static void a_small_object_that_breaks_off_is_left_out_and_nothing_is_made_again(void **state)
{
	assert_one_broke_off(*state);
	assert_int_equal(n_stages_begun, 1);
}

static void a_member_that_breaks_off_is_left_out_and_the_stage_made_again(void **state)
{
	assert_one_broke_off(*state);
	assert_int_equal(n_stages_begun, 2);
}

/* A store in which some objects stop in the middle until they are given up. */
static struct object_store *slow_inner;
static const char *slow_keys; /* the last characters of their keys */
static struct clock *slow_clock;

struct shifted {
	const struct os_sink *sink;
	size_t i;
};

static enum rc shift_begin(void *arg, size_t i, const struct os_object *info, struct err *err)
{
	struct shifted *to = arg;

	return to->sink->begin(to->sink->arg, to->i + i, info, err);
}

static enum rc shift_data(void *arg, size_t i, struct slice bytes, struct err *err)
{
	struct shifted *to = arg;

	return to->sink->data(to->sink->arg, to->i + i, bytes, err);
}

static enum rc shift_end(
	void *arg, size_t i, enum rc outcome, const struct err *why, struct err *err)
{
	struct shifted *to = arg;

	return to->sink->end(to->sink->arg, to->i + i, outcome, why, err);
}

static enum rc slow_get_many(struct object_store *os, const struct object_id *objects, size_t n,
	const struct os_sink *sink, struct err *err)
{
	(void)os;
	for (size_t i = 0; i < n; i++) {
		struct shifted to = {sink, i};
		struct os_sink shift = {shift_begin, shift_data, shift_end, &to};
		struct os_object info;
		struct arena a = ARENA_INIT;
		enum rc rc;

		if (!strchr(slow_keys, objects[i].key.p[objects[i].key.n - 1])) {
			rc = os_get_many(slow_inner, &objects[i], 1, &shift, err);
			if (rc != RC_OK)
				return rc;
			continue;
		}
		assert_int_equal(os_head(slow_inner, &objects[i], &a, &info, err), RC_OK);
		rc = sink->begin(sink->arg, i, &info, err);
		for (int waits = 0; rc == RC_OK && waits < 10; waits++) {
			clock_sleep_ms(slow_clock, 500);
			rc = sink->waiting(sink->arg, i, err);
		}
		arena_release(&a);
		if (rc == RC_OK)
			rc = sink->end(sink->arg, i, RC_AGAIN, &(struct err){0}, err);
		if (rc != RC_OK && rc != RC_SKIP)
			return rc;
	}
	return RC_OK;
}

/* Makes the bundle while the objects of these keys give no bytes. */
static void make_beside_slow(struct fixture *f, const char *keys)
{
	struct object_store slow = *f->w.store;
	struct object_store_ops ops = *f->w.store->ops;

	ops.get_many = slow_get_many;
	slow.ops = &ops;
	slow_inner = f->w.store;
	slow_keys = keys;
	slow_clock = &f->w.clock.port;
	n_stages_begun = 0;
	f->job.landing = &slow;
	f->job.clock = slow_clock;
	f->job.alone_bytes = 1 << 30;
	assert_int_equal(make(f), RC_OK);
	for (size_t i = 0; i < N; i++)
		assert_int_equal(f->units[i].fetch,
			strchr(keys, (int)('0' + i)) ? FETCH_ALONE : FETCH_PACKED);
	assert_holds_the_packed(f);
}

static void small_objects_that_are_slow_are_left_out_and_nothing_is_made_again(void **state)
{
	struct fixture *f = *state;
	uint64_t before = f->w.clock.boot_ms;

	make_beside_slow(f, "134");
	assert_int_equal(n_stages_begun, 1);
	assert_int_equal(f->w.clock.boot_ms - before, 3 * BUNDLE_SLOW_MS);
}

static void a_large_object_that_is_slow_is_left_out_and_the_stage_made_again(void **state)
{
	make_beside_slow(*state, "13");
	assert_int_equal(n_stages_begun, 3);
}

static void breaking_off_again_and_again_is_given_up(void **state)
{
	struct fixture *f = *state;

	f->trouble = (struct trouble){"get_many", FAULT_OBJECT, 100};
	assert_int_equal(make(f), RC_AGAIN);
	assert_int_equal(100 - f->trouble.n, BUNDLE_RESTARTS + 1);
	assert_int_equal(mem_object_store_n_stages(f->w.store), 0);
}

static void a_store_that_fails_ends_the_bundle(void **state)
{
	static const char *const verbs[] = {
		"stage_begin", "get_many", "stage_write", "stage_finish"};

	for (size_t i = 0; i < 4; i++) {
		struct fixture *f;

		setup(state);
		f = *state;
		f->trouble = (struct trouble){verbs[i], FAULT_AGAIN, 1};
		assert_int_equal(make(f), RC_AGAIN);
		f->bundle = (struct bundle){0};
		teardown(state);
	}
}

static void a_tick_can_stop_it(void **state)
{
	struct fixture *f = *state;

	f->tick_answer = RC_CONFLICT;
	assert_int_equal(make(f), RC_CONFLICT);
	assert_int_equal(f->ticks, 1);
}

static void nothing_to_pack_stages_nothing_of_use(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < N; i++)
		world_remove(&f->w, i);
	assert_int_equal(make(f), RC_OK);
	assert_int_equal(f->bundle.n_members, 0);
	assert_int_equal(f->bundle.staged.n, 0);
}

static void sizes_that_were_not_announced_are_bounded_too(void **state)
{
	struct fixture *f = *state;

	f->job.max_bytes = 1024;
	for (size_t i = 0; i < N; i++)
		f->units[i].has_size = false;
	assert_int_equal(make(f), RC_OK);
	assert_int_equal(f->units[0].fetch, FETCH_PACKED);
	assert_int_equal(f->units[1].fetch, FETCH_PACKED);
	assert_int_equal(f->units[4].fetch, FETCH_OVER);
	assert_holds_the_packed(f);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
#define TEST_LARGE(fn) cmocka_unit_test_setup_teardown(fn, setup_large, teardown)

/* A store that has `room_bytes` for each stage. */
static uint64_t room_bytes;

static enum rc give_room(
	struct os_stage *stage, const struct os_room *room, uint64_t *ret_bytes, struct err *err)
{
	(void)stage;
	*ret_bytes = room_bytes < room->most ? room_bytes : room->most;
	return room_bytes < room->least ? err_code(err, RC_AGAIN, "ENOSPC", "no room") : RC_OK;
}

static void give(struct fixture *f, uint64_t bytes)
{
	static struct object_store_ops ops;

	room_bytes = bytes;
	ops = *f->store->ops;
	ops.stage_room = give_room;
	f->store->ops = &ops;
}

/* Without room for all of it the bundle is made of what fits; the large one waits and holds up
 * nobody. */
static void what_has_no_room_waits_and_the_rest_is_bundled(void **state)
{
	struct fixture *f = *state;

	f->units[1].size = 50000000; /* as its event says; it is never read */
	give(f, 1000000);
	assert_int_equal(bundle_make(&f->job, f->order, N, &f->bundle, NULL), RC_OK);
	assert_int_equal(f->bundle.n_members, N - 1);
	for (size_t i = 0; i < N; i++)
		assert_int_equal(f->units[i].fetch, i == 1 ? FETCH_NO_ROOM : FETCH_PACKED);
}

/* Nothing fits: nothing is staged, and nothing is held against any object. */
static void without_any_room_nothing_is_staged_and_all_wait(void **state)
{
	struct fixture *f = *state;

	give(f, 10);
	assert_int_equal(bundle_make(&f->job, f->order, N, &f->bundle, NULL), RC_OK);
	assert_int_equal(f->bundle.n_members, 0);
	for (size_t i = 0; i < N; i++) {
		assert_int_equal(f->units[i].fetch, FETCH_NO_ROOM);
		assert_string_equal(f->units[i].code, "");
	}
	room_bytes = 1 << 20;
	assert_int_equal(bundle_make(&f->job, f->order, N, &f->bundle, NULL), RC_OK);
	assert_int_equal(f->bundle.n_members, N);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_are_packed_in_plan_order),
		TEST(the_seal_excludes_exactly_what_was_not_packed),
		TEST(size_or_etag_that_differ_keep_it_out),
		TEST(an_object_larger_or_smaller_than_its_event_stays_out),
		TEST(etags_of_objects_in_parts_are_compared),
		TEST(what_is_denied_stays_out),
		TEST(a_small_object_that_breaks_off_is_left_out_and_nothing_is_made_again),
		TEST_LARGE(a_member_that_breaks_off_is_left_out_and_the_stage_made_again),
		TEST_LARGE(breaking_off_again_and_again_is_given_up),
		TEST(small_objects_that_are_slow_are_left_out_and_nothing_is_made_again),
		TEST_LARGE(a_large_object_that_is_slow_is_left_out_and_the_stage_made_again),
		cmocka_unit_test(a_store_that_fails_ends_the_bundle),
		TEST(a_tick_can_stop_it),
		TEST(nothing_to_pack_stages_nothing_of_use),
		TEST(sizes_that_were_not_announced_are_bounded_too),
		TEST(what_has_no_room_waits_and_the_rest_is_bundled),
		TEST(without_any_room_nothing_is_staged_and_all_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
