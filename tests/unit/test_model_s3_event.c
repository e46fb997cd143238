/* S3 events: what we write we read; the dialects of others; what is refused. */
#include "check.h"

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

static void other_bodies_are_refused(void **state)
{
	char deep[6001];

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
	deep[sizeof(deep) - 1] = '\0';
	refuse(deep, "not-json");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(what_is_written_is_read, release),
		cmocka_unit_test_teardown(keys_are_form_decoded, release),
		cmocka_unit_test_teardown(minio_keeps_the_prefix_and_encodes_slashes, release),
		cmocka_unit_test_teardown(ceph_writes_keys_as_they_are_and_sizes_as_text, release),
		cmocka_unit_test_teardown(the_test_event_is_known, release),
		cmocka_unit_test_teardown(sns_wraps_a_notification_as_text, release),
		cmocka_unit_test_teardown(eventbridge_has_names_of_its_own, release),
		cmocka_unit_test_teardown(other_bodies_are_refused, release),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
