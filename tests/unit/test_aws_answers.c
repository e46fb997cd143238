/*
 * What answers, and answers that break off, mean to the caller: wire.md section 4.6 and the table
 * of base/err.h, over a server on loopback that says exactly what it is told.
 */
#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "adapter/aws/s3/s3.h"
#include "adapter/aws/s3/s3_call.h"
#include "adapter/aws/s3/s3_stage.h"

#define ANY UINT64_MAX
#define HUGE_ANSWER (1u << 20)

/* One connection's worth: how much of the request's body is read, what is sent, then it is
 * closed. */
struct act {
	const char *answer; /* NULL: closed without a word */
	uint64_t read_body; /* bytes at least; ANY: all that Content-Length says */
};

struct stage_play {
	int fd;
	uint16_t port;
	pthread_t thread;
	struct act acts[8];
	size_t n_acts;
	char heads[8][4096]; /* what was asked */
	struct object_store *store;
	struct arena arena;
};

static uint64_t content_length(const char *head)
{
	const char *at = strcasestr(head, "\r\ncontent-length:");

	return at ? strtoull(at + 17, NULL, 10) : 0;
}

static void play_one(struct stage_play *p, size_t i, int fd)
{
	const struct act *act = &p->acts[i];
	char *head = p->heads[i], block[65536], *end = NULL;
	size_t n = 0;
	uint64_t body, want;

	while (!end && n < sizeof(p->heads[i]) - 1) {
		ssize_t got = read(fd, head + n, sizeof(p->heads[i]) - 1 - n);

		if (got <= 0)
			return;
		n += (size_t)got;
		head[n] = '\0';
		end = strstr(head, "\r\n\r\n");
	}
	if (!end)
		return;
	body = n - (size_t)(end + 4 - head);
	want = act->read_body == ANY ? content_length(head) : act->read_body;
	if (strcasestr(head, "expect: 100") && want)
		(void)!write(fd, "HTTP/1.1 100 Continue\r\n\r\n", 25);
	while (body < want) {
		ssize_t got = read(fd, block, sizeof(block));

		if (got <= 0)
			return;
		body += (size_t)got;
	}
	if (act->answer)
		(void)!write(fd, act->answer, strlen(act->answer));
}

static void *play(void *arg)
{
	struct stage_play *p = arg;

	for (size_t i = 0; i < p->n_acts; i++) {
		int fd = accept(p->fd, NULL, NULL);

		if (fd < 0)
			return NULL;
		play_one(p, i, fd);
		shutdown(fd, SHUT_WR);
		close(fd);
	}
	return NULL;
}

static struct stage_play *begin(const struct act *acts, size_t n)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct stage_play *p = test_calloc(1, sizeof(*p));
	socklen_t size = sizeof(at);
	char url[64];
	struct aws_settings settings = {
		.access_key = "AK", .secret = "SK", .endpoint_url = url, .region = "us-east-1"};
	struct err err;

	if (n)
		memcpy(p->acts, acts, n * sizeof(*acts));
	p->n_acts = n;
	p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(p->fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(p->fd, 8), 0);
	assert_int_equal(getsockname(p->fd, (struct sockaddr *)&at, &size), 0);
	p->port = ntohs(at.sin_port);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", p->port);
	assert_int_equal(s3_open(&settings, &p->store, &err), RC_OK);
	assert_int_equal(pthread_create(&p->thread, NULL, play, p), 0);
	return p;
}

static void finish(struct stage_play *p)
{
	os_close(p->store);
	shutdown(p->fd, SHUT_RDWR);
	pthread_join(p->thread, NULL);
	close(p->fd);
	arena_release(&p->arena);
	test_free(p);
}

/* What is asked of the store. */

static enum rc zero_read(void *arg, void *out, size_t max, size_t *ret_n, struct err *err)
{
	uint64_t *left = arg;

	(void)err;
	*ret_n = *left < max ? (size_t)*left : max;
	memset(out, 'z', *ret_n);
	*left -= *ret_n;
	return RC_OK;
}

static enum rc put(struct stage_play *p, uint64_t size, struct err *err)
{
	uint64_t left = size;
	struct os_source source = {.read = zero_read, .arg = &left};
	struct os_object info;

	*err = (struct err){0};
	return os_put(p->store, slice_str("bucket"), slice_str("key"), slice_str(""), size, &source,
		&p->arena, &info, err);
}

