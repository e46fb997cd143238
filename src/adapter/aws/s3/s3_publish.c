/* publish and discard: protocol.md, step 7 and invariant I8. */
#include <stdio.h>

#include "adapter/aws/s3/s3_call.h"
#include "adapter/aws/s3/s3_stage.h"
#include "model/object_headers.h"

#define COMPLETE_BODY_MAX (4u << 20)
/* a part that is still being sent can keep an upload alive: abort it again */
#define DISCARD_ROUNDS 20
#define DISCARD_PAUSE_MS 200

static enum rc complete(struct s3 *s3, struct slice bucket, struct slice key,
	const struct staged *staged, struct err *err)
{
	struct s3xml_complete what = {.n_parts = staged->n_parts};
	struct s3_call call = {.method = "POST", .bucket = bucket, .key = key, .has_body = true};
	struct s3xml_stored stored;
	struct arena a = ARENA_INIT;
	struct buf body, query;
	enum rc rc;

	what.parts = arena_array(&a, what.n_parts, sizeof(*what.parts));
	for (size_t i = 0; i < what.n_parts; i++) {
		what.parts[i].number = staged->parts[i].number;
		what.parts[i].etag = slice_str(staged->parts[i].etag);
		if (staged->parts[i].is_echoed)
			what.parts[i].checksum = staged->parts[i].crc32;
	}
	buf_init(&body, COMPLETE_BODY_MAX);
	buf_init(&query, S3_URL_MAX);
	s3xml_write_complete(&body, &what);
	s3_query_add(&query, "uploadId", staged->upload_id);
	call.body = buf_slice(&body);
	call.query = buf_slice(&query);
	call.headers = slice_str("content-type:application/xml\n");
	rc = s3_call_run(s3, &call, err);
	if (rc == RC_OK) {
		rc = s3xml_read_stored(buf_slice(&call.answer), &a, &stored, err);
		if (rc != RC_OK)
			rc = s3_bad_document(&call, err);
	}
	s3_call_release(&call);
	buf_release(&body);
	buf_release(&query);
	arena_release(&a);
	return rc;
}

/* Reads one page of ListParts; 10,000 parts are ten pages. */
static enum rc parts_page(struct s3 *s3, struct slice bucket, struct slice key,
	struct slice upload_id, unsigned after, struct arena *a, struct s3xml_parts *ret,
	struct err *err)
{
	struct s3_call call = {.method = "GET", .bucket = bucket, .key = key};
	struct buf query;
	char text[16];
	enum rc rc;

	buf_init(&query, S3_URL_MAX);
	snprintf(text, sizeof(text), "%u", after);
	s3_query_add(&query, "part-number-marker", slice_str(text));
	s3_query_add(&query, "uploadId", upload_id);
	call.query = buf_slice(&query);
	rc = s3_call_run(s3, &call, err);
	if (rc == RC_OK) {
		rc = s3xml_read_parts(buf_slice(&call.answer), a, ret, err);
		if (rc != RC_OK)
			rc = s3_bad_document(&call, err);
	}
	s3_call_release(&call);
	buf_release(&query);
	return rc;
}

/* The same bytes can have another ETag: a worker that was taken for dead has sent the part
 * again. */
static bool is_same_part(const struct stage_part *ours, const struct s3xml_listed_part *theirs)
{
	if (ours->number != theirs->number || ours->size != theirs->size_bytes)
		return false;
	if (theirs->checksum.alg)
		return checksum_eq(&ours->crc32, &theirs->checksum);
	return slice_eq_str(theirs->etag, ours->etag);
}

static enum rc adopt_listed_etags(struct s3 *s3, struct slice bucket, struct slice key,
	struct staged *staged, struct err *err)
{
	struct arena a = ARENA_INIT;
	struct s3xml_parts page = {0};
	size_t matched = 0;
	unsigned after = 0;
	enum rc rc;

	do {
		rc = parts_page(s3, bucket, key, staged->upload_id, after, &a, &page, err);
		for (size_t i = 0; rc == RC_OK && i < page.n_parts; i++) {
			struct stage_part *ours = &staged->parts[matched];

			if (matched == staged->n_parts || !is_same_part(ours, &page.parts[i]))
				rc = err_code(err, RC_CORRUPT, "InvalidPart",
					"the upload's parts are not those that were sealed");
			else
				snprintf(ours->etag, sizeof(ours->etag), SLICE_FMT,
					SLICE_ARG(page.parts[i].etag));
			matched++;
		}
		after = page.next_part_number_marker;
	} while (rc == RC_OK && page.is_truncated);
	if (rc == RC_OK && matched != staged->n_parts)
		rc = err_code(err, RC_CORRUPT, "InvalidPart", "parts of the upload are missing");
	arena_release(&a);
	return rc;
}

static enum rc is_ever_versioned(
	struct s3 *s3, struct slice bucket, bool *ret_versioned, struct err *err)
{
	struct s3_call call = {
		.method = "GET", .bucket = bucket, .query = slice_str("versioning=")};
	enum s3xml_versioning versioning = S3XML_VERSIONING_NONE;
	enum rc rc = s3_call_run(s3, &call, err);

	if (rc == RC_OK) {
		rc = s3xml_read_versioning(buf_slice(&call.answer), &versioning, err);
		if (rc != RC_OK)
			rc = s3_bad_document(&call, err);
	}
	*ret_versioned = versioning != S3XML_VERSIONING_NONE;
	s3_call_release(&call);
	return rc;
}

/* Whether the versions of the key show that this stage was published. Any version or delete
 * marker of the key counts. The exception: when every version has another size, the versions
 * were published from other stages of the key. */
