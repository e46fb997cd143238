/* The oracle can say no: it is shown a loss, a duplicate, foreign bytes, a stuck plan and every
 * forbidden move. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "obs/log.h"
#include "oracle.h"
#include "pack/pack.h"

struct fixture {
	struct world w;
	struct prng prng;
	struct pipeline *p;
	char why[ORACLE_WHY_MAX];
};

/* Three objects, shipped by a pipeline. */
static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct pipeline_config cfg;
	struct arena a = ARENA_INIT;

	log_configure(LOG_CRITICAL, LOG_FORMAT_JSON);
	world_open(&f->w, 3);
	f->prng = prng_seeded(4);
	cfg = world_config(&f->w, &f->prng);
	f->p = pipeline_new(&cfg);
	for (int i = 0; i < 3; i++)
		world_announce(&f->w, world_put(&f->w, arena_printf(&a, "data/%d", i), 100));
	arena_release(&a);
	*state = f;
	return world_run(&f->w, f->p, 500) ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	pipeline_free(f->p);
	world_close(&f->w);
	free(f);
	return 0;
}

static void assert_broken(struct fixture *f, const char *what)
{
	assert_false(oracle_final(&f->w, false, f->why));
	if (strncmp(f->why, what, strlen(what)) != 0)
		fail_msg("'%s' instead of '%s'", f->why, what);
}

static void a_true_run_is_accepted(void **state)
{
	struct fixture *f = *state;

	assert_true(oracle_final(&f->w, false, f->why));
}

static void a_lost_object_is_seen(void **state)
{
	struct fixture *f = *state;

	world_put(&f->w, "data/never-announced", 10);
	assert_broken(f, "I11: object 3");
}

static enum rc keep(void *arg, struct slice bytes, struct err *err)
{
	(void)err;
	return buf_add_slice(arg, bytes) ? RC_OK : RC_REFUSED;
}

static enum rc keep_read(void *arg, void *out, size_t max, size_t *ret_n, struct err *err)
{
	struct slice *left = arg;

	(void)err;
	*ret_n = left->n < max ? left->n : max;
	if (*ret_n)
		memcpy(out, left->p, *ret_n);
	*left = slice_of(left->p + *ret_n, left->n - *ret_n);
	return RC_OK;
}

/* A bundle that no plan made: object 0 as its only member, under that key. */
static void forge(struct fixture *f, struct slice key, struct slice body)
{
	struct os_source source = {keep_read, &(struct slice){0}};
	struct os_object info;
	unsigned char sum[32];
	struct slice left;
	struct pack *p;
	struct buf b;
	uint64_t size;

	buf_init(&b, 1 << 20);
	p = pack_new(GZIP_NONE, NULL, NULL, keep, &b);
	assert_int_equal(pack_member_begin(p, f->w.objects[0].name, body.n, NULL), RC_OK);
	assert_int_equal(pack_data(p, body, NULL), RC_OK);
	assert_int_equal(pack_member_end(p, NULL), RC_OK);
	assert_int_equal(pack_finish(p, &size, sum, NULL), RC_OK);
	pack_free(p);
	left = buf_slice(&b);
	source.arg = &left;
	assert_int_equal(os_put(f->w.store, slice_str(WORLD_DISTRIBUTION), key, (struct slice){0},
				 b.n, &source, &f->w.arena, &info, NULL),
		RC_OK);
	buf_release(&b);
}

static void a_second_shipping_is_seen(void **state)
{
	struct fixture *f = *state;

	forge(f, slice_str("2026/01/01/00/bundle-00000000000000000000000000000001.tar.gz"),
		f->w.objects[0].body);
	assert_broken(f, "I1: object 0 is in 2 bundles");
}

static void a_bundle_without_a_plan_is_seen(void **state)
{
	struct fixture *f = *state;

	forge(f, slice_str("2026/01/01/00/bundle-00000000000000000000000000000001.tar.gz"),
		slice_str("x"));
	assert_broken(f, "I4: a bundle has a member nobody announced");
}

static void other_bytes_than_sealed_are_seen(void **state)
{
	struct fixture *f = *state;

	world_consume(&f->w);
	f->w.bundles[0].sha256[0] ^= 1;
	assert_broken(f, "I4: the bundle of plan 0 has other bytes");
}

static void a_done_plan_that_was_never_published_is_seen(void **state)
{
	struct fixture *f = *state;

	world_consume(&f->w);
	f->w.n_bundles = 0;
	f->w.n_members = 0;
	assert_broken(f, "I2: object 0 is recorded as shipped and in no bundle");
}

static struct lg_plan new_plan(struct fixture *f, unsigned char n)
{
	struct lg_plan plan = {.id = {{n}}, .state = PLAN_OPEN, .key = slice_str("k")};

	assert_int_equal(lg_plan_open(f->w.ledger, &plan, NULL), RC_OK);
	return plan;
}

static void an_open_plan_at_the_end_is_seen(void **state)
{
	struct fixture *f = *state;

	new_plan(f, 9);
	assert_broken(f, "I11: plan 1 is still open");
}

static void a_message_left_in_the_queue_is_seen(void **state)
{
	struct fixture *f = *state;

	world_announce(&f->w, 0);
	assert_broken(f, "I11: 1 messages are left");
}

static void a_stage_left_behind_is_seen(void **state)
{
	struct fixture *f = *state;
	struct os_stage *stage;

	assert_int_equal(os_stage_begin(f->w.store, slice_str(WORLD_DISTRIBUTION), slice_str("x"),
				 &stage, NULL),
		RC_OK);
	os_stage_free(stage);
	assert_broken(f, "a stage without a plan");
}

static void the_watch_sees_a_void_and_a_stolen_claim(void **state)
{
	struct fixture *f = *state;
	struct oracle_watch o = {0};
	struct lg_plan a = new_plan(f, 1), b = new_plan(f, 2);
	size_t i = world_put(&f->w, "data/stolen", 10);
	struct lg_claim c = {.object = f->w.objects[i].id, .from = a.id};
	struct lg_seal seal = {0};

	assert_int_equal(lg_claim_many(f->w.ledger, &f->w.arena, &a.id, &c, 1, NULL), RC_OK);
	assert_true(oracle_look(&o, &f->w, f->why));
	assert_int_equal(lg_swap_many(f->w.ledger, &f->w.arena, &b.id, &c, 1, NULL), RC_OK);
	assert_int_equal(c.result, RC_OK);
	assert_false(oracle_look(&o, &f->w, f->why));
	assert_memory_equal(f->why, "I9", 2);
	oracle_watch_release(&o);
	o = (struct oracle_watch){0};
	assert_int_equal(lg_plan_seal(f->w.ledger, &b.id, b.nonce, &seal, NULL), RC_OK);
	assert_true(oracle_look(&o, &f->w, f->why));
	assert_int_equal(lg_plan_void(f->w.ledger, &b.id, NULL), RC_OK);
	assert_false(oracle_look(&o, &f->w, f->why));
	assert_memory_equal(f->why, "I7", 2);
	oracle_watch_release(&o);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_true_run_is_accepted),
		TEST(a_lost_object_is_seen),
		TEST(a_second_shipping_is_seen),
		TEST(a_bundle_without_a_plan_is_seen),
		TEST(other_bytes_than_sealed_are_seen),
		TEST(a_done_plan_that_was_never_published_is_seen),
		TEST(an_open_plan_at_the_end_is_seen),
		TEST(a_message_left_in_the_queue_is_seen),
		TEST(a_stage_left_behind_is_seen),
		TEST(the_watch_sees_a_void_and_a_stolen_claim),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