static enum rc head(struct stage_play *p, struct err *err)
{
	struct object_id id = {slice_str("bucket"), slice_str("key"), {0}};
	struct os_object info;

	*err = (struct err){0};
	return os_head(p->store, &id, &p->arena, &info, err);
}

struct got {
	unsigned begins, ends;
	uint64_t bytes;
	enum rc outcome;
	struct err why;
};

static enum rc got_begin(void *arg, size_t i, const struct os_object *info, struct err *err)
{
	(void)i, (void)info, (void)err;
	((struct got *)arg)->begins++;
	return RC_OK;
}

static enum rc got_data(void *arg, size_t i, struct slice bytes, struct err *err)
{
	(void)i, (void)err;
	((struct got *)arg)->bytes += bytes.n;
	return RC_OK;
}

static enum rc got_end(void *arg, size_t i, enum rc outcome, const struct err *why, struct err *err)
{
	struct got *g = arg;

	(void)i, (void)err;
	g->ends++;
	g->outcome = outcome;
	g->why = *why;
	return RC_OK;
}

static struct got get(struct stage_play *p)
{
	struct object_id id = {slice_str("bucket"), slice_str("key"), {0}};
	struct got g = {0};
	struct os_sink sink = {got_begin, got_data, got_end, &g};
	struct err err;

	assert_int_equal(os_get_many(p->store, &id, 1, &sink, &err), RC_OK);
	assert_int_equal(g.ends, 1);
	return g;
}

#define ERROR(status, code)                                                                        \
	"HTTP/1.1 " status                                                                         \
	"\r\nConnection: close\r\n\r\n<?xml version=\"1.0\"?><Error><Code>" code                   \
	"</Code><Message>m</Message></Error>"

/* wire.md section 4.6. */
static void error_answers(void **state)
{
	static const struct {
		const char *answer;
		enum rc put, get;
		const char *code;
	} rows[] = {
		{ERROR("404 Not Found", "NoSuchBucket"), RC_ABSENT, RC_ABSENT, "NoSuchBucket"},
		{ERROR("403 Forbidden", "AccessDenied"), RC_REFUSED, RC_REFUSED, "AccessDenied"},
		{ERROR("400 Bad Request", "RequestTimeout"), RC_AGAIN, RC_AGAIN, "RequestTimeout"},
		{ERROR("400 Bad Request", "BadDigest"), RC_AGAIN, RC_AGAIN, "BadDigest"},
		{ERROR("400 Bad Request", "InvalidArgument"), RC_REFUSED, RC_REFUSED,
			"InvalidArgument"},
		{ERROR("409 Conflict", "OperationAborted"), RC_AGAIN, RC_AGAIN, "OperationAborted"},
		{ERROR("412 Precondition Failed", "PreconditionFailed"), RC_CONFLICT, RC_CONFLICT,
			"PreconditionFailed"},
		{ERROR("429 Too Many", "TooManyRequests"), RC_AGAIN, RC_AGAIN, "TooManyRequests"},
		{ERROR("503 Slow Down", "SlowDown"), RC_AGAIN, RC_AGAIN, "SlowDown"},
		{ERROR("507 Full", "InsufficientStorage"), RC_AGAIN, RC_AGAIN,
			"InsufficientStorage"},
		{ERROR("500 Oops", "InternalError"), RC_UNKNOWN, RC_AGAIN, "InternalError"},
		{"HTTP/1.1 502 Bad\r\nConnection: close\r\n\r\n<html>not S3</html>", RC_UNKNOWN,
			RC_AGAIN, "InternalError"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct act acts[] = {{rows[i].answer, ANY}, {rows[i].answer, ANY}};
		struct stage_play *p = begin(acts, 2);
		struct got g;
		struct err err;

		assert_int_equal(put(p, 10, &err), rows[i].put);
		assert_string_equal(err.code, rows[i].code);
		g = get(p);
		assert_int_equal(g.outcome, rows[i].get);
		assert_int_equal(g.begins, 0);
		assert_string_equal(g.why.code, rows[i].code);
		finish(p);
	}
}

static void no_connection_is_again(void **state)
{
	struct stage_play *p = begin(NULL, 0);
	struct err err;

	(void)state;
	shutdown(p->fd, SHUT_RDWR);
	close(p->fd);
	p->fd = -1;
	assert_int_equal(put(p, 10, &err), RC_AGAIN);
	assert_non_null(strstr(err.text, "bucket/key"));
	assert_int_equal(get(p).outcome, RC_AGAIN);
	finish(p);
}

static void a_put_whose_answer_is_lost_is_unknown(void **state)
{
	struct act acts[] = {{NULL, ANY}, {NULL, ANY}, {"HTTP/1.1 200 OK\r\nCont", ANY}};
	struct stage_play *p = begin(acts, 3);
	struct err err;

	(void)state;
	assert_int_equal(put(p, 10, &err), RC_UNKNOWN);
	assert_int_equal(put(p, 3 << 20, &err), RC_UNKNOWN);
	assert_int_equal(put(p, 10, &err), RC_UNKNOWN);
	finish(p);
}

/* Not all of the body was sent, so it cannot have been applied. */
static void a_put_that_breaks_off_while_sending_is_again(void **state)
{
	struct act acts[] = {{NULL, 100000}};
	struct stage_play *p = begin(acts, 1);
	struct err err;

	(void)state;
	assert_int_equal(put(p, 200 << 20, &err), RC_AGAIN);
	finish(p);
}

static void a_read_whose_answer_is_lost_is_again(void **state)
{
	struct act acts[] = {{NULL, 0}, {NULL, 0}};
	struct stage_play *p = begin(acts, 2);
	struct err err;

	(void)state;
	assert_int_equal(head(p, &err), RC_AGAIN);
	assert_int_equal(get(p).outcome, RC_AGAIN);
	finish(p);
}

/* [OS-2] what breaks after begin */
static void a_body_cut_short_is_told_after_begin(void **state)
{
	struct act acts[] = {{"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this", 0}};
	struct stage_play *p = begin(acts, 1);
	struct got g;

	(void)state;
	g = get(p);
	assert_int_equal(g.begins, 1);
	assert_int_equal(g.bytes, 9);
	assert_int_equal(g.outcome, RC_AGAIN);
	finish(p);
}

/* S3 always tells the length of an object. Without it, or with one that is no number, the body
 * could have no end. */
static void a_body_without_a_length_is_corrupt(void **state)
{
	struct act acts[] = {{"HTTP/1.1 200 OK\r\n\r\nhello", 0},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 0},
		{"HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\nhello", 0},
		{"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nhello", 0},
		{"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
		 "5\r\nhello\r\n0\r\n\r\n",
			0}};
	struct stage_play *p = begin(acts, sizeof(acts) / sizeof(acts[0]));

	(void)state;
	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		struct got g = get(p);

		assert_int_equal(g.outcome, RC_CORRUPT);
		assert_int_equal(g.bytes, 0);
	}
	finish(p);
}

