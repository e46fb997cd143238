#include "adapter/aws/s3/s3_stage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "adapter/aws/s3/s3_call.h"
#include "base/file.h"
#include "model/object_headers.h"

#define PARTS_IN_FLIGHT 4

struct s3_stage {
	struct os_stage base;
	struct s3 *s3;
	char *bucket, *key;
	int fd; /* the spool file */
	uint64_t size;
	struct stage_part *parts; /* every part except the last is full */
	size_t n_parts, cap_parts;
	struct digest *digest; /* of the part that is being filled */
	bool is_finished;      /* the spool file is complete */
};

/* The spool file. */

static enum rc open_spool(int *ret_fd, struct err *err)
{
	const char *dir = getenv("TMPDIR");
	char path[4096];

	if (!dir || !*dir)
		dir = "/var/tmp";
	*ret_fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (*ret_fd >= 0)
		return RC_OK;
	if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
		return err_errno(err, errno, "make a spool file in '%s'", dir);
	snprintf(path, sizeof(path), "%s/baler-spool-XXXXXX", dir);
	*ret_fd = mkostemp(path, O_CLOEXEC);
	if (*ret_fd < 0)
		return err_errno(err, errno, "make a spool file in '%s'", dir);
	unlink(path);
	return RC_OK;
}

/* A plan's record has 256 KiB for all its stages (LG_STAGED_MAX). With an archive a bundle has
 * half of it: some 1,140 parts, 20 GiB; without one 2,300 parts, 66 GiB. */
uint64_t s3_stage_max(struct object_store *os, size_t record_bytes)
{
	size_t n = record_bytes > STAGE_RECORD_FIXED ? (record_bytes - STAGE_RECORD_FIXED) / STAGE_RECORD_PART : 0;
	uint64_t bytes = 0;

	(void)os;
	n = n < STAGE_PARTS_MAX ? n : STAGE_PARTS_MAX;
	for (unsigned number = 1; number <= n; number++)
		bytes += stage_part_bytes(number);
	return bytes;
}

enum rc s3_stage_begin(struct object_store *os, struct slice bucket, struct slice key,
	struct os_stage **ret_stage, struct err *err)
{
	struct s3_stage *stage;
	enum rc rc;
	int fd;

	rc = open_spool(&fd, err);
	if (rc != RC_OK)
		return rc;
	stage = xcalloc(1, sizeof(*stage));
	stage->base.ops = os->ops;
	stage->s3 = (struct s3 *)os;
	stage->bucket = slice_dup(bucket);
	stage->key = slice_dup(key);
	stage->fd = fd;
	stage->digest = digest_new(DIGEST_SHA256 | DIGEST_CRC32);
	*ret_stage = &stage->base;
	return RC_OK;
}

static struct stage_part *part_open(struct s3_stage *stage)
{
	struct stage_part *part;

	if (stage->n_parts == stage->cap_parts) {
		stage->cap_parts = stage->cap_parts ? 2 * stage->cap_parts : 4;
		stage->parts = xrealloc(stage->parts, stage->cap_parts * sizeof(*part));
	}
	part = &stage->parts[stage->n_parts++];
	*part = (struct stage_part){.number = (unsigned)stage->n_parts, .offset = stage->size};
	digest_reset(stage->digest, DIGEST_SHA256 | DIGEST_CRC32);
	return part;
}

static void part_close(struct s3_stage *stage, struct stage_part *part)
{
	digest_final(stage->digest, DIGEST_SHA256, part->sha256);
	part->crc32 = checksum_of_digest(stage->digest, DIGEST_CRC32);
}

enum rc s3_stage_write(struct os_stage *base, struct slice bytes, struct err *err)
{
	struct s3_stage *stage = (struct s3_stage *)base;

	while (bytes.n) {
		struct stage_part *part = stage->n_parts ? &stage->parts[stage->n_parts - 1] : NULL;
		uint64_t room = part ? stage_part_bytes(part->number) - part->size : 0;
		size_t n = bytes.n < room ? bytes.n : (size_t)room;
		enum rc rc;

		if (room == 0) {
			if (stage->n_parts == STAGE_PARTS_MAX)
				return err_set(err, RC_REFUSED, "the bundle is too large");
			if (part)
				part_close(stage, part);
			part_open(stage);
			continue;
		}
		rc = file_write_all(stage->fd, bytes.p, n, err);
		if (rc != RC_OK)
			return err_ctx(err, rc, "spool '%s'", stage->key);
		digest_update(stage->digest, slice_of(bytes.p, n));
		part->size += n;
		stage->size += n;
		bytes = slice_of(bytes.p + n, bytes.n - n);
	}
	return RC_OK;
}

