/* budget: what fits is granted, what is large is refused before what is small, and what is given
 * back is free again. */
#include "check.h"

#include "base/budget.h"

static void takes_what_fits_and_no_more(void **state)
{
	struct budget b;

	(void)state;
	budget_init(&b, "test", 100);
	assert_true(budget_take(&b, 60));
	assert_false(budget_take(&b, 41));
	assert_true(budget_take(&b, 40));
	assert_int_equal(budget_room(&b), 0);
	budget_give(&b, 100);
	assert_int_equal(b.used, 0);
	assert_int_equal(b.peak, 100);
	assert_int_equal(b.refused, 1);
	assert_false(budget_take(&b, UINT64_MAX));
}

/* What cannot be refused may pass the limit; until it is given back nobody else gets in. */
static void what_is_added_passes_the_limit(void **state)
{
	struct budget b;

	(void)state;
	budget_init(&b, "test", 100);
	budget_add(&b, 150);
	assert_false(budget_take(&b, 1));
	assert_int_equal(budget_room(&b), 0);
	budget_give(&b, 60);
	assert_true(budget_take(&b, 10));
	budget_give(&b, 100);
}

/* A hundred that each want all there is: together they never use it up, and one that wants little
 * still gets in. */
static void large_ones_leave_room_for_small_ones(void **state)
{
	uint64_t holds[100] = {0}, sum = 0;
	struct budget b;

	(void)state;
	budget_init(&b, "test", 1000000);
	for (int round = 0; round < 1000; round++)
		for (int i = 0; i < 100; i++)
			if (budget_grow(&b, holds[i], 100))
				holds[i] += 100;
	for (int i = 0; i < 100; i++)
		sum += holds[i];
	assert_int_equal(b.used, sum);
	assert_in_range(budget_room(&b), 5000, 20000);
	assert_true(budget_grow(&b, 0, 1000));
	assert_false(budget_grow(&b, 0, 100000));
	budget_give(&b, sum + 1000);
	assert_true(budget_grow(&b, 0, 1000000)); /* alone */
}

static void without_a_budget_everything_is_granted(void **state)
{
	(void)state;
	assert_true(budget_take(NULL, UINT64_MAX));
	assert_true(budget_grow(NULL, 1, UINT64_MAX));
	budget_add(NULL, 1);
	budget_give(NULL, 1);
	assert_true(budget_room(NULL) == UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_what_fits_and_no_more),
		cmocka_unit_test(what_is_added_passes_the_limit),
		cmocka_unit_test(large_ones_leave_room_for_small_ones),
		cmocka_unit_test(without_a_budget_everything_is_granted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
