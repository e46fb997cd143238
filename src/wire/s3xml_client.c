/* Documents that a client reads: errors, listings, buckets and single texts. */
#include "wire/s3xml_client.h"

#include "wire/s3xml_internal.h"

/* --- Error --- */

struct error_reader {
	struct arena *arena;
	struct s3xml_error_info info;
};

static enum rc error_end(void *arg, const char *path, struct slice text, struct err *err)
{
	struct error_reader *r = arg;
	const struct {
		const char *name;
		struct slice *to;
	} fields[] = {{"Code", &r->info.code}, {"Message", &r->info.message},
		{"RequestId", &r->info.request_id}, {"Region", &r->info.region},
		{"Endpoint", &r->info.endpoint}, {"Key", &r->info.key}};

	(void)err;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (strcmp(path, fields[i].name) == 0)
			*fields[i].to = s3xml_keep(r->arena, text);
	return RC_OK;
}

static enum rc error_frame_start(void *arg, const char *path, struct err *err)
{
	(void)arg;
	return strncmp(path, "Error", 5) == 0 && (path[5] == '\0' || path[5] == '/')
		       ? RC_OK
		       : s3xml_corrupt(err, "not an error document");
}

static enum rc error_frame_end(void *arg, const char *path, struct slice text, struct err *err)
{
	return error_end(arg, s3xml_below_root(path), text, err);
}

enum rc s3xml_read_error(
	struct slice document, struct arena *arena, struct s3xml_error_info *ret, struct err *err)
{
	struct error_reader r = {.arena = arena};
	struct s3xml_handler handler = {error_frame_start, error_frame_end, &r};
	enum rc rc = s3xml_parse(document, &handler, err);

	if (rc != RC_OK)
		return RC_CORRUPT;
	*ret = r.info;
	return RC_OK;
}

/* --- listings --- */

struct listing_reader {
	struct arena *arena;
	struct s3xml_list entries, prefixes;
	struct s3xml_entry entry;
	struct s3xml_listing listing;
	bool is_encoded;
};

static bool is_entry(const char *path, const char **ret_field)
{
	static const char *const names[] = {"Contents", "Version", "DeleteMarker"};

	for (size_t i = 0; i < 3; i++) {
		size_t n = strlen(names[i]);

		if (strncmp(path, names[i], n) != 0 || (path[n] != '\0' && path[n] != '/'))
			continue;
		*ret_field = path[n] ? path + n + 1 : "";
		return true;
	}
	return false;
}

static enum rc listing_start(void *arg, const char *path)
{
	struct listing_reader *r = arg;
	const char *field;

	if (is_entry(path, &field) && field[0] == '\0')
		r->entry = (struct s3xml_entry){.is_delete_marker = path[0] == 'D'};
	return RC_OK;
}

static enum rc entry_end(
	struct listing_reader *r, const char *field, struct slice text, struct err *err)
{
	struct s3xml_entry *e = &r->entry;

	if (field[0] == '\0' && r->entries.n == S3XML_LISTING_MAX)
		return err_set(err, RC_REFUSED, "a page of more than %d entries", S3XML_LISTING_MAX);
	if (field[0] == '\0')
		s3xml_list_add(&r->entries, r->arena, e);
	else if (strcmp(field, "Key") == 0)
		e->key = s3xml_keep(r->arena, text);
	else if (strcmp(field, "VersionId") == 0)
		e->version_id = s3xml_keep(r->arena, text);
	else if (strcmp(field, "ETag") == 0)
		e->etag = s3xml_keep_etag(r->arena, text);
	else if (strcmp(field, "Size") == 0)
		return s3xml_to_u64(text, &e->size_bytes, err);
	else if (strcmp(field, "LastModified") == 0)
		return s3xml_to_wall_ms(text, &e->modified_wall_ms, err);
	else if (strcmp(field, "IsLatest") == 0)
		return s3xml_need_bool(text, &e->is_latest, err);
	return RC_OK;
}

static enum rc listing_end(void *arg, const char *path, struct slice text, struct err *err)
{
	struct listing_reader *r = arg;
	struct s3xml_listing *l = &r->listing;
	const char *field;

	if (is_entry(path, &field))
		return entry_end(r, field, text, err);
	if (strcmp(path, "CommonPrefixes/Prefix") == 0) {
		struct slice prefix = s3xml_keep(r->arena, text);

		if (r->prefixes.n == S3XML_LISTING_MAX)
			return err_set(err, RC_REFUSED, "a page of more than %d prefixes",
				S3XML_LISTING_MAX);
		s3xml_list_add(&r->prefixes, r->arena, &prefix);
	} else if (strcmp(path, "IsTruncated") == 0) {
		return s3xml_need_bool(text, &l->is_truncated, err);
	} else if (strcmp(path, "NextContinuationToken") == 0) {
		l->next_token = s3xml_keep(r->arena, text);
	} else if (strcmp(path, "NextMarker") == 0 || strcmp(path, "NextKeyMarker") == 0) {
		l->next_key_marker = s3xml_keep(r->arena, text);
	} else if (strcmp(path, "NextVersionIdMarker") == 0) {
		l->next_version_id_marker = s3xml_keep(r->arena, text);
	} else if (strcmp(path, "EncodingType") == 0) {
		r->is_encoded = slice_eq_str(s3xml_trim(text), "url");
	}
	return RC_OK;
}

