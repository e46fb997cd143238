/* The nouns: canonical member names (contract.md's table, each row), bundle keys, stored
 * headers, object ids. */
#include "check.h"

#include "model/bundle_key.h"
#include "model/member_name.h"
#include "model/object_headers.h"
#include "model/object_id.h"

static void expect_name(struct slice key, const char *want)
{
	struct arena a = ARENA_INIT;
	struct err err = {0};
	struct slice name;

	if (member_name_of_key(&a, key, &name, &err) != RC_OK)
		fail_msg("'" SLICE_FMT "' was refused: %s", SLICE_ARG(key), err.text);
	assert_slice_is(name, want);
	arena_release(&a);
}

static void expect_code(struct slice key, const char *code)
{
	struct arena a = ARENA_INIT;
	struct err err = {0};
	struct slice name;

	assert_int_equal(member_name_of_key(&a, key, &name, &err), RC_REFUSED);
	assert_string_equal(err.code, code);
	arena_release(&a);
}

#define NAME(key, want) expect_name(slice_str(key), want)
#define CODE(key, code) expect_code(slice_str(key), code)

static void plain_keys_stay(void **state)
{
	(void)state;
	NAME("data/a.json", "data/a.json");
	NAME("my-backup..old.txt", "my-backup..old.txt");
	NAME("...hidden", "...hidden");
	NAME("data..2024-01-01.csv", "data..2024-01-01.csv");
	NAME("a b/c+d=e", "a b/c+d=e");
	NAME("console/comet/null.txt", "console/comet/null.txt");
	NAME("\xf0\x9f\x9a\x80/x", "\xf0\x9f\x9a\x80/x");
}

static void keys_are_canonicalised(void **state)
{
	(void)state;
	NAME("C:\\Users\\test.csv", "Users/test.csv");
	NAME("/C:/Users/test.csv", "Users/test.csv"); /* what is in front is dropped first */
	NAME("./c:\\D:x/y", "x/y");
	NAME("data/C:/x", "data/C:/x");
	NAME("/etc/passwd", "etc/passwd");
	NAME("folder/sub/", "folder/sub");
	NAME("a//b/./c", "a/b/c");
	NAME("a%20b", "a b");
	NAME("a%2520b", "a b");
	NAME("100%", "100%");
	NAME("%zz%4", "%zz%4");
	NAME("%41%4", "A%4");
	NAME("\xef\xbc\xa1", "A");     /* U+FF21, full-width A */
	NAME("e\xcc\x81", "\xc3\xa9"); /* composed by NFKC */
}

static void five_rounds_of_decoding_and_no_more(void **state)
{
	(void)state;
	NAME("a%252525252520b", "a%20b");
	NAME("a%2525252520b", "a b");
}

static void format_is_rejected(void **state)
{
	(void)state;
	CODE("", "INVALID_S3_KEY_FORMAT");
	CODE("data/ a", "INVALID_S3_KEY_FORMAT");
	CODE("data /a", "INVALID_S3_KEY_FORMAT");
	CODE("a\xc2\xa0", "INVALID_S3_KEY_FORMAT"); /* no-break space, a space after NFKC */
}

static void length_is_rejected(void **state)
{
	char key[1100];

	(void)state;
	memset(key, 'a', sizeof(key));
	expect_code(slice_of(key, 1025), "INVALID_S3_KEY_LENGTH");
	key[1024] = '\0';
	expect_name(slice_of(key, 1024), key);
}

static void unicode_is_rejected(void **state)
{
	(void)state;
	CODE("a\xff", "INVALID_S3_KEY_UNICODE");
	CODE("a\xc0\xaf", "INVALID_S3_KEY_UNICODE");     /* overlong '/' */
	CODE("a\xed\xa0\x80", "INVALID_S3_KEY_UNICODE"); /* a surrogate */
	CODE("a%ff", "INVALID_S3_KEY_UNICODE");
}

static void characters_are_rejected(void **state)
{
	(void)state;
	CODE("a\nb", "INVALID_S3_KEY_CHARACTER");
	CODE("a%00b", "INVALID_S3_KEY_CHARACTER");
	CODE("a\x7f", "INVALID_S3_KEY_CHARACTER");
	CODE("a\xe2\x80\x8b"
	     "b",
		"INVALID_S3_KEY_CHARACTER"); /* zero-width space */
	CODE("a\xe2\x80\xae"
	     "b",
		"INVALID_S3_KEY_CHARACTER"); /* right-to-left override */
	CODE("\xef\xbb\xbf"
	     "a",
		"INVALID_S3_KEY_CHARACTER"); /* BOM */
}

