/* Slices and buffers: the maximum is kept, nothing is half appended, numbers and hex are strict. */
#include "check.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/text.h"

static void a_buffer_never_passes_its_maximum(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 10);
	assert_true(buf_add(&b, "0123456789", 10));
	assert_false(b.overflow);
	assert_false(buf_add_char(&b, 'x'));
	assert_true(b.overflow);
	assert_slice_is(buf_slice(&b), "0123456789");
	buf_reset(&b);
	assert_false(b.overflow);
	assert_int_equal(b.n, 0);
	assert_false(buf_addf(&b, "%s-%d", "abcdefgh", 12));
	assert_int_equal(b.n, 0);
	assert_false(buf_add_hex(&b, "abcdef", 6));
	assert_int_equal(b.n, 0);
	buf_release(&b);
}

static void appending_nothing_is_fine(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	assert_true(buf_add(&b, NULL, 0));
	assert_true(buf_add_slice(&b, (struct slice){0}));
	assert_true(buf_add_str(&b, ""));
	assert_string_equal(buf_cstr(&b), "");
	assert_false(buf_add_char(&b, 'x'));
	buf_release(&b);
}

static void every_way_of_appending_appends(void **state)
{
	struct buf b;
	unsigned char *room;

	(void)state;
	buf_init(&b, 1000);
	assert_true(buf_add_str(&b, "a"));
	assert_true(buf_add_char(&b, 'b'));
	assert_true(buf_add_slice(&b, slice_str("c")));
	assert_true(buf_addf(&b, "%05d", 42));
	assert_true(buf_add_hex(&b, "\x00\xff\x1a", 3));
	room = buf_reserve(&b, 3);
	assert_non_null(room);
	memcpy(room, "xyz", 3);
	b.n += 3;
	assert_string_equal(buf_cstr(&b), "abc0004200ff1axyz");
	buf_release(&b);
}

static void a_buffer_grows_to_its_maximum_and_keeps_its_bytes(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 100000);
	for (size_t i = 0; i < 100000; i++)
		assert_true(buf_add_char(&b, (char)(i % 251)));
	assert_false(buf_add_char(&b, 'x'));
	for (size_t i = 0; i < 100000; i++)
		assert_int_equal(b.p[i], i % 251);
	buf_release(&b);
}

static void numbers_are_strict(void **state)
{
	static const char *const bad[] = {"", "-1", "+1", " 1", "1 ", "0x1", "1.0",
		"18446744073709551616", "99999999999999999999", "1\n"};
	uint64_t v = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(slice_to_u64(slice_str(bad[i]), &v));
	assert_int_equal(v, 7);
	assert_true(slice_to_u64(slice_str("18446744073709551615"), &v));
	assert_true(v == UINT64_MAX);
	assert_true(slice_to_u64(slice_str("007"), &v));
	assert_int_equal(v, 7);
}

static void keys_are_ordered_by_bytes(void **state)
{
	static const char *const ordered[] = {"", "A", "a", "a/", "a/b", "aa", "b", "\xc3\xbc"};
	const size_t n = sizeof(ordered) / sizeof(ordered[0]);

	(void)state;
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < n; k++) {
			int d = slice_cmp(slice_str(ordered[i]), slice_str(ordered[k]));

			assert_true(i < k ? d < 0 : i > k ? d > 0 : d == 0);
		}
}

static void slices_compare_as_they_say(void **state)
{
	(void)state;
	assert_true(slice_eq((struct slice){0}, slice_str("")));
	assert_false(slice_eq_str(slice_of("a\0b", 3), "a"));
	assert_true(slice_eq_nocase(slice_str("Content-MD5"), slice_str("content-md5")));
	assert_false(slice_eq_nocase(slice_str("content-md"), slice_str("content-md5")));
	assert_true(slice_has_prefix(slice_str("data/x"), slice_str("data/")));
	assert_true(slice_has_prefix(slice_str(""), slice_str("")));
	assert_false(slice_has_prefix(slice_str("data"), slice_str("data/")));
}

static void hex_goes_both_ways_and_is_strict(void **state)
{
	unsigned char out[3];
	char hex[7];

	(void)state;
	assert_true(hex_decode(slice_str("00fF1a"), out, 3));
	assert_memory_equal(out, "\x00\xff\x1a", 3);
	hex_encode(out, 3, hex);
	assert_string_equal(hex, "00ff1a");
	assert_false(hex_decode(slice_str("00ff1"), out, 3));
	assert_false(hex_decode(slice_str("00ff1a0"), out, 3));
	assert_false(hex_decode(slice_str("00fg1a"), out, 3));
	assert_false(hex_decode(slice_str(" 0ff1a"), out, 3));
}

static void a_copy_is_terminated(void **state)
{
	char *copy = slice_dup(slice_of("abcdef", 3)), *empty = slice_dup((struct slice){0});

	(void)state;
	assert_string_equal(copy, "abc");
	assert_string_equal(empty, "");
	free(copy);
	free(empty);
}

static void control_characters_do_not_reach_a_terminal(void **state)
{
	char out[8], wide[16];

	(void)state;
	text_printable(slice_str("a\x1b[1m\x7f\n-long"), out, sizeof(out));
	assert_string_equal(out, "a?[1m??");
	/* U+009B: CSI in one */
	text_printable(slice_str("\xc3\xa9\xc2\x9b\xc4\x80"), wide, sizeof(wide));
	assert_string_equal(wide, "\xc3\xa9??\xc4\x80");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_buffer_never_passes_its_maximum),
		cmocka_unit_test(appending_nothing_is_fine),
		cmocka_unit_test(every_way_of_appending_appends),
		cmocka_unit_test(a_buffer_grows_to_its_maximum_and_keeps_its_bytes),
		cmocka_unit_test(numbers_are_strict),
		cmocka_unit_test(keys_are_ordered_by_bytes),
		cmocka_unit_test(slices_compare_as_they_say),
		cmocka_unit_test(hex_goes_both_ways_and_is_strict),
		cmocka_unit_test(a_copy_is_terminated),
		cmocka_unit_test(control_characters_do_not_reach_a_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
