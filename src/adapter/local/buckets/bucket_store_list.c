/*
 * A listing of objects walks the current rows of the version table, which lie together
 * (schema.sql.h, is_current). A listing of versions merges them with all other rows, so that both
 * go in order of key, and of one key the newest first. At a common prefix the walk jumps to the
 * first key behind it. So the cost of a page depends on what it shows: old versions, delete markers
 * and keys below a common prefix are never read.
 */
#include "adapter/local/buckets/bucket_store.h"

#include <stdlib.h>

struct walk {
	struct local *local;
	struct db_conn *conn;
	const struct bs_list_query *query;
	struct bs_list_page *page;
	struct arena *a;
	struct arena scratch; /* successors: at most one a common prefix */
	uint64_t bucket;
	bool in_versioned;
	sqlite3_stmt *st;
	unsigned char seek_key[OBJECT_KEY_MAX]; /* what st is bound to */
	unsigned char last[OBJECT_KEY_MAX];
	struct slice last_key; /* key of the row before, in last; p == NULL at first */
	bool is_full; /* the walk found one more entry than fits */
};

#define ROWS(is_current, where)                                                                    \
	"SELECT " VERSION_COLUMNS ", key FROM version WHERE bucket = ?1"                           \
	" AND is_current = " is_current " AND " where
#define OBJECTS_SQL(where) ROWS("1", where) " ORDER BY key"
/* Each half comes in the order of the primary key, so SQLite merges the two row by row and sorts
 * nothing. */
#define VERSIONS_SQL(where) ROWS("1", where) " UNION ALL " ROWS("0", where) " ORDER BY key, seq DESC"

static void seek(struct walk *w, const char *sql, struct slice key)
{
	size_t n = key.n < OBJECT_KEY_MAX ? key.n : OBJECT_KEY_MAX; /* no key is longer */

	/* key may be a column of the very statement. */
	if (n)
		memcpy(w->seek_key, key.p, n);
	w->st = db_stmt(w->conn, sql);
	db_bind_u64(w->st, 1, w->bucket);
	db_bind_slice(w->st, 2, slice_of(w->seek_key, n));
}

static void seek_from(struct walk *w, struct slice key)
{
	seek(w, w->query->versions ? VERSIONS_SQL("key >= ?2") : OBJECTS_SQL("key >= ?2"), key);
}

static void seek_behind(struct walk *w, struct slice key)
{
	seek(w, w->query->versions ? VERSIONS_SQL("key > ?2") : OBJECTS_SQL("key > ?2"), key);
}

static void set_last(struct walk *w, struct slice key)
{
	memcpy(w->last, key.p, key.n);
	w->last_key = slice_of(w->last, key.n);
}

static bool is_room(struct walk *w)
{
	w->is_full = w->page->n == w->query->max;
	return !w->is_full;
}

static bool add_prefix(struct walk *w, struct slice prefix)
{
	struct bs_list_entry *e;

	if (!is_room(w))
		return false;
	e = &w->page->entries[w->page->n++];
	e->is_prefix = true;
	e->object.key = arena_slice(w->a, prefix);
	return true;
}

/* The object is listed all the same, because it certainly exists. A GET of it is refused. */
static void note_damaged(struct walk *w, const struct version_row *row)
{
	char version[BS_VERSION_MAX];

	version_format(row, version);
	damage_note(w->local->damage,
		&(struct damage_found){.kind = DAMAGE_OBJECT,
			.owner = row->seq,
			.bucket = w->query->bucket,
			.key = row->key,
			.version = slice_str(version),
			.what = slice_str("the record of its version is not the one that was stored")});
}

static bool add_object(struct walk *w, struct version_row *row, bool is_latest)
{
	struct bs_list_entry *e;

	if (!is_room(w))
		return false;
	e = &w->page->entries[w->page->n++];
	row->headers = arena_slice(w->a, row->headers);
	version_object(row, &e->object);
	e->object.key = arena_slice(w->a, row->key);
	e->object.is_latest = is_latest;
	e->object.in_versioned = w->in_versioned;
	return true;
}

