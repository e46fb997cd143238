/* Documents that a client reads and writes: multipart uploads, copies, deletes of many. */
#include "wire/s3xml_client.h"

#include "wire/s3xml_internal.h"

/* --- CompleteMultipartUploadResult, CopyObjectResult --- */

struct stored_reader {
	struct arena *arena;
	struct s3xml_stored stored;
};

/* The first checksum found is kept. */
static enum rc take_checksum(
	const char *name, struct slice text, struct checksum *to, struct err *err)
{
	enum digest_alg alg = checksum_from_element(slice_str(name));

	if (!alg || to->alg)
		return RC_OK;
	return checksum_parse(alg, s3xml_trim(text), to, err) == RC_OK
		       ? RC_OK
		       : s3xml_corrupt(err, "a checksum is none");
}

static enum rc stored_end(void *arg, const char *path, struct slice text, struct err *err)
{
	struct stored_reader *r = arg;

	if (strcmp(path, "ETag") == 0)
		r->stored.etag = s3xml_keep_etag(r->arena, text);
	else if (strcmp(path, "LastModified") == 0)
		return s3xml_to_wall_ms(text, &r->stored.modified_wall_ms, err);
	return take_checksum(path, text, &r->stored.checksum, err);
}

enum rc s3xml_read_stored(
	struct slice document, struct arena *arena, struct s3xml_stored *ret, struct err *err)
{
	/* …Response: what moto's server calls it. */
	static const char *const roots[] = {"CompleteMultipartUploadResult",
		"CompleteMultipartUploadResponse", "CopyObjectResult", "CopyPartResult", NULL};
	struct stored_reader r = {.arena = arena};
	struct s3xml_frame f = {.roots = roots, .end = stored_end, .arg = &r};
	enum rc rc = s3xml_frame_read(document, &f, err);

	if (rc != RC_OK)
		return rc;
	if (r.stored.etag.n == 0)
		return s3xml_corrupt(err, "no ETag");
	*ret = r.stored;
	return RC_OK;
}

/* --- ListPartsResult --- */

struct parts_reader {
	struct arena *arena;
	struct s3xml_list parts;
	struct s3xml_listed_part part;
	struct s3xml_parts result;
};

static enum rc to_part_number(struct slice text, unsigned *ret, struct err *err)
{
	uint64_t number;

	if (!slice_to_u64(s3xml_trim(text), &number) || number > S3XML_MAX_PARTS)
		return s3xml_corrupt(err, "a part number is none");
	*ret = (unsigned)number;
	return RC_OK;
}

static enum rc parts_start(void *arg, const char *path)
{
	struct parts_reader *r = arg;

	if (strcmp(path, "Part") == 0)
		r->part = (struct s3xml_listed_part){0};
	return RC_OK;
}

static enum rc parts_end(void *arg, const char *path, struct slice text, struct err *err)
{
	struct parts_reader *r = arg;

	if (strcmp(path, "IsTruncated") == 0)
		return s3xml_need_bool(text, &r->result.is_truncated, err);
	if (strcmp(path, "NextPartNumberMarker") == 0)
		return to_part_number(text, &r->result.next_part_number_marker, err);
	if (strcmp(path, "Part") == 0)
		s3xml_list_add(&r->parts, r->arena, &r->part);
	if (strncmp(path, "Part/", 5) != 0)
		return RC_OK;
	path += 5;
	if (strcmp(path, "PartNumber") == 0)
		return to_part_number(text, &r->part.number, err);
	if (strcmp(path, "Size") == 0)
		return s3xml_to_u64(text, &r->part.size_bytes, err);
	if (strcmp(path, "ETag") == 0)
		r->part.etag = s3xml_keep_etag(r->arena, text);
	return take_checksum(path, text, &r->part.checksum, err);
}

enum rc s3xml_read_parts(
	struct slice document, struct arena *arena, struct s3xml_parts *ret, struct err *err)
{
	static const char *const roots[] = {"ListPartsResult", NULL};
	struct parts_reader r = {
		.arena = arena, .parts = {.size = sizeof(struct s3xml_listed_part)}};
	struct s3xml_frame f = {.roots = roots, .start = parts_start, .end = parts_end, .arg = &r};
	enum rc rc = s3xml_frame_read(document, &f, err);

	if (rc != RC_OK)
		return rc;
	r.result.parts = r.parts.items;
	r.result.n_parts = r.parts.n;
	*ret = r.result;
	return RC_OK;
}

/* --- ListMultipartUploadsResult --- */

struct uploads_reader {
	struct arena *arena;
	struct s3xml_list uploads;
	struct s3xml_upload upload;
	struct s3xml_uploads result;
	bool is_encoded;
};

static enum rc uploads_start(void *arg, const char *path)
{
	struct uploads_reader *r = arg;

	if (strcmp(path, "Upload") == 0)
		r->upload = (struct s3xml_upload){0};
	return RC_OK;
}

static enum rc uploads_end(void *arg, const char *path, struct slice text, struct err *err)
{
	struct uploads_reader *r = arg;

