/* adapter/wrap/retry.h: what is tried again, how often, and what never is. On a virtual clock, over
 * a store that does as told. */
#include "check.h"

#include "adapter/wrap/retry.h"

struct fake {
	struct object_store base;
	struct clock clock;
	uint64_t now_ms, slept_ms;
	uint64_t call_ms; /* what a call takes */
	unsigned n_sleeps, calls;
	enum rc script[16]; /* the answers, in turn; then RC_OK */
	bool closed;
	struct object_store *retry;
};

static struct fake *world;

static uint64_t fake_now(struct clock *c)
{
	(void)c;
	return world->now_ms;
}

static void fake_sleep(struct clock *c, uint64_t ms)
{
	(void)c;
	world->now_ms += ms;
	world->slept_ms += ms;
	world->n_sleeps++;
}

static enum rc answer(struct err *err)
{
	unsigned i = world->calls++;
	enum rc rc = i < 16 ? world->script[i] : RC_OK;

	world->now_ms += world->call_ms;
	return rc == RC_OK ? rc : err_set(err, rc, "answer %u", i + 1);
}

static enum rc fake_put(struct object_store *os, struct slice bucket, struct slice key,
	struct slice headers, uint64_t size, const struct os_source *body, struct arena *a,
	struct os_object *ret_info, struct err *err)
{
	char bytes[8];
	size_t n = 0;

	(void)os, (void)bucket, (void)key, (void)headers, (void)size, (void)a, (void)ret_info;
	assert_int_equal(body->read(body->arg, bytes, sizeof(bytes), &n, err), RC_OK);
	assert_int_equal(n, 4);
	return answer(err);
}

static enum rc fake_head(struct object_store *os, const struct object_id *object, struct arena *a,
	struct os_object *ret_info, struct err *err)
{
	(void)os, (void)object, (void)a, (void)ret_info;
	return answer(err);
}

static enum rc fake_publish(struct object_store *os, struct slice bucket, struct slice key,
	struct slice staged, struct err *err)
{
	(void)os, (void)bucket, (void)key, (void)staged;
	return answer(err);
}

static enum rc fake_copy(struct object_store *os, const struct object_id *from, struct slice bucket,
	struct slice key, struct arena *a, struct os_object *ret_info, struct err *err)
{
	(void)os, (void)from, (void)bucket, (void)key, (void)a, (void)ret_info;
	return answer(err);
}

static enum rc fake_delete_many(struct object_store *os, struct slice bucket,
	const struct object_id *objects, size_t n, enum rc *results, struct err *err)
{
	(void)os, (void)bucket, (void)objects, (void)err;
	for (size_t i = 0; i < n; i++)
		results[i] = i == 1 ? answer(NULL) : RC_OK;
	return RC_OK;
}

/* Each object takes one answer; RC_CORRUPT breaks it after begin. */
static enum rc fake_get_many(struct object_store *os, const struct object_id *objects, size_t n,
	const struct os_sink *sink, struct err *err)
{
	(void)os;
	for (size_t i = 0; i < n; i++) {
		struct os_object info = {.key = objects[i].key};
		struct err why = {0};
		enum rc outcome = answer(&why), rc = RC_OK;

		if (outcome == RC_OK || outcome == RC_CORRUPT)
			rc = sink->begin(sink->arg, i, &info, err);
		if (outcome == RC_CORRUPT)
			outcome = RC_AGAIN;
		if (rc == RC_OK)
			rc = sink->end(sink->arg, i, outcome, &why, err);
		if (rc != RC_OK)
			return rc;
	}
	return RC_OK;
}

static void fake_close(struct object_store *os)
{
	((struct fake *)os)->closed = true;
}

static const struct object_store_ops fake_ops = {.put = fake_put,
	.head = fake_head,
	.publish = fake_publish,
	.delete_many = fake_delete_many,
	.copy = fake_copy,
	.get_many = fake_get_many,
	.close = fake_close};

static int open_world(void **state)
{
	static const struct retry_policy policy = {
		.attempts = 4, .base_ms = 100, .max_ms = 300, .deadline_ms = 10000, .budget = 5};

	world = test_calloc(1, sizeof(*world));
	world->base.ops = &fake_ops;
	world->clock = (struct clock){fake_now, fake_now, fake_sleep};
	world->retry = retry_object_store_new(&world->base, &policy, &world->clock, 7);
	*state = world;
	return 0;
}

static int close_world(void **state)
{
	struct fake *f = *state;

	os_close(f->retry);
	assert_true(f->closed);
	test_free(f);
	return 0;
}

static enum rc head(struct fake *f, struct err *err)
{
	struct object_id id = {0};
	struct os_object info;

	return os_head(f->retry, &id, NULL, &info, err);
}

