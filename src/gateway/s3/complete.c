/*
 * CompleteMultipartUpload. The store's transaction decides which parts exist. The object's ETag and
 * checksum are computed here from those of the parts, without reading a byte again. A repeated
 * request finds no upload any more; the store remembers its result.
 */
#include "gateway/s3/conditions.h"
#include "gateway/s3/metadata.h"
#include "gateway/s3/multipart.h"
#include "gateway/s3/ops.h"
#include "wire/s3xml.h"

#define PARTS_PAGE 1000

struct complete {
	struct slice id;
	struct s3xml_complete request;
	struct upload_checksum kind; /* alg 0: no checksum is kept */
	struct checksum checksum;    /* of the object; alg 0: none */
	uint64_t size;               /* bytes of the named parts that exist */
	struct bs_part *parts;       /* as the store wants them */
	struct bs_condition condition;
	char etag[ETAG_TEXT_MAX];
};

static enum rc invalid_part(struct request *r, const struct s3xml_part *part, struct err *err)
{
	reply_extra(r, "PartNumber", slice_str(arena_printf(&r->arena, "%u", part->number)));
	reply_extra(r, "ETag", part->etag);
	return err_code(err, RC_REFUSED, "InvalidPart",
		"one or more of the specified parts could not be found: the part may not have "
		"been uploaded, or the specified ETag may not match the part's");
}

/* The ETag of the whole: MD5 of the parts' MD5s. */
static enum rc read_parts(struct request *r, struct complete *op, struct err *err)
{
	size_t n = op->request.n_parts;
	unsigned char(*md5s)[16] = arena_array(&r->arena, n, sizeof(*md5s));

	op->parts = arena_array(&r->arena, n, sizeof(*op->parts));
	for (size_t i = 0; i < n; i++) {
		const struct s3xml_part *part = &op->request.parts[i];

		if (!hex_decode(part->etag, md5s[i], 16))
			return invalid_part(r, part, err);
		op->parts[i].number = part->number;
		hex_encode(md5s[i], 16, op->parts[i].etag);
	}
	etag_multipart((const unsigned char(*)[16])md5s, n, op->etag);
	return RC_OK;
}

/* Both lists ascend: walk them side by side. Parts that are missing are left to the store. */
struct walk {
	struct request *r;
	struct complete *op;
	struct checksum *checksums;
	uint64_t *sizes;
	size_t at, n_found, n_checksums;
};

static enum rc match_part(struct walk *w, const struct bs_part *stored, struct err *err)
{
	const struct s3xml_part *part;
	struct checksum c;

	while (w->at < w->op->request.n_parts &&
		w->op->request.parts[w->at].number < stored->number)
		w->at++;
	if (w->at == w->op->request.n_parts || w->op->request.parts[w->at].number != stored->number)
		return RC_OK;
	part = &w->op->request.parts[w->at++];
	c = metadata_checksum(stored->headers);
	if (part->checksum.alg && c.alg && !checksum_eq(&part->checksum, &c))
		return invalid_part(w->r, part, err);
	w->sizes[w->n_found] = stored->size;
	w->checksums[w->n_found++] = c;
	w->n_checksums += w->op->kind.alg && c.alg == w->op->kind.alg;
	w->op->size += stored->size;
	return RC_OK;
}

static enum rc walk_parts(struct walk *w, struct err *err)
{
	struct request *r = w->r;
	bool more = true;
	uint32_t after = 0;

	while (more) {
		struct arena page = ARENA_INIT;
		struct bs_part *parts;
		size_t n;
		enum rc rc = bs_call(r->service->store, upload_parts, r->bucket, r->key, w->op->id,
			after, PARTS_PAGE, &page, &parts, &n, &more, err);

		for (size_t i = 0; !rc && i < n; i++)
			rc = match_part(w, &parts[i], err);
		after = !rc && n ? parts[n - 1].number : 0;
		arena_release(&page);
		if (rc)
			return rc;
		if (n == 0)
			break;
	}
	return RC_OK;
}

static void make_checksum(const struct walk *w)
{
	struct complete *op = w->op;

	if (!op->kind.alg || w->n_checksums != op->request.n_parts)
		return;
	if (op->kind.type == CHECKSUM_COMPOSITE)
		checksum_composite(w->checksums, w->n_found, &op->checksum);
	else
		checksum_combine(w->checksums, w->sizes, w->n_found, &op->checksum);
}