void s3_stage_free(struct os_stage *base)
{
	struct s3_stage *stage = (struct s3_stage *)base;

	close(stage->fd);
	digest_free(stage->digest);
	free(stage->parts);
	free(stage->bucket);
	free(stage->key);
	free(stage);
}

/* The upload. */

struct part_call {
	struct s3_stage *stage;
	struct stage_part *part;
	uint64_t sent; /* bytes given to the request */
	struct s3_call call;
	struct buf query, headers;
	char hash[2 * SHA256_BYTES + 1];
};

static enum rc part_read(void *arg, void *out, size_t max, size_t *ret_n, struct err *err)
{
	struct part_call *p = arg;
	uint64_t left = p->part->size - p->sent;
	size_t n = left < max ? (size_t)left : max;
	enum rc rc = file_pread_all(p->stage->fd, out, n, (off_t)(p->part->offset + p->sent), err);

	if (rc != RC_OK)
		return err_ctx(err, rc, "read back the spool");
	p->sent += n;
	*ret_n = n;
	return RC_OK;
}

static enum rc part_rewind(void *arg, struct err *err)
{
	struct part_call *p = arg;

	(void)err;
	p->sent = 0;
	return RC_OK;
}

static enum rc part_prepare(struct part_call *p, struct slice upload_id, struct err *err)
{
	char text[CHECKSUM_TEXT_MAX];

	hex_encode(p->part->sha256, SHA256_BYTES, p->hash);
	checksum_format(&p->part->crc32, text);
	buf_init(&p->headers, 256);
	object_headers_add(&p->headers, slice_str(checksum_header(DIGEST_CRC32)), slice_str(text));
	buf_init(&p->query, S3_URL_MAX);
	snprintf(text, sizeof(text), "%u", p->part->number);
	s3_query_add(&p->query, "partNumber", slice_str(text));
	s3_query_add(&p->query, "uploadId", upload_id);
	p->call = (struct s3_call){
		.method = "PUT",
		.bucket = slice_str(p->stage->bucket),
		.key = slice_str(p->stage->key),
		.query = buf_slice(&p->query),
		.headers = buf_slice(&p->headers),
		.payload_hash = p->hash,
		.body_bytes = p->part->size,
		.read = part_read,
		.rewind = part_rewind,
		.arg = p,
	};
	return s3_call_prepare(p->stage->s3, &p->call, err);
}

static enum rc part_ended(struct part_call *p, struct err *err)
{
	struct slice etag;
	enum rc rc = s3_call_outcome(&p->call, err);

	if (rc != RC_OK)
		return rc;
	etag = etag_unquote(s3_call_header(&p->call, "etag"));
	if (etag.n == 0 || etag.n > ETAG_TEXT_MAX)
		return err_set(
			err, RC_AGAIN, "part %u was answered without an ETag", p->part->number);
	snprintf(p->part->etag, sizeof(p->part->etag), SLICE_FMT, SLICE_ARG(etag));
	p->part->is_echoed = s3_call_header(&p->call, checksum_header(DIGEST_CRC32)).n > 0;
	return RC_OK;
}

static void part_release(struct part_call *p)
{
	s3_call_release(&p->call);
	buf_release(&p->query);
	buf_release(&p->headers);
}

/* Sends the parts in groups, on one lane. Each group waits for its slowest part. */
static enum rc upload_group(struct s3_stage *stage, struct http_lane *lane, struct slice upload_id,
	size_t from, size_t n, struct err *err)
{
	struct part_call calls[PARTS_IN_FLIGHT] = {0};
	enum rc rc = RC_OK;
	size_t started = 0;

	for (; started < n && rc == RC_OK; started++) {
		struct part_call *p = &calls[started];

		p->stage = stage;
		p->part = &stage->parts[from + started];
		rc = part_prepare(p, upload_id, err);
		if (rc == RC_OK)
			http_start(lane, &p->call.http);
	}
	while (rc == RC_OK && http_wait(lane))
		;
	for (size_t i = 0; i < started; i++) {
		http_cancel(lane, &calls[i].call.http);
		if (rc == RC_OK)
			rc = part_ended(&calls[i], err);
		part_release(&calls[i]);
	}
	return rc;
}

