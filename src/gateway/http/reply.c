#include "gateway/http/reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#include "base/date.h"
#include "gateway/http/dialect.h"
#include "obs/log.h"

void reply_init(struct reply *reply)
{
	reply->tail = &reply->headers;
	buf_init(&reply->document, REPLY_DOCUMENT_MAX_BYTES);
}

void reply_release(struct reply *reply)
{
	buf_release(&reply->document);
	if (reply->reader)
		bs_reader_close(reply->reader);
	reply->reader = NULL;
}

void reply_drop(struct request *r)
{
	reply_release(&r->reply);
	buf_release(&r->body.document);
}

void reply_header_str(struct request *r, const char *name, const char *value)
{
	struct reply_header *h = arena_alloc(&r->arena, sizeof(*h));

	h->name = name;
	h->value = value;
	*r->reply.tail = h;
	r->reply.tail = &h->next;
}

void reply_header(struct request *r, const char *name, struct slice value)
{
	reply_header_str(r, name, arena_strdup(&r->arena, value));
}

void reply_replace_header(struct request *r, const char *name, struct slice value)
{
	for (struct reply_header *h = r->reply.headers; h; h = h->next)
		if (strcasecmp(h->name, name) == 0) {
			h->value = arena_strdup(&r->arena, value);
			return;
		}
	reply_header(r, name, value);
}

void reply_headerf(struct request *r, const char *name, const char *fmt, ...)
{
	char value[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(value, sizeof(value), fmt, ap);
	va_end(ap);
	reply_header(r, name, slice_str(value));
}

void reply_header_date(struct request *r, const char *name, uint64_t wall_ms)
{
	char date[DATE_HTTP_BYTES];

	date_http_format(wall_ms, date);
	reply_header(r, name, slice_str(date));
}

void reply_header_etag(struct request *r, const char *etag)
{
	reply_headerf(r, "ETag", "\"%s\"", etag);
}

void reply_extra(struct request *r, const char *name, struct slice text)
{
	struct reply *reply = &r->reply;

	if (reply->n_extras == REPLY_EXTRAS_MAX)
		return;
	reply->extras[reply->n_extras].name = name;
	reply->extras[reply->n_extras++].text = text;
}

static void end(struct request *r, unsigned status)
{
	r->reply.status = status;
	r->phase = PHASE_REPLY;
	reply_header_str(r, "x-amz-request-id", r->id);
	reply_header_str(r, "x-amz-id-2", r->service->host_id);
	reply_header_str(r, "Server", "baler");
	if (log_enabled(LOG_DEBUG))
		log_event(EV_REQUEST, LF_STR(request, r->id), LF_SLICE(method, r->method_text),
			LF_SLICE(bucket, r->bucket), LF_SLICE(key, r->key),
			LF_U64(status, status));
	if (status >= 500) {
		atomic_fetch_add(&r->service->n_failures, 1);
		r->reply.close |= status == 503 && atomic_load(&r->service->stopping);
	}
}

enum rc reply_empty(struct request *r, unsigned status)
{
	end(r, status);
	return RC_OK;
}

enum rc reply_document(struct request *r)
{
	if (r->reply.document.overflow) {
		struct err err = {0};

		reply_error(r, err_set(&err, RC_FATAL, "an answer of too many bytes"), &err);
		return RC_OK;
	}
	reply_header_str(r, "Content-Type", "application/xml");
	end(r, 200);
	return RC_OK;
}

enum rc reply_text(struct request *r, unsigned status, const char *content_type)
{
	struct err err = {0};

	if (r->reply.document.overflow)
		return err_set(&err, RC_FATAL, "an answer of too many bytes");
	reply_header_str(r, "Content-Type", content_type);
	end(r, status);
	return RC_OK;
}

enum rc reply_json(struct request *r, unsigned status)
{
	return reply_text(r, status, "application/json");
}

void reply_log_failure(const struct request *r, const struct err *err)
{
	log_event(err_is(err, "ENOSPC") || err_is(err, "EDQUOT") ? EV_DISK_FULL : EV_REQUEST_FAILED,
		LF_STR(request, r->id), LF_SLICE(method, r->method_text),
		LF_SLICE(bucket, r->bucket), LF_SLICE(key, r->key),
		LF_U64(status, r->reply.status), LF_STR(cause, err->text));
}

/* Drops the body of the answer that was planned; headers added so far (delete markers, versions)
 * stay. */
static void forget_body(struct request *r)
{
	struct reply *reply = &r->reply;

	buf_reset(&reply->document);
	reply->bytes = (struct slice){0};
	reply->has_stream = false;
}

void reply_forget(struct request *r)
{
	forget_body(r);
	r->reply.headers = NULL;
	r->reply.tail = &r->reply.headers;
	r->reply.n_extras = 0;
}

void reply_error(struct request *r, enum rc rc, const struct err *err)
{
	forget_body(r);
	r->dialect->error(r, rc, err);
}