static void again_is_tried_again_with_growing_waits(void **state)
{
	struct fake *f = *state;

	f->script[0] = f->script[1] = f->script[2] = RC_AGAIN;
	assert_int_equal(head(f, NULL), RC_OK);
	assert_int_equal(f->calls, 4);
	assert_int_equal(f->n_sleeps, 3);
	assert_true(f->slept_ms <= 100 + 200 + 300);
}

static void attempts_have_an_end(void **state)
{
	struct fake *f = *state;
	struct err err = {0};

	for (int i = 0; i < 16; i++)
		f->script[i] = RC_AGAIN;
	assert_int_equal(head(f, &err), RC_AGAIN);
	assert_int_equal(f->calls, 4);
	assert_string_equal(err.text, "answer 4");
}

/* The inner call takes 6 s each time: a third would begin after the 10 s. */
static void the_deadline_counts(void **state)
{
	struct fake *f = *state;

	for (int i = 0; i < 16; i++)
		f->script[i] = RC_AGAIN;
	f->call_ms = 6000;
	assert_int_equal(head(f, NULL), RC_AGAIN);
	assert_int_equal(f->calls, 2);
}

/* Only 5 tokens: the sixth repetition in a row does not take place. */
static void the_budget_is_shared(void **state)
{
	struct fake *f = *state;

	for (int i = 0; i < 16; i++)
		f->script[i] = RC_AGAIN;
	assert_int_equal(head(f, NULL), RC_AGAIN); /* 4 calls, 3 tokens */
	assert_int_equal(head(f, NULL), RC_AGAIN); /* 3 calls, 2 tokens */
	assert_int_equal(f->calls, 7);
	assert_int_equal(head(f, NULL), RC_AGAIN); /* 1 call, none left */
	assert_int_equal(f->calls, 8);
	f->calls = 16; /* all is well again: ten successes give a token back */
	for (int i = 0; i < 10; i++)
		assert_int_equal(head(f, NULL), RC_OK);
	f->calls = 14;
	assert_int_equal(head(f, NULL), RC_AGAIN);
	assert_int_equal(f->calls, 16);
}

/* What the deadline forbids takes nothing from the others: of 5 tokens four calls that are too slow
 * take one each. */
static void a_repetition_that_does_not_take_place_costs_no_budget(void **state)
{
	struct fake *f = *state;

	for (int i = 0; i < 16; i++)
		f->script[i] = RC_AGAIN;
	f->call_ms = 6000;
	for (int i = 0; i < 4; i++)
		assert_int_equal(head(f, NULL), RC_AGAIN);
	assert_int_equal(f->calls, 8);
	f->call_ms = 0;
	assert_int_equal(head(f, NULL), RC_AGAIN);
	assert_int_equal(f->calls, 10);
}

static void what_is_final_is_not_repeated(void **state)
{
	static const enum rc finals[] = {RC_ABSENT, RC_CONFLICT, RC_CORRUPT, RC_REFUSED, RC_FATAL};
	struct fake *f = *state;

	for (size_t i = 0; i < 5; i++) {
		f->calls = 0;
		f->script[0] = finals[i];
		assert_int_equal(head(f, NULL), finals[i]);
		assert_int_equal(f->calls, 1);
	}
}

struct body {
	size_t at;
	unsigned n_rewinds;
};

static enum rc body_read(void *arg, void *out, size_t max, size_t *ret_n, struct err *err)
{
	struct body *b = arg;

	(void)max, (void)err;
	*ret_n = 4 - b->at;
	memcpy(out, "body", *ret_n);
	b->at = 4;
	return RC_OK;
}

static enum rc body_rewind(void *arg, struct err *err)
{
	struct body *b = arg;

	(void)err;
	b->at = 0;
	b->n_rewinds++;
	return RC_OK;
}

static enum rc put(struct fake *f, struct body *b, bool can_rewind)
{
	struct os_source source = {
		.read = body_read, .arg = b, .rewind = can_rewind ? body_rewind : NULL};
	struct os_object info;

	return os_put(f->retry, slice_str("b"), slice_str("k"), slice_str(""), 4, &source, NULL,
		&info, NULL);
}

static void a_put_is_repeated_from_its_front(void **state)
{
	struct fake *f = *state;
	struct body b = {0};

	f->script[0] = RC_AGAIN;
	assert_int_equal(put(f, &b, true), RC_OK);
	assert_int_equal(b.n_rewinds, 1);
	assert_int_equal(f->calls, 2);
}

static void a_put_that_can_be_read_once_is_not_repeated(void **state)
{
	struct fake *f = *state;
	struct body b = {0};

	f->script[0] = RC_AGAIN;
	assert_int_equal(put(f, &b, false), RC_AGAIN);
	assert_int_equal(f->calls, 1);
}

/* A second one would be a second version. */
static void an_ambiguous_put_is_not_repeated(void **state)
{
	struct fake *f = *state;
	struct body b = {0};

	f->script[0] = RC_UNKNOWN;
	assert_int_equal(put(f, &b, true), RC_UNKNOWN);
	assert_int_equal(f->calls, 1);
}

