#include "adapter/local/retention.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "adapter/local/retention_internal.h"
#include "obs/log.h"

#define PAUSE_MS 5
#define COMPLETED_MS (7 * 86400000ull) /* what completed remembers [BS-6] */
#define DAY_MS 86400000u
#define VACUUM_PAGES "200"
#define FREE_PAGES_MIN 256 /* a MiB is not worth it */

static enum rc batch_apply(struct commit_op *op, struct db_conn *conn, struct err *err)
{
	struct batch *b = (struct batch *)op;

	drops_reset(&b->drops);
	b->n_done = 0;
	b->counts = (struct retention_report){0};
	b->start_boot_ms = clock_boot_ms(clock_system());
	return b->apply(b, conn, err);
}

bool batch_is_spent(const struct batch *b)
{
	return b->n_done >= RETENTION_ROWS ||
	       clock_boot_ms(clock_system()) - b->start_boot_ms >= RETENTION_MS;
}

enum rc batch_run(struct pass *p, struct batch *b, struct err *err)
{
	uint64_t took_ms;
	enum rc rc;

	b->op.apply = batch_apply;
	b->op.bytes = 1 << 20;
	b->pass = p;
	rc = committer_run(p->local->committer, &b->op, err);
	if (rc == RC_OK) {
		took_ms = clock_boot_ms(clock_system()) - b->start_boot_ms;
		drops_run(&b->drops, p->local->blobs);
		p->report.versions += b->counts.versions;
		p->report.markers += b->counts.markers;
		p->report.uploads += b->counts.uploads;
		p->report.dead_letters += b->counts.dead_letters;
		p->report.records += b->counts.records;
		p->report.plans += b->counts.plans;
		p->report.pages += b->counts.pages;
		if (took_ms > p->report.longest_ms)
			p->report.longest_ms = took_ms;
	}
	drops_release(&b->drops);
	clock_sleep_ms(p->local->clock, PAUSE_MS);
	return rc;
}

/* Uploads: a large one loses its parts over several transactions, the row goes last. */

static enum rc remove_parts(struct batch *b, struct db_conn *conn, uint64_t upload, struct err *err)
{
	sqlite3_stmt *st = db_stmt(
		conn, "SELECT number, size, blob, body FROM part WHERE upload = ? ORDER BY number");
	struct version_segment segment;
	uint64_t last = 0;
	bool row = true;
	enum rc rc;

	db_bind_u64(st, 1, upload);
	while ((rc = db_step(st, &row, err)) == RC_OK && row && !batch_is_spent(b)) {
		last = db_column_u64(st, 0);
		version_segment_read(st, 1, &segment);
		rc = version_segment_remove(conn, &segment, &b->drops, err);
		if (rc != RC_OK)
			break;
		b->n_done++;
	}
	db_done(st);
	if (rc != RC_OK)
		return rc;
	st = db_stmt(conn, "DELETE FROM part WHERE upload = ? AND number <= ?");
	db_bind_u64(st, 1, upload);
	db_bind_u64(st, 2, last);
	return db_run(st, err);
}

static enum rc remove_upload(struct batch *b, struct db_conn *conn, uint64_t bucket,
	struct slice key, uint64_t seq, struct err *err)
{
	sqlite3_stmt *st =
		db_stmt(conn, "DELETE FROM upload WHERE bucket = ?1 AND key = ?2 AND seq = ?3"
			      " AND NOT EXISTS (SELECT 1 FROM part WHERE upload = ?3)");
	enum rc rc = remove_parts(b, conn, seq, err);

	if (rc != RC_OK)
		return rc;
	db_bind_u64(st, 1, bucket);
	db_bind_slice(st, 2, key);
	db_bind_u64(st, 3, seq);
	rc = db_run(st, err);
	b->counts.uploads += rc == RC_OK ? (uint64_t)sqlite3_changes(db_handle(conn)) : 0;
	b->n_done++; /* there was one: look again */
	return rc;
}

static enum rc uploads_apply(struct batch *b, struct db_conn *conn, struct err *err)
{
	sqlite3_stmt *st =
		db_stmt(conn, "SELECT bucket, key, seq FROM upload WHERE created < ? LIMIT 1");
	struct arena a = ARENA_INIT;
	uint64_t bucket = 0, seq = 0;
	struct slice key = {0};
	bool found;
	enum rc rc;

	db_bind_u64(st, 1, pass_cutoff_ms(b->pass, b->pass->cfg->uploads_ms));
	rc = db_step(st, &found, err);
	if (rc == RC_OK && found) {
		bucket = db_column_u64(st, 0);
		key = db_column_copy(st, 1, &a);
		seq = db_column_u64(st, 2);
	}
	db_done(st);
	if (rc == RC_OK && found)
		rc = remove_upload(b, conn, bucket, key, seq, err);
	arena_release(&a);
	return rc;
}