static void a_body_without_its_checksum_is_corrupt(void **state)
{
	struct act acts[] = {{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nx-amz-checksum-crc32: "
			      "NhCmhg==\r\n\r\nhello",
				     0},
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nx-amz-checksum-crc32: "
		 "NhCmhg==\r\n\r\nhellO",
			0},
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nx-amz-checksum-crc32: "
		 "NhCmhg==-2\r\n\r\nhellO",
			0}};
	struct stage_play *p = begin(acts, 3);
	struct got g;

	(void)state;
	assert_int_equal(get(p).outcome, RC_OK);
	g = get(p);
	assert_int_equal(g.outcome, RC_CORRUPT);
	assert_string_equal(g.why.code, "BadDigest");
	assert_int_equal(get(p).outcome, RC_OK); /* of parts: says nothing about the whole */
	finish(p);
}

/* Credentials never follow a redirect; the region is told. */
static void redirects_are_not_followed(void **state)
{
	struct act acts[] = {{"HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:1/x\r\n"
			      "x-amz-bucket-region: eu-west-7\r\nContent-Length: 0\r\n\r\n",
		0}};
	struct stage_play *p = begin(acts, 1);
	struct err err;

	(void)state;
	assert_int_equal(head(p, &err), RC_REFUSED);
	assert_non_null(strstr(err.text, "eu-west-7"));
	finish(p);
}

