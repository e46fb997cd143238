#include "adapter/local/retention/retention.h"

#include "adapter/local/retention/retention_internal.h"

#define PAUSE_MIN_MS 5
#define PAUSE_MAX_MS 1000
#define COMPLETED_MS (7 * 86400000ull) /* how long completed uploads are remembered [BS-6] */
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
	uint64_t begun_boot_ms = clock_boot_ms(clock_system()), took_ms;
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
	took_ms = clock_boot_ms(clock_system()) - begun_boot_ms;
	took_ms = took_ms < PAUSE_MIN_MS ? PAUSE_MIN_MS : took_ms;
	clock_sleep_ms(p->local->clock, took_ms < PAUSE_MAX_MS ? took_ms : PAUSE_MAX_MS);
	return rc;
}

void pass_bind_age(const struct pass *p, sqlite3_stmt *st, uint64_t cutoff_ms)
{
	db_bind_u64(st, 1, p->now_wall_ms);
	db_bind_u64(st, 2, p->back.seq);
	db_bind_u64(st, 3, p->back.wall_ms);
	db_bind_u64(st, 4, clock_back_bound(&p->back, cutoff_ms));
	db_bind_u64(st, 5, cutoff_ms);
}

/* Dead letters, and what completed remembers. */

static enum rc dead_apply(struct batch *b, struct db_conn *conn, struct err *err)
{
	uint64_t cutoff_ms = pass_cutoff_ms(b->pass, b->pass->cfg->dead_letters_ms);
	sqlite3_stmt *st = db_stmt(conn, "DELETE FROM dead_letter WHERE id IN (SELECT id FROM "
					 "dead_letter WHERE " PASS_IS_OLD("id", "died") " LIMIT 100)");
	enum rc rc;

	pass_bind_age(b->pass, st, cutoff_ms);
	rc = db_run(st, err);
	b->n_done = rc == RC_OK ? (size_t)sqlite3_changes(db_handle(conn)) : 0;
	b->counts.dead_letters = b->n_done;
	return rc;
}

static enum rc completed_apply(struct batch *b, struct db_conn *conn, struct err *err)
{
	sqlite3_stmt *st =
		db_stmt(conn, "DELETE FROM completed WHERE upload IN (SELECT upload FROM "
			      "completed WHERE " PASS_IS_OLD("upload", "modified") " LIMIT 500)");
	enum rc rc;

	pass_bind_age(b->pass, st, pass_cutoff_ms(b->pass, COMPLETED_MS));
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

/* Begins when more than a quarter of the pages are free, and stops at a tenth, so that it does not
 * begin again with the next row that is removed. */
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

static enum rc read_back(struct pass *p, struct err *err)
{
	struct db_conn *conn = db_reader(p->local->db);
	enum rc rc = clock_back_read(conn, &p->back, err);

	db_reader_return(p->local->db, conn);
	return rc;
}

enum rc pass_run(struct pass *p, bool with_ledger, struct err *err)
{
	const struct retention_config *cfg = p->cfg;
	enum rc rc;

	p->now_wall_ms = clock_wall_ms(p->local->clock);
	rc = read_back(p, err);
	if (rc == RC_OK)
		rc = pass_bucket(p, cfg->landing_bucket, cfg->landing_ms, true, err);
	if (rc == RC_OK)
		rc = pass_bucket(p, cfg->distribution_bucket, cfg->distribution_ms, false, err);
	if (rc == RC_OK)
		rc = pass_uploads(p, err);
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
	enum rc rc = pass_run(&p, true, err);

	*ret_report = p.report;
	return rc;
}
