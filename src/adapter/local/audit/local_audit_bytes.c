/*
 * The bytes of a version, as a descriptor: of the file itself when the version is one file, else of
 * a temporary file without a name. The version is looked up anew each time, outside the snapshot,
 * so that a version that was deleted meanwhile counts as gone and not as damaged.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapter/local/audit/local_audit_internal.h"
#include "adapter/local/buckets/version.h"
#include "adapter/local/engine/blob_view.h"
#include "adapter/local/engine/body.h"
#include "adapter/local/engine/folder.h"
#include "adapter/local/engine/row_sum.h"
#include "base/file.h"

#define SCRATCH_MEMORY_BYTES (1u << 20)

struct place {
	uint64_t seq, size;
	enum version_kind kind;
};

static enum rc find(
	struct local_audit *a, const struct object_id *o, struct place *ret_place, struct err *err)
{
	bool by_number = slice_has_prefix(o->version, slice_str("seq:"));
	uint64_t seq = 0, nonce = 0;
	sqlite3_stmt *st = NULL;
	bool row = false, parsed;
	char padded[33] = {0};
	enum rc rc;

	if (by_number && o->version.n == 20) {
		snprintf(padded, sizeof(padded), "%.16s%016d", (const char *)o->version.p + 4, 0);
		parsed = version_parse(slice_str(padded), &seq, &nonce);
	} else {
		parsed = version_parse(o->version, &seq, &nonce);
	}
	if (!parsed)
		return err_set(err, RC_ABSENT, "not a version of ours");
	rc = local_audit_prepare(a,
		"SELECT v.kind, v.size FROM version v JOIN bucket b ON v.bucket = b.id"
		" WHERE b.name = CAST(? AS TEXT) AND v.is_current IN (0, 1) AND v.key = ?"
		" AND v.seq = ?"
		" AND (v.is_null OR v.nonce = ?) AND NOT v.is_marker",
		&st, err);
	if (rc != RC_OK)
		return rc;
	db_bind_slice(st, 1, o->bucket);
	db_bind_slice(st, 2, o->key);
	db_bind_u64(st, 3, seq);
	db_bind_u64(st, 4, nonce);
	rc = db_step(st, &row, err);
	if (rc == RC_OK && !row)
		rc = err_set(err, RC_ABSENT, "the version is gone");
	if (rc == RC_OK)
		*ret_place = (struct place){
			seq, db_column_u64(st, 1), (enum version_kind)db_column_u64(st, 0)};
	local_audit_done(st);
	return rc;
}

/* A file without a name: in memory when it is small, as most sources are, which is far quicker. */
static enum rc scratch_fd(uint64_t size, int *ret_fd, struct err *err)
{
	FILE *f;

	if (size <= SCRATCH_MEMORY_BYTES) {
		*ret_fd = memfd_create("baler-audit", MFD_CLOEXEC);
		return *ret_fd >= 0 ? RC_OK : err_errno(err, errno, "make a file in memory");
	}
	f = tmpfile();
	if (!f)
		return err_errno(err, errno, "make a temporary file");
	*ret_fd = fcntl(fileno(f), F_DUPFD_CLOEXEC, 0);
	fclose(f);
	return *ret_fd >= 0 ? RC_OK : err_errno(err, errno, "make a temporary file");
}

/* A folder without checksums has NULL in these columns. */
#define BODY_SQL(sum) "SELECT data, " sum " FROM body WHERE id = ?"
#define SEGMENTS_SQL(sums)                                                                         \
	"SELECT s.size, s.blob, s.body, " sums ", s.idx, s.sum FROM segment s"                     \
	" LEFT JOIN blob b ON b.id = s.blob WHERE s.version = ? ORDER BY s.idx"

static enum rc prepare_body(struct local_audit *a, sqlite3_stmt **ret_st, struct err *err)
{
	return local_audit_prepare(
		a, a->has_sums ? BODY_SQL("sum") : BODY_SQL("NULL"), ret_st, err);
}

