/* The table against the plainest model of it, over many random operations. */
#include "check.h"

#include <stdio.h>

#include "base/prng.h"
#include "base/table.h"

#define KEYS 400

static void it_does_what_an_array_would(void **state)
{
	static char keys[KEYS][24];
	static int values[2];
	void *want[KEYS] = {NULL};
	struct prng r = prng_seeded(5);
	struct table t = TABLE_INIT;
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < KEYS; i++)
		snprintf(
			keys[i], sizeof(keys[i]), "%.*s%zu", (int)(i % 17), "aaaaaaaaaaaaaaaaa", i);
	for (int step = 0; step < 50000; step++) {
		size_t i = prng_below(&r, KEYS);
		struct slice key = slice_str(keys[i]);
		void *value = &values[step % 2];

		switch (prng_below(&r, 3)) {
		case 0:
			assert_ptr_equal(table_put(&t, key, value), want[i]);
			n += want[i] == NULL;
			want[i] = value;
			break;
		case 1:
			assert_ptr_equal(table_remove(&t, key), want[i]);
			n -= want[i] != NULL;
			want[i] = NULL;
			break;
		default:
			assert_ptr_equal(table_get(&t, key), want[i]);
			break;
		}
		assert_int_equal(t.n, n);
	}
	for (size_t i = 0; i < KEYS; i++)
		assert_ptr_equal(table_get(&t, slice_str(keys[i])), want[i]);
	table_clear(&t);
	assert_null(table_get(&t, slice_str(keys[0])));
	table_release(&t);
	assert_null(table_remove(&t, slice_str(keys[0])));
}

static void any_bytes_are_a_key(void **state)
{
	struct table t = TABLE_INIT;
	int a, b, c;

	(void)state;
	table_put(&t, slice_of("x\0y", 3), &a);
	table_put(&t, slice_of("x\0z", 3), &b);
	table_put(&t, slice_of(NULL, 0), &c);
	assert_ptr_equal(table_get(&t, slice_of("x\0y", 3)), &a);
	assert_ptr_equal(table_get(&t, slice_of("x\0z", 3)), &b);
	assert_ptr_equal(table_get(&t, slice_of("", 0)), &c);
	assert_null(table_get(&t, slice_of("x\0", 2)));
	table_release(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_does_what_an_array_would),
		cmocka_unit_test(any_bytes_are_a_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
