#include "adapter/aws/s3/s3_call.h"

#include <stdio.h>

#include "model/object_headers.h"
#include "wire/uri.h"

#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define TOLD_KEY_BYTES 128 /* the most bytes of a key in an error text */

static bool is_write(const struct s3_call *call)
{
	return strcmp(call->method, "GET") != 0 && strcmp(call->method, "HEAD") != 0;
}

/* The request. */

static enum rc memory_read(void *arg, void *out, size_t max, size_t *ret_n, struct err *err)
{
	struct s3_call *call = arg;
	size_t left = call->body.n - call->body_offset, n = left < max ? left : max;

	(void)err;
	if (n)
		memcpy(out, call->body.p + call->body_offset, n);
	call->body_offset += n;
	*ret_n = n;
	return RC_OK;
}

static enum rc memory_rewind(void *arg, struct err *err)
{
	struct s3_call *call = arg;

	(void)err;
	call->body_offset = 0;
	return RC_OK;
}

static enum rc reader_read(void *arg, void *out, size_t max, size_t *ret_n, struct err *err)
{
	struct s3_call *call = arg;

	return call->read(call->arg, out, max, ret_n, err);
}

static enum rc reader_rewind(void *arg, struct err *err)
{
	struct s3_call *call = arg;

	return call->rewind(call->arg, err);
}

static enum rc on_data(void *arg, struct slice bytes, bool *ret_pause, struct err *err)
{
	struct s3_call *call = arg;

	if (call->data && call->http.status / 100 == 2)
		return call->data(call->arg, bytes, ret_pause, err);
	if (!buf_add_slice(&call->answer, bytes))
		return err_set(
			err, RC_CORRUPT, "the answer is longer than %zu bytes", call->answer.max);
	return RC_OK;
}

static bool add_header(struct s3_call *call, const char *name, struct slice value)
{
	if (call->n_wire_headers == S3_CALL_HEADERS_MAX)
		return false;
	call->wire_headers[call->n_wire_headers++] = (struct header){slice_str(name), value};
	return true;
}

static bool add_own_headers(struct s3_call *call)
{
	struct slice name, value;
	size_t pos = 0;

	while (object_headers_next(call->headers, &pos, &name, &value)) {
		if (call->n_wire_headers == S3_CALL_HEADERS_MAX)
			return false;
		call->wire_headers[call->n_wire_headers++] = (struct header){name, value};
	}
	return true;
}

static enum rc sign(struct s3 *s3, struct s3_call *call, struct slice path, struct err *err)
{
	unsigned char hash[SHA256_BYTES];
	char hex[2 * SHA256_BYTES + 1] = EMPTY_SHA256;
	struct sigv4_signer signer = {
		.access_key = slice_str(s3->settings.access_key),
		.secret = slice_str(s3->settings.secret),
		.token = slice_str(s3->settings.session_token),
		.region = s3->settings.region,
		.service = "s3",
		.now_wall_ms = clock_wall_ms(s3->clock),
		.keys = &s3->keys,
	};
	struct sigv4_request req = {
		.method = slice_str(call->method),
		.path = path,
		.query = call->query,
		.headers = call->wire_headers,
		.n_headers = call->n_wire_headers,
	};
	enum rc rc;

	if (call->has_body) {
		sha256(call->body, hash);
		hex_encode(hash, sizeof(hash), hex);
	}
	rc = sigv4_sign(&req, &signer, call->payload_hash ? call->payload_hash : hex,
		&call->signature, err);
	if (rc != RC_OK)
		return rc;
	if (!add_header(call, "x-amz-date", slice_str(call->signature.amz_date)) ||
		!add_header(
			call, "x-amz-content-sha256", slice_str(call->signature.content_sha256)) ||
		(signer.token.n && !add_header(call, "x-amz-security-token", signer.token)) ||
		!add_header(call, "authorization", buf_slice(&call->signature.authorization)))
		return err_set(err, RC_REFUSED, "too many headers");
	return RC_OK;
}

static void set_body(struct s3_call *call)
{
	struct http_request *http = &call->http;

	if (call->has_body) {
		http->read = memory_read;
		http->rewind = memory_rewind;
		http->body_bytes = call->body.n;
	} else if (call->read) {
		http->read = reader_read;
		http->rewind = call->rewind ? reader_rewind : NULL;
		http->body_bytes = call->body_bytes;
	}
}

