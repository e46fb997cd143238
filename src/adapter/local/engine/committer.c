#include "adapter/local/engine/committer.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "adapter/local/engine/checkpointer.h"
#include "adapter/local/engine/clock_back.h"
#include "adapter/local/engine/folder.h"
#include "adapter/local/engine/grants.h"
#include "adapter/local/engine/mark.h"
#include "adapter/local/engine/room.h"
#include "adapter/local/engine/schema.sql.h"
#include "base/completion.h"
#include "obs/log.h"

#define HOUR_MS 3600000u
#define GROUP_OPS_MAX 2000
#define GROUP_BYTES_MAX (16u << 20)
/* Without work for this long, the log is moved into the database. */
#define IDLE_MS 50
/* A log this long is moved while there is work. 16 MiB is 1,700 puts of 4 KiB: their pages are
 * moved once, not 1,700 times. */
#define LOG_PAGES_MAX ((16 << 20) / SCHEMA_PAGE_BYTES)
/* so many pages can be moved between two commits without a noticeable pause; the checkpointer moves
 * more */
#define LOG_PAGES_LEFT ((1 << 20) / SCHEMA_PAGE_BYTES)
/* One row a second keeps the sequence over restarts. */
#define SEQ_AHEAD ((uint64_t)1000 << COMMITTER_SEQ_SHIFT)

struct committer {
	struct db_conn *conn;
	struct clock *clock;
	const char *folder; /* the database's */
	struct grants *grants;
	struct mark *mark;
	pthread_t thread;

	pthread_mutex_t lock;
	pthread_cond_t more;
	struct commit_op *head, **tail; /* under lock */
	bool closing;                   /* under lock */
	struct committer_stat stat;     /* under lock */
	uint64_t behind_boot_ms;        /* under lock: when stat.clock_behind_ms was found out */

	/* the thread's own */
	uint64_t seq, seq_limit;
	struct clock_back back;
	struct checkpointer *checkpointer;
	int log_pages;   /* in the log now */
	int moved_pages; /* pages of the log that are known to be in the database */
	int retry_pages; /* length of the log at which moving is tried again */
	bool is_passing; /* a pass was begun whose result was not looked at */
	bool is_tended;  /* idle, and done what can be done */
};

uint64_t committer_next_seq(struct committer *c)
{
	uint64_t now = clock_wall_ms(c->clock) << COMMITTER_SEQ_SHIFT;

	c->seq = now > c->seq ? now : c->seq + 1;
	return c->seq;
}

/* Inside the transaction that uses the numbers, so that a restart never sees one without the
 * limit above it. */
static enum rc save_seq(struct committer *c, uint64_t limit, struct err *err)
{
	sqlite3_stmt *st =
		db_stmt(c->conn, "INSERT OR REPLACE INTO meta(name, value) VALUES('seq_limit', ?)");

	db_bind_u64(st, 1, limit);
	return db_run(st, err);
}

static void load_seq(struct committer *c)
{
	sqlite3_stmt *st = db_stmt(c->conn, "SELECT value FROM meta WHERE name = 'seq_limit'");
	struct err err;
	bool row;

	if (db_step(st, &row, &err) != RC_OK)
		die("%s", err.text);
	c->seq = c->seq_limit = row ? db_column_u64(st, 0) : 0;
	db_done(st);
	if (clock_back_read(c->conn, &c->back, &err) != RC_OK)
		die("%s", err.text);
}

/* Whether a result leaves the transaction as it was: the operation has decided, not failed. */
static bool is_decided(enum rc rc)
{
	return rc == RC_OK || rc == RC_ABSENT || rc == RC_CONFLICT || rc == RC_REFUSED;
}

static enum rc begin(struct committer *c, struct err *err)
{
	return db_run(db_stmt(c->conn, "BEGIN IMMEDIATE"), err);
}

static void rollback(struct committer *c)
{
	struct err err;

	/* Some errors have rolled back already. */
	if (!sqlite3_get_autocommit(db_handle(c->conn)))
		if (db_run(db_stmt(c->conn, "ROLLBACK"), &err) != RC_OK)
			die("%s", err.text);
}

static void tell_clock_back(struct committer *c, uint64_t behind_ms)
{
	pthread_mutex_lock(&c->lock);
	c->stat.clock_behind_ms = behind_ms;
	c->behind_boot_ms = clock_boot_ms(c->clock);
	pthread_mutex_unlock(&c->lock);
	log_event(EV_CLOCK_BEHIND, LF_U64(behind_hours, behind_ms / HOUR_MS));
}

/* The moment is kept in the transaction that is the first to see it. */
static enum rc keep_clock_back(struct committer *c, struct clock_back *back, struct err *err)
{
	uint64_t now = clock_wall_ms(c->clock);