static bool is_trace_of(const struct os_list_page *page, struct slice key, uint64_t size)
{
	size_t versions = 0, traces = 0;

	for (size_t i = 0; i < page->n && slice_eq(page->objects[i].key, key); i++) {
		if (!page->objects[i].is_delete_marker)
			versions++;
		if (!page->objects[i].is_delete_marker && page->objects[i].size == size)
			return true;
		traces++;
	}
	return traces && !versions;
}

/* The store answered NoSuchUpload. In a bucket with versions, any version or delete marker of
 * the key proves that the stage was published, and no trace proves that it never was. In a
 * bucket without versions the stage counts as published, because nothing aborts a sealed upload. */
static enum rc settle_no_upload(
	struct s3 *s3, struct slice bucket, struct slice key, uint64_t size, struct err *err)
{
	/* The key itself comes first in a listing of its prefix, and one page holds all its
	 * versions. */
	struct os_list_query query = {
		.bucket = bucket, .prefix = key, .max = OS_LIST_MAX, .versions = true};
	struct os_list_page page = {0};
	struct arena a = ARENA_INIT;
	bool is_versioned = false;
	enum rc rc = s3_list(&s3->base, &query, &a, &page, err);

	if (rc == RC_OK && !is_trace_of(&page, key, size)) {
		rc = is_ever_versioned(s3, bucket, &is_versioned, err);
		if (rc == RC_OK && is_versioned)
			rc = err_code(err, RC_ABSENT, "NoSuchUpload",
				"'" SLICE_FMT "' was never published and its stage is gone",
				SLICE_ARG(key));
	}
	arena_release(&a);
	return rc;
}

enum rc s3_publish(struct object_store *os, struct slice bucket, struct slice key,
	struct slice record, struct err *err)
{
	struct s3 *s3 = (struct s3 *)os;
	struct arena a = ARENA_INIT;
	struct staged staged;
	struct err why = {0};
	enum rc rc = staged_read(record, &a, &staged, &why);

	if (rc == RC_OK)
		rc = complete(s3, bucket, key, &staged, &why);
	if (rc != RC_OK && err_is(&why, "InvalidPart")) {
		rc = adopt_listed_etags(s3, bucket, key, &staged, &why);
		if (rc == RC_OK)
			rc = complete(s3, bucket, key, &staged, &why);
	}
	if (rc == RC_ABSENT && err_is(&why, "NoSuchUpload"))
		rc = settle_no_upload(s3, bucket, key, staged.size, &why);
	if (rc != RC_OK && err)
		*err = why;
	arena_release(&a);
	return rc == RC_OK ? rc : err_ctx(err, rc, "publish");
}

/* The discarding of a stage. */

static enum rc abort_upload(struct s3 *s3, struct slice bucket, struct slice key,
	struct slice upload_id, struct err *err)
{
	struct s3_call call = {.method = "DELETE", .bucket = bucket, .key = key};
	struct buf query;
	enum rc rc;

	buf_init(&query, S3_URL_MAX);
	s3_query_add(&query, "uploadId", upload_id);
	call.query = buf_slice(&query);
	rc = s3_call_run(s3, &call, err);
	s3_call_release(&call);
	buf_release(&query);
	return rc == RC_ABSENT ? RC_OK : rc;
}

static enum rc uploads_page(struct s3 *s3, struct slice bucket, struct slice key,
	const struct s3xml_uploads *before, struct arena *a, struct s3xml_uploads *ret,
	struct err *err)
{
	struct s3_call call = {.method = "GET", .bucket = bucket};
	struct buf query;
	enum rc rc;

	buf_init(&query, S3_URL_MAX);
	s3_query_add(&query, "encoding-type", slice_str("url"));
	if (before->next_key_marker.n)
		s3_query_add(&query, "key-marker", before->next_key_marker);
	s3_query_add(&query, "prefix", key);
	if (before->next_upload_id_marker.n)
		s3_query_add(&query, "upload-id-marker", before->next_upload_id_marker);
	s3_query_add(&query, "uploads", (struct slice){0});
	call.query = buf_slice(&query);
	rc = s3_call_run(s3, &call, err);
	if (rc == RC_OK) {
		rc = s3xml_read_uploads(buf_slice(&call.answer), a, ret, err);
		if (rc != RC_OK)
			rc = s3_bad_document(&call, err);
	}
	s3_call_release(&call);
	buf_release(&query);
	return rc;
}

/* Lists the uploads of the key once and aborts each; *ret_found counts them. */
static enum rc abort_all(
	struct s3 *s3, struct slice bucket, struct slice key, size_t *ret_found, struct err *err)
{
	struct s3xml_uploads page = {0}, next;
	struct arena a = ARENA_INIT;
	enum rc rc;

	*ret_found = 0;
	do {
		rc = uploads_page(s3, bucket, key, &page, &a, &next, err);
		for (size_t i = 0; rc == RC_OK && i < next.n_uploads; i++) {
			if (!slice_eq(next.uploads[i].key, key))
				continue;
			++*ret_found;
			rc = abort_upload(s3, bucket, key, next.uploads[i].upload_id, err);
		}
		page = next;
	} while (rc == RC_OK && page.is_truncated);
	arena_release(&a);
	return rc;
}

enum rc s3_discard(struct object_store *os, struct slice bucket, struct slice key, struct err *err)
{
	struct s3 *s3 = (struct s3 *)os;
	size_t found = 0;

	for (unsigned round = 0; round < DISCARD_ROUNDS; round++) {
		enum rc rc = abort_all(s3, bucket, key, &found, err);

		if (rc != RC_OK || found == 0)
			return rc;
		if (round)
			clock_sleep_ms(s3->clock, DISCARD_PAUSE_MS);
	}
	return err_set(err, RC_AGAIN, "uploads of '" SLICE_FMT "' do not go away", SLICE_ARG(key));
}