static void the_region_is_read_from_any_answer(void **state)
{
	struct act acts[] = {
		{"HTTP/1.1 403 No\r\nx-amz-bucket-region: eu-west-7\r\nContent-Length: 0\r\n\r\n",
			0},
		{"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", 0},
		{"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<LocationConstraint "
		 "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">EU</LocationConstraint>",
			0},
		{"HTTP/1.1 403 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", 0},
		{ERROR("403 No", "AccessDenied"), 0}};
	struct stage_play *p = begin(acts, 5);
	char region[OS_REGION_MAX];
	struct err err;

	(void)state;
	assert_int_equal(os_bucket_region(p->store, slice_str("b"), region, &err), RC_OK);
	assert_string_equal(region, "eu-west-7");
	assert_int_equal(os_bucket_region(p->store, slice_str("b"), region, &err), RC_OK);
	assert_string_equal(region, "eu-west-1");
	assert_int_equal(os_bucket_region(p->store, slice_str("b"), region, &err), RC_OK);
	assert_string_equal(region, "us-east-1");
	finish(p);
}

static void a_delete_marker_read_by_its_version_is_absent(void **state)
{
	struct act acts[] = {{"HTTP/1.1 405 No\r\nx-amz-delete-marker: true\r\nAllow: DELETE\r\n"
			      "Content-Length: 0\r\n\r\n",
		0}};
	struct stage_play *p = begin(acts, 1);

	(void)state;
	assert_int_equal(get(p).outcome, RC_ABSENT);
	finish(p);
}

static void headers_without_end_are_refused(void **state)
{
	static char answer[HUGE_ANSWER] = "HTTP/1.1 200 OK\r\nx-long: ";
	struct act acts[] = {{answer, 0}};
	struct stage_play *p;
	struct err err;
	enum rc rc;

	(void)state;
	memset(answer + strlen(answer), 'a', sizeof(answer) - strlen(answer) - 1);
	p = begin(acts, 1);
	rc = head(p, &err);
	assert_true(rc == RC_CORRUPT || rc == RC_AGAIN);
	finish(p);
}

#define RECORD                                                                                     \
	"{\"upload\":\"u\",\"size\":5,\"parts\":[{\"number\":1,\"size\":5,\"etag\":\"e1\","        \
	"\"crc32\":"                                                                               \
	"\"NhCmhg==\",\"echoed\":true}]}"
#define OK_XML(body) "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" body
#define COMPLETED                                                                                  \
	OK_XML("<CompleteMultipartUploadResult><ETag>\"x-1\"</ETag></"                             \
	       "CompleteMultipartUploadResult>")

static enum rc copy(struct stage_play *p, struct os_object *ret_info, struct err *err)
{
	struct object_id from = {slice_str("from"), slice_str("a b/\xc3\xa9+?"), slice_str("v/1")};

	*err = (struct err){0};
	return os_copy(
		p->store, &from, slice_str("bucket"), slice_str("key"), &p->arena, ret_info, err);
}

/* [OS-12], and S3 may tell an error, or break off, inside a 200. */
static void what_the_answers_to_a_copy_mean(void **state)
{
	struct act acts[] = {
		{OK_XML("<CopyObjectResult><ETag>\"abc\"</ETag></CopyObjectResult>"), 0},
		{ERROR("404 Not Found", "NoSuchKey"), 0},
		{OK_XML("<Error><Code>SlowDown</Code></Error>"), 0},
		{OK_XML("<Error><Code>InternalError</Code></Error>"), 0},
		{OK_XML("<CopyObjectResult><ETag>"), 0},
		{NULL, 0},
	};
	static const enum rc expected[] = {
		RC_OK, RC_ABSENT, RC_AGAIN, RC_UNKNOWN, RC_UNKNOWN, RC_UNKNOWN};
	struct stage_play *p = begin(acts, 6);
	struct os_object info = {0};
	struct err err;

	(void)state;
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(copy(p, &info, &err), expected[i]);
	assert_slice_is(info.etag, "abc");
	assert_slice_is(info.key, "key");
	assert_non_null(strcasestr(
		p->heads[0], "x-amz-copy-source: from/a%20b/%C3%A9%2B%3F?versionId=v%2F1\r\n"));
	finish(p);
}

static enum rc publish(struct stage_play *p, const char *record, struct err *err)
{
	*err = (struct err){0};
	return os_publish(p->store, slice_str("bucket"), slice_str("key"), slice_str(record), err);
}

/* protocol.md step 7. */
static void completing_that_fails_inside_a_200_is_unknown(void **state)
{
	struct act acts[] = {
		{OK_XML("   <?xml version=\"1.0\"?><Error><Code>InternalError</Code></Error>"),
			ANY},
		{OK_XML("<CompleteMultipartUplo"), ANY}, {COMPLETED, ANY}};
	struct stage_play *p = begin(acts, 3);
	struct err err;

	(void)state;
	assert_int_equal(publish(p, RECORD, &err), RC_UNKNOWN);
	assert_int_equal(publish(p, RECORD, &err), RC_UNKNOWN);
	assert_int_equal(publish(p, RECORD, &err), RC_OK);
	finish(p);
}

