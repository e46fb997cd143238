/* ListObjectVersions: every version and delete marker, newest first. */
#include "gateway/s3/listing.h"
#include "gateway/s3/ops.h"
#include "wire/s3xml.h"

struct list_versions {
	struct listing l;
	struct slice key_marker, version_marker;
};

static enum rc read_query(struct request *r, struct list_versions *op, struct err *err)
{
	enum rc rc;

	if ((rc = listing_read(r, "max-keys", &op->l, err)) ||
		(rc = request_param(r, "key-marker", &op->key_marker, err)) ||
		(rc = request_param(r, "version-id-marker", &op->version_marker, err)))
		return rc;
	if (op->version_marker.n && !op->key_marker.n)
		return err_code(err, RC_REFUSED, "InvalidArgument",
			"a version-id-marker needs a key-marker");
	if (op->version_marker.n >= BS_VERSION_MAX)
		return err_code(
			err, RC_REFUSED, "InvalidArgument", "the version-id-marker is not valid");
	return RC_OK;
}

static void write_version(struct buf *out, const struct listing *l, const struct bs_object *o)
{
	const char *element = o->is_delete_marker ? "DeleteMarker" : "Version";

	s3xml_open(out, element);
	s3xml_key(out, "Key", o->key, l->url_encode);
	s3xml_str(out, "VersionId", o->version);
	s3xml_bool(out, "IsLatest", o->is_latest);
	s3xml_date(out, "LastModified", o->modified_wall_ms);
	if (!o->is_delete_marker)
		listing_write_content(out, o);
	write_owner(out, "Owner");
	s3xml_close(out, element);
}

static void write_next(struct buf *out, const struct listing *l, const struct bs_list_page *page)
{
	const struct bs_list_entry *last;

	if (!page->truncated)
		return;
	last = &page->entries[page->n - 1];
	s3xml_key(out, "NextKeyMarker", last->object.key, l->url_encode);
	if (!last->is_prefix)
		s3xml_str(out, "NextVersionIdMarker", last->object.version);
}

static void write_page(
	struct request *r, const struct list_versions *op, const struct bs_list_page *page)
{
	struct buf *out = &r->reply.document;

	s3xml_begin(out);
	s3xml_open_root(out, "ListVersionsResult");
	s3xml_str(out, "Name", r->name.bucket);
	s3xml_key(out, "Prefix", op->l.prefix, op->l.url_encode);
	s3xml_key(out, "KeyMarker", op->key_marker, op->l.url_encode);
	s3xml_text(out, "VersionIdMarker", op->version_marker);
	write_next(out, &op->l, page);
	if (op->l.delimiter.n)
		s3xml_key(out, "Delimiter", op->l.delimiter, op->l.url_encode);
	s3xml_u64(out, "MaxKeys", op->l.max);
	listing_write_encoding(out, &op->l);
	s3xml_bool(out, "IsTruncated", page->truncated);
	for (size_t i = 0; i < page->n; i++)
		if (page->entries[i].is_prefix)
			listing_write_prefix(out, &op->l, page->entries[i].object.key);
		else
			write_version(out, &op->l, &page->entries[i].object);
	s3xml_close(out, "ListVersionsResult");
}

static enum rc list_versions_job(struct request *r, struct err *err)
{
	const struct list_versions *op = r->op;
	struct bs_list_query query = {.versions = true,
		.after_key = op->key_marker,
		.after_version = op->version_marker,
		.after_is_prefix = !op->version_marker.n &&
				   listing_is_prefix(&op->l, op->key_marker)};
	struct bs_list_page page;
	enum rc rc = listing_page(r, &op->l, &query, &page, err);

	if (!rc)
		write_page(r, op, &page);
	return rc;
}

enum rc op_list_versions(struct request *r, struct err *err)
{
	struct list_versions *op = arena_alloc(&r->arena, sizeof(*op));
	enum rc rc = read_query(r, op, err);

	r->op = op;
	return rc ? rc : listing_run(r, list_versions_job, err);
}