/* Dead letters, and what completed remembers. */

static enum rc dead_apply(struct batch *b, struct db_conn *conn, struct err *err)
{
	uint64_t cutoff_ms = pass_cutoff_ms(b->pass, b->pass->cfg->dead_letters_ms);
	sqlite3_stmt *st = db_stmt(conn, "DELETE FROM dead_letter WHERE id IN (SELECT id FROM "
					 "dead_letter WHERE id < ? AND died < ? LIMIT 100)");
	enum rc rc;

	db_bind_u64(st, 1, cutoff_ms << COMMITTER_SEQ_SHIFT);
	db_bind_u64(st, 2, cutoff_ms);
	rc = db_run(st, err);
	b->n_done = rc == RC_OK ? (size_t)sqlite3_changes(db_handle(conn)) : 0;
	b->counts.dead_letters = b->n_done;
	return rc;
}

static enum rc completed_apply(struct batch *b, struct db_conn *conn, struct err *err)
{
	sqlite3_stmt *st =
		db_stmt(conn, "DELETE FROM completed WHERE upload IN (SELECT upload FROM "
			      "completed WHERE upload < ? LIMIT 500)");
	enum rc rc;

	db_bind_u64(st, 1, pass_cutoff_ms(b->pass, COMPLETED_MS) << COMMITTER_SEQ_SHIFT);
	rc = db_run(st, err);
	b->n_done = rc == RC_OK ? (size_t)sqlite3_changes(db_handle(conn)) : 0;
	return rc;
}

/* Until one has nothing more to do. */
static enum rc repeat(struct pass *p,
	enum rc (*apply)(struct batch *b, struct db_conn *conn, struct err *err), struct err *err)
{
	size_t n_done = 1;
	enum rc rc = RC_OK;

	while (rc == RC_OK && n_done > 0 && !pass_is_stopped(p)) {
		struct batch b = {.apply = apply};

		rc = batch_run(p, &b, err);
		n_done = b.n_done;
	}
	return rc;
}

/* Pages. */

static enum rc vacuum_apply(struct batch *b, struct db_conn *conn, struct err *err)
{
	sqlite3_stmt *st = db_stmt(conn, "PRAGMA incremental_vacuum(" VACUUM_PAGES ")");
	bool row = true;
	enum rc rc = RC_OK;

	while (rc == RC_OK && row && (rc = db_step(st, &row, err)) == RC_OK && row)
		b->counts.pages++;
	db_done(st);
	b->n_done = b->counts.pages;
	return rc;
}

static enum rc read_number(struct db_conn *conn, const char *sql, uint64_t *ret, struct err *err)
{
	sqlite3_stmt *st = db_stmt(conn, sql);
	bool row;
	enum rc rc = db_step(st, &row, err);

	*ret = rc == RC_OK && row ? db_column_u64(st, 0) : 0;
	db_done(st);
	return rc;
}

static enum rc read_pages(struct pass *p, uint64_t *ret_free, uint64_t *ret_all, struct err *err)
{
	struct db_conn *conn = db_reader(p->local->db);
	enum rc rc;

	db_read_begin(conn);
	rc = read_number(conn, "PRAGMA freelist_count", ret_free, err);
	if (rc == RC_OK)
		rc = read_number(conn, "PRAGMA page_count", ret_all, err);
	db_read_end(conn);
	db_reader_return(p->local->db, conn);
	return rc;
}

/* Begins above a quarter of free pages and goes on to a tenth, so that it does not begin again with the next row removed. */
static enum rc pass_pages(struct pass *p, struct err *err)
{
	uint64_t free_pages, all;
	enum rc rc = read_pages(p, &free_pages, &all, err);

	if (rc != RC_OK || free_pages < FREE_PAGES_MIN || free_pages < all / 4)
		return rc;
	while (rc == RC_OK && free_pages > all / 10 && !pass_is_stopped(p)) {
		struct batch b = {.apply = vacuum_apply};

		rc = batch_run(p, &b, err);
		if (rc == RC_OK)
			rc = read_pages(p, &free_pages, &all, err);
		if (b.n_done == 0)
			break;
	}
	return rc;
}

static enum rc run(struct pass *p, bool with_ledger, struct err *err)
{
	const struct retention_config *cfg = p->cfg;
	enum rc rc;