static void invalid_part_adopts_the_listed_etag_of_the_same_bytes(void **state)
{
	struct act acts[] = {{ERROR("400 Bad", "InvalidPart"), ANY},
		{OK_XML("<ListPartsResult><Part><PartNumber>1</PartNumber><ETag>\"e2\"</"
			"ETag><Size>5"
			"</Size><ChecksumCRC32>NhCmhg==</ChecksumCRC32></Part><IsTruncated>false"
			"</IsTruncated></ListPartsResult>"),
			0},
		{COMPLETED, ANY}};
	struct stage_play *p = begin(acts, 3);
	struct err err;

	(void)state;
	assert_int_equal(publish(p, RECORD, &err), RC_OK);
	finish(p);
}

static void invalid_part_of_other_bytes_is_corrupt(void **state)
{
	struct act acts[] = {{ERROR("400 Bad", "InvalidPart"), ANY},
		{OK_XML("<ListPartsResult><Part><PartNumber>1</PartNumber><ETag>\"e2\"</"
			"ETag><Size>5"
			"</Size><ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part><IsTruncated>false"
			"</IsTruncated></ListPartsResult>"),
			0}};
	struct stage_play *p = begin(acts, 2);
	struct err err;

	(void)state;
	assert_int_equal(publish(p, RECORD, &err), RC_CORRUPT);
	finish(p);
}

#define NO_UPLOAD ERROR("404 Not Found", "NoSuchUpload")
#define VERSIONS(entries)                                                                          \
	OK_XML("<ListVersionsResult><IsTruncated>false</IsTruncated>" entries                      \
	       "</ListVersionsResult>")

static void no_such_upload_is_settled_by_the_keys_versions(void **state)
{
	static const struct {
		const char *versions, *versioning;
		enum rc rc;
	} rows[] = {
		{VERSIONS(
			 "<Version><Key>key</Key><VersionId>1</VersionId><Size>5</Size></Version>"),
			NULL, RC_OK},
		{VERSIONS("<DeleteMarker><Key>key</Key><VersionId>1</VersionId></DeleteMarker>"),
			NULL, RC_OK},
		{VERSIONS(""),
			OK_XML("<VersioningConfiguration><Status>Enabled</Status></"
			       "VersioningConfiguration>"),
			RC_ABSENT},
		{VERSIONS("<Version><Key>key-of-another</Key><VersionId>1</VersionId><Size>5</Size>"
			  "</Version>"),
			OK_XML("<VersioningConfiguration><Status>Suspended</Status></"
			       "VersioningConfiguration>"),
			RC_ABSENT},
		{VERSIONS(""), OK_XML("<VersioningConfiguration/>"), RC_OK},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct act acts[] = {
			{NO_UPLOAD, ANY}, {rows[i].versions, 0}, {rows[i].versioning, 0}};
		struct stage_play *p = begin(acts, rows[i].versioning ? 3 : 2);
		struct err err;

		assert_int_equal(publish(p, RECORD, &err), rows[i].rc);
		finish(p);
	}
}

static void a_record_that_is_none_is_corrupt(void **state)
{
	static const char *const records[] = {"", "{}", "[]",
		"{\"upload\":\"u\",\"size\":5,\"parts\":[]}",
		"{\"upload\":\"u\",\"size\":-5,\"parts\":[{\"number\":1,\"size\":5,\"etag\":\"e\","
		"\"crc32\":\"NhCmhg==\"}]}",
		"{\"upload\":\"u\",\"size\":5,\"parts\":[{\"number\":0,\"size\":5,\"etag\":\"e\","
		"\"crc32\":"
		"\"NhCmhg==\"}]}",
		"{\"upload\":\"u\",\"size\":5,\"parts\":[{\"number\":1,\"size\":5,\"etag\":\"e\","
		"\"crc32\":"
		"\"nonsense\"}]}"};
	struct stage_play *p = begin(NULL, 0);
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++)
		assert_int_equal(publish(p, records[i], &err), RC_CORRUPT);
	finish(p);
}

/* What goes out: long bodies stream as aws-chunked with a trailer, short ones are signed whole;
 * nothing collapses "/../". */
