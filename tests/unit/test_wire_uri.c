/* Request targets: decoded once, nothing normalised, every malformed one refused with its code
 * (security facts, section 3, cases 26 to 28 and 32). */
#include "check.h"

#include <stdlib.h>

#include "wire/uri.h"

static void expect_encoded(const char *text, bool keep_slash, const char *want)
{
	struct buf b;

	buf_init(&b, 1000);
	assert_true(uri_encode(&b, slice_str(text), keep_slash));
	assert_string_equal(buf_cstr(&b), want);
	buf_release(&b);
}

static void encoding_is_strict(void **state)
{
	struct buf b;

	(void)state;
	expect_encoded("AZaz09-_.~", false, "AZaz09-_.~");
	expect_encoded("a b+c/d", false, "a%20b%2Bc%2Fd");
	expect_encoded("a b+c/d", true, "a%20b%2Bc/d");
	expect_encoded("!*'()&=?#%\x7f\xc3\xa9", true, "%21%2A%27%28%29%26%3D%3F%23%25%7F%C3%A9");
	expect_encoded("", true, "");
	buf_init(&b, 5);
	assert_false(uri_encode(&b, slice_str("  "), true)); /* 6 bytes */
	assert_int_equal(b.n, 0);
	buf_release(&b);
}

static void expect_decoded(enum rc (*decode)(struct buf *, struct slice, struct err *),
	const char *raw, const char *want)
{
	struct err err = {0};
	struct buf b;
	enum rc rc;

	buf_init(&b, 1000);
	rc = decode(&b, slice_str(raw), &err);
	if (want) {
		assert_int_equal(rc, RC_OK);
		assert_string_equal(buf_cstr(&b), want);
	} else {
		assert_int_equal(rc, RC_REFUSED);
		assert_string_equal(err.code, "InvalidURI");
		assert_int_equal(b.n, 0);
	}
	buf_release(&b);
}

static void decoding_is_done_once(void **state)
{
	(void)state;
	expect_decoded(uri_decode_path, "a%20b+c%2fd%2F", "a b+c/d/");
	expect_decoded(uri_decode_path, "%252e", "%2e");
	expect_decoded(uri_decode_form, "a+b%2Bc", "a b+c");
	expect_decoded(uri_decode_path, "", "");
	expect_decoded(uri_decode_path, "%", NULL);
	expect_decoded(uri_decode_path, "a%2", NULL);
	expect_decoded(uri_decode_path, "%zz", NULL);
	expect_decoded(uri_decode_form, "%-1", NULL);
}

static void expect_split(const char *target, const char *path, const char *query)
{
	struct slice p, q;

	uri_split(slice_str(target), &p, &q);
	assert_slice_is(p, path);
	assert_slice_is(q, query);
}

static void targets_are_split(void **state)
{
	(void)state;
	expect_split("/a/b?c=d", "/a/b", "c=d");
	expect_split("/a?b?c", "/a", "b?c");
	expect_split("/", "/", "");
	expect_split("/a?", "/a", "");
	expect_split("?a", "/", "a");
	expect_split("", "/", "");
	expect_split("http://host:9000/a?b", "/a", "b");
	expect_split("HTTPS://host", "/", "");
	expect_split("http://host?a", "/", "a");
	expect_split("//a", "//a", "");
	expect_split("*", "*", "");
}

static void parameters_are_walked(void **state)
{
	struct slice query = slice_str("&a=1&&b&c=&a=2&=x&d=e=f&");
	static const char *const want[][2] = {
		{"a", "1"}, {"b", ""}, {"c", ""}, {"a", "2"}, {"", "x"}, {"d", "e=f"}};
	struct uri_param param;

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		assert_true(uri_query_next(&query, &param));
		assert_slice_is(param.name, want[i][0]);
		assert_slice_is(param.value, want[i][1]);
	}
	assert_false(uri_query_next(&query, &param));
}

static void parameters_are_found(void **state)
{
	struct slice query = slice_str("prefix=a+b%2Bc&delete&pre%66ix2=x&bad=%q"), raw;
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	assert_int_equal(uri_query_get(query, "prefix", &b, NULL), RC_OK);
	assert_string_equal(buf_cstr(&b), "a b+c");
	assert_int_equal(uri_query_get(query, "absent", &b, NULL), RC_ABSENT);
	assert_int_equal(uri_query_get(query, "prefi", &b, NULL), RC_ABSENT);
	assert_int_equal(uri_query_get(query, "bad", &b, NULL), RC_REFUSED);
	assert_true(uri_query_find(query, "delete", &raw));
	assert_int_equal(raw.n, 0);
	assert_true(uri_query_find(query, "prefix2", NULL));
	assert_false(uri_query_find(query, "Delete", NULL));
	buf_release(&b);
}