	*back = c->back;
	if (!clock_back_is_new(back, c->seq, now))
		return RC_OK;
	*back = (struct clock_back){.seq = c->seq + 1, .wall_ms = now};
	return clock_back_save(c->conn, back, err);
}

static enum rc commit(struct committer *c, struct err *err)
{
	uint64_t limit = c->seq_limit;
	struct clock_back back;
	enum rc rc = keep_clock_back(c, &back, err);

	if (rc == RC_OK && c->seq >= limit) {
		limit = c->seq + SEQ_AHEAD;
		rc = save_seq(c, limit, err);
	}
	if (rc == RC_OK)
		rc = db_run(db_stmt(c->conn, "COMMIT"), err);
	if (rc != RC_OK)
		return rc;
	if (c->seq_limit != limit)
		mark_note(c->mark, c->seq);
	c->seq_limit = limit;
	if (back.seq != c->back.seq)
		tell_clock_back(c, (back.seq >> COMMITTER_SEQ_SHIFT) - back.wall_ms);
	c->back = back;
	c->is_tended = false;
	return RC_OK;
}

/* A start that finds the clock far behind says so, whether or not it was found out before. */
static void look_at_clock(struct committer *c)
{
	uint64_t now = clock_wall_ms(c->clock), newest = c->seq >> COMMITTER_SEQ_SHIFT;
	struct err err;

	if (newest <= now + CLOCK_BACK_MS)
		return;
	if (!clock_back_is_new(&c->back, c->seq, now)) {
		tell_clock_back(c, newest - now);
		return;
	}
	/* On a full disk the first commit that finds room keeps it. */
	if (begin(c, &err) == RC_OK && commit(c, &err) != RC_OK)
		rollback(c);
}

/* RC_OK: committed, each op has its result. Else nothing was. */
static enum rc run_group(struct committer *c, struct commit_op *group, struct err *err)
{
	enum rc rc = begin(c, err);

	for (struct commit_op *op = group; op && rc == RC_OK; op = op->next) {
		memset(&op->err, 0, sizeof(op->err));
		op->rc = op->apply(op, c->conn, &op->err);
		if (!is_decided(op->rc)) {
			rc = op->rc;
			*err = op->err;
		}
	}
	if (rc == RC_OK)
		rc = commit(c, err);
	if (rc != RC_OK)
		rollback(c);
	return rc;
}

static void count(struct committer *c, uint64_t operations)
{
	pthread_mutex_lock(&c->lock);
	c->stat.commits++;
	c->stat.operations += operations;
	pthread_mutex_unlock(&c->lock);
}

/* Refuses the writes that the disk cannot hold; returns the rest of the group, in its order. */
static struct commit_op *admit(struct committer *c, struct commit_op *group, uint64_t *n)
{
	struct commit_op *first = NULL, **tail = &first, *next;
	struct err err = {0};
	struct room_budget b;

	if (!room_budget(c->conn, c->folder, c->log_pages - c->moved_pages, grants_taken(c->grants), &b))
		return group;
	err_code(&err, RC_AGAIN, "ENOSPC", "database: no room on disk");
	for (struct commit_op *op = group; op; op = next) {
		next = op->next; /* done may free op */
		if (op->grows && !room_spend(&b, op->bytes)) {
			grants_note_refusal(c->grants);
			--*n;
			op->done(op, RC_AGAIN, &err);
			continue;
		}
		*tail = op;
		tail = &op->next;
	}
	*tail = NULL;
	return first;
}

/* false: the database has no more of it now. */
static bool move_log(struct committer *c)
{
	struct err err;
	int moved = c->moved_pages;

	return moved < c->log_pages && room_for_log(c->conn, c->folder) &&
	       checkpoint_pass(c->conn, &c->moved_pages, &err) == RC_OK && c->moved_pages > moved;
}

/* For a write that adds nothing and found no room: moves the log, so that it starts from the
 * beginning, or gives the reserve up. false: there is nothing left to give. The log is moved before
 * the reserve is given up, because later writes would fill the reserve, and then there would be no
 * room to move the log. */
static bool make_room(struct committer *c)
{
	if (move_log(c))
		return true;
	if (!room_give(c->folder))
		return false;
	move_log(c);
	return true;
}

static void run_alone(struct committer *c, struct commit_op *op)
{
	struct err err;
	enum rc rc;

	op->next = NULL;
	do {
		memset(&err, 0, sizeof(err));
		rc = run_group(c, op, &err);
	} while (rc == RC_AGAIN && err_is(&err, "ENOSPC") && !op->grows && make_room(c));
	if (rc != RC_OK) {
		op->rc = rc;
		op->err = err;
	}
	count(c, 1);
	op->done(op, op->rc, &op->err);
}

