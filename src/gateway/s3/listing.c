/* ListObjects, versions 1 and 2. */
#include "gateway/s3/listing.h"

#include "gateway/http/charge.h"
#include "gateway/s3/metadata.h"
#include "gateway/s3/ops.h"
#include "wire/s3xml.h"

#define TOKEN_MAX_BYTES (URI_KEY_MAX_BYTES + 1)

enum rc listing_read(struct request *r, const char *max_param, struct listing *ret, struct err *err)
{
	struct slice encoding;
	enum rc rc;

	if ((rc = request_param(r, "prefix", &ret->prefix, err)) ||
		(rc = request_param(r, "delimiter", &ret->delimiter, err)) ||
		(rc = request_param(r, "encoding-type", &encoding, err)) ||
		(rc = request_param_u64(r, max_param, LISTING_MAX, INT32_MAX, &ret->max, err)))
		return rc;
	if (ret->max > LISTING_MAX)
		ret->max = LISTING_MAX;
	ret->url_encode = slice_eq_str(encoding, "url");
	if (encoding.n && !ret->url_encode)
		return err_code(
			err, RC_REFUSED, "InvalidArgument", "'encoding-type' can only be url");
	return RC_OK;
}

/* Charged before a listing waits for its turn: when there is not even memory for a short page, no
 * page is read. It is so little that it is granted beside any number of large requests. */
#define LISTING_BYTES (20u << 10)

static enum rc answer(struct request *r, struct err *err)
{
	(void)err;
	arena_release(&r->page);
	return reply_document(r);
}

enum rc listing_run(struct request *r, enum rc (*job)(struct request *r, struct err *err),
	struct err *err)
{
	enum rc rc = charge_raise(r, LISTING_BYTES, err);

	if (!rc)
		request_read_on(r, r->service->reads, job, answer);
	return rc;
}

bool listing_is_prefix(const struct listing *l, struct slice marker)
{
	const unsigned char *found;

	if (l->delimiter.n == 0 || marker.n <= l->prefix.n || !slice_has_prefix(marker, l->prefix))
		return false;
	found = memmem(
		marker.p + l->prefix.n, marker.n - l->prefix.n, l->delimiter.p, l->delimiter.n);
	return found && found + l->delimiter.n == marker.p + marker.n;
}

enum rc listing_page(struct request *r, const struct listing *l, struct bs_list_query *query,
	struct bs_list_page *ret_page, struct err *err)
{
	if (l->max == 0) {
		*ret_page = (struct bs_list_page){0};
		return bucket_check(r, NULL, err);
	}
	query->bucket = r->bucket;
	query->prefix = l->prefix;
	query->delimiter = l->delimiter;
	query->max = (size_t)l->max;
	return bs_call(r->service->store, list, query, &r->page, ret_page, err);
}

void listing_write_prefix(struct buf *out, const struct listing *l, struct slice prefix)
{
	s3xml_open(out, "CommonPrefixes");
	s3xml_key(out, "Prefix", prefix, l->url_encode);
	s3xml_close(out, "CommonPrefixes");
}

void listing_write_content(struct buf *out, const struct bs_object *o)
{
	struct checksum c = metadata_checksum(o->headers);

	s3xml_etag(out, "ETag", slice_str(o->etag));
	s3xml_u64(out, "Size", o->size);
	if (c.alg) {
		s3xml_str(out, "ChecksumAlgorithm", checksum_name(c.alg));
		s3xml_str(out, "ChecksumType", checksum_type_name(c.type));
	}
	s3xml_str(out, "StorageClass", "STANDARD");
}

void listing_write_encoding(struct buf *out, const struct listing *l)
{
	if (l->url_encode)
		s3xml_str(out, "EncodingType", "url");
}

/* The two versions of the request differ in how they say where to go on. */
struct list_objects {
	struct listing l;
	bool is_v2, fetch_owner;
	struct slice marker;             /* v1 */
	struct slice token, start_after; /* v2; token as sent */
	struct slice after;              /* whichever counts, decoded */
};

/* A continuation token is the last name given, in base64: opaque to clients, checked here. */
static enum rc read_token(struct request *r, struct list_objects *op, struct err *err)
{
	unsigned char *name = arena_alloc(&r->arena, TOKEN_MAX_BYTES);
	size_t n = 0;

	if (!base64_decode(op->token, name, TOKEN_MAX_BYTES, &n) || n == 0)
		return err_code(err, RC_REFUSED, "InvalidArgument",
			"the continuation token provided is incorrect");
	op->after = slice_of(name, n);
	return RC_OK;
}