static enum rc upload_parts(struct s3_stage *stage, struct slice upload_id, struct err *err)
{
	struct http_lane *lane = http_lane_take(stage->s3->http);
	enum rc rc = RC_OK;

	for (size_t i = 0; i < stage->n_parts && rc == RC_OK; i += PARTS_IN_FLIGHT) {
		size_t n = stage->n_parts - i;

		rc = upload_group(
			stage, lane, upload_id, i, n < PARTS_IN_FLIGHT ? n : PARTS_IN_FLIGHT, err);
	}
	http_lane_give(lane);
	/* A part that was perhaps stored does no harm, because the stage as a whole was not
	 * made. */
	return rc == RC_UNKNOWN ? RC_AGAIN : rc;
}

static enum rc create_upload(struct s3_stage *stage, struct slice headers, struct arena *a,
	struct slice *ret_upload_id, struct err *err)
{
	struct s3_call call = {.method = "POST",
		.bucket = slice_str(stage->bucket),
		.key = slice_str(stage->key),
		.query = slice_str("uploads="),
		.has_body = true};
	struct buf all;
	enum rc rc;

	buf_init(&all, OBJECT_HEADERS_MAX);
	buf_add_slice(&all, headers);
	object_headers_add(&all, slice_str("x-amz-checksum-algorithm"), slice_str("CRC32"));
	call.headers = buf_slice(&all);
	rc = s3_call_run(stage->s3, &call, err);
	if (rc == RC_OK) {
		rc = s3xml_read_initiate(buf_slice(&call.answer), a, ret_upload_id, err);
		if (rc != RC_OK)
			rc = s3_bad_document(&call, err);
	}
	s3_call_release(&call);
	buf_release(&all);
	return rc == RC_UNKNOWN ? RC_AGAIN : rc;
}

static enum rc upload(
	struct s3_stage *stage, struct slice headers, struct buf *ret_staged, struct err *err)
{
	struct arena a = ARENA_INIT;
	struct staged staged = {0};
	enum rc rc = create_upload(stage, headers, &a, &staged.upload_id, err);

	if (rc == RC_OK)
		rc = upload_parts(stage, staged.upload_id, err);
	if (rc == RC_OK) {
		staged.size = stage->size;
		staged.parts = stage->parts;
		staged.n_parts = stage->n_parts;
		if (!staged_write(ret_staged, &staged))
			rc = err_set(err, RC_REFUSED, "the stage's record is too long");
	}
	arena_release(&a);
	return rc;
}

enum rc s3_stage_finish(
	struct os_stage *base, struct slice headers, struct buf *ret_staged, struct err *err)
{
	struct s3_stage *stage = (struct s3_stage *)base;

	if (stage->n_parts == 0)
		part_open(stage);
	part_close(stage, &stage->parts[stage->n_parts - 1]);
	stage->is_finished = true;
	return upload(stage, headers, ret_staged, err);
}

/* Uploads the spool file a second time, because S3 cannot copy an upload that is not completed. */
enum rc s3_stage_copy(struct os_stage *base, struct slice bucket, struct slice key,
	struct slice headers, struct buf *ret_staged, struct err *err)
{
	struct s3_stage *stage = (struct s3_stage *)base, copy = *stage;
	enum rc rc;

	if (!stage->is_finished)
		return err_set(err, RC_REFUSED, "a stage is copied once it is finished");
	copy.bucket = slice_dup(bucket);
	copy.key = slice_dup(key);
	copy.parts = xcalloc(copy.n_parts, sizeof(*copy.parts));
	memcpy(copy.parts, stage->parts, copy.n_parts * sizeof(*copy.parts));
	rc = upload(&copy, headers, ret_staged, err);
	free(copy.bucket);
	free(copy.key);
	free(copy.parts);
	return rc;
}
