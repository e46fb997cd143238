/*
 * One open version. Inline bytes are copied when it is opened. Of files only the names are kept: a
 * pin keeps the files until the reader is closed, and one descriptor is open at a time, however
 * many parts there are.
 */
#include "adapter/local/buckets/bucket_store.h"

#include <stdlib.h>

#include "adapter/local/engine/blob_view.h"
#include "adapter/local/engine/body.h"
#include "adapter/local/engine/row_sum.h"

#define OPEN_TRIES_MAX 1000 /* each lost try means that a writer got ahead */

struct local_reader {
	struct bs_reader base;
	struct local *local;
	struct arena arena;
	struct bs_object info;
	uint64_t seq; /* of the version */
	struct slice bucket;
	struct slice inline_bytes; /* kind BODY, or the one small part */
	struct version_segment *segments;
	uint64_t *offsets; /* where each segment begins; offsets[n_segments] is the size */
	size_t n_segments;
	struct blob_view view; /* of segment view_segment, when that is open */
	size_t view_segment;
};

static enum rc count_segments(
	struct db_conn *conn, uint64_t version, size_t *ret_n, struct err *err)
{
	sqlite3_stmt *st = db_stmt(conn, "SELECT count(*) FROM segment WHERE version = ?");
	bool row;
	enum rc rc;

	db_bind_u64(st, 1, version);
	rc = db_step(st, &row, err);
	if (rc == RC_OK)
		*ret_n = (size_t)db_column_u64(st, 0);
	db_done(st);
	return rc;
}

static enum rc check_total(const struct local_reader *r, struct err *err)
{
	uint64_t is = r->offsets[r->n_segments];

	if (is == r->info.size)
		return RC_OK;
	return err_code(err, RC_CORRUPT, ERR_DAMAGED,
		"its parts have %llu bytes, its version says %llu", (unsigned long long)is,
		(unsigned long long)r->info.size);
}

static enum rc read_segments(
	struct local_reader *r, struct db_conn *conn, uint64_t version, struct err *err)
{
	sqlite3_stmt *st;
	bool row = true, is_sound = true;
	size_t n = 0, i = 0;
	enum rc rc = count_segments(conn, version, &n, err);

	if (rc != RC_OK)
		return rc;
	r->segments = arena_array(&r->arena, n + 1, sizeof(*r->segments));
	r->offsets = arena_array(&r->arena, n + 1, sizeof(*r->offsets));
	st = db_stmt(conn, "SELECT s.size, s.blob, s.body, b.sums, s.idx, s.sum FROM segment s"
			   " LEFT JOIN blob b ON b.id = s.blob WHERE s.version = ? ORDER BY s.idx");
	db_bind_u64(st, 1, version);
	while (i < n && (rc = db_step(st, &row, err)) == RC_OK && row) {
		struct version_segment *s = &r->segments[i];

		version_segment_read(st, 0, s);
		if (s->has_blob)
			s->sums = blobs_pin_sums(
				r->local->blobs, &s->blob, db_column_slice(st, 3));
		r->offsets[i + 1] = r->offsets[i] + s->size;
		r->n_segments = ++i;
		is_sound = is_sound && row_sum_fits(st, 5,
			version_segment_sum(version, db_column_u64(st, 4), s));
	}
	db_done(st);
	if (rc == RC_OK && !is_sound)
		rc = err_code(err, RC_CORRUPT, ERR_DAMAGED,
			"the record of one of its parts is not the one that was stored");
	if (rc == RC_OK)
		rc = check_total(r, err);
	/* A part below BS_INLINE_MAX can only be the last: the others have 5 MiB at least. */
	if (rc == RC_OK && i && r->segments[i - 1].body)
		rc = body_read(conn, r->segments[i - 1].body, r->segments[i - 1].size, &r->arena,
			&r->inline_bytes, err);
	return rc;
}

static enum rc refuse_missing(struct slice key, struct slice version, struct err *err)
{
	if (version.n)
		return err_code(err, RC_ABSENT, "NoSuchVersion",
			"'" SLICE_FMT "' has no version '" SLICE_FMT "'", SLICE_ARG(key),
			SLICE_ARG(version));
	return err_code(
		err, RC_ABSENT, "NoSuchKey", "'" SLICE_FMT "' does not exist", SLICE_ARG(key));
}

static enum rc refuse_marker(const struct version_row *row, struct slice version,
	enum bs_versioning versioning, struct bs_object *ret_marker, struct err *err)
{
	if (ret_marker) {
		version_object(row, ret_marker);
		ret_marker->key = slice_of(NULL, 0);
		ret_marker->headers = slice_of(NULL, 0);
		ret_marker->in_versioned = versioning != BS_UNVERSIONED;
	}
	if (version.n)
		return err_code(
			err, RC_REFUSED, "MethodNotAllowed", "the version is a delete marker");
	return err_code(
		err, RC_ABSENT, "NoSuchKey", "'" SLICE_FMT "' was deleted", SLICE_ARG(row->key));
}

