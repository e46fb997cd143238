#include "model/s3_event.h"

#include <stdio.h>

#include "base/date.h"
#include "base/json.h"

/* S3's are 32 hex digits, with "-10000" behind them; the longest time has microseconds and a
 * zone. Together less than VERSION_ID_MAX. */
#define ETAG_MAX 80
#define TIME_MAX 40
/* Bytes of memory that the values of one message may take. A record takes about 8 KiB: 12 objects,
 * 25 texts. */
#define MEMORY_MAX_BYTES ((uint64_t)S3_EVENT_RECORDS_MAX * 16384)

static int hex_pair(const unsigned char *p)
{
	unsigned char v;

	return hex_decode(slice_of(p, 2), &v, 1) ? v : -1;
}

/* application/x-www-form-urlencoded: '+' is a space; a malformed escape stays as it is. */
static struct slice form_decode(struct arena *a, struct slice s)
{
	unsigned char *out = arena_alloc(a, s.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		int v = s.p[i] == '%' && i + 2 < s.n ? hex_pair(s.p + i + 1) : -1;

		if (v >= 0) {
			out[n++] = (unsigned char)v;
			i += 2;
		} else {
			out[n++] = s.p[i] == '+' ? ' ' : s.p[i];
		}
	}
	return slice_of(out, n);
}

static bool is_form_plain(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
	       c == '.' || c == '_' || c == '*' || c == '/';
}

static bool form_encode(struct buf *out, struct slice s)
{
	size_t plain = 0;

	for (size_t i = 0; i < s.n; i++) {
		if (is_form_plain(s.p[i]))
			continue;
		buf_add(out, s.p + plain, i - plain);
		plain = i + 1;
		if (s.p[i] == ' ')
			buf_add_char(out, '+');
		else
			buf_addf(out, "%%%02X", s.p[i]);
	}
	return buf_add(out, s.p ? s.p + plain : NULL, s.n - plain) && !out->overflow;
}

/* 0: not known. S3 writes Z; other stores write nothing or "+00:00" in its place. A time of another
 * zone is not known: events carry UTC. */
static uint64_t parse_time(struct slice s)
{
	static const char utc[] = "+00:00";
	const size_t n_utc = sizeof(utc) - 1;
	char text[40];
	uint64_t ms;

	if (date_iso_parse(s, &ms))
		return ms;
	if (s.n > n_utc && memcmp(s.p + s.n - n_utc, utc, n_utc) == 0)
		s.n -= n_utc;
	if (s.n >= sizeof(text) - 1)
		return 0;
	snprintf(text, sizeof(text), SLICE_FMT "Z", SLICE_ARG(s));
	return date_iso_parse(slice_str(text), &ms) ? ms : 0;
}

/* The size is a JSON number, or a string of digits (Ceph's documentation shows one); any other
 * value is ignored. */
static enum rc read_size(const json_t *v, struct s3_event_record *r, struct err *err)
{
	struct slice text;

	if (json_is_integer(v) && json_integer_value(v) >= 0) {
		r->has_size = true;
		r->size = (uint64_t)json_integer_value(v);
	}
	if (!json_is_string(v))
		return RC_OK;
	text = slice_of(json_string_value(v), json_string_length(v));
	r->has_size = slice_to_u64(text, &r->size);
	if (r->has_size && r->size > OBJECT_SIZE_MAX)
		return err_code(err, RC_REFUSED, "not-an-event", "a size of %llu bytes",
			(unsigned long long)r->size);
	return RC_OK;
}

/* Whether the event has the name of a creation but stands for another change. MinIO counts tags,
 * holds and retention among its creations; Ceph reports the beginning of a multipart upload as a
 * Post, without an ETag. */
static bool is_no_creation(struct slice source, struct slice name, struct slice etag)
{
	static const char *const others[] = {"ObjectCreated:PutRetention",
		"ObjectCreated:PutLegalHold", "ObjectCreated:PutTagging",
		"ObjectCreated:DeleteTagging"};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (slice_eq_str(name, others[i]))
			return true;
	return slice_eq_str(source, "ceph:s3") && slice_eq_str(name, "ObjectCreated:Post") &&
	       etag.n == 0;
}

/* The "null" of a suspended bucket names the object that is there now, so it is no version; the
 * sequencer of each put takes its place. Without a sequencer, the time and the ETag distinguish two
 * puts of a key, and are equal in a repeated event. */
static struct slice version_of(
	struct arena *a, struct slice version, const struct s3_event_record *r, struct slice time)
{
	if (version.n && !slice_eq_str(version, "null"))
		return arena_slice(a, version);
	if (r->sequencer.n)
		return slice_str(arena_printf(a, "seq:" SLICE_FMT, SLICE_ARG(r->sequencer)));
	if (time.n || r->etag.n)
		return slice_str(arena_printf(
			a, "seq:" SLICE_FMT "/" SLICE_FMT, SLICE_ARG(time), SLICE_ARG(r->etag)));
	return slice_str("null");
}