static void write_token(struct buf *out, const char *element, struct slice name)
{
	struct buf token;

	buf_init(&token, 2 * TOKEN_MAX_BYTES);
	base64_encode(&token, name);
	s3xml_text(out, element, buf_slice(&token));
	buf_release(&token);
}

static enum rc read_v2(struct request *r, struct list_objects *op, struct err *err)
{
	struct slice owner;
	enum rc rc;

	if ((rc = request_param(r, "continuation-token", &op->token, err)) ||
		(rc = request_param(r, "start-after", &op->start_after, err)) ||
		(rc = request_param(r, "fetch-owner", &owner, err)))
		return rc;
	op->fetch_owner = slice_eq_str(owner, "true");
	op->after = op->start_after;
	return op->token.n ? read_token(r, op, err) : RC_OK;
}

static enum rc read_query(struct request *r, struct list_objects *op, struct err *err)
{
	struct slice type;
	enum rc rc;

	if ((rc = listing_read(r, "max-keys", &op->l, err)) ||
		(rc = request_param(r, "list-type", &type, err)))
		return rc;
	if (type.n && !slice_eq_str(type, "2") && !slice_eq_str(type, "1"))
		return err_code(err, RC_REFUSED, "InvalidArgument", "'list-type' can only be 2");
	op->is_v2 = slice_eq_str(type, "2");
	if (op->is_v2)
		return read_v2(r, op, err);
	op->fetch_owner = true;
	rc = request_param(r, "marker", &op->marker, err);
	op->after = op->marker;
	return rc;
}

static void write_entries(
	struct buf *out, const struct list_objects *op, const struct bs_list_page *page)
{
	for (size_t i = 0; i < page->n; i++) {
		const struct bs_list_entry *e = &page->entries[i];

		if (e->is_prefix) {
			listing_write_prefix(out, &op->l, e->object.key);
			continue;
		}
		s3xml_open(out, "Contents");
		s3xml_key(out, "Key", e->object.key, op->l.url_encode);
		s3xml_date(out, "LastModified", e->object.modified_wall_ms);
		listing_write_content(out, &e->object);
		if (op->fetch_owner)
			write_owner(out, "Owner");
		s3xml_close(out, "Contents");
	}
}

static void write_position_v1(
	struct buf *out, const struct list_objects *op, const struct bs_list_page *page)
{
	s3xml_key(out, "Marker", op->marker, op->l.url_encode);
	if (page->truncated && op->l.delimiter.n)
		s3xml_key(
			out, "NextMarker", page->entries[page->n - 1].object.key, op->l.url_encode);
}

static void write_position_v2(
	struct buf *out, const struct list_objects *op, const struct bs_list_page *page)
{
	s3xml_u64(out, "KeyCount", page->n);
	if (op->token.p)
		s3xml_text(out, "ContinuationToken", op->token);
	if (page->truncated)
		write_token(out, "NextContinuationToken", page->entries[page->n - 1].object.key);
	if (op->start_after.n)
		s3xml_key(out, "StartAfter", op->start_after, op->l.url_encode);
}

static void write_page(
	struct request *r, const struct list_objects *op, const struct bs_list_page *page)
{
	struct buf *out = &r->reply.document;

	s3xml_begin(out);
	s3xml_open_root(out, "ListBucketResult");
	s3xml_str(out, "Name", r->name.bucket);
	s3xml_key(out, "Prefix", op->l.prefix, op->l.url_encode);
	if (op->l.delimiter.n)
		s3xml_key(out, "Delimiter", op->l.delimiter, op->l.url_encode);
	s3xml_u64(out, "MaxKeys", op->l.max);
	listing_write_encoding(out, &op->l);
	if (op->is_v2)
		write_position_v2(out, op, page);
	else
		write_position_v1(out, op, page);
	s3xml_bool(out, "IsTruncated", page->truncated);
	write_entries(out, op, page);
	s3xml_close(out, "ListBucketResult");
}

static enum rc list_objects_job(struct request *r, struct err *err)
{
	const struct list_objects *op = r->op;
	struct bs_list_query query = {
		.after_key = op->after, .after_is_prefix = listing_is_prefix(&op->l, op->after)};
	struct bs_list_page page;
	enum rc rc = listing_page(r, &op->l, &query, &page, err);

	if (!rc)
		write_page(r, op, &page);
	return rc;
}

enum rc op_list_objects(struct request *r, struct err *err)
{
	struct list_objects *op = arena_alloc(&r->arena, sizeof(*op));
	enum rc rc = read_query(r, op, err);

	r->op = op;
	return rc ? rc : listing_run(r, list_objects_job, err);
}
