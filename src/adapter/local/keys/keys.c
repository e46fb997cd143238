/*
 * The key store: rows in SQLite, and those not revoked in memory, sorted, for find. A change is
 * committed first and shown to find then, under change_lock, so that the two never disagree for
 * longer than a call.
 */
#include "adapter/local/keys/keys.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/text.h"
#include "base/digest.h"

#define ACCESS_PREFIX "BALER"
#define ACCESS_CHARS 20
#define SECRET_RANDOM_BYTES 30 /* 40 characters of base64, as AWS's secrets have */

struct entry {
	char access_key[KEY_ACCESS_MAX + 1];
	struct key_grant grant;
};

struct keys {
	struct key_store base;
	struct local *local;
	pthread_mutex_t change_lock;          /* held over a whole change */
	unsigned char master[SEAL_KEY_BYTES]; /* under change_lock */
	bool has_master;                      /* under change_lock */
	pthread_rwlock_t lock;
	struct entry *entries; /* under lock; by access_key */
	size_t n_entries, cap; /* under lock */
};

static struct keys *of(struct key_store *ks)
{
	return (struct keys *)ks;
}

/* --- in memory --- */

/* Where it is, or would be. */
static size_t position(const struct keys *k, const char *access_key, bool *ret_found)
{
	size_t low = 0, high = k->n_entries;

	*ret_found = false;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order = strcmp(k->entries[mid].access_key, access_key);

		if (order == 0) {
			*ret_found = true;
			return mid;
		}
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* realloc is not used, because it would leave secrets in the freed memory. */
static void grow(struct keys *k)
{
	size_t cap = k->cap ? 2 * k->cap : 16;
	struct entry *entries = xcalloc(cap, sizeof(*entries));

	if (k->entries) {
		memcpy(entries, k->entries, k->n_entries * sizeof(*entries));
		explicit_bzero(k->entries, k->cap * sizeof(*entries));
	}
	free(k->entries);
	k->entries = entries;
	k->cap = cap;
}

static void show(struct keys *k, const struct entry *e)
{
	bool found;
	size_t at;

	pthread_rwlock_wrlock(&k->lock);
	if (k->n_entries == k->cap)
		grow(k);
	at = position(k, e->access_key, &found);
	memmove(&k->entries[at + 1], &k->entries[at], (k->n_entries - at) * sizeof(*e));
	k->entries[at] = *e;
	k->n_entries++;
	pthread_rwlock_unlock(&k->lock);
}

static void hide(struct keys *k, const char *access_key)
{
	bool found;
	size_t at;

	pthread_rwlock_wrlock(&k->lock);
	at = position(k, access_key, &found);
	if (found) {
		k->n_entries--;
		memmove(&k->entries[at], &k->entries[at + 1],
			(k->n_entries - at) * sizeof(*k->entries));
		explicit_bzero(&k->entries[k->n_entries], sizeof(*k->entries));
	}
	pthread_rwlock_unlock(&k->lock);
}

/* [KS-3] */
static bool find(struct key_store *ks, const char *access_key, struct key_grant *ret_grant)
{
	struct keys *k = of(ks);
	bool found;
	size_t at;

	pthread_rwlock_rdlock(&k->lock);
	at = position(k, access_key, &found);
	if (found)
		*ret_grant = k->entries[at].grant;
	pthread_rwlock_unlock(&k->lock);
	return found;
}

/* --- add --- */

struct add_op {
	struct commit_op op;
	const struct key_info *info;
	struct slice sealed;
};

static enum rc add_apply(struct commit_op *op, struct db_conn *conn, struct err *err)
{
	const struct add_op *w = (struct add_op *)op;
	sqlite3_stmt *st = db_stmt(conn,
		"INSERT INTO access_key(name, role, note, created, secret) VALUES(?, ?, ?, ?, ?)");

	db_bind_text(st, 1, w->info->access_key);
	db_bind_u64(st, 2, w->info->role);
	db_bind_text(st, 3, w->info->note);
	db_bind_u64(st, 4, w->info->created_wall_ms);
	db_bind_slice(st, 5, w->sealed);
	return db_run(st, err);
}

static void make_names(struct keys *k, struct entry *e)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	unsigned char bytes[SECRET_RANDOM_BYTES];
	struct buf text;

	memcpy(e->access_key, ACCESS_PREFIX, sizeof(ACCESS_PREFIX) - 1);
	for (size_t i = sizeof(ACCESS_PREFIX) - 1; i < ACCESS_CHARS; i++)
		e->access_key[i] = letters[prng_below(&k->local->prng, 32)];
	prng_bytes(&k->local->prng, bytes, sizeof(bytes));
	buf_init(&text, KEY_SECRET_MAX);
	base64_encode(&text, slice_of(bytes, sizeof(bytes)));
	memcpy(e->grant.secret, text.p, text.n);
	explicit_bzero(text.p, text.cap);
	explicit_bzero(bytes, sizeof(bytes));
	buf_release(&text);
}

