/* S3 events: what we write we read; the dialects of others; what is refused. */
#include "check.h"

#include <stdio.h>

#include "model/s3_event.h"

static struct arena a;

static int release(void **state)
{
	(void)state;
	arena_release(&a);
	return 0;
}

static struct s3_event parse(const char *text)
{
	struct s3_event e;
	struct err err = {0};

	if (s3_event_parse(&a, slice_str(text), &e, &err) != RC_OK)
		fail_msg("%s", err.text);
	return e;
}

static void refuse(const char *text, const char *code)
{
	struct s3_event e;
	struct err err = {0};

	assert_int_equal(s3_event_parse(&a, slice_str(text), &e, &err), RC_REFUSED);
	assert_string_equal(err.code, code);
}

static void what_is_written_is_read(void **state)
{
	struct s3_event_record r = {
		.object = {slice_str("landing"), slice_str("data/a b+c=\xc3\xa9%2F\"\\.txt"),
			slice_str("v1")},
		.event_name = slice_str("ObjectCreated:Put"),
		.etag = slice_str("d41d8cd98f00b204e9800998ecf8427e"),
		.sequencer = slice_str("00AB"),
		.size = 12345678901,
		.time_wall_ms = 1445412480123,
	};
	struct s3_event e;
	struct buf out;

	(void)state;
	buf_init(&out, S3_EVENT_MAX_BYTES);
	assert_true(s3_event_write(&out, &r, "us-east-1", "0123456789ABCDEF"));
	e = parse(buf_cstr(&out));
	assert_int_equal(e.n_records, 1);
	assert_true(object_id_eq(&e.records[0].object, &r.object));
	assert_slice_is(e.records[0].event_name, "ObjectCreated:Put");
	assert_slice_is(e.records[0].etag, "d41d8cd98f00b204e9800998ecf8427e");
	assert_true(e.records[0].has_size);
	assert_int_equal(e.records[0].size, 12345678901);
	assert_int_equal(e.records[0].time_wall_ms, 1445412480123);
	buf_release(&out);
}

/* Written as 1970 it would be refused as too old, and have another identity. */
static void a_time_that_is_not_known_is_not_written(void **state)
{
	struct s3_event before = parse("{\"Records\":[{\"eventName\":\"ObjectCreated:Put\",\"s3\":{"
				       "\"bucket\":{\"name\":\"b\"},\"object\":{\"key\":\"k\"}}}]}");
	struct s3_event after;
	struct buf out;

	(void)state;
	buf_init(&out, S3_EVENT_MAX_BYTES);
	assert_true(s3_event_write(&out, &before.records[0], "us-east-1", "0123456789ABCDEF"));
	after = parse(buf_cstr(&out));
	assert_int_equal(after.records[0].time_wall_ms, 0);
	assert_true(object_id_eq(&after.records[0].object, &before.records[0].object));
	buf_release(&out);
}

/* Another store's word: it must not end its own string and go on as members of ours. */
static void a_bucket_name_stays_one(void **state)
{
	struct s3_event_record r = {
		.object = {slice_str("b\"},\"object\":{\"key\":\"other\"},\"x\":{\"y\":\""),
			slice_str("k"), slice_str("v")},
		.event_name = slice_str("ObjectCreated:Put"),
	};
	struct s3_event e;
	struct buf out;

	(void)state;
	buf_init(&out, S3_EVENT_MAX_BYTES);
	assert_true(s3_event_write(&out, &r, "us-east-1", "0123456789ABCDEF"));
	e = parse(buf_cstr(&out));
	assert_int_equal(e.n_records, 1);
	assert_true(object_id_eq(&e.records[0].object, &r.object));
	buf_release(&out);
}

static void keys_are_form_decoded(void **state)
{
	struct s3_event e = parse("{\"Records\":[{\"eventName\":\"ObjectCreated:Put\",\"s3\":{"
				  "\"bucket\":{\"name\":\"b\"},"
				  "\"object\":{\"key\":\"a+b%2Bc%20d%zz\"}}}]}");

	(void)state;
	assert_slice_is(e.records[0].object.key, "a b+c d%zz");
	assert_slice_is(e.records[0].object.version, "null");
	assert_false(e.records[0].has_size);
}

