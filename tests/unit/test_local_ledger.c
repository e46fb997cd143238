/* The local ledger beyond the contract's suite: bounds, large batches, races of two claimants. */
#include "check.h"

#include "local_fixture.h"

#include "port/ledger.h"

static int setup(void **state)
{
	struct local_fixture *f = xcalloc(1, sizeof(*f));

	fixture_init(f, 5);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fixture_release(*state);
	free(*state);
	return 0;
}

static struct ledger *ledger_of(void **state)
{
	return local_ledger(((struct local_fixture *)*state)->local);
}

static struct lg_plan plan_of(unsigned n)
{
	struct lg_plan p = {.state = PLAN_OPEN, .owner = slice_str("me")};

	memcpy(p.id.bytes, &n, sizeof(n));
	p.bucket = slice_str("b");
	p.key = slice_str("k");
	return p;
}

static void open_plan(struct ledger *lg, unsigned n)
{
	struct lg_plan p = plan_of(n);

	assert_int_equal(lg_plan_open(lg, &p, NULL), RC_OK);
}

static void what_is_too_long_is_refused(void **state)
{
	struct ledger *lg = ledger_of(state);
	unsigned char *big = xcalloc(1, LG_STAGED_MAX + 1);
	struct lg_plan p = plan_of(1), got;
	struct lg_seal seal = {.staged = slice_of(big, LG_STAGED_MAX), .n_slots = 1};
	struct arena a = ARENA_INIT;

	p.owner = slice_of(big, LG_OWNER_MAX + 1);
	assert_int_equal(lg_plan_open(lg, &p, NULL), RC_REFUSED);
	open_plan(lg, 1);
	seal.staged.n++;
	assert_int_equal(lg_plan_seal(lg, &p.id, p.nonce, &seal, NULL), RC_REFUSED);
	seal.staged.n--;
	assert_int_equal(lg_plan_seal(lg, &p.id, p.nonce, &seal, NULL), RC_OK);
	assert_int_equal(lg_plan_get(lg, &a, &p.id, &got, NULL), RC_OK);
	assert_int_equal(got.seal.staged.n, LG_STAGED_MAX);
	arena_release(&a);
	free(big);
}

/* [LG-9], [LG-13]: one bad reason does not spoil the others. */
static void lg13_a_reason_that_is_too_long_is_its_own_result(void **state)
{
	struct ledger *lg = ledger_of(state);
	struct lg_plan p = plan_of(1);
	char reason[LG_REASON_MAX + 1] = "";
	struct lg_claim claims[2] = {0};
	struct lg_reject rejects[2] = {0};
	struct arena a = ARENA_INIT;

	open_plan(lg, 1);
	claims[0].object.key = rejects[0].object.key = slice_str("one");
	claims[1].object.key = rejects[1].object.key = slice_str("two");
	rejects[0].reason = slice_of(reason, sizeof(reason));
	rejects[1].reason = slice_of(reason, LG_REASON_MAX);
	assert_int_equal(lg_claim_many(lg, &a, &p.id, claims, 2, NULL), RC_OK);
	assert_int_equal(lg_reject_many(lg, &p.id, rejects, 2, NULL), RC_OK);
	assert_int_equal(rejects[0].result, RC_REFUSED);
	assert_int_equal(rejects[1].result, RC_OK);
	arena_release(&a);
}

static void lg7_an_object_twice_in_one_batch(void **state)
{
	struct ledger *lg = ledger_of(state);
	struct lg_plan p = plan_of(1);
	struct lg_claim claims[2] = {{.slot = 4}, {.slot = 5}};
	struct arena a = ARENA_INIT;

	open_plan(lg, 1);
	claims[0].object.key = claims[1].object.key = slice_str("twice");
	assert_int_equal(lg_claim_many(lg, &a, &p.id, claims, 2, NULL), RC_OK);
	assert_int_equal(claims[0].result, RC_OK);
	assert_int_equal(claims[1].result, RC_CONFLICT);
	assert_int_equal(claims[1].record.slot, 4);
	arena_release(&a);
}