static void what_a_put_looks_like(void **state)
{
	struct act acts[] = {{"HTTP/1.1 200 OK\r\nETag: \"e\"\r\nContent-Length: 0\r\n"
			      "Connection: close\r\n\r\n",
				     ANY},
		{"HTTP/1.1 200 OK\r\nETag: \"e\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
			ANY}};
	struct stage_play *p = begin(acts, 2);
	uint64_t left = 4;
	struct os_source source = {.read = zero_read, .arg = &left};
	struct os_object info;
	struct err err;

	(void)state;
	assert_int_equal(os_put(p->store, slice_str("bucket"), slice_str("a/../b c+"),
				 slice_str(""), 4, &source, &p->arena, &info, &err),
		RC_OK);
	assert_slice_is(info.etag, "e");
	assert_non_null(strstr(p->heads[0], "PUT /bucket/a/../b%20c%2B HTTP/1.1"));
	assert_non_null(strstr(p->heads[0],
		"x-amz-content-sha256: "
		"2d6ccd34ad7af363159ed4bbe18c0e43c681f606877d9ffc96b62200720d7291\r\n"));
	assert_null(strstr(p->heads[0], "aws-chunked"));
	assert_int_equal(put(p, 2 << 20, &err), RC_OK);
	assert_non_null(strstr(p->heads[1], "STREAMING-UNSIGNED-PAYLOAD-TRAILER"));
	assert_non_null(strstr(p->heads[1], "x-amz-trailer: x-amz-checksum-crc32\r\n"));
	assert_non_null(strstr(p->heads[1], "x-amz-decoded-content-length: 2097152\r\n"));
	finish(p);
}

/* The largest stage that stage_max allows has a record that fits, for the sizes that core asks
 * with. */
static void a_record_fits_what_stage_max_promises(void **state)
{
	static const size_t sizes[] = {256 * 1024 - 4096, (256 * 1024 - 4096) / 2, 4096, 100};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		uint64_t max = s3_stage_max(NULL, sizes[i]);
		struct stage_part *parts = xcalloc(STAGE_PARTS_MAX, sizeof(*parts));
		char upload_id[151] = {0};
		struct staged staged = {.parts = parts};
		struct buf record;

		memset(upload_id, 'u', 150);
		staged.upload_id = slice_str(upload_id);
		for (; staged.size < max; staged.size += parts[staged.n_parts - 1].size) {
			struct stage_part *p = &parts[staged.n_parts++];

			p->number = (unsigned)staged.n_parts;
			p->size = stage_part_bytes(p->number);
			p->crc32 = (struct checksum){.alg = DIGEST_CRC32};
			memset(p->etag, 'e', 32);
		}
		assert_int_equal(staged.size, max);
		buf_init(&record, sizes[i]);
		if (max)
			assert_true(staged_write(&record, &staged));
		assert_true(i > 1 || max > (i ? 18ull : 50ull) << 30);
		buf_release(&record);
		free(parts);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(error_answers),
		cmocka_unit_test(what_the_answers_to_a_copy_mean),
		cmocka_unit_test(no_connection_is_again),
		cmocka_unit_test(a_put_whose_answer_is_lost_is_unknown),
		cmocka_unit_test(a_put_that_breaks_off_while_sending_is_again),
		cmocka_unit_test(a_read_whose_answer_is_lost_is_again),
		cmocka_unit_test(a_body_cut_short_is_told_after_begin),
		cmocka_unit_test(a_body_without_a_length_is_corrupt),
		cmocka_unit_test(a_body_without_its_checksum_is_corrupt),
		cmocka_unit_test(redirects_are_not_followed),
		cmocka_unit_test(the_region_is_read_from_any_answer),
		cmocka_unit_test(a_delete_marker_read_by_its_version_is_absent),
		cmocka_unit_test(headers_without_end_are_refused),
		cmocka_unit_test(completing_that_fails_inside_a_200_is_unknown),
		cmocka_unit_test(invalid_part_adopts_the_listed_etag_of_the_same_bytes),
		cmocka_unit_test(invalid_part_of_other_bytes_is_corrupt),
		cmocka_unit_test(no_such_upload_is_settled_by_the_keys_versions),
		cmocka_unit_test(a_record_that_is_none_is_corrupt),
		cmocka_unit_test(what_a_put_looks_like),
		cmocka_unit_test(a_record_fits_what_stage_max_promises),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