static void minio_keeps_the_prefix_and_encodes_slashes(void **state)
{
	struct s3_event e = parse("{\"EventName\":\"s3:ObjectCreated:Put\",\"Key\":\"b/d/"
				  "x\",\"Records\":[{\"eventSource\":\"minio:s3\","
				  "\"eventName\":\"s3:ObjectCreated:Put\",\"s3\":{\"bucket\":{"
				  "\"name\":\"b\"},\"object\":"
				  "{\"key\":\"d%2Fx\",\"size\":3,\"sequencer\":\"16F2\"}}}]}");

	(void)state;
	assert_slice_is(e.records[0].event_name, "ObjectCreated:Put");
	assert_slice_is(e.records[0].object.key, "d/x");
	assert_slice_is(e.records[0].object.version, "seq:16F2");
}

static void ceph_writes_keys_as_they_are_and_sizes_as_text(void **state)
{
	struct s3_event e = parse("{\"Records\":[{\"eventSource\":\"ceph:s3\",\"eventName\":"
				  "\"ObjectCreated:Put\",\"s3\":{\"bucket\":"
				  "{\"name\":\"b\"},\"object\":{\"key\":\"a+b%20c\",\"size\":"
				  "\"7\",\"versionId\":\"\"}}}]}");

	(void)state;
	assert_slice_is(e.records[0].object.key, "a+b%20c");
	assert_int_equal(e.records[0].size, 7);
	assert_slice_is(e.records[0].object.version, "null");
}

/* A size must fit what it is written to again: a JSON integer, a column of the ledger. */
static void a_size_beyond_what_json_holds_is_refused(void **state)
{
	static const char *const sizes[] = {"\"9223372036854775808\"", "\"18446744073709551615\"",
		"9223372036854775808", "99999999999999999999999"};
	char text[512];
	struct s3_event e;

	(void)state;
	for (size_t i = 0; i < 4; i++)
		for (int bridge = 0; bridge < 2; bridge++) {
			snprintf(text, sizeof(text),
				bridge ? "{\"source\":\"aws.s3\",\"detail\":{\"bucket\":{\"name\":"
					 "\"b\"},\"object\":{\"key\":\"k\",\"size\":%s}}}"
				       : "{\"Records\":[{\"eventName\":\"ObjectCreated:Put\",\"s3\":"
					 "{\"bucket\":{\"name\":\"b\"},\"object\":{\"key\":\"k\","
					 "\"size\":%s}}}]}",
				sizes[i]);
			assert_int_equal(s3_event_parse(&a, slice_str(text), &e, NULL), RC_REFUSED);
		}
	e = parse("{\"Records\":[{\"eventName\":\"ObjectCreated:Put\",\"s3\":{\"bucket\":{"
		  "\"name\":\"b\"},\"object\":{\"key\":\"k\",\"size\":\"9223372036854775807\"}}}]}");
	assert_true(e.records[0].has_size && e.records[0].size == OBJECT_SIZE_MAX);
}

static void the_test_event_is_known(void **state)
{
	struct s3_event e =
		parse("{\"Service\":\"Amazon S3\",\"Event\":\"s3:TestEvent\",\"Bucket\":\"b\"}");

	(void)state;
	assert_true(e.is_test);
	assert_int_equal(e.n_records, 0);
}

/* Samples of Amazon's documentation: SNS in front of SQS or a webhook, EventBridge. */
static void sns_wraps_a_notification_as_text(void **state)
{
	struct s3_event e =
		parse("{\"Type\":\"Notification\",\"MessageId\":\"1\",\"TopicArn\":\"arn:aws:sns:"
		      "us-east-1:1:t\","
		      "\"Subject\":\"Amazon S3 "
		      "Notification\",\"Message\":\"{\\\"Records\\\":[{\\\"eventSource\\\":"
		      "\\\"aws:s3\\\",\\\"eventName\\\":\\\"ObjectCreated:Put\\\",\\\"s3\\\":{"
		      "\\\"bucket\\\":"
		      "{\\\"name\\\":\\\"b\\\"},\\\"object\\\":{\\\"key\\\":\\\"a+b%2Bc\\\","
		      "\\\"size\\\":5,"
		      "\\\"versionId\\\":\\\"v1\\\"}}}]}\"}");

	(void)state;
	assert_int_equal(e.n_records, 1);
	assert_slice_is(e.records[0].object.bucket, "b");
	assert_slice_is(e.records[0].object.key, "a b+c");
	assert_slice_is(e.records[0].object.version, "v1");
	assert_int_equal(e.records[0].size, 5);
	e = parse(
		"{\"Type\":\"Notification\",\"Message\":\"{\\\"Event\\\":\\\"s3:TestEvent\\\"}\"}");
	assert_true(e.is_test);
}