/* Makes "https://host/path?query"; *ret_path_at is the offset of the path. */
static enum rc make_url(struct s3 *s3, struct s3_call *call, size_t *ret_path_at,
	size_t *ret_path_n, struct err *err)
{
	struct buf path;
	enum rc rc;

	buf_init(&path, S3_URL_MAX);
	buf_init(&call->url, 2 * S3_URL_MAX);
	buf_init(&call->host, 512);
	rc = endpoint_target(&s3->endpoint, call->bucket, call->key, &call->host, &path, err);
	buf_add_str(&call->url, s3->endpoint.is_https ? "https://" : "http://");
	buf_add_slice(&call->url, buf_slice(&call->host));
	*ret_path_at = call->url.n;
	*ret_path_n = path.n;
	buf_add_slice(&call->url, buf_slice(&path));
	buf_release(&path);
	if (call->query.n) {
		buf_add_char(&call->url, '?');
		buf_add_slice(&call->url, call->query);
	}
	if (rc == RC_OK && call->url.overflow)
		rc = err_set(err, RC_REFUSED, "the request's url is too long");
	return rc;
}

enum rc s3_call_prepare(struct s3 *s3, struct s3_call *call, struct err *err)
{
	size_t path_at, path_n;
	enum rc rc;

	buf_init(&call->answer, S3_ANSWER_MAX);
	rc = make_url(s3, call, &path_at, &path_n, err);
	if (rc != RC_OK)
		return rc;
	call->http.url = buf_cstr(&call->url);
	add_header(call, "host", buf_slice(&call->host));
	if (!add_own_headers(call))
		return err_set(err, RC_REFUSED, "too many headers");
	rc = sign(s3, call, slice_of(call->url.p + path_at, path_n), err);
	if (rc != RC_OK)
		return rc;
	call->http.method = call->method;
	call->http.headers = call->wire_headers;
	call->http.n_headers = call->n_wire_headers;
	call->http.stall_s = s3->settings.stall_s;
	if (!is_write(call) && !call->data)
		call->http.total_s = call->http.stall_s > HTTP_DOCUMENT_S ? call->http.stall_s
									   : HTTP_DOCUMENT_S;
	call->http.data = on_data;
	call->http.arg = call;
	set_body(call);
	return RC_OK;
}

enum rc s3_call_run(struct s3 *s3, struct s3_call *call, struct err *err)
{
	enum rc rc = s3_call_prepare(s3, call, err);

	if (rc != RC_OK)
		return rc;
	http_perform(s3->http, &call->http, NULL);
	if (slice_eq_str(s3_call_header(call, "server"), "baler"))
		atomic_store(&s3->is_baler, true);
	return s3_call_outcome(call, err);
}

void s3_call_release(struct s3_call *call)
{
	buf_release(&call->answer);
	buf_release(&call->url);
	buf_release(&call->host);
	sigv4_headers_release(&call->signature);
	http_request_release(&call->http);
}

/* The response. */

struct slice s3_call_header(const struct s3_call *call, const char *name)
{
	return object_headers_get(buf_slice(&call->http.response_headers), name);
}

/* Error codes that mean something else than their HTTP status. */
static const struct {
	const char *code;
	enum rc rc;
} code_table[] = {
	{"RequestTimeout", RC_AGAIN},
	{"RequestTimeoutException", RC_AGAIN},
	{"BadDigest", RC_AGAIN},
	{"IncompleteBody", RC_AGAIN},
	{"XAmzContentSHA256Mismatch", RC_AGAIN},
	{"RequestTimeTooSkewed", RC_REFUSED},
	{"SlowDown", RC_AGAIN},
	{"ServiceUnavailable", RC_AGAIN},
	{"Throttling", RC_AGAIN},
	{"ThrottlingException", RC_AGAIN},
	{"RequestThrottled", RC_AGAIN},
	{"RequestLimitExceeded", RC_AGAIN},
	{"BandwidthLimitExceeded", RC_AGAIN},
	{"OperationAborted", RC_AGAIN},
	{"ConditionalRequestConflict", RC_AGAIN},
	{"NoSuchKey", RC_ABSENT},
	{"NoSuchVersion", RC_ABSENT},
	{"NoSuchBucket", RC_ABSENT},
	{"NoSuchUpload", RC_ABSENT},
};

enum rc s3_rc_of_code(const char *code, unsigned status, bool writes)
{
	for (size_t i = 0; i < sizeof(code_table) / sizeof(code_table[0]); i++)
		if (strcmp(code_table[i].code, code) == 0)
			return code_table[i].rc;
	switch (status) {
	case 404:
		return RC_ABSENT;
	case 409:
	case 412:
		return RC_CONFLICT;
	case 429:
	case 503:
	case 507:
	case 509:
		return RC_AGAIN;
	}
	if (status >= 500)
		return writes ? RC_UNKNOWN : RC_AGAIN;
	return RC_REFUSED;
}

/* The response to a HEAD has no document with an error code. */
static const char *code_of_status(unsigned status, bool has_key)
{
	switch (status) {
	case 301:
		return "PermanentRedirect";
	case 403:
		return "AccessDenied";
	case 404:
		return has_key ? "NoSuchKey" : "NoSuchBucket";
	case 405:
		return "MethodNotAllowed";
	case 412:
		return "PreconditionFailed";
	case 503:
		return "SlowDown";
	default:
		return status >= 500 ? "InternalError" : "";
	}
}

