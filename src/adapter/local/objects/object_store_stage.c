/*
 * Stages: stage_begin … stage_finish, publish, discard. object_store.h has the states.
 *
 * A record is text with the number of the stage row and a random number that only its maker knew.
 * The row has everything else.
 */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "adapter/local/buckets/version.h"
#include "adapter/local/engine/blob_view.h"
#include "adapter/local/engine/row_sum.h"
#include "adapter/local/objects/object_store.h"
#include "base/big_endian.h"
#include "base/digest.h"

#define RECORD_PREFIX "local-stage-1 "
#define RECORD_BYTES (sizeof(RECORD_PREFIX) - 1 + 16 + 1 + 16)
#define BYTES_PER_WRITE 1024 /* about, for the group's bound */

struct local_stage {
	struct os_stage base;
	struct local_store *store;
	struct local_stage *next; /* under the store's lock */
	struct arena arena;
	struct slice bucket, key;
	struct blob_file *file;   /* NULL when finished */
	struct digest *md5;       /* NULL for a copy */
	struct blob_id blob;      /* when finished, as the next two */
	uint64_t size;
	struct buf sums;
	char etag[BS_ETAG_MAX];   /* when finished; of a copy from its start */
	/* a discard of its key has marked it: it must not be finished any more */
	atomic_bool is_discarded;
};

/* A handle for file, which it owns from here on. */
static struct local_stage *stage_new(
	struct local_store *store, struct slice bucket, struct slice key, struct blob_file *file)
{
	struct local_stage *st = xcalloc(1, sizeof(*st));

	st->base.ops = store->base.ops;
	st->store = store;
	st->bucket = arena_slice(&st->arena, bucket);
	st->key = arena_slice(&st->arena, key);
	st->file = file;
	buf_init(&st->sums, SIZE_MAX);
	pthread_mutex_lock(&store->lock);
	st->next = store->stages;
	store->stages = st;
	pthread_mutex_unlock(&store->lock);
	return st;
}

static enum rc check_place(
	struct local_store *store, struct slice bucket, struct slice key, struct err *err)
{
	struct bs_bucket info;

	if (key.n == 0 || key.n > OBJECT_KEY_MAX)
		return err_code(err, RC_REFUSED, "KeyTooLongError", "a key has 1 to %d bytes",
			OBJECT_KEY_MAX);
	return bs_call(&store->local->bucket_store, bucket_get, bucket, &info, err);
}

enum rc store_stage_begin(struct object_store *os, struct slice bucket, struct slice key,
	struct os_stage **ret_stage, struct err *err)
{
	struct local_store *store = store_of(os);
	struct blob_file *file;
	struct local_stage *st;
	enum rc rc = check_place(store, bucket, key, err);

	if (rc == RC_OK)
		rc = blob_create(store->local->blobs, &file, err);
	if (rc != RC_OK)
		return rc;
	st = stage_new(store, bucket, key, file);
	st->md5 = digest_new(DIGEST_MD5);
	*ret_stage = &st->base;
	return RC_OK;
}

enum rc store_stage_write(struct os_stage *base, struct slice bytes, struct err *err)
{
	struct local_stage *st = (struct local_stage *)base;

	digest_update(st->md5, bytes);
	return blob_write(st->file, bytes, err);
}

enum rc store_stage_room(
	struct os_stage *base, const struct os_room *room, uint64_t *ret_bytes, struct err *err)
{
	struct local_stage *st = (struct local_stage *)base;
	struct grants *grants = blobs_grants(st->store->local->blobs);
	uint64_t free_bytes, got = blob_take_room(
			st->file, room->least, room->largest, room->most, &free_bytes);

	if (got < room->largest)
		grants_note_wait(grants, st->key, room->largest, free_bytes);
	else if (got == room->most)
		grants_note_wait(grants, (struct slice){0}, 0, 0);
	*ret_bytes = got ? got : free_bytes;
	if (got == 0 && room->least > 0)
		return err_code(err, RC_AGAIN, "ENOSPC",
			"bundle '" SLICE_FMT "' needs %llu bytes of disk, and %llu are free",
			SLICE_ARG(st->key), (unsigned long long)room->least,
			(unsigned long long)free_bytes);
	return RC_OK;
}