static void eventbridge_has_names_of_its_own(void **state)
{
	struct s3_event e = parse(
		"{\"version\":\"0\",\"id\":\"17793124\",\"detail-type\":\"Object "
		"Created\",\"source\":\"aws.s3\","
		"\"account\":\"123456789012\",\"time\":\"2021-11-12T00:00:00Z\",\"region\":\"ca-"
		"central-1\","
		"\"resources\":[\"arn:aws:s3:::b\"],\"detail\":{\"version\":\"0\",\"bucket\":{"
		"\"name\":\"b\"},"
		"\"object\":{\"key\":\"a+b%20c\",\"size\":5,\"etag\":"
		"\"b1946ac92492d2347c6235b4d2611184\","
		"\"version-id\":\"IYV3p45BT0ac8hjHg1houSdS1a.Mro8e\",\"sequencer\":"
		"\"617f08299329d189\"},"
		"\"request-id\":\"N4N7GDK58NMKJ12R\",\"reason\":\"CompleteMultipartUpload\"}}");

	(void)state;
	assert_int_equal(e.n_records, 1);
	assert_slice_is(e.records[0].object.key, "a+b%20c"); /* not encoded */
	assert_slice_is(e.records[0].object.version, "IYV3p45BT0ac8hjHg1houSdS1a.Mro8e");
	assert_slice_is(e.records[0].event_name, "ObjectCreated:CompleteMultipartUpload");
	assert_slice_is(e.records[0].etag, "b1946ac92492d2347c6235b4d2611184");
	assert_int_equal(e.records[0].time_wall_ms, 1636675200000);
	e = parse("{\"source\":\"aws.s3\",\"detail-type\":\"Object "
		  "Deleted\",\"detail\":{\"bucket\":{\"name\":"
		  "\"b\"},\"object\":{\"key\":\"k\",\"sequencer\":\"61\"}}}");
	assert_slice_is(e.records[0].event_name, "ObjectRemoved:Delete");
	assert_slice_is(e.records[0].object.version, "seq:61");
}

/* The fields of "object" behind the key, and of the record behind "s3". */
static struct slice version_in(const char *object, const char *record)
{
	struct s3_event e = parse(arena_printf(&a,
		"{\"Records\":[{\"eventName\":\"ObjectCreated:Put\",\"s3\":{\"bucket\":{\"name\":"
		"\"b\"},"
		"\"object\":{\"key\":\"k\"%s}}%s}]}",
		object, record));

	return e.records[0].object.version;
}

/* What tells one put of a key from the next where there are no versions; a repeated event says the
 * same again. */
static void an_identity_without_a_version(void **state)
{
	(void)state;
	assert_slice_is(version_in(",\"versionId\":\"v1\",\"sequencer\":\"0A\"", ""), "v1");
	assert_slice_is(version_in(",\"versionId\":\"null\",\"sequencer\":\"0A\"", ""), "seq:0A");
	assert_slice_is(version_in(",\"versionId\":null,\"sequencer\":\"0A\"", ""), "seq:0A");
	assert_slice_is(version_in(",\"versionId\":\"\",\"sequencer\":\"0B\"", ""), "seq:0B");
	assert_slice_is(
		version_in(",\"eTag\":\"e1\"", ",\"eventTime\":\"2026-01-02T03:04:05.678Z\""),
		"seq:2026-01-02T03:04:05.678Z/e1");
	assert_slice_is(version_in(",\"versionId\":\"null\",\"eTag\":\"e2\"", ""), "seq:/e2");
	assert_slice_is(version_in("", ""), "null");
}