static enum rc check_note(struct slice note, struct err *err)
{
	if (note.n > KEY_NOTE_MAX)
		return err_code(err, RC_REFUSED, "InvalidArgument", "a note has at most %d bytes",
			KEY_NOTE_MAX);
	for (size_t at = 0, n; at < note.n; at += n) {
		uint32_t c;

		n = text_sequence(slice_of(note.p + at, note.n - at), &c);
		if (n == 0)
			return err_code(err, RC_REFUSED, "InvalidArgument",
				"a note is UTF-8 text, and this one is not at byte %zu", at);
		if (text_is_hidden(c))
			return err_code(err, RC_REFUSED, "InvalidArgument",
				"a note has no control characters, and this one has U+%04X",
				(unsigned)c);
	}
	return RC_OK;
}

/* Under change_lock. */
static enum rc need_master_locked(struct keys *k, struct err *err)
{
	enum rc rc;

	if (k->has_master)
		return RC_OK;
	rc = keys_master_make(db_folder(k->local->db), k->master, err);
	k->has_master = rc == RC_OK;
	return rc;
}

/* Under change_lock. */
static enum rc add_locked(
	struct keys *k, const struct entry *e, const struct key_info *info, struct err *err)
{
	struct add_op w = {.op = {.apply = add_apply, .bytes = 1024}, .info = info};
	struct buf sealed;
	enum rc rc;

	/* only changes write it, and they hold the lock, so reading it needs no lock */
	if (k->n_entries == KEYS_MAX)
		return err_code(err, RC_REFUSED, "LimitExceeded", "there are %d keys; revoke some",
			KEYS_MAX);
	rc = need_master_locked(k, err);
	if (rc != RC_OK)
		return rc;
	buf_init(&sealed, KEY_SECRET_MAX + SEAL_OVERHEAD_BYTES);
	keys_seal(k->master, e->access_key, e->grant.role, e->grant.secret, &sealed);
	w.sealed = buf_slice(&sealed);
	rc = committer_run(k->local->committer, &w.op, err);
	if (rc == RC_OK)
		show(k, e);
	buf_release(&sealed);
	return rc;
}

/* [KS-1] */
static enum rc add(struct key_store *ks, enum key_role role, struct slice note,
	struct key_info *ret_info, char ret_secret[KEY_SECRET_MAX + 1], struct err *err)
{
	struct keys *k = of(ks);
	struct key_info info = {.role = role, .created_wall_ms = clock_wall_ms(k->local->clock)};
	struct entry e = {.grant.role = role};
	enum rc rc = check_note(note, err);

	if (rc != RC_OK)
		return rc;
	if (role == ROLE_NONE || (unsigned)role >= N_ROLES)
		return err_code(err, RC_REFUSED, "InvalidArgument", "no such role");
	if (note.n)
		memcpy(info.note, note.p, note.n);
	make_names(k, &e);
	memcpy(info.access_key, e.access_key, sizeof(info.access_key));
	pthread_mutex_lock(&k->change_lock);
	rc = add_locked(k, &e, &info, err);
	pthread_mutex_unlock(&k->change_lock);
	if (rc == RC_OK) {
		*ret_info = info;
		memcpy(ret_secret, e.grant.secret, sizeof(e.grant.secret));
	}
	explicit_bzero(&e, sizeof(e));
	return rc;
}