/* --- bucket and key --- */

static const char *const domains[] = {"localhost", "s3.example.org", NULL};

static void expect_target(const char *path, const char *host, const char *bucket, const char *key)
{
	struct uri_target t;
	struct err err = {0};

	if (uri_target_parse(slice_str(path), slice_str(host), domains, &t, &err) != RC_OK)
		fail_msg("'%s' was refused: %s", path, err.text);
	assert_string_equal(t.bucket, bucket);
	assert_string_equal(t.key, key);
	assert_int_equal(t.key_bytes, strlen(key));
}

static void path_style(void **state)
{
	(void)state;
	expect_target("/", "localhost:9000", "", "");
	expect_target("/bucket", "localhost", "bucket", "");
	expect_target("/bucket/", "127.0.0.1:9000", "bucket", "");
	expect_target("/bucket/key", "[::1]:9000", "bucket", "key");
	expect_target("/bucket/a%20b+c%2Bd", "", "bucket", "a b+c+d");
	expect_target("/bucket/%252e%25", "x", "bucket", "%2e%");
	expect_target("/bucket/a%2Fb", "x", "bucket", "a/b");
	expect_target("/bucket/\xf0\x9f\x98\x80%F0%9F%98%80", "x", "bucket",
		"\xf0\x9f\x98\x80\xf0\x9f\x98\x80");
}

static void keys_are_not_normalised(void **state)
{
	(void)state;
	expect_target("/bucket//", "x", "bucket", "/");
	expect_target("/bucket//a//b/", "x", "bucket", "/a//b/");
	expect_target("/bucket/../x", "x", "bucket", "../x");
	expect_target("/bucket/a/./b/..", "x", "bucket", "a/./b/..");
	expect_target("/bucket/%2e%2e%2fx", "x", "bucket", "../x");
	expect_target("/bucket/..%5cx", "x", "bucket", "..\\x");
	expect_target("/bucket/.", "x", "bucket", ".");
	expect_target("//key", "photos.localhost", "photos", "/key");
}

static void virtual_host(void **state)
{
	struct uri_target t;

	(void)state;
	expect_target("/a/b", "photos.localhost:9000", "photos", "a/b");
	expect_target("/", "photos.LOCALHOST", "photos", "");
	expect_target("/bucket/k", "my.photos.s3.example.org:80", "my.photos", "bucket/k");
	expect_target("/bucket/k", "example.org", "bucket", "k");
	expect_target("/bucket/k", "xlocalhost", "bucket", "k");
	expect_target("/bucket/k", ".localhost", "bucket", "k");
	assert_int_equal(
		uri_target_parse(slice_str("/k"), slice_str("photos.localhost"), domains, &t, NULL),
		RC_OK);
	assert_true(t.is_virtual_host);
	assert_int_equal(uri_target_parse(slice_str("/bucket/k"), slice_str("photos.localhost"),
				 NULL, &t, NULL),
		RC_OK);
	assert_false(t.is_virtual_host);
}

static void expect_refused(const char *path, const char *host, const char *code)
{
	struct uri_target t;
	struct err err = {0};

	assert_int_equal(
		uri_target_parse(slice_str(path), slice_str(host), domains, &t, &err), RC_REFUSED);
	assert_string_equal(err.code, code);
}