/* Cuts the list behind its first n operations; returns the rest. */
static struct commit_op *cut(struct commit_op *group, uint64_t n)
{
	struct commit_op *last = group, *rest;

	while (--n > 0)
		last = last->next;
	rest = last->next;
	last->next = NULL;
	return rest;
}

static bool run_together(struct committer *c, struct commit_op *group, uint64_t n)
{
	struct commit_op *next;
	struct err err = {0};

	if (run_group(c, group, &err) != RC_OK)
		return false;
	count(c, n);
	for (struct commit_op *op = group; op; op = next) {
		next = op->next; /* done may free op */
		op->done(op, op->rc, &op->err);
	}
	return true;
}

/* A group that fails is halved, in its order, until the one that fails is alone: among 2,000
 * that costs the others some eleven commits, not one each. */
static void run_halves(struct committer *c, struct commit_op *group, uint64_t n)
{
	struct commit_op *rest;

	if (n == 1) {
		run_alone(c, group);
		return;
	}
	if (run_together(c, group, n))
		return;
	rest = cut(group, n / 2);
	run_halves(c, group, n / 2);
	run_halves(c, rest, n - n / 2);
}

static void run(struct committer *c, struct commit_op *group, uint64_t n)
{
	group = admit(c, group, &n);
	if (group)
		run_halves(c, group, n);
}

/* A log becomes so long only when a reader was open for long. Its file is cut by the first commit
 * that starts the log from the beginning; when nobody writes, the committer does it here. */
static bool is_long(const struct committer *c)
{
	return c->log_pages > LOG_PAGES_MAX + LOG_PAGES_LEFT;
}

/* The whole log was moved. A reader that still uses it makes this fail at once; the next idle
 * moment tries again. */
static void begin_log_anew(struct committer *c)
{
	struct err err;

	if (!checkpoint_ends_log(c->conn) || begin(c, &err) != RC_OK)
		return;
	if (save_seq(c, c->seq_limit, &err) != RC_OK ||
		db_run(db_stmt(c->conn, "COMMIT"), &err) != RC_OK)
		rollback(c);
}

/* After each group, and when idle. What readers or a full disk hold up is tried again later: the
 * log keeps everything. */
static void tend_log(struct committer *c, bool is_idle)
{
	int moved, left;
	struct err err;

	if (is_idle)
		room_keep(c->folder);
	if (!checkpointer_is_idle(c->checkpointer, &moved))
		return;
	if (c->is_passing)
		c->moved_pages = moved;
	c->is_passing = false;
	left = c->log_pages - c->moved_pages;
	c->is_tended = is_idle && ((left <= LOG_PAGES_LEFT && !is_long(c)) ||
					  !room_for_log(c->conn, c->folder));
	if (is_idle && left <= 0 && is_long(c))
		begin_log_anew(c);
	if (left <= 0)
		return;
	if (!is_idle && (c->log_pages < LOG_PAGES_MAX || c->log_pages < c->retry_pages))
		return;
	c->retry_pages = c->log_pages + LOG_PAGES_LEFT;
	if (!room_for_log(c->conn, c->folder))
		return;
	if (left > LOG_PAGES_LEFT) {
		c->is_passing = true;
		checkpointer_start(c->checkpointer);
	} else {
		checkpoint_pass(c->conn, &c->moved_pages, &err);
	}
}

static int note_log_pages(void *arg, sqlite3 *handle, const char *name, int pages)
{
	struct committer *c = arg;

	(void)handle;
	(void)name;
	if (pages < c->log_pages) { /* it started from the beginning, so all of it had been moved */
		c->moved_pages = 0;
		c->retry_pages = 0;
		c->is_passing = false; /* this result concerns the log before */
	}
	c->log_pages = pages;
	return SQLITE_OK;
}

static void wait_ms_locked(struct committer *c, int ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += ms * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000L;
	}
	pthread_cond_timedwait(&c->more, &c->lock, &until);
}

static struct commit_op *take_group_locked(struct committer *c, uint64_t *ret_n)
{
	struct commit_op *group = c->head, *last = group;
	uint64_t n = 1, bytes;

	if (!group)
		return NULL;
	for (bytes = group->bytes; last->next && n < GROUP_OPS_MAX; n++) {
		bytes += last->next->bytes;
		if (bytes > GROUP_BYTES_MAX)
			break;
		last = last->next;
	}
	c->head = last->next;
	if (!c->head)
		c->tail = &c->head;
	last->next = NULL;
	*ret_n = n;
	return group;
}

/* The next group; NULL with nothing to do for a while, or at the end (*ret_end). */
static struct commit_op *take_group(struct committer *c, uint64_t *ret_n, bool *ret_end)
{
	struct commit_op *group;