static enum rc find(struct local_reader *r, struct db_conn *conn, struct slice bucket,
	struct slice key, struct slice version, struct version_row *ret_row,
	struct bs_object *ret_marker, struct err *err)
{
	struct version_row latest = {0};
	enum bs_versioning versioning;
	uint64_t id;
	bool found;
	enum rc rc = bucket_row(conn, bucket, &id, &versioning, err);

	if (rc == RC_OK)
		rc = version_latest(conn, id, key, &r->arena, &latest, &found, err);
	*ret_row = latest;
	if (rc == RC_OK && version.n)
		rc = version_find(conn, id, key, version, &r->arena, ret_row, &found, err);
	if (rc != RC_OK)
		return rc;
	if (!found)
		return refuse_missing(key, version, err);
	r->info.key = arena_slice(&r->arena, key);
	r->bucket = arena_slice(&r->arena, bucket);
	r->seq = ret_row->seq;
	rc = version_refuse_damaged(ret_row, err);
	if (rc != RC_OK) {
		version_format(ret_row, r->info.version); /* for the report of the damage */
		return rc;
	}
	if (ret_row->is_marker)
		return refuse_marker(ret_row, version, versioning, ret_marker, err);
	version_object(ret_row, &r->info);
	r->info.key = arena_slice(&r->arena, key);
	r->info.is_latest = ret_row->seq == latest.seq;
	r->info.in_versioned = versioning != BS_UNVERSIONED;
	return RC_OK;
}

/* Whether the version was still there after the pins were set. */
static enum rc is_there(
	struct db_conn *conn, const struct version_row *row, bool *ret_there, struct err *err)
{
	sqlite3_stmt *st = db_stmt(conn, "SELECT 1 FROM version WHERE" VERSION_BY_SEQ);
	enum rc rc;

	db_bind_u64(st, 1, row->bucket);
	db_bind_slice(st, 2, row->key);
	db_bind_u64(st, 3, row->seq);
	rc = db_step(st, ret_there, err);
	db_done(st);
	return rc;
}

static enum rc load(struct local_reader *r, struct db_conn *conn, struct slice bucket,
	struct slice key, struct slice version, struct bs_object *ret_marker, bool *ret_sure,
	struct err *err)
{
	struct version_row row;
	enum rc rc;

	*ret_sure = true;
	db_read_begin(conn);
	rc = find(r, conn, bucket, key, version, &row, ret_marker, err);
	if (rc == RC_OK && row.kind == VERSION_BODY)
		rc = body_read(conn, row.seq, row.size, &r->arena, &r->inline_bytes, err);
	if (rc == RC_OK && row.kind == VERSION_SEGMENTS)
		rc = read_segments(r, conn, row.seq, err);
	db_read_end(conn);
	if (rc != RC_OK || !r->n_segments)
		return rc;
	return is_there(conn, &row, ret_sure, err);
}

/* Passes rc on. */
static enum rc note_damage(const struct local_reader *r, enum rc rc, const struct err *err)
{
	damage_note_err(r->local->damage, rc, err,
		&(struct damage_found){.kind = DAMAGE_OBJECT,
			.owner = r->seq,
			.bucket = r->bucket,
			.key = r->info.key,
			.version = slice_str(r->info.version)});
	return rc;
}

static void reader_empty(struct local_reader *r)
{
	blob_view_close(&r->view); /* its sums are the pin's */
	for (size_t i = 0; i < r->n_segments; i++)
		if (r->segments[i].has_blob)
			blobs_unpin(r->local->blobs, &r->segments[i].blob);
	arena_release(&r->arena);
}

static struct local_reader *reader_new(struct local *local)
{
	struct local_reader *r = xcalloc(1, sizeof(*r));

	r->base.ops = &local_bucket_store_ops;
	r->local = local;
	r->view = BLOB_VIEW_CLOSED;
	return r;
}

enum rc local_reader_open(struct bucket_store *bs, struct slice bucket, struct slice key,
	struct slice version, struct bs_reader **ret_reader, struct bs_object *ret_marker,
	struct err *err)
{
	struct local *local = local_of(bs);
	struct db_conn *conn = db_reader(local->db);
	enum rc rc = RC_OK;
	struct err why = {0};
	bool sure = false;

