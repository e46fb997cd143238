#include "gateway/s3/s3.h"

#include "gateway/access/auth.h"
#include "gateway/http/request.h"
#include "gateway/s3/route.h"
#include "wire/s3_error.h"
#include "wire/s3xml.h"

static bool is_meant(const struct request *r)
{
	(void)r;
	return true;
}

/* The path was used raw for the signature; here it is decoded, once, for everything else. */
static enum rc read_name(struct request *r, struct err *err)
{
	enum rc rc = uri_target_parse(
		r->path, request_header(r, "host"), r->service->base_domains, &r->name, err);

	r->bucket = slice_str(r->name.bucket);
	r->key = slice_of(r->name.key, r->name.key_bytes);
	return rc;
}

/* In this order nobody without a key learns anything. */
static enum rc begin(struct request *r, struct err *err)
{
	const struct route *route;
	enum rc rc;

	if ((rc = auth_check(r, err)) || (rc = read_name(r, err)) ||
		(rc = route_find(r, &route, err)))
		return rc;
	r->operation = &route->operation;
	return route_check_role(r, route, err);
}

/* Elements that SDKs and people look for in the documents of these codes. */
static void add_usual_extras(struct request *r, const char *code)
{
	if (strcmp(code, "NoSuchBucket") == 0 || strcmp(code, "BucketNotEmpty") == 0 ||
		strcmp(code, "BucketAlreadyOwnedByYou") == 0) {
		reply_extra(r, "BucketName", r->bucket);
	} else if (strcmp(code, "NoSuchKey") == 0 || strcmp(code, "NoSuchVersion") == 0) {
		reply_extra(r, "Key", r->key);
	} else if (strcmp(code, "AuthorizationHeaderMalformed") == 0) {
		reply_extra(r, "Region", slice_str(r->service->region));
	} else if (strcmp(code, "InvalidAccessKeyId") == 0) {
		reply_extra(r, "AWSAccessKeyId", slice_str(r->auth.access_key));
	} else if (strcmp(code, "MethodNotAllowed") == 0) {
		reply_extra(r, "Method", r->method_text);
		reply_extra(r, "ResourceType",
			slice_str(r->key.n      ? "OBJECT"
				  : r->bucket.n ? "BUCKET"
						: "SERVICE"));
	}
}

static void reply(struct request *r, enum rc rc, const struct err *err)
{
	const struct s3_error *e = s3_error_of(rc, err);
	bool is_ours = e->status >= 500 && e->status != 501;
	/* our own troubles are for the log, not for the client */
	const char *message = is_ours || !err->text[0] ? e->message : err->text;
	struct s3xml_extra extras[REPLY_EXTRAS_MAX];

	add_usual_extras(r, e->code);
	for (size_t i = 0; i < r->reply.n_extras; i++)
		extras[i] = (struct s3xml_extra){r->reply.extras[i].name, r->reply.extras[i].text};
	if (r->method != METHOD_HEAD && e->status != 304) {
		s3xml_error(&r->reply.document, e->code, message, extras, r->reply.n_extras, r->id,
			r->service->host_id);
		reply_header_str(r, "Content-Type", "application/xml");
	}
	reply_empty(r, e->status);
	/* refusals for want of memory are counted in their share, and thousands of lines would not
	 * say more */
	if (is_ours && !err_is(err, "ServiceUnavailable") && !err_is(err, "SlowDown"))
		reply_log_failure(r, err);
}

const struct dialect s3_dialect = {"s3", is_meant, begin, reply, NULL};
