#include "adapter/local/engine/damage.h"

#include <pthread.h>
#include <stdlib.h>

#include "obs/log.h"

#define BYTES_PER_ROW 4096 /* about, for the group's bound: a key has 1,024 bytes at most */
#define REMEMBERED_MAX 1000 /* findings of this process, so that each is logged and written once */

/* Whether the thing that a finding names still exists. */
#define IS_THERE                                                                                   \
	" CASE d.kind"                                                                             \
	" WHEN 1 THEN EXISTS (SELECT 1 FROM version v JOIN bucket b ON v.bucket = b.id"            \
	"  WHERE b.name = CAST(d.bucket AS TEXT) AND v.is_current IN (0, 1) AND v.key = d.key"       \
	"  AND v.seq = d.owner)"                                                                   \
	" WHEN 2 THEN EXISTS (SELECT 1 FROM stage WHERE id = d.owner AND published = 0)"           \
	" WHEN 3 THEN EXISTS (SELECT 1 FROM message WHERE id = d.owner)"                           \
	"  OR EXISTS (SELECT 1 FROM dead_letter WHERE id = d.owner)"                               \
	" WHEN 4 THEN EXISTS (SELECT 1 FROM dead_letter WHERE id = d.owner)"                       \
	" WHEN 6 THEN EXISTS (SELECT 1 FROM claim WHERE version = d.version"                       \
	"  AND bucket = d.bucket AND key = d.key)"                                                 \
	" WHEN 7 THEN EXISTS (SELECT 1 FROM plan WHERE seq = d.owner)"                             \
	" ELSE 1 END"

struct finding {
	struct commit_op op;
	struct damage *damage;
	struct finding *next;
	struct arena arena;
	struct damage_found found;
	bool is_stored; /* under lock */
};

struct damage {
	struct committer *committer;
	struct db *db;
	struct clock *clock;
	pthread_mutex_t lock;
	struct finding *findings; /* under lock; newest first */
	size_t n_findings;        /* under lock */
};

const char *damage_kind_name(enum damage_kind kind)
{
	switch (kind) {
	case DAMAGE_OBJECT:
		return "object";
	case DAMAGE_STAGE:
		return "stage";
	case DAMAGE_MESSAGE:
		return "message";
	case DAMAGE_DEAD_LETTER:
		return "dead-letter";
	case DAMAGE_RECORD:
		return "record";
	case DAMAGE_PLAN:
		return "plan";
	case DAMAGE_DATABASE:
		break;
	}
	return "database";
}

struct damage *damage_new(struct committer *committer, struct db *db, struct clock *clock)
{
	struct damage *d = xcalloc(1, sizeof(*d));

	d->committer = committer;
	d->db = db;
	d->clock = clock;
	pthread_mutex_init(&d->lock, NULL);
	return d;
}

void damage_free(struct damage *d)
{
	if (!d)
		return;
	while (d->findings) {
		struct finding *f = d->findings;

		d->findings = f->next;
		arena_release(&f->arena);
		free(f);
	}
	pthread_mutex_destroy(&d->lock);
	free(d);
}

/* Findings whose things are gone make room first. */
static enum rc finding_apply(struct commit_op *op, struct db_conn *conn, struct err *err)
{
	const struct damage_found *f = &((struct finding *)op)->found;
	enum rc rc = db_run(
		db_stmt(conn, "DELETE FROM damage WHERE id IN (SELECT d.id FROM damage d"
			      " WHERE NOT " IS_THERE ")"),
		err);
	sqlite3_stmt *st;

	if (rc != RC_OK)
		return rc;
	st = db_stmt(conn, "INSERT OR IGNORE INTO damage(kind, owner, bucket, key, version, what, found)"
			   " SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7"
			   " WHERE (SELECT count(*) FROM damage) < ?8");
	db_bind_u64(st, 1, f->kind);
	db_bind_u64(st, 2, f->owner);
	db_bind_slice(st, 3, f->bucket);
	db_bind_slice(st, 4, f->key);
	db_bind_slice(st, 5, f->version);
	db_bind_slice(st, 6, f->what);
	db_bind_u64(st, 7, f->found_wall_ms);
	db_bind_u64(st, 8, DAMAGE_MAX);
	return db_run(st, err);
}

static void finding_done(struct commit_op *op, enum rc rc, const struct err *err)
{
	struct finding *f = (struct finding *)op;

	(void)err;
	pthread_mutex_lock(&f->damage->lock);
	f->is_stored = rc == RC_OK;
	pthread_mutex_unlock(&f->damage->lock);
}

