/* retention_internal: one pass, as its parts retention.c (dead letters, pages),
 * retention_versions.c, retention_uploads.c and retention_ledger.c share it, and
 * retention_thread.c makes it. */
#ifndef BALER_ADAPTER_LOCAL_RETENTION_RETENTION_INTERNAL_H
#define BALER_ADAPTER_LOCAL_RETENTION_RETENTION_INTERNAL_H

#include <stdatomic.h>

#include "adapter/local/buckets/version.h"
#include "adapter/local/engine/clock_back.h"
#include "adapter/local/retention/retention.h"

struct pass {
	struct local *local;
	const struct retention_config *cfg;
	const atomic_bool *stop; /* may be NULL */
	struct retention_report report;
	uint64_t now_wall_ms;
	struct clock_back back;
};

/* A transaction of a pass. apply removes rows until pass_is_spent, counts into n_done and adds
 * to counts; all are reset before. */
struct batch {
	struct commit_op op;
	struct pass *pass;
	enum rc (*apply)(struct batch *b, struct db_conn *conn, struct err *err);
	struct drops drops;
	size_t n_done;                  /* rows looked at */
	struct retention_report counts; /* removed by this one */
	uint64_t start_boot_ms;         /* real time */
};

/* Runs it, adds its counts to the report, pauses. */
enum rc batch_run(struct pass *p, struct batch *b, struct err *err);
/* Whether this transaction has done its share. */
bool batch_is_spent(const struct batch *b);

static inline bool pass_is_stopped(const struct pass *p)
{
	return p->stop && atomic_load(p->stop);
}

/* 0 when nothing is old enough, or all is kept for ever. */
static inline uint64_t pass_cutoff_ms(const struct pass *p, uint64_t keep_ms)
{
	return keep_ms && p->now_wall_ms > keep_ms ? p->now_wall_ms - keep_ms : 0;
}

/* Whether a row with this seq and this stored time was written before the cutoff. */
static inline bool pass_is_old(
	const struct pass *p, uint64_t seq, uint64_t written_wall_ms, uint64_t cutoff_ms)
{
	return clock_back_time(&p->back, seq, written_wall_ms, p->now_wall_ms) < cutoff_ms;
}

/* The same in SQL, of a number and a time, with pass_bind_age for ?1 to ?5. */
#define PASS_IS_OLD(seq, written)                                                                  \
	"(" seq " < ?4 AND CASE WHEN " written " > ?1 AND " seq " < ?2 THEN ?3 ELSE " written       \
	" END < ?5)"
void pass_bind_age(const struct pass *p, sqlite3_stmt *st, uint64_t cutoff_ms);

/* The whole of it, once. */
enum rc pass_run(struct pass *p, bool with_ledger, struct err *err);

/* retention_versions.c: the versions and delete markers of one bucket. keeps_pending: objects below
 * the event prefix that are not settled in the ledger stay. */
enum rc pass_bucket(
	struct pass *p, const char *name, uint64_t keep_ms, bool keeps_pending, struct err *err);

/* retention_uploads.c */
enum rc pass_uploads(struct pass *p, struct err *err);

/* retention_ledger.c: records, plans, stages. */
enum rc pass_ledger(struct pass *p, struct err *err);

#endif