	p->now_wall_ms = clock_wall_ms(p->local->clock);
	rc = pass_bucket(p, cfg->landing_bucket, cfg->landing_ms, true, err);
	if (rc == RC_OK)
		rc = pass_bucket(p, cfg->distribution_bucket, cfg->distribution_ms, false, err);
	if (rc == RC_OK && pass_cutoff_ms(p, cfg->uploads_ms))
		rc = repeat(p, uploads_apply, err);
	if (rc == RC_OK && pass_cutoff_ms(p, cfg->dead_letters_ms))
		rc = repeat(p, dead_apply, err);
	if (rc == RC_OK)
		rc = repeat(p, completed_apply, err);
	if (rc == RC_OK && with_ledger)
		rc = pass_ledger(p, err);
	return rc == RC_OK ? pass_pages(p, err) : rc;
}

enum rc local_retention_run(struct local *local, const struct retention_config *cfg,
	struct retention_report *ret_report, struct err *err)
{
	struct pass p = {.local = local, .cfg = cfg};
	enum rc rc = run(&p, true, err);

	*ret_report = p.report;
	return rc;
}

/* The thread. */

struct local_retention {
	struct local *local;
	struct retention_config cfg; /* its strings are ours */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t change;
	atomic_bool stop;
	uint64_t pause_ms; /* between passes */
	uint64_t next_wall_ms,
		ledger_wall_ms; /* when the next is due, and the ledger's part of it */
};

static uint64_t pause_of(const struct retention_config *cfg)
{
	const uint64_t all[] = {cfg->landing_ms, cfg->distribution_ms, cfg->uploads_ms,
		cfg->ledger_ms, cfg->dead_letters_ms};
	uint64_t pause = 3600000;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i] && all[i] / 10 < pause)
			pause = all[i] / 10;
	return pause < 1000 ? 1000 : pause;
}

static void make_pass(struct local_retention *r)
{
	struct pass p = {.local = r->local, .cfg = &r->cfg, .stop = &r->stop};
	uint64_t now = clock_wall_ms(r->local->clock);
	bool with_ledger = now >= r->ledger_wall_ms;
	const struct retention_report *did = &p.report;
	struct err err = {0};

	if (run(&p, with_ledger, &err) != RC_OK) {
		log_event(EV_RETENTION_FAILED, LF_STR("error", err.text));
		return;
	}
	if (with_ledger)
		r->ledger_wall_ms =
			now + (r->cfg.ledger_ms / 10 < DAY_MS ? r->cfg.ledger_ms / 10 : DAY_MS);
	if (did->versions || did->markers || did->uploads || did->dead_letters || did->records ||
		did->plans || did->pages)
		log_event(EV_RETENTION, LF_U64("versions", did->versions),
			LF_U64("markers", did->markers), LF_U64("uploads", did->uploads),
			LF_U64("dead_letters", did->dead_letters), LF_U64("records", did->records),
			LF_U64("plans", did->plans), LF_U64("pages", did->pages),
			LF_U64("longest_ms", did->longest_ms));
}

/* Looks at the clock each second, for it may jump. */
static void wait_locked(struct local_retention *r)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec++;
	pthread_cond_timedwait(&r->change, &r->lock, &until);
}

static void *retention_thread(void *arg)
{
	struct local_retention *r = arg;

	pthread_mutex_lock(&r->lock);
	while (!atomic_load(&r->stop)) {
		if (clock_wall_ms(r->local->clock) < r->next_wall_ms) {
			wait_locked(r);
			continue;
		}
		pthread_mutex_unlock(&r->lock);
		make_pass(r);
		r->next_wall_ms = clock_wall_ms(r->local->clock) + r->pause_ms;
		pthread_mutex_lock(&r->lock);
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

struct local_retention *local_retention_start(
	struct local *local, const struct retention_config *cfg)
{
	struct local_retention *r = xcalloc(1, sizeof(*r));

	r->local = local;
	r->cfg = *cfg;
	r->cfg.landing_bucket = xstrdup(cfg->landing_bucket);
	r->cfg.event_prefix = xstrdup(cfg->event_prefix);
	r->cfg.distribution_bucket = xstrdup(cfg->distribution_bucket);
	r->pause_ms = pause_of(cfg);
	r->next_wall_ms = clock_wall_ms(local->clock) + r->pause_ms;
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->change, NULL);
	if (pthread_create(&r->thread, NULL, retention_thread, r) != 0)
		die("cannot start the thread that removes old data");
	pthread_setname_np(r->thread, "retention");
	return r;
}

void local_retention_stop(struct local_retention *r)
{
	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	atomic_store(&r->stop, true);
	pthread_cond_signal(&r->change);
	pthread_mutex_unlock(&r->lock);
	pthread_join(r->thread, NULL);
	pthread_cond_destroy(&r->change);
	pthread_mutex_destroy(&r->lock);
	free((char *)(uintptr_t)r->cfg.landing_bucket);
	free((char *)(uintptr_t)r->cfg.event_prefix);
	free((char *)(uintptr_t)r->cfg.distribution_bucket);
	free(r);
}