/* The row under the cursor → entries; false: the page is complete or there is nothing more. */
static bool take_row(struct walk *w)
{
	struct version_row row;
	struct slice common;
	bool is_latest;

	version_read(w->st, &row);
	row.key = db_column_slice(w->st, VERSION_KEY_COLUMN);
	row.bucket = w->bucket;
	if (!version_is_sound(w->st, &row))
		note_damaged(w, &row);
	if (!slice_has_prefix(row.key, w->query->prefix))
		return false;
	is_latest = !w->last_key.p || !slice_eq(w->last_key, row.key);
	if (is_latest)
		set_last(w, row.key);
	common = bs_common_prefix(row.key, w->query->prefix, w->query->delimiter);
	if (!common.p)
		return add_object(w, &row, is_latest);
	if (!add_prefix(w, common) || !bs_successor(&w->scratch, common, &common))
		return false;
	seek_from(w, common);
	return true;
}

static enum rc walk_rows(struct walk *w, struct err *err)
{
	bool row = true;
	enum rc rc = RC_OK;

	while (rc == RC_OK && row) {
		rc = db_step(w->st, &row, err);
		if (rc == RC_OK && row && !take_row(w))
			break;
	}
	return rc;
}

/* Walks the older versions of after_key behind after_version, and then the keys behind it. A null
 * version that was removed has no place in the order any more; then all remaining versions of the
 * key are given. */
static enum rc walk_rest_of_key(struct walk *w, struct err *err)
{
	const struct bs_list_query *q = w->query;
	uint64_t seq = INT64_MAX, nonce;
	struct version_row row;
	bool found = true;
	enum rc rc = RC_OK;

	if (!version_parse(q->after_version, &seq, &nonce)) {
		rc = version_find(w->conn, w->bucket, q->after_key, q->after_version, NULL, &row,
			&found, err);
		seq = found && rc == RC_OK ? row.seq : INT64_MAX;
	}
	if (rc != RC_OK)
		return rc;
	if (found)
		set_last(w, q->after_key); /* so that none of these versions counts as the latest */
	w->st = db_stmt(w->conn, VERSIONS_SQL("key = ?2 AND seq < ?3"));
	db_bind_u64(w->st, 1, w->bucket);
	db_bind_slice(w->st, 2, q->after_key);
	db_bind_u64(w->st, 3, seq);
	return walk_rows(w, err);
}

/* A key below a common prefix is not listed by itself, so there are no more versions of it to
 * list. */
static bool has_rest_of_key(const struct bs_list_query *q)
{
	return q->versions && q->after_version.n && q->after_key.n <= OBJECT_KEY_MAX &&
	       slice_has_prefix(q->after_key, q->prefix) &&
	       !bs_common_prefix(q->after_key, q->prefix, q->delimiter).p;
}

static enum rc walk_page(struct walk *w, struct err *err)
{
	const struct bs_list_query *q = w->query;
	struct slice from = q->prefix;
	enum rc rc = RC_OK;

	if (has_rest_of_key(q))
		rc = walk_rest_of_key(w, err);
	if (rc != RC_OK || w->is_full)
		return rc;
	if (q->after_is_prefix && !bs_successor(&w->scratch, q->after_key, &from))
		return RC_OK;
	if (q->after_is_prefix && slice_cmp(from, q->prefix) < 0)
		from = q->prefix;
	if (!q->after_is_prefix && q->after_key.n && slice_cmp(q->after_key, q->prefix) >= 0)
		seek_behind(w, q->after_key);
	else
		seek_from(w, from);
	return walk_rows(w, err);
}

enum rc local_list(struct bucket_store *bs, const struct bs_list_query *query, struct arena *a,
	struct bs_list_page *ret_page, struct err *err)
{
	struct local *local = local_of(bs);
	struct bs_list_page page = {0};
	struct walk w = {.local = local, .conn = db_reader(local->db), .query = query, .page = &page, .a = a};
	enum bs_versioning versioning;
	enum rc rc;

	db_read_begin(w.conn);
	rc = bucket_row(w.conn, query->bucket, &w.bucket, &versioning, err);
	if (rc == RC_OK && query->max) {
		w.in_versioned = versioning != BS_UNVERSIONED;
		page.entries = arena_array(a, query->max, sizeof(*page.entries));
		rc = walk_page(&w, err);
	}
	db_read_end(w.conn);
	db_reader_return(local->db, w.conn);
	arena_release(&w.scratch);
	page.truncated = w.is_full;
	if (rc == RC_OK)
		*ret_page = page;
	return rc;
}