static void malformed_targets_are_refused(void **state)
{
	(void)state;
	expect_refused("", "x", "InvalidURI");
	expect_refused("*", "x", "InvalidURI");
	expect_refused("bucket/key", "x", "InvalidURI");
	expect_refused("/bucket/%", "x", "InvalidURI");
	expect_refused("/bucket/%0", "x", "InvalidURI");
	expect_refused("/bucket/a%00b", "x", "InvalidURI");
	expect_refused("/bucket/%ff", "x", "InvalidURI");          /* not UTF-8 */
	expect_refused("/bucket/%c0%af", "x", "InvalidURI");       /* overlong slash */
	expect_refused("/bucket/%ed%a0%80", "x", "InvalidURI");    /* surrogate */
	expect_refused("/bucket/%f4%90%80%80", "x", "InvalidURI"); /* beyond U+10FFFF */
	expect_refused("/bucket/%e2%82", "x", "InvalidURI");       /* cut */
	expect_refused("/Bucket/k", "x", "InvalidBucketName");
	expect_refused("//k", "x", "InvalidBucketName");
	expect_refused("/../k", "x", "InvalidBucketName");
	expect_refused("/bucket%2Fkey", "x", "InvalidBucketName");
	expect_refused("/k", "Photos.localhost", "InvalidBucketName");
	expect_refused("/k", "a.localhost", "InvalidBucketName");
}

static void keys_have_1024_bytes(void **state)
{
	static char path[4000] = "/bucket/";
	struct uri_target t;

	(void)state;
	memset(path + 8, 'k', 1024);
	assert_int_equal(uri_target_parse(slice_str(path), slice_str("x"), NULL, &t, NULL), RC_OK);
	assert_int_equal(t.key_bytes, 1024);
	path[8 + 1024] = 'k';
	expect_refused(path, "x", "KeyTooLongError");
	memset(path + 8, 'k', 3900);
	expect_refused(path, "x", "KeyTooLongError");
	for (size_t i = 0; i < 1024; i++)
		memcpy(path + 8 + 3 * i, "%41", 3);
	path[8 + 3 * 1024] = '\0';
	assert_int_equal(uri_target_parse(slice_str(path), slice_str("x"), NULL, &t, NULL), RC_OK);
	assert_int_equal(t.key_bytes, 1024);
}

static void bucket_names(void **state)
{
	static const char *const good[] = {"abc", "a-b", "a.b", "1ab", "a1.2.3", "1.2.3.4.5",
		"1.2.3", "xn--a", "a--b", "baler-landing",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
	static const char *const bad[] = {"", "ab", "Abc", "a_b", "-ab", "ab-", ".ab", "ab.",
		"a..b", "a.-b", "a-.b", "1.2.3.4", "192.168.000.1", "a b", "a/b", "a\tb",
		"\xc3\xa9tat", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!uri_bucket_valid(slice_str(good[i])))
			fail_msg("'%s' is good", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (uri_bucket_valid(slice_str(bad[i])))
			fail_msg("'%s' is bad", bad[i]);
}

static void expect_source(
	const char *source, const char *bucket, const char *key, const char *version)
{
	struct uri_target t;
	struct slice version_id;
	struct err err = {0};

	if (uri_copy_source_parse(slice_str(source), &t, &version_id, &err) != RC_OK)
		fail_msg("'%s' was refused: %s", source, err.text);
	assert_string_equal(t.bucket, bucket);
	assert_string_equal(t.key, key);
	assert_slice_is(version_id, version);
}

static void copy_sources(void **state)
{
	static const char *const bad[] = {"", "/", "bucket", "/bucket", "bucket/",
		"bucket/k?versionId=", "bucket/k?x=y", "bucket/%q", "B/k", "?versionId=1"};
	struct uri_target t;
	struct slice version_id;

	(void)state;
	expect_source("bucket/a%20b", "bucket", "a b", "");
	expect_source("/bucket/a/b?versionId=v1", "bucket", "a/b", "v1");
	expect_source("bucket%2Fa%2Fb", "bucket", "a/b", "");
	expect_source("%2fbucket%2fa%3Fb", "bucket", "a?b", "");
	expect_source("bucket/a%2Fb/c", "bucket", "a/b/c", "");
	expect_source("bucket/a+b", "bucket", "a+b", "");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(uri_copy_source_parse(slice_str(bad[i]), &t, &version_id, NULL),
			RC_REFUSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(encoding_is_strict),
		cmocka_unit_test(decoding_is_done_once),
		cmocka_unit_test(targets_are_split),
		cmocka_unit_test(parameters_are_walked),
		cmocka_unit_test(parameters_are_found),
		cmocka_unit_test(path_style),
		cmocka_unit_test(keys_are_not_normalised),
		cmocka_unit_test(virtual_host),
		cmocka_unit_test(malformed_targets_are_refused),
		cmocka_unit_test(keys_have_1024_bytes),
		cmocka_unit_test(bucket_names),
		cmocka_unit_test(copy_sources),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