	pthread_mutex_lock(&c->lock);
	if (!c->head && !c->closing && !c->is_tended)
		wait_ms_locked(c, IDLE_MS);
	while (!c->head && !c->closing && c->is_tended)
		pthread_cond_wait(&c->more, &c->lock);
	group = take_group_locked(c, ret_n);
	*ret_end = !group && c->closing;
	pthread_mutex_unlock(&c->lock);
	return group;
}

/* The most that moving the log can add to the database. */
static uint64_t unmoved_bytes(const struct committer *c)
{
	int left = c->log_pages - c->moved_pages;

	return left > 0 ? (uint64_t)left * SCHEMA_PAGE_BYTES : 0;
}

static void *committer_thread(void *arg)
{
	struct committer *c = arg;
	struct commit_op *group;
	bool end = false;
	uint64_t n = 0;

	while (!end) {
		group = take_group(c, &n, &end);
		if (group)
			run(c, group, n);
		tend_log(c, !group);
		grants_note_log(c->grants, unmoved_bytes(c));
	}
	return NULL;
}

struct committer *committer_new(struct db *db, struct clock *clock)
{
	struct committer *c = xcalloc(1, sizeof(*c));
	pthread_condattr_t attr;

	c->conn = db_writer(db);
	c->clock = clock;
	c->folder = db_folder(db);
	c->grants = db_grants(db);
	c->mark = db_mark(db);
	c->tail = &c->head;
	c->checkpointer = checkpointer_new(db);
	pthread_mutex_init(&c->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&c->more, &attr);
	pthread_condattr_destroy(&attr);
	sqlite3_wal_hook(db_handle(c->conn), note_log_pages, c);
	load_seq(c);
	look_at_clock(c);
	if (pthread_create(&c->thread, NULL, committer_thread, c) != 0)
		die("cannot start the committer's thread");
	pthread_setname_np(c->thread, "committer");
	return c;
}

/* The limit becomes exact, so that a clean restart does not run ahead of the clock. */
static void save_exact_seq(struct committer *c)
{
	struct err err;

	if (c->seq + 1 >= c->seq_limit || begin(c, &err) != RC_OK)
		return;
	if (save_seq(c, c->seq + 1, &err) != RC_OK ||
		db_run(db_stmt(c->conn, "COMMIT"), &err) != RC_OK)
		rollback(c);
}

void committer_free(struct committer *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->closing = true;
	pthread_cond_signal(&c->more);
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->thread, NULL);
	checkpointer_free(c->checkpointer);
	save_exact_seq(c);
	/* SQLite makes a pass when the last connection closes. */
	if (!room_for_log(c->conn, c->folder))
		sqlite3_db_config(db_handle(c->conn), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_wal_hook(db_handle(c->conn), NULL, NULL);
	pthread_cond_destroy(&c->more);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

void committer_submit(struct committer *c, struct commit_op *op)
{
	op->next = NULL;
	pthread_mutex_lock(&c->lock);
	*c->tail = op;
	c->tail = &op->next;
	pthread_cond_signal(&c->more);
	pthread_mutex_unlock(&c->lock);
}

struct committer_stat committer_stat(struct committer *c)
{
	struct committer_stat stat;

	pthread_mutex_lock(&c->lock);
	stat = c->stat;
	if (clock_boot_ms(c->clock) - c->behind_boot_ms > CLOCK_BACK_MS)
		stat.clock_behind_ms = 0;
	pthread_mutex_unlock(&c->lock);
	return stat;
}

/* committer_run stands another operation before the caller's, because done is not the caller's
 * here. */
struct waiting_op {
	struct commit_op op;
	struct commit_op *inner;
	struct completion end;
	enum rc rc;
	struct err err;
};

static enum rc waiting_apply(struct commit_op *op, struct db_conn *conn, struct err *err)
{
	struct waiting_op *w = (struct waiting_op *)op;

	return w->inner->apply(w->inner, conn, err);
}

static void waiting_done(struct commit_op *op, enum rc rc, const struct err *err)
{
	struct waiting_op *w = (struct waiting_op *)op;

	w->rc = rc;
	w->err = *err;
	completion_signal(&w->end);
}

enum rc committer_run(struct committer *c, struct commit_op *op, struct err *err)
{
	struct waiting_op w = {.op = {.apply = waiting_apply,
				       .done = waiting_done,
				       .bytes = op->bytes,
				       .grows = op->grows},
		.inner = op};

	completion_init(&w.end);
	committer_submit(c, &w.op);
	completion_wait(&w.end);
	if (w.rc != RC_OK && err)
		*err = w.err;
	return w.rc;
}
