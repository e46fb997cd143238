/* What commands write: as printf does, but that nothing of an argument is obeyed by a terminal. */
#include "check.h"

#include <stdlib.h>

#include "cli/say.h"

static char *said;
static size_t said_bytes;
static FILE *out;

static int setup(void **state)
{
	(void)state;
	out = open_memstream(&said, &said_bytes);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fclose(out);
	free(said);
	return 0;
}

#define CHECK(expected, ...)                                                                       \
	do {                                                                                       \
		rewind(out);                                                                       \
		say_to(out, __VA_ARGS__);                                                          \
		fflush(out);                                                                       \
		assert_int_equal(said_bytes, strlen(expected));                                    \
		assert_memory_equal(said, expected, said_bytes);                                   \
	} while (0)

static void test_formats_are_those_of_printf(void **state)
{
	(void)state;
	CHECK("100 %, a, 7, -3, 42", "100 %%, %s, %zu, %d, %u", "a", (size_t)7, -3, 42u);
	CHECK("18446744073709551615 9 x", "%llu %lu %c", 18446744073709551615ull, 9ul, 'x');
	CHECK("[abc     ] [     abc] [ab]", "[%-8s] [%8s] [%.2s]", "abc", "abc", "abc");
	CHECK("[ab  ] [  ab]", "[%-*.*s] [%*.*s]", 4, 2, "abc", 4, 2, "abc");
	CHECK("[   7] [0007] [7   ] 1.5 1.25 0.050", "[%4d] [%04d] [%-4d] %.1f %g %.3f", 7, 7, 7, 1.5,
		1.25, 0.05);
	CHECK("ff", "%x", 255u);
	CHECK("", "%s", "");
}

/* A width is of characters, so that a table stays one. */
static void test_widths_count_characters(void **state)
{
	(void)state;
	CHECK("[\xc3\xa9  ] [  \xc3\xa9]", "[%-3s] [%3s]", "\xc3\xa9", "\xc3\xa9");
}

static void test_only_arguments_are_made_printable(void **state)
{
	(void)state;
	CHECK("\r\033[K?[2J?, ??, ?, ???\n", "\r\033[K%s, %s, %s, %s\n", "\x1b[2J\n", "\xc2\x9b",
		"\x9b", "\xe2\x80\xae");
}

static void test_lines_keep_their_breaks_alone(void **state)
{
	(void)state;
	rewind(out);
	say_lines(out, slice_str("a\x1b\nb\r\n\nc"));
	fflush(out);
	assert_int_equal(said_bytes, 8);
	assert_memory_equal(said, "a?\nb?\n\nc", 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_formats_are_those_of_printf, setup, teardown),
		cmocka_unit_test_setup_teardown(test_widths_count_characters, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_only_arguments_are_made_printable, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_lines_keep_their_breaks_alone, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
