/*
 * s3_call: one signed request to S3, and what its response means. Only adapter/aws includes it.
 *
 *     struct s3_call call = {.method = "GET", .bucket = …};
 *     rc = s3_call_run(s3, &call, err);     or s3_call_prepare, http_start … s3_call_outcome
 *     … call.answer, call.http.response_headers …
 *     s3_call_release(&call);               after a failure too
 */
#ifndef BALER_ADAPTER_AWS_S3_S3_CALL_H
#define BALER_ADAPTER_AWS_S3_S3_CALL_H

#include <stdatomic.h>

#include "adapter/aws/http/http.h"
#include "adapter/aws/identity/endpoint.h"
#include "adapter/aws/s3/s3.h"
#include "base/clock.h"
#include "wire/s3xml_client.h"
#include "wire/sigv4.h"

#define S3_CALL_HEADERS_MAX 64
/* bytes: a percent-encoded key of 1,024 bytes, a marker of the same length, and some spare room */
#define S3_URL_MAX 16384

struct s3 {
	struct object_store base;
	struct aws_settings settings;
	struct endpoint endpoint;
	struct sigv4_keys keys;
	struct http_client *http;
	struct clock *clock;
	struct budget *memory; /* of get_many; NULL: no limit */
	/* the server has said that it is baler, which keeps evidence [OS-18] */
	atomic_bool is_baler;
};

struct s3_call {
	/* The request; borrowed until s3_call_release. */
	const char *method;
	struct slice bucket, key;
	struct slice query;   /* percent-encoded, without '?' */
	struct slice headers; /* as model/object_headers.h; host, date and signature are added */
	/* The body is either in memory, and signed … */
	bool has_body;
	struct slice body;
	/* … or it comes from read, and payload_hash says how it is signed. */
	const char *payload_hash;
	uint64_t body_bytes;
	enum rc (*read)(void *arg, void *out, size_t max, size_t *ret_n, struct err *err);
	enum rc (*rewind)(void *arg, struct err *err);
	/* Takes the body of a 2xx response; NULL: the body is kept in answer. */
	enum rc (*data)(void *arg, struct slice bytes, bool *ret_pause, struct err *err);
	void *arg;

	/* The response. */
	struct buf answer; /* the document, or the error document */

	/* Private to s3_call. */
	struct http_request http;
	struct buf url, host;
	struct sigv4_headers signature;
	struct header wire_headers[S3_CALL_HEADERS_MAX];
	size_t n_wire_headers;
	size_t body_offset;
};

enum rc s3_call_prepare(struct s3 *s3, struct s3_call *call, struct err *err);
/* The result of a request that has ended. RC_OK: the status was 2xx. */
enum rc s3_call_outcome(struct s3_call *call, struct err *err);
enum rc s3_call_run(struct s3 *s3, struct s3_call *call, struct err *err);
void s3_call_release(struct s3_call *call);

/* The first response header of this name (in lower case); p is NULL when there is none. */
struct slice s3_call_header(const struct s3_call *call, const char *name);
/* Reads the object's description from the response headers; its memory is from a. */
void s3_call_object(
	const struct s3_call *call, struct slice key, struct arena *a, struct os_object *ret_info);
/* A 200 whose document is unreadable or an error is treated as a 500: RC_AGAIN or RC_UNKNOWN. */
enum rc s3_bad_document(const struct s3_call *call, struct err *err);
/* The meaning of an error code inside a document. */
enum rc s3_rc_of_code(const char *code, unsigned status, bool is_write);

/* Adds "name=value", both percent-encoded, with '&' in front when query is not empty. */
void s3_query_add(struct buf *query, const char *name, struct slice value);
/* Whether version is a real versionId. "null" and "seq:…" stand for buckets without versions. */
bool s3_is_version(struct slice version);
/* Adds versionId when version is a real versionId. */
void s3_query_version(struct buf *query, struct slice version);

/* The operations; each has a file of its own. */
enum rc s3_put(struct object_store *os, struct slice bucket, struct slice key, struct slice headers,
	uint64_t size, const struct os_source *body, struct arena *a, struct os_object *ret_info,
	struct err *err);
enum rc s3_get_many(struct object_store *os, const struct object_id *objects, size_t n,
	const struct os_sink *sink, struct err *err);
enum rc s3_list(struct object_store *os, const struct os_list_query *query, struct arena *a,
	struct os_list_page *ret_page, struct err *err);
enum rc s3_delete_many(struct object_store *os, struct slice bucket,
	const struct object_id *objects, size_t n, enum rc *results, struct err *err);
enum rc s3_copy(struct object_store *os, const struct object_id *from, struct slice bucket,
	struct slice key, struct arena *a, struct os_object *ret_info, struct err *err);
uint64_t s3_stage_max(struct object_store *os, size_t record_bytes);
enum rc s3_stage_begin(struct object_store *os, struct slice bucket, struct slice key,
	struct os_stage **ret_stage, struct err *err);
enum rc s3_stage_write(struct os_stage *stage, struct slice bytes, struct err *err);
enum rc s3_stage_finish(
	struct os_stage *stage, struct slice headers, struct buf *ret_staged, struct err *err);
enum rc s3_stage_copy(struct os_stage *stage, struct slice bucket, struct slice key,
	struct slice headers, struct buf *ret_staged, struct err *err);
void s3_stage_free(struct os_stage *stage);
enum rc s3_publish(struct object_store *os, struct slice bucket, struct slice key,
	struct slice staged, struct err *err);
enum rc s3_discard(struct object_store *os, struct slice bucket, struct slice key, struct err *err);

#endif