static void tell(struct err *err, const struct s3_call *call, const char *code,
	struct slice message, struct slice region)
{
	/* Only the beginning of a long key is shown, because the cause stands after the key. */
	struct slice key =
		slice_of(call->key.p, call->key.n > TOLD_KEY_BYTES ? TOLD_KEY_BYTES : call->key.n);

	err_code(err, RC_OK, code, "%s '" SLICE_FMT "%s" SLICE_FMT "%s': HTTP %u%s%s%s" SLICE_FMT,
		call->method, SLICE_ARG(call->bucket), key.n ? "/" : "", SLICE_ARG(key),
		key.n < call->key.n ? "..." : "", call->http.status, *code ? " " : "", code,
		message.n ? ": " : "", SLICE_ARG(message));
	if (region.n)
		err_ctx(err, RC_OK, "the bucket is in region '" SLICE_FMT "'", SLICE_ARG(region));
}

static enum rc error_answer(const struct s3_call *call, struct err *err)
{
	const char *code = code_of_status(call->http.status, call->key.n > 0);
	struct s3xml_error_info info = {0};
	struct arena a = ARENA_INIT;
	struct err ignored;
	bool is_deleted = slice_eq_str(s3_call_header(call, "x-amz-delete-marker"), "true");
	enum rc rc;

	if (s3xml_read_error(buf_slice(&call->answer), &a, &info, &ignored) == RC_OK && info.code.n)
		code = arena_strdup(&a, info.code);
	if (info.region.n == 0)
		info.region = s3_call_header(call, "x-amz-bucket-region");
	if (call->http.status != 301 && call->http.status != 307 && call->http.status != 400)
		info.region.n = 0;
	tell(err, call, code, info.message, info.region);
	rc = s3_rc_of_code(code, call->http.status, is_write(call));
	/* 405 with this header: the requested version is a delete marker (S3 API reference,
	 * GetObject). */
	if (call->http.status == 405 && is_deleted)
		rc = RC_ABSENT;
	arena_release(&a);
	return rc;
}

enum rc s3_call_outcome(struct s3_call *call, struct err *err)
{
	struct http_request *http = &call->http;
	enum rc rc = http->rc;

	if (rc == RC_OK && http->status / 100 == 2)
		return RC_OK;
	if (rc == RC_OK)
		return error_answer(call, err);
	if (rc == RC_UNKNOWN && !is_write(call))
		rc = RC_AGAIN;
	if (err)
		*err = http->err;
	return err_ctx(err, rc, "%s '" SLICE_FMT "%s" SLICE_FMT "'", call->method,
		SLICE_ARG(call->bucket), call->key.n ? "/" : "", SLICE_ARG(call->key));
}

enum rc s3_bad_document(const struct s3_call *call, struct err *err)
{
	enum rc rc = err && err->code[0] ? s3_rc_of_code(err->code, 500, is_write(call))
					 : (is_write(call) ? RC_UNKNOWN : RC_AGAIN);

	return err_ctx(err, rc, "%s '" SLICE_FMT "%s" SLICE_FMT "'", call->method,
		SLICE_ARG(call->bucket), call->key.n ? "/" : "", SLICE_ARG(call->key));
}

/* The headers that are stored with an object. Checksums are checked here and not passed on. */
static bool is_stored_header(struct slice name)
{
	static const char *const names[] = {"content-type", "cache-control", "content-disposition",
		"content-encoding", "content-language", "expires"};

	if (slice_has_prefix(name, slice_str("x-amz-meta-")))
		return true;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (slice_eq_str(name, names[i]))
			return true;
	return false;
}

void s3_call_object(
	const struct s3_call *call, struct slice key, struct arena *a, struct os_object *ret_info)
{
	struct slice name, value;
	struct buf stored;
	size_t pos = 0;

	*ret_info = (struct os_object){.key = arena_slice(a, key)};
	ret_info->version = arena_slice(a, s3_call_header(call, "x-amz-version-id"));
	ret_info->etag = arena_slice(a, etag_unquote(s3_call_header(call, "etag")));
	slice_to_u64(s3_call_header(call, "content-length"), &ret_info->size);
	date_http_parse(s3_call_header(call, "last-modified"), &ret_info->modified_wall_ms);
	ret_info->is_latest = true;
	buf_init(&stored, OBJECT_HEADERS_MAX);
	while (object_headers_next(buf_slice(&call->http.response_headers), &pos, &name, &value))
		if (is_stored_header(name))
			object_headers_add(&stored, name, value);
	ret_info->headers = arena_slice(a, buf_slice(&stored));
	buf_release(&stored);
}

void s3_query_add(struct buf *query, const char *name, struct slice value)
{
	if (query->n)
		buf_add_char(query, '&');
	buf_add_str(query, name);
	buf_add_char(query, '=');
	uri_encode(query, value, false);
}