static enum rc prepare_segments(struct local_audit *a, sqlite3_stmt **ret_st, struct err *err)
{
	return local_audit_prepare(
		a, a->has_sums ? SEGMENTS_SQL("b.sums") : SEGMENTS_SQL("NULL"), ret_st, err);
}

static enum rc add_body(
	struct local_audit *a, uint64_t id, uint64_t size, int out, struct err *err)
{
	sqlite3_stmt *st = NULL;
	struct slice data;
	bool row = false;
	enum rc rc = prepare_body(a, &st, err);

	if (rc == RC_OK) {
		db_bind_u64(st, 1, id);
		rc = db_step(st, &row, err);
	}
	if (rc == RC_OK && !row)
		rc = err_code(err, RC_CORRUPT, ERR_DAMAGED, "its body row is not there");
	if (rc == RC_OK)
		rc = body_column(st, 0, size, &data, err);
	if (rc == RC_OK)
		rc = file_write_all(out, data.p, data.n, err);
	local_audit_done(st);
	return rc;
}

static enum rc blob_open(
	struct local_audit *a, const struct version_segment *s, int *ret_fd, struct err *err)
{
	char path[PATH_MAX], name[2 * BLOB_ID_BYTES + 1];

	hex_encode(s->blob.bytes, BLOB_ID_BYTES, name);
	snprintf(path, sizeof(path), "%.*s/" FOLDER_BLOBS "/%.2s/%s", PATH_MAX - 64, a->folder,
		name, name + 2);
	*ret_fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (*ret_fd < 0 && errno == ENOENT)
		return err_set(
			err, RC_CORRUPT, "its file 'blobs/%.2s/%s' is not there", name, name + 2);
	return *ret_fd >= 0 ? RC_OK : err_errno(err, errno, "open '%s'", path);
}

/* A descriptor of a file whose every byte was checked. */
static enum rc whole_blob(
	struct local_audit *a, const struct version_segment *s, int *ret_fd, struct err *err)
{
	struct blob_view v = BLOB_VIEW_CLOSED;
	int fd, own;
	enum rc rc = blob_open(a, s, &fd, err);

	if (rc != RC_OK)
		return rc;
	own = fcntl(fd, F_DUPFD_CLOEXEC, 0); /* the view closes its own */
	if (own < 0) {
		rc = err_errno(err, errno, "open a file of the folder again");
		close(fd);
		return rc;
	}
	rc = blob_view_open(&v, own, s->size, s->sums, err);
	if (rc == RC_OK)
		rc = blob_view_check_all(&v, err);
	blob_view_close(&v);
	if (rc == RC_OK)
		*ret_fd = fd;
	else
		close(fd);
	return rc;
}

static enum rc add_blob(
	struct local_audit *a, const struct version_segment *s, int out, struct err *err)
{
	ssize_t n;
	int fd;
	enum rc rc = whole_blob(a, s, &fd, err);

	if (rc != RC_OK)
		return rc;
	while ((n = sendfile(out, fd, NULL, 1u << 20)) != 0)
		if (n < 0 && errno != EINTR) {
			rc = err_errno(err, errno, "copy a file of the folder");
			break;
		}
	close(fd);
	return rc;
}

static enum rc add_segment(
	struct local_audit *a, const struct version_segment *s, int out, struct err *err)
{
	if (s->has_blob)
		return add_blob(a, s, out, err);
	return s->body ? add_body(a, s->body, s->size, out, err) : RC_OK;
}

/* Copies the segments of one version, in order. The first one is kept back: when it is the only one
 * and is a file, that file is the answer. */
static enum rc add_segments(
	struct local_audit *a, const struct place *p, struct arena *arena, int *out, struct err *err)
{
	sqlite3_stmt *st = NULL;
	struct version_segment one = {0}, next;
	unsigned n = 0;
	bool row = true;
	enum rc rc = prepare_segments(a, &st, err);

