/* Dates, checksums, multipart ETags, error codes: known answers. */
#include "check.h"

#include <stdlib.h>
#include <stdio.h>

#include "base/date.h"
#include "wire/checksum.h"
#include "wire/s3_error.h"

/* --- dates --- */

static void expect_dates(uint64_t s, const char *http, const char *basic, const char *extended)
{
	char text[DATE_HTTP_BYTES], iso[DATE_BASIC_BYTES], iso_ms[DATE_ISO_BYTES];
	uint64_t ms = s * 1000 + 7, back = 0;

	date_http_format(ms, text);
	assert_string_equal(text, http);
	assert_true(date_http_parse(slice_str(text), &back));
	assert_int_equal(back, s * 1000);
	date_basic_format(ms, iso);
	assert_string_equal(iso, basic);
	assert_true(date_basic_parse(slice_str(iso), &back));
	assert_int_equal(back, s * 1000);
	date_iso_format(ms, iso_ms);
	assert_string_equal(iso_ms, extended);
	assert_true(date_iso_parse(slice_str(iso_ms), &back));
	assert_int_equal(back, ms);
}

static void dates_go_there_and_back(void **state)
{
	(void)state;
	expect_dates(
		0, "Thu, 01 Jan 1970 00:00:00 GMT", "19700101T000000Z", "1970-01-01T00:00:00.007Z");
	expect_dates(784111777, "Sun, 06 Nov 1994 08:49:37 GMT", "19941106T084937Z",
		"1994-11-06T08:49:37.007Z");
	expect_dates(951782399, "Mon, 28 Feb 2000 23:59:59 GMT", "20000228T235959Z",
		"2000-02-28T23:59:59.007Z");
	expect_dates(951782400, "Tue, 29 Feb 2000 00:00:00 GMT", "20000229T000000Z",
		"2000-02-29T00:00:00.007Z");
	expect_dates(1369353600, "Fri, 24 May 2013 00:00:00 GMT", "20130524T000000Z",
		"2013-05-24T00:00:00.007Z");
	expect_dates(4107542400, "Mon, 01 Mar 2100 00:00:00 GMT", "21000301T000000Z",
		"2100-03-01T00:00:00.007Z");
	expect_dates(253402300799, "Fri, 31 Dec 9999 23:59:59 GMT", "99991231T235959Z",
		"9999-12-31T23:59:59.007Z");
}

static void every_day_differs_from_the_next(void **state)
{
	char before[DATE_BASIC_BYTES], now[DATE_BASIC_BYTES];
	uint64_t back;

	(void)state;
	date_basic_format(0, before);
	for (uint64_t day = 1; day < 150000; day += 1) { /* to the year 2380 */
		date_basic_format(day * 86400000, now);
		assert_true(strcmp(before, now) < 0);
		assert_true(date_basic_parse(slice_str(now), &back));
		assert_int_equal(back, day * 86400000);
		memcpy(before, now, sizeof(now));
	}
}

static void three_forms_of_http_dates(void **state)
{
	static const char *const same[] = {"Sun, 06 Nov 1994 08:49:37 GMT",
		"Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"};
	uint64_t ms = 0;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		assert_true(date_http_parse(slice_str(same[i]), &ms));
		assert_int_equal(ms, 784111777000);
	}
	assert_true(date_http_parse(slice_str("Tuesday, 01-Jan-69 00:00:00 GMT"), &ms));
	assert_int_equal(ms, 3124224000000); /* 2069 */
	assert_true(date_iso_parse(slice_str("2009-10-12T17:50:30.123456Z"), &ms));
	assert_int_equal(ms, 1255369830123);
	assert_true(date_iso_parse(slice_str("2009-10-12T17:50:30.5Z"), &ms));
	assert_int_equal(ms, 1255369830500);
	assert_true(date_iso_parse(slice_str("2009-10-12T17:50:30Z"), &ms));
	assert_int_equal(ms, 1255369830000);
}

static void malformed_dates(void **state)
{
	static const char *const bad[] = {"", "Z", "20130524T000000", "20130524T000000Zx",
		"20130524t000000Z", "20130229T000000Z", "20131324T000000Z", "20130500T000000Z",
		"20130524T240000Z", "20130524T006000Z", "20130524T000061Z", "19690524T000000Z",
		"2013-05-24T00:00:00", "2013-05-24T00:00:00.Z", "2013-05-24T00:00:00.0000000000Z",
		"Sun, 06 Nov 1994 08:49:37", "Sun, 6 Nov 1994 08:49:37 GMT",
		"Sun, 06 Xxx 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 CET",
		", 06 Nov 1994 08:49:37 GMT", "-0130524T000000Z"};
	uint64_t ms;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (date_http_parse(slice_str(bad[i]), &ms) ||
			date_basic_parse(slice_str(bad[i]), &ms) ||
			date_iso_parse(slice_str(bad[i]), &ms))
			fail_msg("'%s' was accepted", bad[i]);
}

/* --- checksums --- */

