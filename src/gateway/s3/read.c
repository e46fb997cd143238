/* GetObject and HeadObject. They differ in the server only, which sends no body for HEAD. */
#include "base/date.h"
#include "gateway/s3/conditions.h"
#include "gateway/s3/metadata.h"
#include "gateway/s3/ops.h"

struct span {
	uint64_t offset, length;
	bool is_part;
};

/* The headers that a refusal has because of a delete marker. */
static void describe_marker(
	struct request *r, const struct bs_object *marker, const struct err *err)
{
	if (!marker->is_delete_marker)
		return;
	reply_header_str(r, "x-amz-delete-marker", "true");
	if (marker->version[0])
		reply_header(r, "x-amz-version-id", slice_str(marker->version));
	if (!err_is(err, "MethodNotAllowed"))
		return;
	reply_header_str(r, "Allow", "DELETE");
	reply_header_date(r, "Last-Modified", marker->modified_wall_ms);
}

static enum rc open_object(struct request *r, struct err *err)
{
	struct bs_object marker = {0};
	struct slice version;
	enum rc rc = request_version(r, &version, err);

	if (rc)
		return rc;
	rc = bs_call(r->service->store, open, r->bucket, r->key, version, &r->reply.reader, &marker,
		err);
	if (!rc)
		return RC_OK;
	r->reply.reader = NULL;
	describe_marker(r, &marker, err);
	if (err_is(err, "NoSuchVersion"))
		reply_extra(r, "VersionId", version);
	return rc;
}

static enum rc check_conditions(struct request *r, const struct bs_object *o, struct err *err)
{
	struct conditions c = {request_header(r, "if-match"), request_header(r, "if-none-match"),
		request_header(r, "if-modified-since"), request_header(r, "if-unmodified-since")};

	switch (conditions_judge(&c, o->etag, o->modified_wall_ms, r->now_wall_ms)) {
	case CONDITION_MET:
		return RC_OK;
	case CONDITION_NOT_MODIFIED:
		reply_header_etag(r, o->etag);
		reply_header_date(r, "Last-Modified", o->modified_wall_ms);
		return err_code(err, RC_CONFLICT, "NotModified", "not modified");
	case CONDITION_FAILED:
		break;
	}
	reply_extra(r, "Condition", slice_str(c.if_match.p ? "If-Match" : "If-Unmodified-Since"));
	return err_code(
		err, RC_CONFLICT, "PreconditionFailed", "a condition of the request is not met");
}

static enum rc span_of_part(
	struct request *r, const struct bs_object *o, struct span *ret_span, struct err *err)
{
	uint64_t number;
	enum rc rc = request_param_u64(r, "partNumber", 0, BS_PARTS_MAX, &number, err);

	if (rc)
		return rc;
	if (request_header(r, "range").p)
		return err_code(err, RC_REFUSED, "InvalidRequest",
			"Range and partNumber cannot be used together");
	ret_span->is_part = true;
	if (o->n_parts)
		reply_headerf(r, "x-amz-mp-parts-count", "%u", o->n_parts);
	else if (number == 1)
		return RC_OK; /* an object put whole is its own first part */
	rc = number ? bs_reader_part(r->reply.reader, (uint32_t)number, &ret_span->offset,
			      &ret_span->length, err)
		    : RC_ABSENT;
	if (rc == RC_ABSENT)
		return err_code(err, RC_REFUSED, "InvalidPartNumber",
			"the object has no part of this number");
	return rc;
}

static enum rc span_of_range(
	struct request *r, const struct bs_object *o, struct span *ret_span, struct err *err)
{
	struct slice range = request_header(r, "range");

	switch (range_parse(range, o->size, &ret_span->offset, &ret_span->length)) {
	case RANGE_WHOLE:
		return RC_OK;
	case RANGE_PART:
		ret_span->is_part = true;
		return RC_OK;
	case RANGE_UNSATISFIABLE:
		break;
	}
	reply_headerf(r, "Content-Range", "bytes */%llu", (unsigned long long)o->size);
	reply_extra(r, "RangeRequested", range);
	reply_extra(r, "ActualObjectSize",
		slice_str(arena_printf(&r->arena, "%llu", (unsigned long long)o->size)));
	return err_code(err, RC_REFUSED, "InvalidRange", "the range lies outside the object");
}

/* response-content-type and similar parameters replace the stored headers. */
static enum rc add_headers(
	struct request *r, const struct bs_object *o, bool with_checksum, struct err *err)
{
	static const char *const overrides[][2] = {{"response-content-type", "content-type"},
		{"response-content-language", "content-language"}, {"response-expires", "expires"},
		{"response-cache-control", "cache-control"},
		{"response-content-disposition", "content-disposition"},
		{"response-content-encoding", "content-encoding"}};

	metadata_reply(r, o->headers, with_checksum);
	for (size_t i = 0; i < sizeof(overrides) / sizeof(overrides[0]); i++) {
		struct slice value;
		enum rc rc = request_param(r, overrides[i][0], &value, err);

		if (rc)
			return rc;
		if (!value.p)
			continue;
		for (size_t k = 0; k < value.n; k++)
			if (value.p[k] < ' ' || value.p[k] == 127)
				return err_code(err, RC_REFUSED, "InvalidArgument",
					"'%s' holds a control character", overrides[i][0]);
		reply_replace_header(r, overrides[i][1], value);
	}
	return RC_OK;
}

static enum rc reply_object(
	struct request *r, const struct bs_object *o, const struct span *span, struct err *err)
{
	bool wants_checksum =
		slice_eq_nocase(request_header(r, "x-amz-checksum-mode"), slice_str("ENABLED"));
	struct slice bytes = bs_reader_inline(r->reply.reader);
	enum rc rc = span->length ? bs_reader_check(r->reply.reader, span->offset, err) : RC_OK;

	/* once the status is out, all that damage can do is to break the connection */
	if (!rc)
		rc = add_headers(r, o, wants_checksum && !span->is_part, err);
	if (rc)
		return rc;
	reply_header_etag(r, o->etag);
	reply_header_date(r, "Last-Modified", o->modified_wall_ms);
	reply_header_str(r, "Accept-Ranges", "bytes");
	if (o->in_versioned)
		reply_header(r, "x-amz-version-id", slice_str(o->version));
	if (span->is_part && span->length)
		reply_headerf(r, "Content-Range", "bytes %llu-%llu/%llu",
			(unsigned long long)span->offset,
			(unsigned long long)(span->offset + span->length - 1),
			(unsigned long long)o->size);
	if (bytes.p && r->method == METHOD_GET) {
		r->reply.bytes = slice_of(bytes.p + span->offset, (size_t)span->length);
	} else {
		r->reply.has_stream = span->length > 0;
		r->reply.offset = span->offset;
		r->reply.length = span->length;
	}
	return reply_empty(r, span->is_part && span->length ? 206 : 200);
}

enum rc op_get_object(struct request *r, struct err *err)
{
	const struct bs_object *o;
	struct span span = {0};
	enum rc rc = open_object(r, err);

	if (rc)
		return rc;
	o = bs_reader_info(r->reply.reader);
	span.length = o->size;
	if ((rc = check_conditions(r, o, err)))
		return rc;
	rc = uri_query_find(r->query, "partNumber", NULL) ? span_of_part(r, o, &span, err)
							  : span_of_range(r, o, &span, err);
	return rc ? rc : reply_object(r, o, &span, err);
}