/* These texts become part of the identity. */
static enum rc check_lengths(
	struct slice version, struct slice time, const struct s3_event_record *r, struct err *err)
{
	const struct {
		const char *name;
		size_t n, max;
	} all[] = {{"a versionId", version.n, VERSION_ID_MAX},
		{"a sequencer", r->sequencer.n, VERSION_ID_MAX - strlen("seq:")}, {"an ETag", r->etag.n, ETAG_MAX},
		{"an eventTime", time.n, TIME_MAX}};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i].n > all[i].max)
			return err_code(err, RC_REFUSED, "not-an-event", "%s of %zu bytes",
				all[i].name, all[i].n);
	return RC_OK;
}

static enum rc read_record(
	struct arena *a, const json_t *json, struct s3_event_record *r, struct err *err)
{
	const json_t *s3 = json_object_get(json, "s3");
	const json_t *object = json_object_get(s3, "object");
	struct slice bucket = json_member_str(json_object_get(s3, "bucket"), "name");
	struct slice key = json_member_str(object, "key");
	struct slice version = json_member_str(object, "versionId");
	struct slice name = json_member_str(json, "eventName");
	struct slice source = json_member_str(json, "eventSource");
	struct slice time = json_member_str(json, "eventTime");
	enum rc rc;

	if (bucket.n == 0 || key.n == 0)
		return err_code(err, RC_REFUSED, "not-an-event",
			"a record has no s3.bucket.name or no s3.object.key");
	if (slice_has_prefix(name, slice_str("s3:")))
		name = slice_of(name.p + 3, name.n - 3);
	r->object.bucket = arena_slice(a, bucket);
	/* Ceph writes the key unencoded; all others form-encode it */
	r->object.key = slice_eq_str(source, "ceph:s3") ? arena_slice(a, key) : form_decode(a, key);
	r->etag = arena_slice(a, json_member_str(object, "eTag"));
	r->event_name =
		is_no_creation(source, name, r->etag) ? slice_str("Other") : arena_slice(a, name);
	r->sequencer = arena_slice(a, json_member_str(object, "sequencer"));
	rc = check_lengths(version, time, r, err);
	if (rc != RC_OK)
		return rc;
	r->object.version = version_of(a, version, r, time);
	r->time_wall_ms = parse_time(time);
	return read_size(json_object_get(object, "size"), r, err);
}

static enum rc read_records(
	struct arena *a, const json_t *records, struct s3_event *e, struct err *err)
{
	size_t n = json_array_size(records);

	if (n > S3_EVENT_RECORDS_MAX)
		return err_code(err, RC_REFUSED, "not-an-event", "%zu records in one message", n);
	e->records = arena_array(a, n, sizeof(*e->records));
	for (size_t i = 0; i < n; i++) {
		enum rc rc = read_record(a, json_array_get(records, i), &e->records[i], err);

		if (rc != RC_OK)
			return err_ctx(err, rc, "record %zu", i);
	}
	e->n_records = n;
	return RC_OK;
}

/* EventBridge's names for S3's own "ObjectCreated:Put" and so on. */
static const char *bridge_event_name(const json_t *root, const json_t *detail)
{
	static const char *const created[][2] = {{"PutObject", "ObjectCreated:Put"},
		{"POST Object", "ObjectCreated:Post"}, {"CopyObject", "ObjectCreated:Copy"},
		{"CompleteMultipartUpload", "ObjectCreated:CompleteMultipartUpload"}};
	struct slice type = json_member_str(root, "detail-type");
	struct slice reason = json_member_str(detail, "reason");

	if (slice_eq_str(type, "Object Deleted"))
		return "ObjectRemoved:Delete";
	if (!slice_eq_str(type, "Object Created"))
		return "Other";
	for (size_t i = 0; i < sizeof(created) / sizeof(created[0]); i++)
		if (slice_eq_str(reason, created[i][0]))
			return created[i][1];
	return "ObjectCreated:Put";
}

/* EventBridge's envelope holds one object, with names of its own; the key is not encoded. */
static enum rc read_bridge(struct arena *a, const json_t *root, struct s3_event *e, struct err *err)
{
	const json_t *detail = json_object_get(root, "detail");
	const json_t *object = json_object_get(detail, "object");
	struct slice bucket = json_member_str(json_object_get(detail, "bucket"), "name");
	struct slice key = json_member_str(object, "key");
	struct slice version = json_member_str(object, "version-id");
	struct slice time = json_member_str(root, "time");
	struct s3_event_record *r = arena_array(a, 1, sizeof(*r));
	enum rc rc;

	if (bucket.n == 0 || key.n == 0)
		return err_code(err, RC_REFUSED, "not-an-event",
			"an event of EventBridge without detail.bucket.name or detail.object.key");
	r->object.bucket = arena_slice(a, bucket);
	r->object.key = arena_slice(a, key);
	r->event_name = slice_str(bridge_event_name(root, detail));
	r->etag = arena_slice(a, json_member_str(object, "etag"));
	r->sequencer = arena_slice(a, json_member_str(object, "sequencer"));
	rc = check_lengths(version, time, r, err);
	if (rc != RC_OK)
		return rc;
	r->object.version = version_of(a, version, r, time);
	r->time_wall_ms = parse_time(time);
	e->records = r;
	e->n_records = 1;
	return read_size(json_object_get(object, "size"), r, err);
}