void store_stage_free(struct os_stage *base)
{
	struct local_stage *st = (struct local_stage *)base;
	struct local_stage **at;

	pthread_mutex_lock(&st->store->lock);
	for (at = &st->store->stages; *at != st; at = &(*at)->next)
		;
	*at = st->next;
	pthread_mutex_unlock(&st->store->lock);
	blob_discard(st->file);
	digest_free(st->md5);
	buf_release(&st->sums);
	arena_release(&st->arena);
	free(st);
}

struct finish_op {
	struct commit_op op;
	struct local_stage *stage;
	struct slice headers;
	uint64_t nonce;
	uint64_t id; /* result */
};

static enum rc insert_stage(struct finish_op *w, struct db_conn *conn, struct err *err)
{
	sqlite3_stmt *st =
		db_stmt(conn, "INSERT INTO stage(id, nonce, bucket, key, blob, size, etag, headers, sum)"
			      " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)");
	struct blob_id blob = blob_file_id(w->stage->file);
	uint64_t size = blob_file_size(w->stage->file);

	w->id = committer_next_seq(w->stage->store->local->committer);
	db_bind_u64(st, 1, w->id);
	db_bind_u64(st, 2, w->nonce);
	db_bind_slice(st, 3, w->stage->bucket);
	db_bind_slice(st, 4, w->stage->key);
	db_bind_slice(st, 5, slice_of(blob.bytes, BLOB_ID_BYTES));
	db_bind_u64(st, 6, size);
	db_bind_text(st, 7, w->stage->etag);
	db_bind_slice(st, 8, w->headers);
	db_bind_u64(st, 9, row_sum_stage(w->id, w->nonce, w->stage->bucket, w->stage->key,
				   slice_of(blob.bytes, BLOB_ID_BYTES), size,
				   slice_str(w->stage->etag), w->headers));
	return db_run(st, err);
}

/*
 * A discard marks the unfinished stages before its own transaction. Either this transaction runs
 * first, and the discard finds the row; or this one sees the mark. So nothing is left behind by an
 * owner that does not know that its plan was aborted and discarded.
 */
static enum rc finish_apply(struct commit_op *op, struct db_conn *conn, struct err *err)
{
	struct finish_op *w = (struct finish_op *)op;
	struct blob_id blob = blob_file_id(w->stage->file);
	enum rc rc;

	if (atomic_load(&w->stage->is_discarded))
		return err_set(err, RC_ABSENT, "the stage was discarded");
	rc = blob_row_insert(conn, &blob, blob_file_size(w->stage->file),
		blob_file_sums(w->stage->file), err);
	return rc == RC_OK ? insert_stage(w, conn, err) : rc;
}

enum rc store_stage_finish(
	struct os_stage *base, struct slice headers, struct buf *ret_staged, struct err *err)
{
	struct local_stage *st = (struct local_stage *)base;
	struct local *local = st->store->local;
	struct finish_op w = {
		.op = {.apply = finish_apply, .bytes = BYTES_PER_WRITE + headers.n},
		.stage = st,
		.headers = headers,
		.nonce = prng_u64(&local->prng),
	};
	unsigned char hash[DIGEST_MAX_BYTES];
	enum rc rc;

	if (!st->file)
		return err_set(err, RC_REFUSED, "the stage is finished");
	if (!buf_reserve(ret_staged, RECORD_BYTES))
		return err_set(err, RC_REFUSED, "no room for the record of a stage");
	if (st->md5)
		hex_encode(hash, digest_final(st->md5, DIGEST_MD5, hash), st->etag);
	rc = blob_sync(st->file, err);
	if (rc == RC_OK)
		rc = committer_run(local->committer, &w.op, err);
	if (rc != RC_OK)
		return err_ctx(err, rc, "stage '" SLICE_FMT "'", SLICE_ARG(st->key));
	st->blob = blob_file_id(st->file);
	st->size = blob_file_size(st->file);
	buf_add_slice(&st->sums, blob_file_sums(st->file));
	blob_keep(st->file);
	st->file = NULL;
	buf_addf(ret_staged, RECORD_PREFIX "%016" PRIx64 " %016" PRIx64, w.id, w.nonce);
	return RC_OK;
}