static void an_ambiguous_publish_is_repeated(void **state)
{
	struct fake *f = *state;

	f->script[0] = RC_UNKNOWN;
	assert_int_equal(
		os_publish(f->retry, slice_str("b"), slice_str("k"), slice_str("s"), NULL), RC_OK);
	assert_int_equal(f->calls, 2);
}

/* [OS-12] One version more of the same bytes does no harm. */
static void an_ambiguous_copy_is_repeated(void **state)
{
	struct fake *f = *state;
	struct object_id from = {0};
	struct os_object info;

	f->script[0] = RC_UNKNOWN;
	assert_int_equal(
		os_copy(f->retry, &from, slice_str("b"), slice_str("k"), NULL, &info, NULL), RC_OK);
	assert_int_equal(f->calls, 2);
}

static void one_key_of_many_is_reason_enough(void **state)
{
	struct fake *f = *state;
	struct object_id ids[3] = {0};
	enum rc results[3];

	f->script[0] = RC_AGAIN;
	assert_int_equal(os_delete_many(f->retry, slice_str("b"), ids, 3, results, NULL), RC_OK);
	assert_int_equal(f->calls, 2);
	assert_int_equal(results[1], RC_OK);
}

struct seen {
	unsigned begins[4], ends[4];
	enum rc outcome[4];
	size_t last;
};

static enum rc seen_begin(void *arg, size_t i, const struct os_object *info, struct err *err)
{
	struct seen *s = arg;

	(void)info, (void)err;
	s->begins[i]++;
	return RC_OK;
}

static enum rc seen_end(
	void *arg, size_t i, enum rc outcome, const struct err *why, struct err *err)
{
	struct seen *s = arg;

	(void)why, (void)err;
	assert_true(i == 0 ? s->last == 0 : s->last == i - 1);
	s->last = i;
	s->ends[i]++;
	s->outcome[i] = outcome;
	return RC_OK;
}

static struct seen get_four(struct fake *f)
{
	struct object_id ids[4] = {0};
	struct seen s = {0};
	struct os_sink sink = {seen_begin, NULL, seen_end, &s};

	assert_int_equal(os_get_many(f->retry, ids, 4, &sink, NULL), RC_OK);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(s.ends[i], 1);
	return s;
}

static void get_many_goes_on_at_the_object_that_failed(void **state)
{
	struct fake *f = *state;
	struct seen s;

	f->script[1] = f->script[2] = RC_AGAIN; /* object 1, twice */
	f->script[4] = RC_ABSENT;               /* object 2 */
	s = get_four(f);
	assert_int_equal(s.outcome[0], RC_OK);
	assert_int_equal(s.outcome[1], RC_OK);
	assert_int_equal(s.outcome[2], RC_ABSENT);
	assert_int_equal(s.outcome[3], RC_OK);
	assert_int_equal(f->calls, 6);
}

static void get_many_reports_what_broke_after_begin(void **state)
{
	struct fake *f = *state;
	struct seen s;

	f->script[1] = RC_CORRUPT;
	s = get_four(f);
	assert_int_equal(s.outcome[1], RC_AGAIN);
	assert_int_equal(s.begins[1], 1);
	assert_int_equal(f->calls, 4);
}

static void get_many_gives_up_on_one_and_goes_on(void **state)
{
	struct fake *f = *state;
	struct seen s;

	for (int i = 1; i < 5; i++) /* the four attempts */
		f->script[i] = RC_AGAIN;
	s = get_four(f);
	assert_int_equal(f->calls, 1 + 4 + 2);
	assert_int_equal(s.outcome[1], RC_AGAIN);
	assert_int_equal(s.begins[1], 0);
	assert_int_equal(s.outcome[2], RC_OK);
	assert_int_equal(s.outcome[3], RC_OK);
}

#define IN_WORLD(fn) cmocka_unit_test_setup_teardown(fn, open_world, close_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(again_is_tried_again_with_growing_waits),
		IN_WORLD(attempts_have_an_end),
		IN_WORLD(the_deadline_counts),
		IN_WORLD(the_budget_is_shared),
		IN_WORLD(a_repetition_that_does_not_take_place_costs_no_budget),
		IN_WORLD(what_is_final_is_not_repeated),
		IN_WORLD(a_put_is_repeated_from_its_front),
		IN_WORLD(a_put_that_can_be_read_once_is_not_repeated),
		IN_WORLD(an_ambiguous_put_is_not_repeated),
		IN_WORLD(an_ambiguous_publish_is_repeated),
		IN_WORLD(an_ambiguous_copy_is_repeated),
		IN_WORLD(one_key_of_many_is_reason_enough),
		IN_WORLD(get_many_goes_on_at_the_object_that_failed),
		IN_WORLD(get_many_reports_what_broke_after_begin),
		IN_WORLD(get_many_gives_up_on_one_and_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