	if (strcmp(path, "Upload") == 0)
		s3xml_list_add(&r->uploads, r->arena, &r->upload);
	else if (strcmp(path, "Upload/Key") == 0)
		r->upload.key = s3xml_keep(r->arena, text);
	else if (strcmp(path, "Upload/UploadId") == 0)
		r->upload.upload_id = s3xml_keep(r->arena, s3xml_trim(text));
	else if (strcmp(path, "Upload/Initiated") == 0)
		return s3xml_to_wall_ms(text, &r->upload.initiated_wall_ms, err);
	else if (strcmp(path, "IsTruncated") == 0)
		return s3xml_need_bool(text, &r->result.is_truncated, err);
	else if (strcmp(path, "NextKeyMarker") == 0)
		r->result.next_key_marker = s3xml_keep(r->arena, text);
	else if (strcmp(path, "NextUploadIdMarker") == 0)
		r->result.next_upload_id_marker = s3xml_keep(r->arena, s3xml_trim(text));
	else if (strcmp(path, "EncodingType") == 0)
		r->is_encoded = slice_eq_str(s3xml_trim(text), "url");
	return RC_OK;
}

enum rc s3xml_read_uploads(
	struct slice document, struct arena *arena, struct s3xml_uploads *ret, struct err *err)
{
	static const char *const roots[] = {"ListMultipartUploadsResult", NULL};
	struct uploads_reader r = {
		.arena = arena, .uploads = {.size = sizeof(struct s3xml_upload)}};
	struct s3xml_frame f = {
		.roots = roots, .start = uploads_start, .end = uploads_end, .arg = &r};
	enum rc rc = s3xml_frame_read(document, &f, err);

	if (rc != RC_OK)
		return rc;
	r.result.uploads = r.uploads.items;
	r.result.n_uploads = r.uploads.n;
	if (r.is_encoded) {
		rc = s3xml_url_decode(arena, &r.result.next_key_marker, err);
		for (size_t i = 0; i < r.uploads.n && rc == RC_OK; i++)
			rc = s3xml_url_decode(arena, &r.result.uploads[i].key, err);
	}
	if (rc == RC_OK)
		*ret = r.result;
	return rc;
}

/* --- DeleteResult --- */

struct deleted_reader {
	struct arena *arena;
	struct s3xml_list items;
	struct s3xml_deleted item;
	size_t n_errors;
};

static enum rc deleted_start(void *arg, const char *path)
{
	struct deleted_reader *r = arg;

	if (strcmp(path, "Deleted") == 0 || strcmp(path, "Error") == 0)
		r->item = (struct s3xml_deleted){0};
	return RC_OK;
}

static enum rc deleted_end(void *arg, const char *path, struct slice text, struct err *err)
{
	struct deleted_reader *r = arg;
	const char *slash = strchr(path, '/');
	const char *field = slash ? slash + 1 : "";
	bool is_error = strncmp(path, "Error", 5) == 0;

	if (!is_error && strncmp(path, "Deleted", 7) != 0)
		return RC_OK;
	if (!slash) {
		if (is_error && r->item.code.n == 0)
			return s3xml_corrupt(err, "an Error without a Code");
		r->n_errors += is_error;
		s3xml_list_add(&r->items, r->arena, &r->item);
	} else if (strcmp(field, "Key") == 0) {
		r->item.key = s3xml_keep(r->arena, text);
	} else if (strcmp(field, "VersionId") == 0) {
		r->item.version_id = s3xml_keep(r->arena, text);
	} else if (is_error && strcmp(field, "Code") == 0) {
		r->item.code = s3xml_keep(r->arena, s3xml_trim(text));
	} else if (is_error && strcmp(field, "Message") == 0) {
		r->item.message = s3xml_keep(r->arena, text);
	}
	return RC_OK;
}

enum rc s3xml_read_delete_result(struct slice document, struct arena *arena,
	struct s3xml_delete_result *ret, struct err *err)
{
	static const char *const roots[] = {"DeleteResult", NULL};
	struct deleted_reader r = {.arena = arena, .items = {.size = sizeof(struct s3xml_deleted)}};
	struct s3xml_frame f = {
		.roots = roots, .start = deleted_start, .end = deleted_end, .arg = &r};
	enum rc rc = s3xml_frame_read(document, &f, err);

	if (rc == RC_OK)
		*ret = (struct s3xml_delete_result){r.items.items, r.items.n, r.n_errors};
	return rc;
}

/* --- requests --- */

void s3xml_write_delete(struct buf *out, const struct s3xml_delete *what)
{
	s3xml_begin(out);
	s3xml_open_root(out, "Delete");
	for (size_t i = 0; i < what->n_objects; i++) {
		const struct s3xml_delete_object *o = &what->objects[i];

		s3xml_open(out, "Object");
		s3xml_text(out, "Key", o->key);
		if (o->version_id.n)
			s3xml_text(out, "VersionId", o->version_id);
		s3xml_close(out, "Object");
	}
	s3xml_bool(out, "Quiet", what->quiet);
	s3xml_close(out, "Delete");
}

void s3xml_write_complete(struct buf *out, const struct s3xml_complete *what)
{
	s3xml_begin(out);
	s3xml_open_root(out, "CompleteMultipartUpload");
	for (size_t i = 0; i < what->n_parts; i++) {
		const struct s3xml_part *p = &what->parts[i];

		s3xml_open(out, "Part");
		s3xml_u64(out, "PartNumber", p->number);
		s3xml_etag(out, "ETag", p->etag);
		s3xml_checksum(out, &p->checksum);
		s3xml_close(out, "Part");
	}
	s3xml_close(out, "CompleteMultipartUpload");
}
