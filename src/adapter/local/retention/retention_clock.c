#include "adapter/local/retention/retention_clock.h"

#define SAVE_MS 600000u
#define WALL "retention_wall_ms"
#define HOLD "retention_hold_ms"

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

enum rc retention_clock_load(struct retention_clock *c, struct local *local, struct err *err)
{
	struct db_conn *conn = db_reader(local->db);
	enum rc rc = read_meta(conn, WALL, &c->wall_ms, err);

	if (rc == RC_OK)
		rc = read_meta(conn, HOLD, &c->hold_ms, err);
	db_reader_return(local->db, conn);
	c->boot_ms = clock_boot_ms(local->clock);
	c->saved_wall_ms = c->wall_ms;
	c->saved_hold_ms = c->hold_ms;
	return rc;
}

uint64_t retention_clock_look(struct retention_clock *c, uint64_t wall_ms, uint64_t boot_ms)
{
	uint64_t passed_ms = boot_ms - c->boot_ms, expected_ms = c->wall_ms + passed_ms;
	bool is_first = c->wall_ms == 0;

	c->wall_ms = wall_ms;
	c->boot_ms = boot_ms;
	c->hold_ms -= passed_ms < c->hold_ms ? passed_ms : c->hold_ms;
	if (is_first)
		return 0;
	if (wall_ms + RETENTION_JUMP_MS < expected_ms)
		c->hold_ms = 0;
	if (wall_ms <= expected_ms + RETENTION_JUMP_MS || c->hold_ms)
		return 0;
	c->hold_ms = RETENTION_HOLD_MS;
	return wall_ms - expected_ms;
}

struct save_op {
	struct commit_op op;
	const struct retention_clock *clock;
};

static enum rc save_apply(struct commit_op *op, struct db_conn *conn, struct err *err)
{
	const struct retention_clock *c = ((struct save_op *)op)->clock;
	sqlite3_stmt *st = db_stmt(conn,
		"INSERT OR REPLACE INTO meta(name, value) VALUES('" WALL "', ?), ('" HOLD "', ?)");

	db_bind_u64(st, 1, c->wall_ms);
	db_bind_u64(st, 2, c->hold_ms);
	return db_run(st, err);
}

enum rc retention_clock_save(struct retention_clock *c, struct local *local, struct err *err)
{
	struct save_op save = {.op = {.apply = save_apply, .bytes = 4096}, .clock = c};
	bool is_fresh = c->wall_ms >= c->saved_wall_ms && c->wall_ms - c->saved_wall_ms < SAVE_MS;
	enum rc rc;

	if (c->wall_ms == 0 || (is_fresh && !c->hold_ms == !c->saved_hold_ms))
		return RC_OK;
	rc = committer_run(local->committer, &save.op, err);
	if (rc == RC_OK) {
		c->saved_wall_ms = c->wall_ms;
		c->saved_hold_ms = c->hold_ms;
	}
	return rc;
}