/* Checks what the request declares about the whole object. */
static enum rc check_whole(struct request *r, struct complete *op, struct err *err)
{
	struct slice size_text = request_header(r, "x-amz-mp-object-size");
	uint64_t size;

	if (size_text.p && (!slice_to_u64(size_text, &size) || size != op->size))
		return err_code(err, RC_REFUSED, "InvalidRequest",
			"the parts do not have the size in x-amz-mp-object-size");
	for (const enum digest_alg *alg = checksum_algs; *alg; alg++) {
		struct slice text = request_header(r, checksum_header(*alg));
		struct checksum c;
		enum rc rc;

		if (!text.p)
			continue;
		rc = checksum_parse(*alg, text, &c, err);
		if (rc)
			return rc;
		if (!op->checksum.alg || *alg != op->checksum.alg ||
			!checksum_eq(&c, &op->checksum))
			return err_code(err, RC_REFUSED, "BadDigest",
				"the %s you specified did not match what the parts make",
				checksum_name(*alg));
	}
	return RC_OK;
}

static enum rc look_at_parts(struct request *r, struct complete *op, struct err *err)
{
	struct walk w = {.r = r, .op = op};
	struct bs_upload upload;
	enum rc rc = bs_call(
		r->service->store, upload_get, r->bucket, r->key, op->id, &r->arena, &upload, err);

	if (rc == RC_ABSENT && err_is(err, "NoSuchUpload"))
		return RC_OK; /* completed before, perhaps: upload_complete knows */
	if (rc)
		return rc;
	op->kind = multipart_checksum(upload.headers);
	w.checksums = arena_array(&r->arena, op->request.n_parts, sizeof(*w.checksums));
	w.sizes = arena_array(&r->arena, op->request.n_parts, sizeof(*w.sizes));
	if ((rc = walk_parts(&w, err)))
		return rc;
	if (w.n_found < op->request.n_parts)
		return RC_OK; /* refused with the store's error */
	make_checksum(&w);
	return check_whole(r, op, err);
}

static enum rc upload_completed(struct request *r, struct err *err)
{
	const struct complete *op = r->op;
	const struct bs_object *o = &r->result.object;
	struct buf *out = &r->reply.document;
	struct slice host = request_header(r, "host");

	(void)err;
	if (o->version[0] && strcmp(o->version, "null") != 0)
		reply_header(r, "x-amz-version-id", slice_str(o->version));
	s3xml_begin(out);
	s3xml_open_root(out, "CompleteMultipartUploadResult");
	s3xml_text(out, "Location",
		slice_str(arena_printf(&r->arena, "%s://" SLICE_FMT SLICE_FMT,
			r->service->is_https ? "https" : "http", SLICE_ARG(host), SLICE_ARG(r->path))));
	s3xml_text(out, "Bucket", r->bucket);
	s3xml_text(out, "Key", r->key);
	s3xml_etag(out, "ETag", slice_str(o->etag));
	if (op->checksum.alg) {
		s3xml_checksum(out, &op->checksum);
		s3xml_str(out, "ChecksumType", checksum_type_name(op->checksum.type));
	}
	s3xml_close(out, "CompleteMultipartUploadResult");
	return reply_document(r);
}

static enum rc complete_job(struct request *r, struct err *err)
{
	struct complete *op = r->op;
	struct buf extra;
	enum rc rc = look_at_parts(r, op, err);

	if (rc)
		return rc;
	buf_init(&extra, OBJECT_HEADERS_MAX);
	metadata_add_checksum(&extra, &op->checksum);
	bs_call(r->service->store, upload_complete, r->bucket, r->key, op->id, op->parts,
		op->request.n_parts, op->etag, buf_slice(&extra), &op->condition,
		request_job_done(r));
	buf_release(&extra);
	return RC_OK;
}

enum rc op_complete_upload(struct request *r, struct err *err)
{
	struct complete *op = arena_alloc(&r->arena, sizeof(*op));
	struct conditions c = {
		request_header(r, "if-match"), request_header(r, "if-none-match"), {0}, {0}};
	enum rc rc;

	r->op = op;
	if ((rc = multipart_read_id(r, &op->id, err)) ||
		(rc = conditions_of_write(&c, &op->condition, err)) ||
		(rc = s3xml_read_complete(
			 buf_slice(&r->body.document), &r->arena, &op->request, err)) ||
		(rc = read_parts(r, op, err)))
		return rc;
	request_run_on(r, r->service->reads, complete_job, upload_completed);
	return RC_OK;
}