enum rc store_stage_copy(struct os_stage *base, struct slice bucket, struct slice key,
	struct slice headers, struct buf *ret_staged, struct err *err)
{
	struct local_stage *from = (struct local_stage *)base, *st;
	struct blob_file *file;
	enum rc rc;

	if (from->file)
		return err_set(err, RC_REFUSED, "a stage is copied once it is finished");
	rc = check_place(from->store, bucket, key, err);
	if (rc == RC_OK)
		rc = blob_link(from->store->local->blobs, &from->blob, from->size,
			buf_slice(&from->sums), &file, err);
	if (rc != RC_OK)
		return err_ctx(err, rc, "copy the stage '" SLICE_FMT "'", SLICE_ARG(from->key));
	st = stage_new(from->store, bucket, key, file);
	snprintf(st->etag, sizeof(st->etag), "%s", from->etag);
	rc = store_stage_finish(&st->base, headers, ret_staged, err);
	store_stage_free(&st->base);
	return rc;
}

/* 16 hex digits. */
static bool read_number(const unsigned char *p, uint64_t *ret_value)
{
	unsigned char raw[8];

	if (!hex_decode(slice_of(p, 16), raw, sizeof(raw)))
		return false;
	*ret_value = big_endian_load(raw);
	return true;
}

static bool read_record(struct slice staged, uint64_t *ret_id, uint64_t *ret_nonce)
{
	const unsigned char *p = staged.p + sizeof(RECORD_PREFIX) - 1;

	return staged.n == RECORD_BYTES && slice_has_prefix(staged, slice_str(RECORD_PREFIX)) &&
	       p[16] == ' ' && read_number(p, ret_id) && read_number(p + 17, ret_nonce);
}

struct publish_op {
	struct commit_op op;
	struct local *local;
	struct slice bucket, key;
	uint64_t id, nonce;
	struct arena arena;
	struct drops drops;
	bool made_event;
};

/* The stage as a version to come. RC_ABSENT: there is none of this record, bucket and key. */
static enum rc read_stage(struct publish_op *w, struct db_conn *conn, struct version_new *v,
	struct version_segment *segment, bool *ret_published, struct err *err)
{
	sqlite3_stmt *st = db_stmt(conn, "SELECT size, blob, etag, headers, published FROM stage"
					 " WHERE id = ? AND nonce = ? AND bucket = ? AND key = ?");
	struct slice blob;
	bool row;
	enum rc rc;

	db_bind_u64(st, 1, w->id);
	db_bind_u64(st, 2, w->nonce);
	db_bind_slice(st, 3, w->bucket);
	db_bind_slice(st, 4, w->key);
	rc = db_step(st, &row, err);
	if (rc != RC_OK)
		return rc;
	if (!row)
		return err_set(err, RC_ABSENT, "nothing is staged under this record");
	*segment = (struct version_segment){.size = db_column_u64(st, 0), .has_blob = true};
	blob = db_column_slice(st, 1);
	snprintf(v->row.etag, sizeof(v->row.etag), "%s", (const char *)sqlite3_column_text(st, 2));
	v->row.headers = db_column_copy(st, 3, &w->arena);
	v->row.size = segment->size;
	*ret_published = db_column_u64(st, 4) != 0;
	if (blob.n == BLOB_ID_BYTES)
		memcpy(segment->blob.bytes, blob.p, BLOB_ID_BYTES);
	else if (!*ret_published)
		rc = err_set(err, RC_CORRUPT, "a stage without a blob");
	db_done(st);
	return rc;
}

