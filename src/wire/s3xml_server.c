/* What a server reads. */
#include "wire/s3xml_internal.h"

#include "base/err.h"

static enum rc malformed(struct err *err, const char *why)
{
	return err_code(err, RC_REFUSED, "MalformedXML", "%s", why);
}

/* --- CompleteMultipartUpload --- */

struct complete_reader {
	struct arena *arena;
	struct s3xml_list parts;
	struct s3xml_part part;
	bool is_root_seen;
};

static enum rc complete_start(void *arg, const char *path, struct err *err)
{
	struct complete_reader *r = arg;

	r->is_root_seen |= strcmp(path, "CompleteMultipartUpload") == 0;
	if (strcmp(path, "CompleteMultipartUpload/Part") != 0)
		return RC_OK;
	if (r->parts.n == S3XML_MAX_PARTS)
		return malformed(err, "more than 10,000 parts");
	r->part = (struct s3xml_part){0};
	return RC_OK;
}

static enum rc complete_part_end(struct complete_reader *r, struct err *err)
{
	const struct s3xml_part *before = s3xml_list_last(&r->parts);

	if (r->part.number == 0 || r->part.etag.n == 0)
		return malformed(err, "a part without PartNumber or ETag");
	if (before && r->part.number <= before->number)
		return err_code(err, RC_REFUSED, "InvalidPartOrder", "part %u after part %u",
			r->part.number, before->number);
	s3xml_list_add(&r->parts, r->arena, &r->part);
	return RC_OK;
}

static enum rc complete_number(struct complete_reader *r, struct slice text, struct err *err)
{
	uint64_t number;

	if (!slice_to_u64(s3xml_trim(text), &number))
		return malformed(err, "a PartNumber is not a number");
	if (number < 1 || number > S3XML_MAX_PARTS)
		return err_code(
			err, RC_REFUSED, "InvalidArgument", "a part number must be 1 to 10,000");
	r->part.number = (unsigned)number;
	return RC_OK;
}

static enum rc complete_end(void *arg, const char *path, struct slice text, struct err *err)
{
	static const char part[] = "CompleteMultipartUpload/Part";
	struct complete_reader *r = arg;
	enum digest_alg alg;
	const char *name;

	if (strncmp(path, part, sizeof(part) - 1) != 0)
		return RC_OK;
	if (path[sizeof(part) - 1] == '\0')
		return complete_part_end(r, err);
	name = path + sizeof(part);
	if (strcmp(name, "PartNumber") == 0)
		return complete_number(r, text, err);
	if (strcmp(name, "ETag") == 0)
		r->part.etag = arena_slice(r->arena, etag_unquote(s3xml_trim(text)));
	alg = checksum_from_element(slice_str(name));
	return alg ? checksum_parse(alg, s3xml_trim(text), &r->part.checksum, err) : RC_OK;
}

enum rc s3xml_read_complete(
	struct slice document, struct arena *arena, struct s3xml_complete *ret, struct err *err)
{
	struct complete_reader r = {.arena = arena, .parts = {.size = sizeof(struct s3xml_part)}};
	struct s3xml_handler handler = {complete_start, complete_end, &r};
	enum rc rc = s3xml_parse(document, &handler, err);

	if (rc != RC_OK)
		return rc;
	if (!r.is_root_seen || r.parts.n == 0)
		return malformed(err, "not a CompleteMultipartUpload with parts");
	*ret = (struct s3xml_complete){r.parts.items, r.parts.n};
	return RC_OK;
}

/* --- Delete --- */

struct delete_reader {
	struct arena *arena;
	struct s3xml_list objects;
	struct s3xml_delete_object object;
	bool is_root_seen, quiet;
};

static enum rc delete_start(void *arg, const char *path, struct err *err)
{
	struct delete_reader *r = arg;

	r->is_root_seen |= strcmp(path, "Delete") == 0;
	if (strcmp(path, "Delete/Object") != 0)
		return RC_OK;
	if (r->objects.n == S3XML_MAX_DELETES)
		return malformed(err, "more than 1,000 objects");
	r->object = (struct s3xml_delete_object){0};
	return RC_OK;
}

static enum rc delete_end(void *arg, const char *path, struct slice text, struct err *err)
{
	struct delete_reader *r = arg;