	if (rc == RC_OK)
		db_bind_u64(st, 1, p->seq);
	while (rc == RC_OK && (rc = db_step(st, &row, err)) == RC_OK && row) {
		version_segment_read(st, 0, &next);
		next.sums = db_column_slice(st, 3);
		if (n == 0) {
			next.sums = arena_slice(arena, next.sums);
			one = next;
		}
		if (n == 1)
			rc = scratch_fd(p->size, out, err);
		if (n == 1 && rc == RC_OK)
			rc = add_segment(a, &one, *out, err);
		if (n > 0 && rc == RC_OK)
			rc = add_segment(a, &next, *out, err);
		n++;
	}
	local_audit_done(st);
	if (rc != RC_OK || n > 1)
		return rc;
	if (n == 1 && one.has_blob)
		return whole_blob(a, &one, out, err);
	rc = scratch_fd(p->size, out, err);
	return rc == RC_OK && n == 1 ? add_segment(a, &one, *out, err) : rc;
}

/* Whole, or damaged: as many bytes as the row says. */
static enum rc finish(int fd, uint64_t size, struct err *err)
{
	struct stat st;

	if (lseek(fd, 0, SEEK_SET) != 0 || fstat(fd, &st) != 0)
		return err_errno(err, errno, "look at its bytes");
	if ((uint64_t)st.st_size != size)
		return err_set(err, RC_CORRUPT, "it has %llu bytes, its row says %llu",
			(unsigned long long)st.st_size, (unsigned long long)size);
	return RC_OK;
}

enum rc local_audit_fd(
	struct audit_source *s, const struct object_id *object, int *ret_fd, struct err *err)
{
	struct local_audit *a = local_audit_of(s);
	struct place place, again;
	struct arena arena = ARENA_INIT;
	struct err gone;
	int fd = -1;
	enum rc rc;

	if (local_audit_is_disturbed(a))
		return local_audit_disturbed(err);
	rc = find(a, object, &place, err);
	if (rc != RC_OK)
		return rc;
	if (place.kind == VERSION_SEGMENTS)
		rc = add_segments(a, &place, &arena, &fd, err);
	else
		rc = scratch_fd(place.size, &fd, err);
	if (rc == RC_OK && place.kind == VERSION_BODY)
		rc = add_body(a, place.seq, place.size, fd, err);
	arena_release(&arena);
	if (rc == RC_OK)
		rc = finish(fd, place.size, err);
	if (rc == RC_OK) {
		*ret_fd = fd;
		return RC_OK;
	}
	if (fd >= 0)
		close(fd);
	/* Deleted while this was looking, by a server whose log is not read? It tells the log
	 * before it removes a file. */
	if (rc == RC_CORRUPT && local_audit_is_disturbed(a))
		return local_audit_disturbed(err);
	if (rc == RC_CORRUPT && find(a, object, &again, &gone) == RC_ABSENT)
		return err_set(err, RC_ABSENT, "the version is gone");
	return rc;
}

static enum rc check_row(struct local_audit *a, uint64_t id, uint64_t size, bool *ret_has_sums,
	struct err *err)
{
	sqlite3_stmt *st = NULL;
	struct slice data;
	bool row = false;
	enum rc rc = prepare_body(a, &st, err);

	if (rc == RC_OK) {
		db_bind_u64(st, 1, id);
		rc = db_step(st, &row, err);
	}
	if (rc == RC_OK && !row)
		rc = err_code(err, RC_CORRUPT, ERR_DAMAGED, "its body row is not there");
	if (rc == RC_OK) {
		*ret_has_sums = sqlite3_column_type(st, 1) != SQLITE_NULL;
		rc = body_column(st, 0, size, &data, err);
	}
	local_audit_done(st);
	return rc;
}

enum rc local_audit_check_segment(struct local_audit *a, const struct version_segment *s,
	bool *ret_has_sums, struct err *err)
{
	int fd;
	enum rc rc;

	*ret_has_sums = true;
	if (s->has_blob) {
		*ret_has_sums = s->sums.n > 0;
		rc = whole_blob(a, s, &fd, err);
		if (rc == RC_OK)
			close(fd);
		return rc;
	}
	return s->body ? check_row(a, s->body, s->size, ret_has_sums, err) : RC_OK;
}

struct piece {
	struct piece *next;
	struct version_segment segment;
};