static enum rc mark_published(struct db_conn *conn, uint64_t id, struct err *err)
{
	sqlite3_stmt *st = db_stmt(
		conn, "UPDATE stage SET published = 1, blob = NULL, headers = x'', sum = NULL WHERE id = ?");

	db_bind_u64(st, 1, id);
	return db_run(st, err);
}

static enum rc publish_apply(struct commit_op *op, struct db_conn *conn, struct err *err)
{
	struct publish_op *w = (struct publish_op *)op;
	struct version_segment segment;
	struct version_new v = {
		.row = {.key = w->key, .kind = VERSION_SEGMENTS},
		.bucket_name = w->bucket,
		.segments = &segment,
		.n_segments = 1,
		.event_name = "ObjectCreated:Put",
	};
	bool published = false;
	enum rc rc;

	drops_reset(&w->drops);
	w->made_event = false;
	rc = read_stage(w, conn, &v, &segment, &published, err);
	if (rc != RC_OK || published)
		return rc;
	rc = bucket_row(conn, w->bucket, &v.row.bucket, &v.versioning, err);
	if (rc == RC_OK)
		rc = version_insert(w->local, conn, &v, &w->drops, err);
	if (rc == RC_OK)
		rc = mark_published(conn, w->id, err);
	w->made_event = v.made_event;
	return rc;
}

/* Finds the file of a stage that is to be published. *ret_there: there is such a stage, and it is
 * not published. */
static enum rc find_file(struct publish_op *w, struct db_conn *conn, struct blob_id *ret_id,
	uint64_t *ret_size, struct slice *ret_sums, bool *ret_there, struct err *err)
{
	sqlite3_stmt *st = db_stmt(conn,
		"SELECT s.blob, s.size, b.sums, s.bucket, s.key, s.etag, s.headers, s.sum"
		" FROM stage s LEFT JOIN blob b ON b.id = s.blob"
		" WHERE s.id = ? AND s.nonce = ? AND s.published = 0");
	struct slice id;
	enum rc rc;

	db_bind_u64(st, 1, w->id);
	db_bind_u64(st, 2, w->nonce);
	rc = db_step(st, ret_there, err);
	if (rc != RC_OK || !*ret_there)
		return rc;
	id = db_column_slice(st, 0);
	if (id.n == BLOB_ID_BYTES)
		memcpy(ret_id->bytes, id.p, BLOB_ID_BYTES);
	else
		rc = err_set(err, RC_CORRUPT, "a stage without a file");
	*ret_size = db_column_u64(st, 1);
	*ret_sums = db_column_copy(st, 2, &w->arena);
	if (rc == RC_OK && !row_sum_fits(st, 7,
				   row_sum_stage(w->id, w->nonce, db_column_slice(st, 3),
					   db_column_slice(st, 4), id, *ret_size,
					   db_column_slice(st, 5), db_column_slice(st, 6))))
		rc = err_code(err, RC_CORRUPT, ERR_DAMAGED,
			"the record of the stage is not the one that was stored");
	db_done(st);
	return rc;
}

static enum rc check_file(struct local *local, const struct blob_id *id, uint64_t size,
	struct slice sums, struct err *err)
{
	struct blob_view v = BLOB_VIEW_CLOSED;
	int fd;
	enum rc rc = blobs_fd(local->blobs, id, &fd, err);

	if (rc == RC_OK)
		rc = blob_view_open(&v, fd, size, sums, err);
	if (rc == RC_OK)
		rc = blob_view_check_all(&v, err);
	blob_view_close(&v);
	return rc;
}

/* Every byte of the stage, before anybody can see it [OS-14]. A stage that is discarded
 * meanwhile is not damaged, but gone: publishing says so. */
static enum rc check_stage(struct publish_op *w, struct err *err)
{
	struct db_conn *conn = db_reader(w->local->db);
	struct blob_id id;
	struct slice sums;
	uint64_t size;
	bool there;
	struct err later;
	enum rc rc = find_file(w, conn, &id, &size, &sums, &there, err);