static void lg13_the_largest_batch(void **state)
{
	struct ledger *lg = ledger_of(state);
	struct arena a = ARENA_INIT;
	struct lg_claim *claims = arena_array(&a, LG_BATCH_MAX + 1, sizeof(*claims));
	struct lg_plan p = plan_of(1);

	open_plan(lg, 1);
	for (uint32_t i = 0; i <= LG_BATCH_MAX; i++) {
		claims[i].slot = i;
		claims[i].object.version = slice_str(arena_printf(&a, "%016x", i));
	}
	assert_int_equal(lg_claim_many(lg, &a, &p.id, claims, LG_BATCH_MAX + 1, NULL), RC_REFUSED);
	assert_int_equal(lg_claim_many(lg, &a, &p.id, claims, LG_BATCH_MAX, NULL), RC_OK);
	for (uint32_t i = 0; i < LG_BATCH_MAX; i++)
		assert_int_equal(claims[i].result, RC_OK);
	arena_release(&a);
}

static void lg11_a_scan_resumes_only_at_a_plan(void **state)
{
	struct ledger *lg = ledger_of(state);
	struct lg_plan none = plan_of(99), *plans;
	struct arena a = ARENA_INIT;
	size_t n;

	open_plan(lg, 1);
	assert_int_equal(lg_scan(lg, &a, PLAN_OPEN, &none.id, 10, &plans, &n, NULL), RC_REFUSED);
	assert_int_equal(lg_scan(lg, &a, PLAN_OPEN, NULL, SIZE_MAX, &plans, &n, NULL), RC_OK);
	assert_int_equal(n, 1);
	arena_release(&a);
}

enum { N_OBJECTS = 400, N_CLAIMANTS = 3 };

struct claimant {
	struct ledger *lg;
	unsigned plan;
	bool failed;
	bool won[N_OBJECTS];
};

static void *claim_all(void *arg)
{
	struct claimant *c = arg;
	struct lg_plan p = plan_of(c->plan);

	for (size_t i = 0; i < N_OBJECTS; i += 10) {
		struct arena a = ARENA_INIT;
		struct lg_claim claims[10] = {0};

		for (size_t j = 0; j < 10; j++)
			claims[j].object.key = slice_str(arena_printf(&a, "%zu", i + j));
		if (lg_claim_many(c->lg, &a, &p.id, claims, 10, NULL) != RC_OK)
			c->failed = true;
		for (size_t j = 0; j < 10; j++)
			c->won[i + j] = claims[j].result == RC_OK;
		arena_release(&a);
	}
	return NULL;
}

/* [LG-7] However many claim at once, each object has one owner, and the record names it. */
static void lg7_claimants_at_once_share_nothing(void **state)
{
	static struct claimant c[N_CLAIMANTS];
	struct ledger *lg = ledger_of(state);
	pthread_t threads[N_CLAIMANTS];
	struct arena a = ARENA_INIT;

	for (unsigned i = 0; i < N_CLAIMANTS; i++) {
		open_plan(lg, i);
		c[i].lg = lg;
		c[i].plan = i;
		assert_int_equal(pthread_create(&threads[i], NULL, claim_all, &c[i]), 0);
	}
	for (unsigned i = 0; i < N_CLAIMANTS; i++)
		pthread_join(threads[i], NULL);
	for (size_t i = 0; i < N_OBJECTS; i++) {
		struct object_id id = {.key = slice_str(arena_printf(&a, "%zu", i))};
		struct lg_object record;
		unsigned owner, owners = 0;

		assert_int_equal(lg_object_get(lg, &a, &id, &record, NULL), RC_OK);
		memcpy(&owner, record.plan.bytes, sizeof(owner));
		for (unsigned j = 0; j < N_CLAIMANTS; j++) {
			assert_false(c[j].failed);
			owners += c[j].won[i];
			assert_int_equal(c[j].won[i], j == owner);
		}
		assert_int_equal(owners, 1);
	}
	arena_release(&a);
}

#define LEDGER_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEDGER_TEST(what_is_too_long_is_refused),
		LEDGER_TEST(lg7_an_object_twice_in_one_batch),
		LEDGER_TEST(lg7_claimants_at_once_share_nothing),
		LEDGER_TEST(lg11_a_scan_resumes_only_at_a_plan),
		LEDGER_TEST(lg13_a_reason_that_is_too_long_is_its_own_result),
		LEDGER_TEST(lg13_the_largest_batch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
