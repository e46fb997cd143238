/* JSON from a peer: bounded and refused with a sentence. JSON of ours: escapes that any parser
 * reads back. */
#include "check.h"

#include <malloc.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/json_write.h"

/* The linker puts these in the place of malloc (--wrap): the n-th allocation from now on fails, or
 * none when n is 0. */
static size_t fail_at;
void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);

void *__wrap_malloc(size_t n)
{
	if (fail_at && --fail_at == 0)
		return NULL;
	return __real_malloc(n);
}

static void refused(struct slice text)
{
	json_t *root = NULL;
	struct err err = {0};

	if (json_parse(text, 1 << 20, &root, &err) != RC_REFUSED)
		fail_msg("'" SLICE_FMT "' was taken", SLICE_ARG(text));
	assert_null(root);
	assert_true(err.text[0] != '\0');
}

static void what_is_not_json_is_refused(void **state)
{
	static const char *const bad[] = {"", " ", "{", "{\"a\":1,}", "{\"a\":1}x", "{'a':1}",
		"[1,2", "nul", "{\"a\":1,\"a\":2}", "\"\xff\"", "\"\\ud800\"", "[1e999]",
		"\xef\xbb\xbf{}"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refused(slice_str(bad[i]));
}

/* Every allocation of a parse fails once. Memory that ran out says nothing about the document. */
static void a_document_that_no_memory_was_there_for_is_not_judged(void **state)
{
	struct slice text = slice_str("{\"a\":[1,2.5,\"text \\u00e9\",null,{\"b\":true}],\"c\":\"d\"}");
	size_t n_again = 0;
	enum rc rc;

	(void)state;
	for (size_t n = 1; n < 1000; n++) {
		json_t *root = NULL;
		struct err err = {0};

		fail_at = n;
		rc = json_parse(text, 1 << 20, &root, &err);
		fail_at = 0;
		json_decref(root);
		if (rc == RC_OK)
			break;
		assert_int_equal(rc, RC_AGAIN);
		assert_string_equal(err.code, "no-memory");
		n_again++;
	}
	assert_int_equal(rc, RC_OK);
	assert_true(n_again > 10);
}

static void deep_nesting_is_refused(void **state)
{
	size_t n = 100000;
	char *deep = malloc(n);

	(void)state;
	memset(deep, '[', n);
	refused(slice_of(deep, n));
	free(deep);
}

static void a_document_over_the_bound_is_refused_unread(void **state)
{
	json_t *root = NULL;
	struct err err = {0};

	(void)state;
	assert_int_equal(json_parse(slice_str("[1,2]"), 5, &root, &err), RC_OK);
	json_decref(root);
	root = NULL;
	assert_int_equal(json_parse(slice_str("[1,2]"), 4, &root, &err), RC_REFUSED);
	assert_string_equal(err.text, "JSON of 5 bytes, more than 4");
	assert_null(root);
}

static void a_member_is_a_string_or_absent(void **state)
{
	json_t *root = NULL;
	struct slice s;

	(void)state;
	assert_int_equal(
		json_parse(slice_str("{\"a\":\"x\\u0000y\",\"b\":1,\"c\":\"\"}"), 100, &root, NULL),
		RC_OK);
	s = json_member_str(root, "a");
	assert_int_equal(s.n, 3);
	assert_memory_equal(s.p, "x\0y", 3);
	assert_null(json_member_str(root, "b").p);
	assert_null(json_member_str(root, "none").p);
	assert_non_null(json_member_str(root, "c").p);
	assert_int_equal(json_member_str(root, "c").n, 0);
	json_decref(root);
}

static void written_is(struct slice text, const char *want)
{
	struct buf out;

	buf_init(&out, 1000);
	assert_true(json_add_string(&out, text));
	assert_slice_is(buf_slice(&out), want);
	buf_release(&out);
}

static void strings_are_escaped(void **state)
{
	(void)state;
	written_is((struct slice){0}, "\"\"");
	written_is(slice_str("plain"), "\"plain\"");
	written_is(slice_str("a\"b\\c/d"), "\"a\\\"b\\\\c/d\"");
	written_is(slice_str("\n\r\t\x1b"), "\"\\n\\r\\t\\u001b\"");
	written_is(slice_str("a\xc2\x9b" "2J\xc2\xa0"), "\"a\\u009b2J\xc2\xa0\"");
	written_is(slice_of("\0", 1), "\"\\u0000\"");
	written_is(slice_str("\xc3\xbc\xf0\x9f\x9a\x80"), "\"\xc3\xbc\xf0\x9f\x9a\x80\"");
}

/* Overlong forms, surrogates, values beyond U+10FFFF, cut sequences: each bad byte is one
 * U+FFFD. */
static void invalid_utf8_is_replaced(void **state)
{
	(void)state;
	written_is(slice_str("a\xff"
			     "b"),
		"\"a\xef\xbf\xbd"
		"b\"");
	written_is(slice_str("\xc3"), "\"\xef\xbf\xbd\"");
	written_is(slice_str("\xc0\xaf"), "\"\xef\xbf\xbd\xef\xbf\xbd\"");
	written_is(slice_str("\xed\xa0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
	written_is(slice_str("\xf5\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\"");
}

/* Whatever bytes go in, a parser reads the result. */
static void every_pair_of_bytes_gives_json(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 65536; i++) {
		unsigned char two[2] = {(unsigned char)(i >> 8), (unsigned char)i};
		json_t *root = NULL;
		struct buf out;

		buf_init(&out, 100);
		assert_true(buf_add_char(&out, '['));
		assert_true(json_add_string(&out, slice_of(two, 2)));
		assert_true(buf_add_char(&out, ']'));
		if (json_parse(buf_slice(&out), 100, &root, NULL) != RC_OK)
			fail_msg("%02x %02x gave %s", two[0], two[1], buf_cstr(&out));
		json_decref(root);
		buf_release(&out);
	}
}

static void a_full_buffer_is_told(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 6);
	assert_false(json_add_string(&out, slice_str("too long")));
	assert_true(out.overflow);
	buf_release(&out);
}

static size_t held, most;

static void *count_malloc(size_t n)
{
	void *p = malloc(n);

	held += malloc_usable_size(p) + sizeof(size_t);
	most = held > most ? held : most;
	return p;
}

static void count_free(void *p)
{
	held -= p ? malloc_usable_size(p) + sizeof(size_t) : 0;
	free(p);
}

/* Documents that are all of one kind of value: what they are read into never passes the
 * estimate. */
static void memory_is_bounded_beforehand(void **state)
{
	static const char *const values[] = {"{}", "[]", "1", "\"\"", "\"abcdefghijklmnopqrstuvwxyz\"",
		"{\"a\":1}", "{\"a\":{\"b\":[1,2,{}]},\"c\":\"{[,:\\\"{{{{\"}", "[[[[[[]]]]]]", "null", "1.5"};

	(void)state;
	json_set_alloc_funcs(count_malloc, count_free);
	for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
		struct buf text;
		json_t *root;

		buf_init(&text, 1 << 20);
		buf_add_str(&text, "[0");
		for (int i = 0; i < 10000; i++)
			buf_addf(&text, ",%s", values[v]);
		buf_add_str(&text, "]");
		held = most = 0;
		assert_int_equal(json_parse(buf_slice(&text), 1 << 20, &root, NULL), RC_OK);
		json_decref(root);
		if (json_memory_bytes(buf_slice(&text)) < most)
			fail_msg("%s: %zu bytes", values[v], most);
		assert_int_equal(held, 0);
		buf_release(&text);
	}
	json_set_alloc_funcs(malloc, free);
}

static void the_writer_sets_every_comma(void **state)
{
	static const char *const expected =
		"{\"a\":1,\"b\":[\"x\",\"{\",{},[],{\"c\":true}],\"d\":{\"e\":null,\"f\":\"00ff\"},"
		"\"g\":\"\\u001b\\\"\",\"h\":\"2009-10-12T17:50:30.000Z\",\"i\":null}";
	json_t *root = NULL;
	struct buf out;

	(void)state;
	buf_init(&out, 1024);
	json_open_object(&out, NULL);
	json_u64(&out, "a", 1);
	json_open_array(&out, "b");
	json_str(&out, NULL, "x");
	json_str(&out, NULL, "{");
	json_open_object(&out, NULL);
	json_close_object(&out);
	json_open_array(&out, NULL);
	json_close_array(&out);
	json_open_object(&out, NULL);
	json_bool(&out, "c", true);
	json_close_object(&out);
	json_close_array(&out);
	json_open_object(&out, "d");
	json_nothing(&out, "e");
	json_hex(&out, "f", "\0\xff", 2);
	json_close_object(&out);
	json_str(&out, "g", "\033\"");
	json_time(&out, "h", UINT64_C(1255369830000));
	json_time(&out, "i", 0);
	json_close_object(&out);
	assert_string_equal(buf_cstr(&out), expected);
	assert_int_equal(json_parse(buf_slice(&out), 1024, &root, NULL), RC_OK);
	json_decref(root);
	buf_release(&out);
}

static void a_document_that_does_not_fit_is_told(void **state)
{
	(void)state;
	for (size_t max = 0; max < 20; max++) {
		struct buf out;

		buf_init(&out, max);
		json_open_object(&out, NULL);
		json_str(&out, "name", "a value");
		json_close_object(&out);
		assert_true(out.overflow == (max < strlen("{\"name\":\"a value\"}")));
		buf_release(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_json_is_refused),
		cmocka_unit_test(deep_nesting_is_refused),
		cmocka_unit_test(a_document_that_no_memory_was_there_for_is_not_judged),
		cmocka_unit_test(a_document_over_the_bound_is_refused_unread),
		cmocka_unit_test(a_member_is_a_string_or_absent),
		cmocka_unit_test(strings_are_escaped),
		cmocka_unit_test(invalid_utf8_is_replaced),
		cmocka_unit_test(every_pair_of_bytes_gives_json),
		cmocka_unit_test(a_full_buffer_is_told),
		cmocka_unit_test(memory_is_bounded_beforehand),
		cmocka_unit_test(the_writer_sets_every_comma),
		cmocka_unit_test(a_document_that_does_not_fit_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