/* --- rows --- */

#define COLUMNS "name, role, note, created, revoked"

static void copy_text(sqlite3_stmt *st, int column, char *out, size_t max)
{
	struct slice text = db_column_slice(st, column);

	if (text.n >= max)
		text.n = max - 1;
	if (text.n)
		memcpy(out, text.p, text.n);
	out[text.n] = '\0';
}

static void read_row(sqlite3_stmt *st, struct key_info *info)
{
	copy_text(st, 0, info->access_key, sizeof(info->access_key));
	info->role = (enum key_role)db_column_u64(st, 1);
	copy_text(st, 2, info->note, sizeof(info->note));
	info->created_wall_ms = db_column_u64(st, 3);
	info->revoked_wall_ms = db_column_u64(st, 4);
}

static enum rc count(struct db_conn *conn, size_t *ret_n, struct err *err)
{
	sqlite3_stmt *st = db_stmt(conn, "SELECT count(*) FROM access_key");
	bool has_row = false;
	enum rc rc = db_step(st, &has_row, err);

	*ret_n = rc == RC_OK && has_row ? (size_t)db_column_u64(st, 0) : 0;
	db_done(st);
	return rc;
}

static enum rc list_rows(
	struct db_conn *conn, struct key_info *keys, size_t max, size_t *ret_n, struct err *err)
{
	sqlite3_stmt *st = db_stmt(conn, "SELECT " COLUMNS " FROM access_key ORDER BY id");
	bool has_row = true;
	enum rc rc = RC_OK;

	for (*ret_n = 0; *ret_n < max; ++*ret_n) {
		rc = db_step(st, &has_row, err);
		if (rc != RC_OK || !has_row)
			break;
		read_row(st, &keys[*ret_n]);
	}
	db_done(st);
	return rc;
}

/* [KS-4] */
static enum rc list(struct key_store *ks, struct arena *a, struct key_info **ret_keys,
	size_t *ret_n, struct err *err)
{
	struct db *db = of(ks)->local->db;
	struct db_conn *conn = db_reader(db);
	size_t n;
	enum rc rc;

	db_read_begin(conn);
	rc = count(conn, &n, err);
	if (rc == RC_OK) {
		*ret_keys = arena_array(a, n ? n : 1, sizeof(**ret_keys));
		rc = list_rows(conn, *ret_keys, n, ret_n, err);
	}
	db_read_end(conn);
	db_reader_return(db, conn);
	return rc;
}

/* --- revoke --- */

struct revoke_op {
	struct commit_op op;
	const char *access_key;
	uint64_t now_wall_ms;
	struct key_info *info;
};

static enum rc get(
	struct db_conn *conn, const char *access_key, struct key_info *ret_info, struct err *err)
{
	sqlite3_stmt *st = db_stmt(conn, "SELECT " COLUMNS " FROM access_key WHERE name = ?");
	bool has_row = false;
	enum rc rc;

	db_bind_text(st, 1, access_key);
	rc = db_step(st, &has_row, err);
	if (rc == RC_OK && has_row)
		read_row(st, ret_info);
	db_done(st);
	if (rc == RC_OK && !has_row)
		return err_code(err, RC_ABSENT, "NoSuchKey", "there is no access key '%.*s'",
			KEY_ACCESS_MAX, access_key);
	return rc;
}

static enum rc revoke_apply(struct commit_op *op, struct db_conn *conn, struct err *err)
{
	const struct revoke_op *w = (struct revoke_op *)op;
	enum rc rc = get(conn, w->access_key, w->info, err);
	sqlite3_stmt *st;

