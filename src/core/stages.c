#include "core/stages.h"

#include "core/staged.h"
#include "model/object_headers.h"

static bool has_archive(const struct stages *s)
{
	return s->archive_bucket.n > 0;
}

static enum rc begin_manifest(struct stages *s, struct err *err)
{
	enum rc rc = os_stage_begin(s->store, s->archive_bucket,
		manifest_key(&s->arena, s->plan->key), &s->manifest, err);

	if (rc != RC_OK)
		return err_ctx(err, rc, "stage a manifest");
	s->sha256 = digest_new(DIGEST_SHA256);
	buf_init(&s->piece, 2 * MANIFEST_PIECE_BYTES);
	manifest_begin(&s->piece, s->plan, s->is_direct);
	return RC_OK;
}

enum rc stages_begin(struct stages *s, struct object_store *store, const struct lg_plan *plan,
	struct slice archive_bucket, bool is_direct, struct err *err)
{
	enum rc rc;

	*s = (struct stages){.store = store,
		.plan = plan,
		.archive_bucket = archive_bucket,
		.is_direct = is_direct};
	rc = os_stage_begin(store, plan->bucket, plan->key, &s->bundle, err);
	return rc == RC_OK && has_archive(s) ? begin_manifest(s, err) : rc;
}

#define OTHER_RECORDS_BYTES 4096   /* the manifest's, and what staged.c writes around them */
#define AROUND_OBJECT_BYTES 65536  /* headers of tar and gzip */

/* Bytes that do not compress grow by less than 1/512. */
uint64_t stages_object_max(struct object_store *store, bool has_archive)
{
	size_t record_bytes = (size_t)(LG_STAGED_MAX - OTHER_RECORDS_BYTES) / (has_archive ? 2u : 1u);
	uint64_t max = os_stage_max(store, record_bytes);

	if (max == UINT64_MAX)
		return max;
	max -= max / 512;
	return max > AROUND_OBJECT_BYTES ? max - AROUND_OBJECT_BYTES : 0;
}

enum rc stages_room(
	struct stages *s, const struct os_room *room, uint64_t *ret_bytes, struct err *err)
{
	return os_stage_room(s->bundle, room, ret_bytes, err);
}

enum rc stages_write(struct stages *s, struct slice bytes, struct err *err)
{
	return os_stage_write(s->bundle, bytes, err);
}

void stages_member_begin(struct stages *s, struct slice name, const struct object_id *object,
	uint64_t size_bytes, uint64_t offset_bytes)
{
	if (!has_archive(s))
		return;
	s->member = (struct manifest_member){.name = name,
		.object = *object,
		.size_bytes = size_bytes,
		.offset_bytes = offset_bytes};
	digest_reset(s->sha256, DIGEST_SHA256);
}

void stages_member_data(struct stages *s, struct slice bytes)
{
	if (has_archive(s))
		digest_update(s->sha256, bytes);
}

/* The lines that are not written yet. A member's line is far smaller than the room that the piece
 * has beyond MANIFEST_PIECE_BYTES. */
static enum rc write_piece(struct stages *s, struct err *err)
{
	enum rc rc = s->piece.overflow ? err_set(err, RC_CORRUPT, "a member too long to describe")
				       : os_stage_write(s->manifest, buf_slice(&s->piece), err);

	buf_reset(&s->piece);
	return rc == RC_OK ? rc : err_ctx(err, rc, "write a manifest");
}

enum rc stages_member_end(struct stages *s, struct err *err)
{
	if (!has_archive(s))
		return RC_OK;
	digest_final(s->sha256, DIGEST_SHA256, s->member.sha256);
	manifest_add(&s->piece, &s->member, s->n_members++ == 0);
	return s->piece.n >= MANIFEST_PIECE_BYTES ? write_piece(s, err) : RC_OK;
}

static void begin_headers(const struct stages *s, struct buf *out, const char *type)
{
	buf_init(out, OBJECT_HEADERS_MAX);
	object_headers_add(out, slice_str("content-type"), slice_str(type));
	if (s->is_direct)
		object_headers_add(
			out, slice_str(STAGES_ORIGIN_HEADER), slice_str(STAGES_ORIGIN_DIRECT));
}

static void bundle_headers(
	const struct stages *s, struct buf *out, const unsigned char sha256[SHA256_BYTES])
{
	char hex[2 * SHA256_BYTES + 1];

	hex_encode(sha256, SHA256_BYTES, hex);
	begin_headers(s, out, "application/gzip");
	object_headers_add(out, slice_str("x-amz-meta-content-sha256"), slice_str(hex));
}

static enum rc finish_manifest(struct stages *s, struct buf *record, struct err *err)
{
	struct buf headers;
	enum rc rc;