	if (strcmp(path, "Delete/Object/Key") == 0) {
		r->object.key = arena_slice(r->arena, text);
	} else if (strcmp(path, "Delete/Object/VersionId") == 0) {
		if (text.n)
			r->object.version_id = arena_slice(r->arena, text);
	} else if (strcmp(path, "Delete/Object/ETag") == 0) {
		r->object.etag = arena_slice(r->arena, etag_unquote(s3xml_trim(text)));
	} else if (strcmp(path, "Delete/Object") == 0) {
		if (r->object.key.n == 0)
			return malformed(err, "an Object without a Key");
		s3xml_list_add(&r->objects, r->arena, &r->object);
	} else if (strcmp(path, "Delete/Quiet") == 0) {
		return s3xml_to_bool(text, &r->quiet)
			       ? RC_OK
			       : malformed(err, "Quiet is not true or false");
	} else if (strcmp(path, "Delete/Object/LastModifiedTime") == 0 ||
		   strcmp(path, "Delete/Object/Size") == 0) {
		/* conditions of directory buckets: to ignore one would delete too much */
		return err_code(err, RC_REFUSED, "NotImplemented", "the condition '%s'", path);
	}
	return RC_OK;
}

enum rc s3xml_read_delete(
	struct slice document, struct arena *arena, struct s3xml_delete *ret, struct err *err)
{
	struct delete_reader r = {
		.arena = arena, .objects = {.size = sizeof(struct s3xml_delete_object)}};
	struct s3xml_handler handler = {delete_start, delete_end, &r};
	enum rc rc = s3xml_parse(document, &handler, err);

	if (rc != RC_OK)
		return rc;
	if (!r.is_root_seen || r.objects.n == 0)
		return malformed(err, "not a Delete with objects");
	*ret = (struct s3xml_delete){r.objects.items, r.objects.n, r.quiet};
	return RC_OK;
}

/* --- VersioningConfiguration --- */

struct versioning_reader {
	enum s3xml_versioning versioning;
	bool is_root_seen;
};

static enum rc versioning_end(void *arg, const char *path, struct slice text, struct err *err)
{
	struct versioning_reader *r = arg;

	text = s3xml_trim(text);
	if (strcmp(path, "VersioningConfiguration") == 0) {
		r->is_root_seen = true;
	} else if (strcmp(path, "VersioningConfiguration/Status") == 0) {
		if (slice_eq_str(text, "Enabled"))
			r->versioning = S3XML_VERSIONING_ENABLED;
		else if (slice_eq_str(text, "Suspended"))
			r->versioning = S3XML_VERSIONING_SUSPENDED;
		else
			return malformed(err, "Status is not Enabled or Suspended");
	} else if (strcmp(path, "VersioningConfiguration/MfaDelete") == 0 &&
		   slice_eq_str(text, "Enabled")) {
		return err_code(err, RC_REFUSED, "NotImplemented", "MFA delete");
	}
	return RC_OK;
}

enum rc s3xml_read_versioning(
	struct slice document, enum s3xml_versioning *ret_versioning, struct err *err)
{
	struct versioning_reader r = {S3XML_VERSIONING_NONE, false};
	struct s3xml_handler handler = {NULL, versioning_end, &r};
	enum rc rc = s3xml_parse(document, &handler, err);

	if (rc != RC_OK)
		return rc;
	if (!r.is_root_seen)
		return malformed(err, "not a VersioningConfiguration");
	*ret_versioning = r.versioning;
	return RC_OK;
}

/* --- CreateBucketConfiguration --- */

struct create_reader {
	struct arena *arena;
	struct slice region;
	bool is_root_seen;
};

static enum rc create_end(void *arg, const char *path, struct slice text, struct err *err)
{
	struct create_reader *r = arg;

	(void)err;
	if (strcmp(path, "CreateBucketConfiguration") == 0)
		r->is_root_seen = true;
	else if (strcmp(path, "CreateBucketConfiguration/LocationConstraint") == 0)
		r->region = arena_slice(r->arena, s3xml_trim(text));
	return RC_OK;
}

enum rc s3xml_read_create_bucket(
	struct slice document, struct arena *arena, struct slice *ret_region, struct err *err)
{
	struct create_reader r = {.arena = arena};
	struct s3xml_handler handler = {NULL, create_end, &r};
	enum rc rc;

	if (s3xml_trim(document).n == 0) {
		*ret_region = slice_of(NULL, 0);
		return RC_OK;
	}
	rc = s3xml_parse(document, &handler, err);
	if (rc != RC_OK)
		return rc;
	if (!r.is_root_seen)
		return malformed(err, "not a CreateBucketConfiguration");
	*ret_region = r.region;
	return RC_OK;
}