	if (ret_marker)
		*ret_marker = (struct bs_object){0};
	for (int i = 0; i < OPEN_TRIES_MAX && !sure; i++) {
		struct local_reader *r = reader_new(local);

		rc = note_damage(r,
			load(r, conn, bucket, key, version, ret_marker, &sure, &why), &why);
		if (rc == RC_OK && sure) {
			r->base.memory_bytes = sizeof(*r) + r->arena.held_bytes;
			*ret_reader = &r->base;
			break;
		}
		reader_empty(r);
		free(r);
		if (rc != RC_OK)
			break;
	}
	db_reader_return(local->db, conn);
	if (rc != RC_OK && err)
		*err = why;
	if (rc == RC_OK && !sure)
		rc = err_set(err, RC_AGAIN, "'" SLICE_FMT "' was overwritten %d times while it was being read; try again later",
			SLICE_ARG(key), OPEN_TRIES_MAX);
	return rc;
}

const struct bs_object *local_reader_info(const struct bs_reader *base)
{
	return &((const struct local_reader *)base)->info;
}

struct slice local_reader_inline(const struct bs_reader *base)
{
	const struct local_reader *r = (const struct local_reader *)base;

	return r->n_segments ? slice_of(NULL, 0) : r->inline_bytes;
}

/* The segment that holds offset, which is below the size. */
static size_t segment_at(const struct local_reader *r, uint64_t offset)
{
	size_t low = 0, high = r->n_segments;

	while (high - low > 1) {
		size_t mid = low + (high - low) / 2;

		if (r->offsets[mid] <= offset)
			low = mid;
		else
			high = mid;
	}
	return low;
}

static enum rc open_view(struct local_reader *r, size_t i, struct err *err)
{
	const struct version_segment *s = &r->segments[i];
	int fd;
	enum rc rc;

	if (r->view.fd >= 0 && r->view_segment == i)
		return RC_OK;
	blob_view_close(&r->view);
	rc = blobs_fd(r->local->blobs, &s->blob, &fd, err);
	if (rc == RC_OK)
		rc = blob_view_open(&r->view, fd, s->size, s->sums, err);
	r->view_segment = i;
	return rc;
}

/* An inline body was checked when it was read; empty ones and what lies behind the end need no
 * check. */
enum rc local_reader_check(struct bs_reader *base, uint64_t offset, struct err *err)
{
	struct local_reader *r = (struct local_reader *)base;
	struct err why = {0};
	size_t i;
	enum rc rc;

	if (offset >= r->info.size || !r->n_segments)
		return RC_OK;
	i = segment_at(r, offset);
	if (!r->segments[i].has_blob)
		return RC_OK;
	rc = open_view(r, i, &why);
	if (rc == RC_OK)
		rc = blob_view_check(&r->view, offset - r->offsets[i], &why);
	if (rc != RC_OK && err)
		*err = why;
	return note_damage(r, rc, &why);
}

enum rc local_reader_read(struct bs_reader *base, uint64_t offset, void *out, size_t n,
	size_t *ret_n, struct err *err)
{
	struct local_reader *r = (struct local_reader *)base;
	uint64_t start = 0, end = r->info.size;
	size_t segment = 0;

	*ret_n = 0;
	if (offset >= end || n == 0)
		return RC_OK;
	if (r->n_segments) {
		segment = segment_at(r, offset);
		start = r->offsets[segment];
		end = r->offsets[segment + 1];
	}
	if (n > end - offset)
		n = (size_t)(end - offset);
	if (r->n_segments && r->segments[segment].has_blob) {
		struct err why = {0};
		enum rc rc = open_view(r, segment, &why);

		if (rc == RC_OK)
			rc = blob_view_read(&r->view, offset - start, out, n, ret_n, &why);
		if (rc != RC_OK && err)
			*err = why;
		return note_damage(r, rc, &why);
	}
	memcpy(out, r->inline_bytes.p + (offset - start), n);
	*ret_n = n;
	return RC_OK;
}

enum rc local_reader_part(const struct bs_reader *base, uint32_t number, uint64_t *ret_offset,
	uint64_t *ret_size, struct err *err)
{
	const struct local_reader *r = (const struct local_reader *)base;

	/* An object that was put in one piece is its own part 1. */
	if (number == 1 && r->info.n_parts == 0) {
		*ret_offset = 0;
		*ret_size = r->info.size;
		return RC_OK;
	}
	if (number < 1 || number > r->info.n_parts || number > r->n_segments)
		return err_set(err, RC_ABSENT, "the object has no part %u", number);
	*ret_offset = r->offsets[number - 1];
	*ret_size = r->segments[number - 1].size;
	return RC_OK;
}

void local_reader_close(struct bs_reader *base)
{
	struct local_reader *r = (struct local_reader *)base;

	if (!r)
		return;
	reader_empty(r);
	free(r);
}