	begin_headers(s, &headers, "application/json");
	rc = os_stage_finish(s->manifest, buf_slice(&headers), record, err);
	buf_release(&headers);
	return rc;
}

/* The copy's and the manifest's stages; their records in record[0] and [1]. */
static enum rc finish_archive(struct stages *s, uint64_t size_bytes,
	const unsigned char sha256[SHA256_BYTES], struct slice headers, struct buf *record,
	struct err *err)
{
	enum rc rc =
		os_stage_copy(s->bundle, s->archive_bucket, s->plan->key, headers, &record[0], err);

	if (rc != RC_OK)
		return err_ctx(err, rc, "stage the archive's copy");
	manifest_end(&s->piece, size_bytes, sha256);
	rc = write_piece(s, err);
	if (rc == RC_OK)
		rc = finish_manifest(s, &record[1], err);
	return rc == RC_OK ? rc : err_ctx(err, rc, "stage a manifest");
}

static enum rc encode(struct stages *s, const struct buf *record, struct buf *out, struct err *err)
{
	struct staged all = {0};

	if (has_archive(s)) {
		all.entries[all.n++] = (struct staged_entry){
			s->archive_bucket, s->plan->key, buf_slice(&record[0])};
		all.entries[all.n++] = (struct staged_entry){s->archive_bucket,
			manifest_key(&s->arena, s->plan->key), buf_slice(&record[1])};
	}
	all.entries[all.n++] =
		(struct staged_entry){s->plan->bucket, s->plan->key, buf_slice(&record[2])};
	return staged_encode(out, &all)
		       ? RC_OK
		       : err_set(err, RC_REFUSED, "the stages' record is too long");
}

enum rc stages_finish(struct stages *s, uint64_t size_bytes,
	const unsigned char sha256[SHA256_BYTES], struct buf *ret_staged, struct err *err)
{
	struct buf headers, record[3];
	enum rc rc;

	bundle_headers(s, &headers, sha256);
	for (size_t i = 0; i < 3; i++)
		buf_init(&record[i], LG_STAGED_MAX);
	rc = os_stage_finish(s->bundle, buf_slice(&headers), &record[2], err);
	if (rc == RC_OK && has_archive(s))
		rc = finish_archive(s, size_bytes, sha256, buf_slice(&headers), record, err);
	if (rc == RC_OK)
		rc = encode(s, record, ret_staged, err);
	for (size_t i = 0; i < 3; i++)
		buf_release(&record[i]);
	buf_release(&headers);
	return rc;
}

void stages_free(struct stages *s)
{
	os_stage_free(s->bundle);
	os_stage_free(s->manifest);
	digest_free(s->sha256);
	buf_release(&s->piece);
	arena_release(&s->arena);
}

enum rc stages_discard(struct object_store *store, const struct lg_plan *plan,
	struct slice archive_bucket, struct err *err)
{
	struct arena a = ARENA_INIT;
	enum rc rc = os_discard(store, plan->bucket, plan->key, err);

	if (rc == RC_OK && archive_bucket.n)
		rc = os_discard(store, archive_bucket, plan->key, err);
	if (rc == RC_OK && archive_bucket.n)
		rc = os_discard(store, archive_bucket, manifest_key(&a, plan->key), err);
	arena_release(&a);
	return rc == RC_OK ? rc
			   : err_ctx(err, rc, "discard the stage of '" SLICE_FMT "'",
				     SLICE_ARG(plan->key));
}

/* There can be only one version, because nobody else writes under a plan's key. */
static enum rc remove_object(
	struct object_store *store, struct slice bucket, struct slice key, struct err *err)
{
	struct object_id id = {.bucket = bucket, .key = key};
	struct arena a = ARENA_INIT;
	struct os_object info;
	enum rc result = RC_OK, rc = os_head(store, &id, &a, &info, err);

	if (rc == RC_OK) {
		id.version = info.version;
		rc = os_delete_many(store, bucket, &id, 1, &result, err);
		if (rc == RC_OK)
			rc = result;
	} else if (rc == RC_ABSENT) {
		rc = RC_OK;
	}
	arena_release(&a);
	return rc;
}

enum rc stages_unarchive(struct object_store *store, const struct lg_plan *plan,
	struct slice archive_bucket, struct err *err)
{
	struct arena a = ARENA_INIT;
	enum rc rc = RC_OK;

	if (archive_bucket.n)
		rc = remove_object(store, archive_bucket, manifest_key(&a, plan->key), err);
	if (rc == RC_OK && archive_bucket.n)
		rc = remove_object(store, archive_bucket, plan->key, err);
	arena_release(&a);
	return rc == RC_OK ? rc
			   : err_ctx(err, rc, "take '" SLICE_FMT "' out of the archive",
				     SLICE_ARG(plan->key));
}