/* Reads all rows before the first byte, because reading the files may take minutes and an open
 * statement keeps the server's log long. */
static enum rc read_pieces(struct local_audit *a, uint64_t seq, struct arena *arena,
	struct piece **ret_pieces, struct err *err)
{
	struct piece **tail = ret_pieces;
	sqlite3_stmt *st = NULL;
	bool row = true;
	enum rc rc = prepare_segments(a, &st, err);

	*ret_pieces = NULL;
	if (rc == RC_OK)
		db_bind_u64(st, 1, seq);
	while (rc == RC_OK && (rc = db_step(st, &row, err)) == RC_OK && row) {
		struct piece *piece = arena_alloc(arena, sizeof(*piece));

		version_segment_read(st, 0, &piece->segment);
		piece->segment.sums = db_column_copy(st, 3, arena);
		if (!row_sum_fits(st, 5,
			    version_segment_sum(seq, db_column_u64(st, 4), &piece->segment)))
			rc = err_code(err, RC_CORRUPT, ERR_DAMAGED,
				"the record of one of its parts is not the one that was stored");
		*tail = piece;
		tail = &piece->next;
	}
	local_audit_done(st);
	return rc;
}

static enum rc check_segments(
	struct local_audit *a, const struct place *p, bool *ret_has_sums, struct err *err)
{
	struct arena arena = ARENA_INIT;
	struct piece *pieces;
	uint64_t size = 0;
	bool has_sums;
	enum rc rc = read_pieces(a, p->seq, &arena, &pieces, err);

	for (struct piece *piece = pieces; rc == RC_OK && piece; piece = piece->next) {
		rc = local_audit_check_segment(a, &piece->segment, &has_sums, err);
		*ret_has_sums &= has_sums;
		size += piece->segment.size;
	}
	arena_release(&arena);
	if (rc == RC_OK && size != p->size)
		rc = err_code(err, RC_CORRUPT, ERR_DAMAGED,
			"its parts have %llu bytes, its version says %llu",
			(unsigned long long)size, (unsigned long long)p->size);
	return rc;
}

/* version_age leads from a seq to its row; seqs are unique in the store. */
static enum rc find_by_seq(
	struct local_audit *a, uint64_t seq, struct place *ret_place, struct err *err)
{
	struct version_row found;
	sqlite3_stmt *st = NULL;
	bool row = false;
	enum rc rc = local_audit_prepare(a,
		"SELECT " VERSION_COLUMNS ", key, bucket FROM bucket b JOIN version v ON v.bucket = b.id"
		" WHERE v.seq = ?",
		&st, err);

	if (rc != RC_OK)
		return rc;
	db_bind_u64(st, 1, seq);
	rc = db_step(st, &row, err);
	if (rc == RC_OK && !row)
		rc = err_set(err, RC_ABSENT, "the version is gone");
	if (rc == RC_OK) {
		version_read(st, &found);
		found.key = db_column_slice(st, VERSION_KEY_COLUMN);
		found.bucket = db_column_u64(st, VERSION_KEY_COLUMN + 1);
		found.is_damaged = !version_is_sound(st, &found);
		*ret_place = (struct place){seq, found.size, found.kind};
		rc = version_refuse_damaged(&found, err);
	}
	local_audit_done(st);
	return rc;
}

enum rc local_audit_check_version(
	struct local_audit *a, uint64_t seq, bool *ret_has_sums, struct err *err)
{
	struct place place, again;
	struct err gone;
	enum rc rc = find_by_seq(a, seq, &place, err);

	*ret_has_sums = true;
	if (rc != RC_OK)
		return rc;
	if (place.kind == VERSION_BODY)
		rc = check_row(a, seq, place.size, ret_has_sums, err);
	else if (place.kind == VERSION_SEGMENTS)
		rc = check_segments(a, &place, ret_has_sums, err);
	if (rc == RC_CORRUPT && find_by_seq(a, seq, &again, &gone) == RC_ABSENT)
		return err_set(err, RC_ABSENT, "the version is gone");
	return rc;
}
