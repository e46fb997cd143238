/* Text for people's eyes: nothing of it that a terminal would obey. */
#include "check.h"

#include "base/json.h"
#include "base/text.h"

static void test_hidden_characters_become_question_marks(void **state)
{
	static const struct {
		const char *text, *shown;
	} cases[] = {
		{"plain", "plain"},
		{"gr\xc3\xbc\xc3\x9f\x65 \xe2\x82\xac \xf0\x9f\x8e\x81",
			"gr\xc3\xbc\xc3\x9f\x65 \xe2\x82\xac \xf0\x9f\x8e\x81"},
		{"\x1b[2J\x07\r\n\t\x7f", "?[2J?????"},
		{"a\xc2\x9b" "2Jb", "a??2Jb"},           /* C1 in UTF-8 */
		{"a\x9b" "2Jb\x90", "a?2Jb?"},           /* C1 as 8-bit terminals read it */
		{"a\xe2\x80\xae" "b", "a???b"},           /* U+202E, right-to-left override */
		{"a\xe2\x81\xa6\xe2\x81\xa9", "a??????"}, /* U+2066, U+2069, isolates */
		{"a\xe2\x80\xa8\xe2\x80\xa9", "a??????"}, /* U+2028, U+2029, separators */
		{"a\xe2\x80\x8f\xd8\x9c\xef\xbb\xbf", "a????????"},
		{"\xe2\x80", "??"},                     /* cut off */
		{"\xc0\x9b\xe0\x82\x9b\xed\xa0\x80", "????????"}, /* overlong, a surrogate */
		{"\xf4\x90\x80\x80\xff\xfe", "??????"},           /* beyond Unicode */
		{"\xc3\xa9\xc3", "\xc3\xa9?"},
	};
	char out[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		text_printable(slice_str(cases[i].text), out, sizeof(out));
		assert_string_equal(out, cases[i].shown);
	}
}

static void test_a_text_is_cut_between_characters(void **state)
{
	char out[5];

	(void)state;
	text_printable(slice_str("abc\xc3\xa9"), out, sizeof(out));
	assert_string_equal(out, "abc");
	text_printable(slice_str("ab\xc3\xa9z"), out, sizeof(out));
	assert_string_equal(out, "ab\xc3\xa9");
	text_printable(slice_of("a\0b", 3), out, sizeof(out));
	assert_string_equal(out, "a?b");
	text_printable(slice_str("abc"), out, 1);
	assert_string_equal(out, "");
}

/* Both writers of JSON, over every character of the basic plane: what comes out is shown as it is,
 * and means the same. */
static void test_json_has_no_hidden_character_and_means_the_same(void **state)
{
	(void)state;
	for (uint32_t c = 1; c < 0x10000; c++) {
		unsigned char utf8[3];
		size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : 3;
		struct buf by_hand, document;
		json_t *root, *back = NULL;
		struct err err;

		if (c >= 0xd800 && c <= 0xdfff)
			continue;
		utf8[0] = (unsigned char)(n == 1 ? c : n == 2 ? 0xc0 | c >> 6 : 0xe0 | c >> 12);
		utf8[1] = (unsigned char)(0x80 | (n == 2 ? c & 0x3f : (c >> 6) & 0x3f));
		utf8[2] = (unsigned char)(0x80 | (c & 0x3f));
		buf_init(&by_hand, 100);
		buf_init(&document, 100);
		buf_add_char(&by_hand, '[');
		json_add_string(&by_hand, slice_of(utf8, n));
		buf_add_char(&by_hand, ']');
		root = json_pack("[s#]", (char *)utf8, (int)n);
		json_add_document(&document, root);
		for (const struct buf *b = &by_hand; b; b = b == &by_hand ? &document : NULL) {
			char shown[100];

			text_printable(buf_slice(b), shown, sizeof(shown));
			assert_memory_equal(shown, b->p, b->n);
			assert_int_equal(json_parse(buf_slice(b), 100, &back, &err), RC_OK);
			assert_true(json_equal(root, back));
			json_decref(back);
		}
		json_decref(root);
		buf_release(&by_hand);
		buf_release(&document);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hidden_characters_become_question_marks),
		cmocka_unit_test(test_a_text_is_cut_between_characters),
		cmocka_unit_test(test_json_has_no_hidden_character_and_means_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
