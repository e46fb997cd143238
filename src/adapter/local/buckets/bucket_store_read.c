/*
 * One open version. Inline bytes are copied at open. Of files only the names are: a pin keeps them until the reader closes, and one
 * descriptor is open at a time, however many parts there are.
 */
#include "adapter/local/buckets/bucket_store.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define OPEN_TRIES_MAX 1000 /* each lost try means that a writer got ahead */

struct local_reader {
	struct bs_reader base;
	struct local *local;
	struct arena arena;
	struct bs_object info;
	struct slice inline_bytes; /* kind BODY, or the one small part */
	struct version_segment *segments;
	uint64_t *offsets; /* of the segments; offsets[n_segments] is the size */
	size_t n_segments;
	bool is_pinned;
	int fd; /* of segment fd_segment, or -1 */
	size_t fd_segment;
};

static enum rc read_body(
	struct db_conn *conn, uint64_t id, struct arena *a, struct slice *ret_body, struct err *err)
{
	sqlite3_stmt *st = db_stmt(conn, "SELECT data FROM body WHERE id = ?");
	bool row;
	enum rc rc;

	db_bind_u64(st, 1, id);
	rc = db_step(st, &row, err);
	if (rc == RC_OK && !row)
		rc = err_set(err, RC_CORRUPT, "body %llu is not there", (unsigned long long)id);
	if (rc == RC_OK)
		*ret_body = db_column_copy(st, 0, a);
	db_done(st);
	return rc;
}

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

static enum rc read_segments(
	struct local_reader *r, struct db_conn *conn, uint64_t version, struct err *err)
{
	sqlite3_stmt *st;
	bool row = true;
	size_t n = 0, i = 0;
	enum rc rc = count_segments(conn, version, &n, err);

	if (rc != RC_OK)
		return rc;
	r->segments = arena_array(&r->arena, n + 1, sizeof(*r->segments));
	r->offsets = arena_array(&r->arena, n + 1, sizeof(*r->offsets));
	st = db_stmt(conn, "SELECT size, blob, body FROM segment WHERE version = ? ORDER BY idx");
	db_bind_u64(st, 1, version);
	while (i < n && (rc = db_step(st, &row, err)) == RC_OK && row) {
		version_segment_read(st, 0, &r->segments[i]);
		r->offsets[i + 1] = r->offsets[i] + r->segments[i].size;
		i++;
	}
	db_done(st);
	r->n_segments = i;
	/* A part below BS_INLINE_MAX can only be the last: the others have 5 MiB at least. */
	if (rc == RC_OK && i && r->segments[i - 1].body)
		rc = read_body(conn, r->segments[i - 1].body, &r->arena, &r->inline_bytes, err);
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
	if (ret_row->is_marker)
		return refuse_marker(ret_row, version, versioning, ret_marker, err);
	version_object(ret_row, &r->info);
	r->info.key = arena_slice(&r->arena, key);
	r->info.is_latest = ret_row->seq == latest.seq;
	r->info.in_versioned = versioning != BS_UNVERSIONED;
	return RC_OK;
}

static void set_pins(struct local_reader *r, bool pinned)
{
	for (size_t i = 0; i < r->n_segments; i++) {
		if (!r->segments[i].has_blob)
			continue;
		if (pinned)
			blobs_pin(r->local->blobs, &r->segments[i].blob);
		else
			blobs_unpin(r->local->blobs, &r->segments[i].blob);
	}
	r->is_pinned = pinned;
}

/* Whether the version was still there after the pins were set. */
static enum rc is_there(
	struct db_conn *conn, const struct version_row *row, bool *ret_there, struct err *err)
{
	sqlite3_stmt *st =
		db_stmt(conn, "SELECT 1 FROM version WHERE bucket = ? AND key = ? AND seq = ?");
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
		rc = read_body(conn, row.seq, &r->arena, &r->inline_bytes, err);
	if (rc == RC_OK && row.kind == VERSION_SEGMENTS)
		rc = read_segments(r, conn, row.seq, err);
	db_read_end(conn);
	if (rc != RC_OK || !r->n_segments)
		return rc;
	set_pins(r, true);
	return is_there(conn, &row, ret_sure, err);
}

static void reader_empty(struct local_reader *r)
{
	if (r->is_pinned)
		set_pins(r, false);
	if (r->fd >= 0)
		close(r->fd);
	arena_release(&r->arena);
}

static struct local_reader *reader_new(struct local *local)
{
	struct local_reader *r = xcalloc(1, sizeof(*r));

	r->base.ops = &local_bucket_store_ops;
	r->local = local;
	r->fd = -1;
	return r;
}

enum rc local_reader_open(struct bucket_store *bs, struct slice bucket, struct slice key,
	struct slice version, struct bs_reader **ret_reader, struct bs_object *ret_marker,
	struct err *err)
{
	struct local *local = local_of(bs);
	struct db_conn *conn = db_reader(local->db);
	enum rc rc = RC_OK;
	bool sure = false;

	if (ret_marker)
		*ret_marker = (struct bs_object){0};
	for (int i = 0; i < OPEN_TRIES_MAX && !sure; i++) {
		struct local_reader *r = reader_new(local);

		rc = load(r, conn, bucket, key, version, ret_marker, &sure, err);
		if (rc == RC_OK && sure) {
			*ret_reader = &r->base;
			break;
		}
		reader_empty(r);
		free(r);
		if (rc != RC_OK)
			break;
	}
	db_reader_return(local->db, conn);
	if (rc == RC_OK && !sure)
		rc = err_set(err, RC_AGAIN, "'" SLICE_FMT "' changes too fast to be read",
			SLICE_ARG(key));
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

static enum rc read_file(struct local_reader *r, size_t segment, uint64_t offset, void *out,
	size_t n, size_t *ret_n, struct err *err)
{
	ssize_t got;

	if (r->fd < 0 || r->fd_segment != segment) {
		int fd;
		enum rc rc = blobs_fd(r->local->blobs, &r->segments[segment].blob, &fd, err);

		if (rc != RC_OK)
			return rc;
		if (r->fd >= 0)
			close(r->fd);
		r->fd = fd;
		r->fd_segment = segment;
	}
	do
		got = pread(r->fd, out, n, (off_t)offset);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return err_errno(err, errno, "read of a blob");
	if (got == 0)
		return err_set(err, RC_CORRUPT, "a blob ends early");
	*ret_n = (size_t)got;
	return RC_OK;
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
	if (r->n_segments && r->segments[segment].has_blob)
		return read_file(r, segment, offset - start, out, n, ret_n, err);
	if (r->inline_bytes.n != end - start)
		return err_set(err, RC_CORRUPT, "a body has another size than its version");
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