static void names_and_headers(void **state)
{
	(void)state;
	for (size_t i = 0; checksum_algs[i]; i++) {
		enum digest_alg alg = checksum_algs[i];

		assert_int_equal(checksum_from_name(slice_str(checksum_name(alg))), alg);
		assert_int_equal(checksum_from_header(slice_str(checksum_header(alg))), alg);
		assert_int_equal(checksum_from_element(slice_str(checksum_element(alg))), alg);
	}
	assert_int_equal(
		checksum_from_header(slice_str("X-Amz-Checksum-CRC64NVME")), DIGEST_CRC64NVME);
	assert_int_equal(checksum_from_header(slice_str("x-amz-checksum-type")), 0);
	assert_int_equal(checksum_from_name(slice_str("MD5")), 0);
	assert_null(checksum_name(DIGEST_MD5));
}

static void types_of_algorithms(void **state)
{
	(void)state;
	assert_false(checksum_type_allowed(DIGEST_CRC64NVME, CHECKSUM_COMPOSITE));
	assert_false(checksum_type_allowed(DIGEST_SHA1, CHECKSUM_FULL_OBJECT));
	assert_false(checksum_type_allowed(DIGEST_SHA256, CHECKSUM_FULL_OBJECT));
	assert_true(checksum_type_allowed(DIGEST_CRC32, CHECKSUM_FULL_OBJECT));
	assert_true(checksum_type_allowed(DIGEST_CRC32C, CHECKSUM_COMPOSITE));
	assert_int_equal(checksum_type_default(DIGEST_CRC32), CHECKSUM_COMPOSITE);
	assert_int_equal(checksum_type_default(DIGEST_CRC64NVME), CHECKSUM_FULL_OBJECT);
}

static void expect_checksum(enum digest_alg alg, const char *text, bool good)
{
	struct checksum c;
	struct err err = {0};
	char back[CHECKSUM_TEXT_MAX];
	enum rc rc = checksum_parse(alg, slice_str(text), &c, &err);

	assert_int_equal(rc, good ? RC_OK : RC_REFUSED);
	if (good) {
		checksum_format(&c, back);
		assert_string_equal(back, text);
	} else {
		assert_string_equal(err.code, "InvalidRequest");
	}
}

static void values_are_parsed_strictly(void **state)
{
	(void)state;
	expect_checksum(DIGEST_CRC32, "WgDhBQ==", true);
	expect_checksum(DIGEST_CRC32, "Z+ry2Q==-3", true);
	expect_checksum(DIGEST_CRC64NVME, "i+6LR0y3eFo=", true);
	expect_checksum(DIGEST_SHA256, "uWBwpe1dxI4Vw8Gf0X9ynOdw/SS6VBzfWm9giiv1sf4=-10000", true);
	expect_checksum(DIGEST_CRC32, "", false);
	expect_checksum(DIGEST_CRC32, "WgDhBQ", false);
	expect_checksum(DIGEST_CRC32, "WgDhBQ= ", false);
	expect_checksum(DIGEST_CRC32, "i+6LR0y3eFo=", false); /* another size */
	expect_checksum(DIGEST_CRC32, "WgDhBQ==-0", false);
	expect_checksum(DIGEST_CRC32, "WgDhBQ==-10001", false);
	expect_checksum(DIGEST_CRC32, "WgDhBQ==-", false);
	expect_checksum(DIGEST_CRC32, "WgDhBQ==-+1", false);
	expect_checksum(DIGEST_MD5, "WgDhBQ==", false);
}

/* Parts of 5 MiB 'A', 'B', 'C': the vectors of the S3 facts, section 5.4. */
#define PART_BYTES (5u << 20)

struct upload {
	unsigned char md5s[3][16];
	struct checksum parts[3];
	uint64_t sizes[3];
};

static void digest_parts(struct upload *u, enum digest_alg alg)
{
	unsigned char *part = malloc(PART_BYTES);
	struct digest *d = digest_new(DIGEST_MD5 | alg);
	unsigned char md5_value[DIGEST_MAX_BYTES];

	for (size_t i = 0; i < 3; i++) {
		memset(part, 'A' + (int)i, PART_BYTES);
		digest_reset(d, DIGEST_MD5 | alg);
		digest_update(d, slice_of(part, PART_BYTES));
		digest_final(d, DIGEST_MD5, md5_value);
		memcpy(u->md5s[i], md5_value, 16);
		u->parts[i] = checksum_of_digest(d, alg);
		u->sizes[i] = PART_BYTES;
	}
	digest_free(d);
	free(part);
}

static void expect_text(const struct checksum *c, const char *want)
{
	char text[CHECKSUM_TEXT_MAX];

	checksum_format(c, text);
	assert_string_equal(text, want);
}