static void paths_are_rejected(void **state)
{
	(void)state;
	CODE("data/../etc/passwd", "UNSAFE_S3_KEY_PATH");
	CODE("..", "UNSAFE_S3_KEY_PATH");
	CODE("%252F..%252F", "UNSAFE_S3_KEY_PATH");
	CODE("..%5c..%5cx", "UNSAFE_S3_KEY_PATH");
	CODE("a/\xef\xbc\x8e\xef\xbc\x8e/b", "UNSAFE_S3_KEY_PATH"); /* full-width dots */
	CODE("C:\\..\\x", "UNSAFE_S3_KEY_PATH");
	CODE("/C:../x", "UNSAFE_S3_KEY_PATH");
	CODE("/C:/", "UNSAFE_S3_KEY_PATH");
	CODE("/C:con", "UNSAFE_S3_KEY_PATH");
	CODE("data/con", "UNSAFE_S3_KEY_PATH");
	CODE("Aux.txt", "UNSAFE_S3_KEY_PATH");
	CODE("x/COM9.log", "UNSAFE_S3_KEY_PATH");
	CODE("lpt1", "UNSAFE_S3_KEY_PATH");
	CODE("/", "UNSAFE_S3_KEY_PATH");
	CODE("./.", "UNSAFE_S3_KEY_PATH");
}

static void bundle_keys_name_hour_and_plan(void **state)
{
	struct plan_id id, back;
	char key[BUNDLE_KEY_MAX];

	(void)state;
	for (int i = 0; i < PLAN_ID_BYTES; i++)
		id.bytes[i] = (unsigned char)(i * 16 + i);
	bundle_key_format(key, &id, 1445412480000);
	assert_string_equal(key, "2015/10/21/07/bundle-00112233445566778899aabbccddeeff.tar.gz");
	assert_true(bundle_key_parse(slice_str(key), &back));
	assert_memory_equal(&id, &back, sizeof(id));
	assert_true(bundle_key_is_bundle(slice_str(key)));
	assert_false(bundle_key_is_bundle(slice_str("manifest/x")));
	key[20] = 'x';
	assert_false(bundle_key_parse(slice_str(key), &back));
	assert_false(bundle_key_parse(slice_str("bundle-"), &back));
}

static void headers_are_kept_in_order_and_lower_case(void **state)
{
	struct slice name, value;
	struct buf text;
	size_t pos = 0;

	(void)state;
	buf_init(&text, OBJECT_HEADERS_MAX);
	assert_true(object_headers_add(&text, slice_str("Content-Type"), slice_str("text/plain")));
	assert_true(object_headers_add(&text, slice_str("x-amz-meta-A"), slice_str("b: c")));
	assert_true(object_headers_add(&text, slice_str("x-empty"), slice_str("")));
	assert_false(object_headers_add(&text, slice_str("x"), slice_str("a\nb")));
	assert_false(object_headers_add(&text, slice_str("x y"), slice_str("a")));
	assert_false(object_headers_add(&text, slice_str(""), slice_str("a")));
	assert_slice_is(object_headers_get(buf_slice(&text), "content-type"), "text/plain");
	assert_slice_is(object_headers_get(buf_slice(&text), "x-amz-meta-a"), "b: c");
	assert_null(object_headers_get(buf_slice(&text), "x").p);
	for (int i = 0; i < 3; i++)
		assert_true(object_headers_next(buf_slice(&text), &pos, &name, &value));
	assert_false(object_headers_next(buf_slice(&text), &pos, &name, &value));
	buf_release(&text);
}

static void ids_differ_by_every_field(void **state)
{
	struct object_id a = {slice_str("b"), slice_str("k"), slice_str("1")}, b = a;

	(void)state;
	assert_true(object_id_eq(&a, &b));
	b.version = slice_str("2");
	assert_false(object_id_eq(&a, &b));
	assert_true(object_id_cmp(&a, &b) < 0);
	b = a;
	b.bucket = slice_str("bk"), b.key = slice_str("");
	assert_false(object_id_eq(&a, &b));
	assert_true(object_id_hash(&a) != object_id_hash(&b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_keys_stay),
		cmocka_unit_test(keys_are_canonicalised),
		cmocka_unit_test(five_rounds_of_decoding_and_no_more),
		cmocka_unit_test(format_is_rejected),
		cmocka_unit_test(length_is_rejected),
		cmocka_unit_test(unicode_is_rejected),
		cmocka_unit_test(characters_are_rejected),
		cmocka_unit_test(paths_are_rejected),
		cmocka_unit_test(bundle_keys_name_hour_and_plan),
		cmocka_unit_test(headers_are_kept_in_order_and_lower_case),
		cmocka_unit_test(ids_differ_by_every_field),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