static enum rc decode_listing(struct arena *arena, struct s3xml_listing *l, struct err *err)
{
	enum rc rc = s3xml_url_decode(arena, &l->next_key_marker, err);

	for (size_t i = 0; i < l->n_entries && rc == RC_OK; i++)
		rc = s3xml_url_decode(arena, &l->entries[i].key, err);
	for (size_t i = 0; i < l->n_prefixes && rc == RC_OK; i++)
		rc = s3xml_url_decode(arena, &l->prefixes[i], err);
	return rc;
}

enum rc s3xml_read_listing(
	struct slice document, struct arena *arena, struct s3xml_listing *ret, struct err *err)
{
	static const char *const roots[] = {"ListBucketResult", "ListVersionsResult", NULL};
	struct listing_reader r = {.arena = arena,
		.entries = {.size = sizeof(struct s3xml_entry)},
		.prefixes = {.size = sizeof(struct slice)}};
	struct s3xml_frame f = {
		.roots = roots, .start = listing_start, .end = listing_end, .arg = &r};
	enum rc rc = s3xml_frame_read(document, &f, err);

	if (rc != RC_OK)
		return rc;
	r.listing.entries = r.entries.items;
	r.listing.n_entries = r.entries.n;
	r.listing.prefixes = r.prefixes.items;
	r.listing.n_prefixes = r.prefixes.n;
	if (r.is_encoded)
		rc = decode_listing(arena, &r.listing, err);
	if (rc == RC_OK)
		*ret = r.listing;
	return rc;
}

/* --- buckets --- */

struct buckets_reader {
	struct arena *arena;
	struct s3xml_list names;
};

static enum rc buckets_end(void *arg, const char *path, struct slice text, struct err *err)
{
	struct buckets_reader *r = arg;
	struct slice name;

	(void)err;
	if (strcmp(path, "Buckets/Bucket/Name") != 0)
		return RC_OK;
	name = s3xml_keep(r->arena, text);
	s3xml_list_add(&r->names, r->arena, &name);
	return RC_OK;
}

enum rc s3xml_read_buckets(
	struct slice document, struct arena *arena, struct s3xml_buckets *ret, struct err *err)
{
	static const char *const roots[] = {"ListAllMyBucketsResult", NULL};
	struct buckets_reader r = {.arena = arena, .names = {.size = sizeof(struct slice)}};
	struct s3xml_frame f = {.roots = roots, .end = buckets_end, .arg = &r};
	enum rc rc = s3xml_frame_read(document, &f, err);

	if (rc == RC_OK)
		*ret = (struct s3xml_buckets){r.names.items, r.names.n};
	return rc;
}

/* --- InitiateMultipartUploadResult, LocationConstraint: one text each --- */

struct text_reader {
	struct arena *arena;
	const char *path;
	struct slice text;
};

static enum rc text_end(void *arg, const char *path, struct slice text, struct err *err)
{
	struct text_reader *r = arg;

	(void)err;
	if (strcmp(path, r->path) == 0)
		r->text = s3xml_keep(r->arena, s3xml_trim(text));
	return RC_OK;
}

enum rc s3xml_read_initiate(
	struct slice document, struct arena *arena, struct slice *ret_upload_id, struct err *err)
{
	static const char *const roots[] = {"InitiateMultipartUploadResult", NULL};
	struct text_reader r = {.arena = arena, .path = "UploadId"};
	struct s3xml_frame f = {.roots = roots, .end = text_end, .arg = &r};
	enum rc rc = s3xml_frame_read(document, &f, err);

	if (rc != RC_OK)
		return rc;
	if (r.text.n == 0)
		return s3xml_corrupt(err, "no UploadId");
	*ret_upload_id = r.text;
	return RC_OK;
}

enum rc s3xml_read_location(
	struct slice document, struct arena *arena, struct slice *ret_region, struct err *err)
{
	static const char *const roots[] = {"LocationConstraint", NULL};
	struct text_reader r = {.arena = arena, .path = ""};
	struct s3xml_frame f = {.roots = roots, .end = text_end, .arg = &r};
	enum rc rc = s3xml_frame_read(document, &f, err);

	if (rc != RC_OK)
		return rc;
	if (r.text.n == 0)
		r.text = slice_str("us-east-1");
	else if (slice_eq_str(r.text, "EU"))
		r.text = slice_str("eu-west-1");
	*ret_region = r.text;
	return RC_OK;
}
