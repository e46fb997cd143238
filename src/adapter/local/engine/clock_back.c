#include "adapter/local/engine/clock_back.h"

#include "adapter/local/engine/committer.h"

#define SEQ "clock_back_seq"
#define WALL "clock_back_wall_ms"
/* Two reads of the clock may be so far apart, and after a crash the numbers go on a second
 * ahead. */
#define SLACK_MS 2000u

static enum rc read_meta(
	struct db_conn *conn, const char *name, uint64_t *ret_value, struct err *err)
{
	sqlite3_stmt *st = db_stmt(conn, "SELECT value FROM meta WHERE name = ?");
	bool row;
	enum rc rc;

	db_bind_text(st, 1, name);
	rc = db_step(st, &row, err);
	*ret_value = rc == RC_OK && row ? db_column_u64(st, 0) : 0;
	db_done(st);
	return rc;
}

enum rc clock_back_read(struct db_conn *conn, struct clock_back *ret_back, struct err *err)
{
	struct clock_back back;
	enum rc rc = read_meta(conn, SEQ, &back.seq, err);

	if (rc == RC_OK)
		rc = read_meta(conn, WALL, &back.wall_ms, err);
	if (rc == RC_OK)
		*ret_back = back;
	return rc;
}

enum rc clock_back_save(struct db_conn *conn, const struct clock_back *back, struct err *err)
{
	sqlite3_stmt *st = db_stmt(conn,
		"INSERT OR REPLACE INTO meta(name, value) VALUES('" SEQ "', ?), ('" WALL "', ?)");

	db_bind_u64(st, 1, back->seq);
	db_bind_u64(st, 2, back->wall_ms);
	return db_run(st, err);
}

static uint64_t ms_of(uint64_t seq)
{
	return seq >> COMMITTER_SEQ_SHIFT;
}

bool clock_back_is_new(const struct clock_back *back, uint64_t seq, uint64_t now_wall_ms)
{
	if (ms_of(seq) <= now_wall_ms + CLOCK_BACK_MS)
		return false;
	/* The moment is kept, unless the clock ran ahead or fell back again since. */
	return back->seq == 0 || ms_of(seq) > ms_of(back->seq) + CLOCK_BACK_MS ||
	       now_wall_ms + CLOCK_BACK_MS < back->wall_ms;
}

uint64_t clock_back_time(const struct clock_back *back, uint64_t seq, uint64_t written_wall_ms,
	uint64_t now_wall_ms)
{
	bool has_come = written_wall_ms <= now_wall_ms;

	return has_come || seq >= back->seq ? written_wall_ms : back->wall_ms;
}

uint64_t clock_back_bound(const struct clock_back *back, uint64_t wall_ms)
{
	uint64_t seq = wall_ms << COMMITTER_SEQ_SHIFT;

	return seq < back->seq ? INT64_MAX : seq;
}

static enum rc probe(struct db_conn *conn, const char *sql, uint64_t owner, uint64_t from,
	uint64_t *ret_seq, uint64_t *ret_wall_ms, bool *ret_row, struct err *err)
{
	sqlite3_stmt *st = db_stmt(conn, sql);
	enum rc rc;

	db_bind_u64(st, 1, owner);
	db_bind_u64(st, 2, from);
	rc = db_step(st, ret_row, err);
	if (rc == RC_OK && *ret_row) {
		*ret_seq = db_column_u64(st, 0);
		*ret_wall_ms = db_column_u64(st, 1);
	}
	db_done(st);
	return rc;
}

enum rc clock_back_find(struct db_conn *conn, const char *sql, uint64_t owner, uint64_t from_wall_ms,
	uint64_t now_wall_ms, uint64_t *ret_seq, struct err *err)
{
	uint64_t low = 0, high = INT64_MAX, seq = 0, wall_ms = 0;
	bool row = false;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;
		enum rc rc = probe(conn, sql, owner, middle, &seq, &wall_ms, &row, err);

		if (rc != RC_OK)
			return rc;
		if (!row || (wall_ms >= from_wall_ms && wall_ms <= now_wall_ms + SLACK_MS))
			high = middle;
		else
			low = seq + 1;
	}
	*ret_seq = low;
	return RC_OK;
}