static void multipart_vectors(void **state)
{
	struct checksum c;
	struct upload u;
	char etag[ETAG_TEXT_MAX];

	(void)state;
	digest_parts(&u, DIGEST_SHA256);
	etag_multipart((const unsigned char(*)[16])u.md5s, 3, etag);
	assert_string_equal(etag, "b2add96cc9702bbf4efb0ccdfc6b7747-3");
	checksum_composite(u.parts, 3, &c);
	expect_text(&c, "uWBwpe1dxI4Vw8Gf0X9ynOdw/SS6VBzfWm9giiv1sf4=-3");
	digest_parts(&u, DIGEST_CRC64NVME);
	checksum_combine(u.parts, u.sizes, 3, &c);
	expect_text(&c, "i+6LR0y3eFo=");
	digest_parts(&u, DIGEST_CRC32);
	checksum_combine(u.parts, u.sizes, 3, &c);
	expect_text(&c, "WgDhBQ==");
	checksum_composite(u.parts, 3, &c);
	expect_text(&c, "Z+ry2Q==-3");
	digest_parts(&u, DIGEST_CRC32C);
	checksum_combine(u.parts, u.sizes, 3, &c);
	expect_text(&c, "xU+Krw==");
	checksum_combine(u.parts, u.sizes, 1, &c);
	assert_true(checksum_eq(&c, &u.parts[0]));
	assert_false(checksum_eq(&c, &u.parts[1]));
}

static void etags_lose_their_quotes(void **state)
{
	(void)state;
	assert_slice_is(etag_unquote(slice_str("\"ab\"")), "ab");
	assert_slice_is(etag_unquote(slice_str("ab")), "ab");
	assert_slice_is(etag_unquote(slice_str("W/\"ab\"")), "ab");
	assert_slice_is(etag_unquote(slice_str("\"")), "\"");
	assert_slice_is(etag_unquote(slice_str("\"\"")), "");
	assert_slice_is(etag_unquote(slice_str("")), "");
}

/* --- errors --- */

static void expect_status(const char *code, unsigned status)
{
	const struct s3_error *e = s3_error_find(code);

	assert_non_null(e);
	assert_int_equal(e->status, status);
}

static void statuses_of_codes(void **state)
{
	(void)state;
	expect_status("AccessDenied", 403);
	expect_status("SignatureDoesNotMatch", 403);
	expect_status("RequestTimeTooSkewed", 403);
	expect_status("InvalidAccessKeyId", 403);
	expect_status("AuthorizationHeaderMalformed", 400);
	expect_status("RequestTimeout", 400);
	expect_status("IncompleteBody", 400);
	expect_status("NoSuchKey", 404);
	expect_status("MethodNotAllowed", 405);
	expect_status("BucketNotEmpty", 409);
	expect_status("MissingContentLength", 411);
	expect_status("PreconditionFailed", 412);
	expect_status("InvalidRange", 416);
	expect_status("InternalError", 500);
	expect_status("NotImplemented", 501);
	expect_status("SlowDown", 503);
	assert_null(s3_error_find("Nonsense"));
	assert_null(s3_error_find(""));
}

static void table_is_sorted_and_whole(void **state)
{
	(void)state;
	for (const struct s3_error *e = s3_error_table(); e->code; e++) {
		assert_true(e->status >= 300 && e->status < 600);
		assert_true(strlen(e->message) > 5);
		assert_true(strlen(e->code) < ERR_CODE_MAX);
		if (e[1].code && strcmp(e->code, e[1].code) >= 0)
			fail_msg("%s stands before %s", e->code, e[1].code);
	}
}

static void failures_have_an_answer(void **state)
{
	static const struct {
		enum rc rc;
		const char *code, *want;
	} rows[] = {{RC_REFUSED, "BadDigest", "BadDigest"}, {RC_FATAL, "EIO", "InternalError"},
		{RC_AGAIN, "ENOSPC", "InsufficientStorage"}, {RC_AGAIN, "", "SlowDown"},
		{RC_ABSENT, "", "NoSuchKey"}, {RC_CONFLICT, "", "PreconditionFailed"},
		{RC_REFUSED, "", "InvalidRequest"}, {RC_CORRUPT, "", "InternalError"},
		{RC_UNKNOWN, "", "InternalError"}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err err = {0};

		snprintf(err.code, sizeof(err.code), "%s", rows[i].code);
		assert_string_equal(s3_error_of(rows[i].rc, &err)->code, rows[i].want);
	}
	assert_string_equal(s3_error_of(RC_FATAL, NULL)->code, "InternalError");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dates_go_there_and_back),
		cmocka_unit_test(every_day_differs_from_the_next),
		cmocka_unit_test(three_forms_of_http_dates),
		cmocka_unit_test(malformed_dates),
		cmocka_unit_test(names_and_headers),
		cmocka_unit_test(types_of_algorithms),
		cmocka_unit_test(values_are_parsed_strictly),
		cmocka_unit_test(multipart_vectors),
		cmocka_unit_test(etags_lose_their_quotes),
		cmocka_unit_test(statuses_of_codes),
		cmocka_unit_test(table_is_sorted_and_whole),
		cmocka_unit_test(failures_have_an_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