	if (rc != RC_OK || w->info->revoked_wall_ms)
		return rc;
	w->info->revoked_wall_ms = w->now_wall_ms;
	st = db_stmt(conn, "UPDATE access_key SET revoked = ?, secret = NULL WHERE name = ?");
	db_bind_u64(st, 1, w->now_wall_ms);
	db_bind_text(st, 2, w->access_key);
	return db_run(st, err);
}

/* [KS-2] */
static enum rc revoke(
	struct key_store *ks, const char *access_key, struct key_info *ret_info, struct err *err)
{
	struct keys *k = of(ks);
	struct key_info info = {0};
	struct revoke_op w = {.op = {.apply = revoke_apply, .bytes = 512},
		.access_key = access_key,
		.now_wall_ms = clock_wall_ms(k->local->clock),
		.info = &info};
	enum rc rc;

	pthread_mutex_lock(&k->change_lock);
	rc = committer_run(k->local->committer, &w.op, err);
	if (rc == RC_OK)
		hide(k, access_key);
	pthread_mutex_unlock(&k->change_lock);
	if (rc == RC_OK)
		*ret_info = info;
	return rc;
}

/* --- open and close --- */

static enum rc make_table(struct commit_op *op, struct db_conn *conn, struct err *err)
{
	(void)op;
	return db_run(db_stmt(conn, SCHEMA_KEYS), err);
}

static enum rc load_row(struct keys *k, sqlite3_stmt *st, struct err *err)
{
	struct key_info info = {0};
	struct entry e = {0};
	enum rc rc;

	read_row(st, &info);
	memcpy(e.access_key, info.access_key, sizeof(e.access_key));
	e.grant.role = info.role;
	if (!k->has_master)
		return err_set(err, RC_CORRUPT,
			"'%s/" MASTER_KEY_FILE "' is missing; without it no access key can be used",
			db_folder(k->local->db));
	rc = keys_unseal(
		k->master, e.access_key, e.grant.role, db_column_slice(st, 5), e.grant.secret, err);
	if (rc == RC_OK)
		show(k, &e);
	explicit_bzero(&e, sizeof(e));
	return rc;
}

/* [KS-5] */
static enum rc load(struct keys *k, struct err *err)
{
	struct db_conn *conn = db_reader(k->local->db);
	sqlite3_stmt *st = db_stmt(
		conn, "SELECT " COLUMNS ", secret FROM access_key WHERE revoked = 0 ORDER BY id");
	bool has_row = false;
	enum rc rc;

	while ((rc = db_step(st, &has_row, err)) == RC_OK && has_row)
		if ((rc = load_row(k, st, err)) != RC_OK)
			break;
	db_done(st);
	db_reader_return(k->local->db, conn);
	return rc;
}

static void close_keys(struct key_store *ks)
{
	struct keys *k = of(ks);

	if (k->entries)
		explicit_bzero(k->entries, k->cap * sizeof(*k->entries));
	free(k->entries);
	pthread_rwlock_destroy(&k->lock);
	pthread_mutex_destroy(&k->change_lock);
	explicit_bzero(k, sizeof(*k));
	free(k);
}

static const struct key_store_ops ops = {find, add, list, revoke, close_keys};

enum rc local_keys_open(struct local *local, struct key_store **ret_keys, struct err *err)
{
	struct commit_op table = {.apply = make_table, .bytes = 512};
	struct keys *k = xcalloc(1, sizeof(*k));
	enum rc rc;

	k->base.ops = &ops;
	k->local = local;
	pthread_mutex_init(&k->change_lock, NULL);
	pthread_rwlock_init(&k->lock, NULL);
	rc = committer_run(local->committer, &table, err);
	if (rc == RC_OK)
		rc = keys_master_read(db_folder(local->db), k->master, &k->has_master, err);
	if (rc == RC_OK)
		rc = load(k, err);
	if (rc != RC_OK) {
		close_keys(&k->base);
		return rc;
	}
	*ret_keys = &k->base;
	return RC_OK;
}
