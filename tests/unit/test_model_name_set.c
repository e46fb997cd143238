/* Which names can be extracted side by side. */
#include "check.h"

#include "model/name_set.h"

static void expect(const char *const *names, const char *last, bool fits)
{
	struct name_set s = NAME_SET_INIT;

	for (; *names; names++)
		assert_true(name_set_add(&s, slice_str(*names)));
	if (name_set_add(&s, slice_str(last)) != fits)
		fail_msg("'%s' is %s", last, fits ? "refused" : "accepted");
	name_set_release(&s);
}

#define EXPECT(fits, last, ...) expect((const char *const[]){__VA_ARGS__, NULL}, last, fits)

static void the_same_name_does_not_fit(void **state)
{
	(void)state;
	EXPECT(false, "a/b", "a/b");
	EXPECT(true, "a/c", "a/b", "b/b");
}

static void what_differs_by_case_alone_does_not_fit(void **state)
{
	(void)state;
	EXPECT(false, "data/readme.TXT", "data/README.txt");
	EXPECT(false, "Straße", "STRASSE");
	EXPECT(false, "ΔΈΛΤΑ", "δέλτα");
	EXPECT(true, "data/readme2.txt", "data/README.txt");
	EXPECT(true, "dáta", "data");
}

static void a_name_that_is_a_folder_of_another_does_not_fit(void **state)
{
	(void)state;
	EXPECT(false, "a", "a/b/c");
	EXPECT(false, "a/b", "a/b/c");
	EXPECT(false, "A/B", "a/b/c");
	EXPECT(true, "a/b/d", "a/b/c");
	EXPECT(true, "a/bb", "a/b/c");
}

static void a_name_below_another_does_not_fit(void **state)
{
	(void)state;
	EXPECT(false, "a/b", "a");
	EXPECT(false, "a/b/c/d", "x/y", "a/b");
	EXPECT(false, "a/B/c", "a/x/y", "a/b");
	EXPECT(true, "ab/c", "a");
}

static void what_does_not_fit_leaves_no_trace(void **state)
{
	struct name_set s = NAME_SET_INIT;

	(void)state;
	assert_true(name_set_add(&s, slice_str("a")));
	assert_false(name_set_add(&s, slice_str("a/b/c")));
	assert_true(name_set_add(&s, slice_str("b/c")));
	assert_false(name_set_add(&s, slice_str("a/b")));
	name_set_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_name_does_not_fit),
		cmocka_unit_test(what_differs_by_case_alone_does_not_fit),
		cmocka_unit_test(a_name_that_is_a_folder_of_another_does_not_fit),
		cmocka_unit_test(a_name_below_another_does_not_fit),
		cmocka_unit_test(what_does_not_fit_leaves_no_trace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