	if (rc == RC_OK && there) {
		rc = check_file(w->local, &id, size, sums, err);
		if (rc == RC_CORRUPT &&
			find_file(w, conn, &id, &size, &sums, &there, &later) == RC_OK && !there)
			rc = RC_OK;
	}
	db_reader_return(w->local->db, conn);
	damage_note_err(w->local->damage, rc, err,
		&(struct damage_found){.kind = DAMAGE_STAGE,
			.owner = w->id,
			.bucket = w->bucket,
			.key = w->key});
	return rc;
}

enum rc store_publish(struct object_store *os, struct slice bucket, struct slice key,
	struct slice staged, struct err *err)
{
	struct publish_op w = {
		.op = {.apply = publish_apply, .bytes = BYTES_PER_WRITE},
		.local = store_of(os)->local,
		.bucket = bucket,
		.key = key,
	};
	struct err why = {0};
	enum rc rc;

	if (!read_record(staged, &w.id, &w.nonce))
		return err_set(err, RC_ABSENT, "not a record of a stage of this store");
	rc = check_stage(&w, &why);
	if (rc == RC_OK)
		rc = committer_run(w.local->committer, &w.op, &why);
	if (rc != RC_OK && err)
		*err = why;
	if (rc == RC_OK) {
		drops_run(&w.drops, w.local->blobs);
		if (w.made_event)
			local_queue_wake(w.local);
	}
	drops_release(&w.drops);
	arena_release(&w.arena);
	return rc == RC_OK ? rc : err_ctx(err, rc, "publish '" SLICE_FMT "'", SLICE_ARG(key));
}

struct discard_op {
	struct commit_op op;
	struct slice bucket, key;
	struct drops drops;
};

enum rc stage_drop_blobs(
	struct db_conn *conn, sqlite3_stmt *st, struct drops *drops, struct err *err)
{
	struct blob_id id;
	bool row = true;
	enum rc rc;

	while ((rc = db_step(st, &row, err)) == RC_OK && row) {
		struct slice blob = db_column_slice(st, 0);

		if (blob.n != BLOB_ID_BYTES)
			continue;
		memcpy(id.bytes, blob.p, BLOB_ID_BYTES);
		rc = blob_row_delete(conn, blob, err);
		if (rc != RC_OK)
			break;
		drops_add(drops, &id);
	}
	db_done(st);
	return rc;
}

static enum rc discard_apply(struct commit_op *op, struct db_conn *conn, struct err *err)
{
	struct discard_op *w = (struct discard_op *)op;
	sqlite3_stmt *st;
	enum rc rc;

	drops_reset(&w->drops);
	st = db_stmt(conn, "SELECT blob FROM stage WHERE bucket = ? AND key = ? AND published = 0");
	db_bind_slice(st, 1, w->bucket);
	db_bind_slice(st, 2, w->key);
	rc = stage_drop_blobs(conn, st, &w->drops, err);
	if (rc != RC_OK)
		return rc;
	st = db_stmt(conn, "DELETE FROM stage WHERE bucket = ? AND key = ? AND published = 0");
	db_bind_slice(st, 1, w->bucket);
	db_bind_slice(st, 2, w->key);
	return db_run(st, err);
}

static void mark_discarded(struct local_store *store, struct slice bucket, struct slice key)
{
	pthread_mutex_lock(&store->lock);
	for (struct local_stage *st = store->stages; st; st = st->next)
		if (slice_eq(st->bucket, bucket) && slice_eq(st->key, key))
			atomic_store(&st->is_discarded, true);
	pthread_mutex_unlock(&store->lock);
}

enum rc store_discard(
	struct object_store *os, struct slice bucket, struct slice key, struct err *err)
{
	struct local *local = store_of(os)->local;
	struct discard_op w = {.op = {.apply = discard_apply, .bytes = BYTES_PER_WRITE},
		.bucket = bucket,
		.key = key};
	enum rc rc;

	mark_discarded(store_of(os), bucket, key);
	rc = committer_run(local->committer, &w.op, err);
	if (rc == RC_OK)
		drops_run(&w.drops, local->blobs);
	drops_release(&w.drops);
	return rc;
}