static void times_as_stores_write_them(void **state)
{
	static const struct {
		const char *text;
		uint64_t ms;
	} times[] = {
		{"2015-10-21T07:28:00.123Z", 1445412480123},
		{"2015-10-21T07:28:00Z", 1445412480000},
		{"2015-10-21T07:28:00.123456Z", 1445412480123},
		{"2015-10-21T07:28:00.5Z", 1445412480500}, /* half a second, not 5 ms */
		{"2015-10-21T07:28:00.123+00:00", 1445412480123},
		{"2015-10-21T07:28:00", 1445412480000},
		{"2015-10-21T07:28:00+02:00", 0},
		{"2015-02-31T07:28:00Z", 0},
		{"2015-10-21T07:28:00Z and more", 0},
		{"yesterday", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		struct s3_event e = parse(arena_printf(&a,
			"{\"Records\":[{\"eventName\":\"ObjectCreated:Put\",\"eventTime\":\"%s\","
			"\"s3\":{\"bucket\":{\"name\":\"b\"},\"object\":{\"key\":\"k\"}}}]}",
			times[i].text));

		assert_int_equal(e.records[0].time_wall_ms, times[i].ms);
	}
}

static struct slice name_of(const char *source, const char *name, const char *etag)
{
	struct s3_event e = parse(arena_printf(&a,
		"{\"Records\":[{\"eventSource\":\"%s\",\"eventName\":\"%s\",\"s3\":{\"bucket\":{"
		"\"name\":\"b\"},"
		"\"object\":{\"key\":\"k\",\"eTag\":\"%s\"}}}]}",
		source, name, etag));

	return e.records[0].event_name;
}

static void what_is_called_a_creation_and_is_none(void **state)
{
	(void)state;
	assert_slice_is(name_of("minio:s3", "s3:ObjectCreated:PutTagging", "e"), "Other");
	assert_slice_is(name_of("minio:s3", "s3:ObjectCreated:DeleteTagging", "e"), "Other");
	assert_slice_is(name_of("minio:s3", "s3:ObjectCreated:PutRetention", "e"), "Other");
	assert_slice_is(name_of("minio:s3", "s3:ObjectCreated:PutLegalHold", "e"), "Other");
	assert_slice_is(
		name_of("ceph:s3", "ObjectCreated:Post", ""), "Other"); /* an upload begins */
	assert_slice_is(name_of("ceph:s3", "ObjectCreated:Post", "e"), "ObjectCreated:Post");
	assert_slice_is(name_of("aws:s3", "ObjectCreated:Post", ""), "ObjectCreated:Post");
	assert_slice_is(name_of("minio:s3", "s3:ObjectCreated:CompleteMultipartUpload", "e"),
		"ObjectCreated:CompleteMultipartUpload");
}

/* Text of n times the character, in the object's field, in the record's. */
static char *long_field(const char *name, size_t n)
{
	char *text = arena_alloc(&a, n + 1);

	memset(text, '1', n);
	text[n] = '\0';
	return arena_printf(&a,
		"{\"Records\":[{\"s3\":{\"bucket\":{\"name\":\"b\"},\"object\":{\"key\":\"k\",\"%"
		"s\":\"%s\"}}}]}",
		name, text);
}

static void what_makes_an_identity_is_bounded(void **state)
{
	(void)state;
	parse(long_field("versionId", VERSION_ID_MAX));
	refuse(long_field("versionId", VERSION_ID_MAX + 1), "not-an-event");
	parse(long_field("sequencer", VERSION_ID_MAX - 4)); /* "seq:" comes before it */
	refuse(long_field("sequencer", VERSION_ID_MAX - 3), "not-an-event");
	parse(long_field("eTag", 80));
	refuse(long_field("eTag", 81), "not-an-event");
}

static void odd_values_are_refused_or_ignored(void **state)
{
	struct s3_event e;

	(void)state;
	/* an integer that no number can hold is no JSON to us; a negative or broken size is none */
	refuse("{\"Records\":[{\"s3\":{\"bucket\":{\"name\":\"b\"},\"object\":{\"key\":\"k\","
	       "\"size\":99999999999999999999999999}}}]}",
		"not-json");
	e = parse("{\"Records\":[{\"s3\":{\"bucket\":{\"name\":\"b\"},\"object\":{\"key\":\"k\","
		  "\"size\":-1}}},{\"s3\":{\"bucket\":{\"name\":\"b\"},\"object\":{\"key\":\"k\","
		  "\"size\":\"99999999999999999999999999\"}}}]}");
	assert_int_equal(e.n_records, 2);
	assert_false(e.records[0].has_size || e.records[1].has_size);
	refuse("{\"Records\":[{\"s3\":{\"bucket\":{\"name\":\"b\\u00\xff\"}}}]}", "not-json");
	refuse("{\"Records\":[{\"s3\":{\"bucket\":{\"name\":\"b\xc3(\"}}}]}", "not-json");
	refuse("{\"Records\":[{\"s3\":{\"bucket\":{\"name\":\"b\"},\"object\":{\"key\":\"k\","
	       "\"key\":\"l\"}}}]}",
		"not-json");
	/* bytes that are no UTF-8 can be in a key, encoded: it is the member's name that is refused
	 * then */
	e = parse("{\"Records\":[{\"s3\":{\"bucket\":{\"name\":\"b\"},\"object\":{\"key\":\"a%FF%"
		  "00\"}}}]}");
	assert_true(slice_eq(e.records[0].object.key, slice_of("a\xff\0", 3)));
	e = parse("{\"Records\":[]}");
	assert_int_equal(e.n_records, 0);
}

static void other_bodies_are_refused(void **state)
{
	static char deep[100001];

	(void)state;
	refuse("hello", "not-json");
	refuse("", "not-json");
	refuse("{\"Records\":[],\"Records\":[]}", "not-json");
	refuse("{}", "not-an-event");
	refuse("[]", "not-an-event");
	refuse("{\"Records\":[{}]}", "not-an-event");
	refuse("{\"Records\":[{\"s3\":{\"bucket\":{\"name\":\"b\"},\"object\":{\"key\":5}}}]}",
		"not-an-event");
	refuse("{\"Type\":\"Notification\",\"Message\":\"hello\"}", "not-json");
	refuse("{\"Type\":\"Notification\",\"Message\":\"{\\\"Type\\\":\\\"Notification\\\","
	       "\\\"Message\\\":"
	       "\\\"{}\\\"}\"}",
		"not-an-event"); /* an envelope in an envelope */
	refuse("{\"source\":\"aws.s3\",\"detail\":{\"bucket\":{\"name\":\"b\"}}}", "not-an-event");
	memset(deep, '[', sizeof(deep) - 1);
	refuse(deep, "not-json");
	for (size_t i = 0; i + 5 < sizeof(deep); i += 5)
		memcpy(deep + i, "{\"a\":", 5);
	refuse(deep, "not-json");
}

/* A message may have a mebibyte: of brackets it would be read into 100. A thousand records of the
 * usual length are no trouble. */
static void a_message_of_nothing_but_values_is_refused(void **state)
{
	static const char *const pieces[] = {"{},", "[],", "[[],{}],", "{\"a\":1},"};
	struct buf text;
	struct s3_event e;

	(void)state;
	buf_init(&text, S3_EVENT_MAX_BYTES);
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		buf_reset(&text);
		buf_add_str(&text, "{\"Records\":[");
		while (text.n < S3_EVENT_MAX_BYTES - 100)
			buf_add_str(&text, pieces[i]);
		buf_add_str(&text, "1]}");
		refuse(buf_cstr(&text), "not-json");
	}
	buf_reset(&text);
	for (int i = 0; i < S3_EVENT_RECORDS_MAX; i++) {
		struct s3_event_record r = {.object = {slice_str("b"), slice_str("data/k"), slice_str("v")},
			.event_name = slice_str("ObjectCreated:Put"),
			.etag = slice_str("d41d8cd98f00b204e9800998ecf8427e"),
			.sequencer = slice_str("0055AED6DCD90281E5"),
			.time_wall_ms = 1};
		struct buf one;

		buf_init(&one, S3_EVENT_MAX_BYTES);
		assert_true(s3_event_write(&one, &r, "us-east-1", "id"));
		/* of {"Records":[…]} what is inside */
		buf_add_str(&text, i ? "," : "{\"Records\":[");
		buf_add(&text, one.p + 12, one.n - 14);
		buf_release(&one);
	}
	buf_add_str(&text, "]}");
	assert_false(text.overflow);
	e = parse(buf_cstr(&text));
	assert_int_equal(e.n_records, S3_EVENT_RECORDS_MAX);
	buf_release(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(what_is_written_is_read, release),
		cmocka_unit_test_teardown(a_time_that_is_not_known_is_not_written, release),
		cmocka_unit_test_teardown(times_as_stores_write_them, release),
		cmocka_unit_test_teardown(a_bucket_name_stays_one, release),
		cmocka_unit_test_teardown(keys_are_form_decoded, release),
		cmocka_unit_test_teardown(minio_keeps_the_prefix_and_encodes_slashes, release),
		cmocka_unit_test_teardown(a_size_beyond_what_json_holds_is_refused, release),
		cmocka_unit_test_teardown(ceph_writes_keys_as_they_are_and_sizes_as_text, release),
		cmocka_unit_test_teardown(the_test_event_is_known, release),
		cmocka_unit_test_teardown(sns_wraps_a_notification_as_text, release),
		cmocka_unit_test_teardown(eventbridge_has_names_of_its_own, release),
		cmocka_unit_test_teardown(an_identity_without_a_version, release),
		cmocka_unit_test_teardown(what_is_called_a_creation_and_is_none, release),
		cmocka_unit_test_teardown(what_makes_an_identity_is_bounded, release),
		cmocka_unit_test_teardown(odd_values_are_refused_or_ignored, release),
		cmocka_unit_test_teardown(other_bodies_are_refused, release),
		cmocka_unit_test_teardown(a_message_of_nothing_but_values_is_refused, release),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