static enum rc read_root(struct arena *a, const json_t *root, struct s3_event *e, struct err *err)
{
	if (json_is_array(json_object_get(root, "Records")))
		return read_records(a, json_object_get(root, "Records"), e, err);
	if (slice_eq_str(json_member_str(root, "source"), "aws.s3"))
		return read_bridge(a, root, e, err);
	e->is_test = slice_eq_str(json_member_str(root, "Event"), "s3:TestEvent");
	if (e->is_test)
		return RC_OK;
	return err_code(err, RC_REFUSED, "not-an-event",
		"no Records, no event of EventBridge, and not s3:TestEvent");
}

/* A message of a stranger's may be all brackets. */
static enum rc parse(struct slice text, json_t **ret_root, struct err *err)
{
	if (text.n <= S3_EVENT_MAX_BYTES && text.n * JSON_MEMORY_PER_BYTE > MEMORY_MAX_BYTES &&
		json_memory_bytes(text) > MEMORY_MAX_BYTES)
		return err_set(err, RC_REFUSED, "more values than %d records have",
			S3_EVENT_RECORDS_MAX);
	return json_parse(text, S3_EVENT_MAX_BYTES, ret_root, err);
}

/* SNS puts the notification inside as a text. Only one envelope is opened: a notification inside a
 * notification is not. */
static enum rc unwrap(json_t **root, struct err *err)
{
	struct slice message = json_member_str(*root, "Message");
	json_t *inner = NULL;
	struct err why = {0};
	enum rc rc;

	if (!slice_eq_str(json_member_str(*root, "Type"), "Notification") || !message.p)
		return RC_OK;
	rc = parse(message, &inner, &why);
	if (rc != RC_OK)
		return err_code(err, rc, rc == RC_AGAIN ? why.code : "not-json",
			"the Message of SNS: %s", why.text);
	json_decref(*root);
	*root = inner;
	return RC_OK;
}

enum rc s3_event_parse(
	struct arena *a, struct slice text, struct s3_event *ret_event, struct err *err)
{
	struct s3_event e = {0};
	json_t *root = NULL;
	struct err why = {0};
	enum rc rc;

	rc = parse(text, &root, &why);
	if (rc != RC_OK)
		return err_code(err, rc, rc == RC_AGAIN ? why.code : "not-json", "%s", why.text);
	rc = unwrap(&root, err);
	if (rc == RC_OK)
		rc = read_root(a, root, &e, err);
	json_decref(root);
	if (rc == RC_OK)
		*ret_event = e;
	return rc;
}

/* The bucket may be another store's word. */
static void add_arn(struct buf *out, struct slice bucket)
{
	buf_add_str(out, "\"arn:aws:s3:::");
	json_add_escaped(out, bucket);
	buf_add_char(out, '"');
}

static void add_object(struct buf *out, const struct s3_event_record *r)
{
	buf_add_str(out, "\"object\":{\"key\":\"");
	form_encode(out, r->object.key);
	buf_addf(out, "\",\"size\":%llu,\"eTag\":", (unsigned long long)r->size);
	json_add_string(out, r->etag);
	if (r->object.version.n) {
		buf_add_str(out, ",\"versionId\":");
		json_add_string(out, r->object.version);
	}
	buf_add_str(out, ",\"sequencer\":");
	json_add_string(out, r->sequencer);
	buf_add_str(out, "}");
}

bool s3_event_write(struct buf *out, const struct s3_event_record *r, const char *region,
	const char *request_id)
{
	char time[DATE_ISO_BYTES];

	buf_add_str(out, "{\"Records\":[{\"eventVersion\":\"2.1\",\"eventSource\":\"aws:s3\","
			 "\"awsRegion\":\"");
	buf_add_str(out, region);
	if (r->time_wall_ms) { /* a time of 1970 would be too old to be bundled */
		date_iso_format(r->time_wall_ms, time);
		buf_add_str(out, "\",\"eventTime\":\"");
		buf_add_str(out, time);
	}
	buf_add_str(out, "\",\"eventName\":");
	json_add_string(out, r->event_name);
	buf_add_str(out, ",\"userIdentity\":{\"principalId\":\"baler\"},\"requestParameters\":{"
			 "\"sourceIPAddress\":\"-\"},\"responseElements\":{\"x-amz-request-id\":\"");
	buf_add_str(out, request_id);
	buf_add_str(out, "\"},\"s3\":{\"s3SchemaVersion\":\"1.0\",\"configurationId\":\"baler\","
			 "\"bucket\":{\"name\":");
	json_add_string(out, r->object.bucket);
	buf_add_str(out, ",\"ownerIdentity\":{\"principalId\":\"baler\"},\"arn\":");
	add_arn(out, r->object.bucket);
	buf_add_str(out, "},");
	add_object(out, r);
	return buf_add_str(out, "}}]}") && !out->overflow;
}