static struct finding *finding_new(struct damage *d, const struct damage_found *found)
{
	struct finding *f = xcalloc(1, sizeof(*f));
	struct slice what = found->what;

	if (what.n > DAMAGE_WHAT_MAX)
		what.n = DAMAGE_WHAT_MAX;
	f->op = (struct commit_op){
		.apply = finding_apply, .done = finding_done, .bytes = BYTES_PER_ROW};
	f->damage = d;
	f->found = *found;
	f->found.bucket = arena_slice(&f->arena, found->bucket);
	f->found.key = arena_slice(&f->arena, found->key);
	f->found.version = arena_slice(&f->arena, found->version);
	f->found.what = arena_slice(&f->arena, what);
	f->found.found_wall_ms = clock_wall_ms(d->clock);
	return f;
}

/* Whether it is the first of its thing in this process, and is taken in. */
static bool take_in(struct damage *d, struct finding *f)
{
	bool is_new;
	struct finding *old;

	pthread_mutex_lock(&d->lock);
	for (old = d->findings; old; old = old->next)
		if (old->found.kind == f->found.kind && old->found.owner == f->found.owner)
			break;
	is_new = !old && d->n_findings < REMEMBERED_MAX;
	if (is_new) {
		f->next = d->findings;
		d->findings = f;
		d->n_findings++;
	}
	pthread_mutex_unlock(&d->lock);
	return is_new;
}

void damage_note(struct damage *d, const struct damage_found *found)
{
	struct finding *f = finding_new(d, found);

	if (!take_in(d, f)) {
		arena_release(&f->arena);
		free(f);
		return;
	}
	log_event(EV_DAMAGE, LF_STR(kind, damage_kind_name(found->kind)),
		LF_SLICE(bucket, found->bucket), LF_SLICE(key, found->key),
		LF_SLICE(version, found->version),
		LF_STR(cause, arena_strdup(&f->arena, f->found.what)));
	committer_submit(d->committer, &f->op);
}

void damage_note_err(
	struct damage *d, enum rc rc, const struct err *err, const struct damage_found *found)
{
	struct damage_found own = *found;

	if (rc != RC_CORRUPT || !err)
		return;
	own.what = slice_str(err->text);
	if (!err_is(err, ERR_DAMAGED))
		own.kind = DAMAGE_DATABASE, own.owner = 0;
	damage_note(d, &own);
}

/* Findings that the table could not take. */
static size_t add_unstored(
	struct damage *d, struct arena *a, struct damage_found *found, size_t n, size_t max)
{
	pthread_mutex_lock(&d->lock);
	for (struct finding *f = d->findings; f && n < max; f = f->next) {
		if (f->is_stored)
			continue;
		found[n] = f->found; /* the text lives as long as d, which is longer than a */
		n++;
	}
	pthread_mutex_unlock(&d->lock);
	(void)a;
	return n;
}

enum rc damage_read(struct damage *d, struct db_conn *conn, struct arena *a, size_t max,
	struct damage_found **ret_found, size_t *ret_n, uint64_t *ret_total, struct err *err)
{
	sqlite3_stmt *st = db_stmt(conn, "SELECT kind, owner, bucket, key, version, what, found,"
					 " count(*) OVER () FROM damage d WHERE " IS_THERE
					 " ORDER BY d.id LIMIT ?");
	struct damage_found *found = arena_array(a, max, sizeof(*found));
	uint64_t total = 0;
	size_t n = 0, stored;
	bool row = true;
	enum rc rc;

	db_bind_u64(st, 1, max);
	while ((rc = db_step(st, &row, err)) == RC_OK && row && n < max) {
		found[n++] = (struct damage_found){
			.kind = (enum damage_kind)db_column_u64(st, 0),
			.owner = db_column_u64(st, 1),
			.bucket = db_column_copy(st, 2, a),
			.key = db_column_copy(st, 3, a),
			.version = db_column_copy(st, 4, a),
			.what = db_column_copy(st, 5, a),
			.found_wall_ms = db_column_u64(st, 6),
		};
		total = db_column_u64(st, 7);
	}
	db_done(st);
	/* the table itself cannot be read: findings in memory are given all the same */
	if (rc == RC_CORRUPT)
		n = 0, total = 0;
	else if (rc != RC_OK)
		return rc;
	stored = n;
	n = add_unstored(d, a, found, n, max);
	*ret_found = found;
	*ret_n = n;
	*ret_total = total + (n - stored);
	return RC_OK;
}
