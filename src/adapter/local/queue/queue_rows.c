/* Every statement that changes the queue's rows; and send, which is only such a statement. */
#include <stdlib.h>

#include "adapter/local/engine/row_sum.h"
#include "adapter/local/queue/queue_internal.h"

struct write_op {
	struct commit_op op;
	struct queue_change *changes;
	size_t n;
	uint64_t now_wall_ms;
};

static enum rc run_found(struct db_conn *conn, sqlite3_stmt *st, bool *ret_found, struct err *err)
{
	enum rc rc = db_run(st, err);

	if (rc == RC_OK)
		*ret_found = sqlite3_changes(db_handle(conn)) > 0;
	return rc;
}

static enum rc apply_count(struct db_conn *conn, struct queue_change *c, struct err *err)
{
	sqlite3_stmt *st = db_stmt(conn, "UPDATE message SET receive_count = ? WHERE id = ?");

	db_bind_u64(st, 1, c->count);
	db_bind_u64(st, 2, c->id);
	return run_found(conn, st, &c->found, err);
}

static enum rc apply_delete(struct db_conn *conn, struct queue_change *c, struct err *err)
{
	sqlite3_stmt *st = db_stmt(conn, "DELETE FROM message WHERE id = ?");
	enum rc rc;

	db_bind_u64(st, 1, c->id);
	rc = run_found(conn, st, &c->found, err);
	c->removed = c->found;
	return rc;
}

/* Found too when it is buried already: repeating is fine. */
static enum rc apply_bury(
	struct db_conn *conn, struct queue_change *c, uint64_t now_wall_ms, struct err *err)
{
	sqlite3_stmt *st = db_stmt(conn,
		"INSERT INTO dead_letter(id, receive_count, sent, died, code, reason, body, sum)"
		" SELECT id, max(receive_count, ?2), sent, ?3, ?4, ?5, body, sum FROM message WHERE id "
		"= ?1");
	enum rc rc;

	db_bind_u64(st, 1, c->id);
	db_bind_u64(st, 2, c->count);
	db_bind_u64(st, 3, now_wall_ms);
	sqlite3_bind_text(st, 4, (const char *)c->code.p, (int)c->code.n, SQLITE_STATIC);
	sqlite3_bind_text(st, 5, (const char *)c->reason.p, (int)c->reason.n, SQLITE_STATIC);
	c->removed = false;
	rc = run_found(conn, st, &c->found, err);
	if (rc == RC_OK && c->found)
		return apply_delete(conn, c, err);
	if (rc == RC_OK) {
		st = db_stmt(conn, "SELECT 1 FROM dead_letter WHERE id = ?");
		db_bind_u64(st, 1, c->id);
		rc = db_step(st, &c->found, err);
		db_done(st);
	}
	return rc;
}

static enum rc write_apply(struct commit_op *op, struct db_conn *conn, struct err *err)
{
	struct write_op *w = (struct write_op *)op;
	enum rc rc = RC_OK;

	for (size_t i = 0; i < w->n && rc == RC_OK; i++) {
		struct queue_change *c = &w->changes[i];

		if (c->kind == CHANGE_COUNT)
			rc = apply_count(conn, c, err);
		else if (c->kind == CHANGE_DELETE)
			rc = apply_delete(conn, c, err);
		else if (c->kind == CHANGE_BURY)
			rc = apply_bury(conn, c, w->now_wall_ms, err);
	}
	return rc;
}

enum rc queue_write(struct local_queue *q, struct queue_change *changes, size_t n, struct err *err)
{
	struct write_op w = {
		.op = {.apply = write_apply, .bytes = n * 64}, .changes = changes, .n = n};
	size_t n_real = 0;

	for (size_t i = 0; i < n; i++)
		n_real += changes[i].kind != CHANGE_NOTHING;
	if (n_real == 0)
		return RC_OK;
	w.now_wall_ms = clock_wall_ms(q->local->clock);
	return committer_run(q->local->committer, &w.op, err);
}

enum rc local_queue_insert(
	struct local *local, struct db_conn *conn, uint64_t seq, struct slice body, struct err *err)
{
	sqlite3_stmt *st = db_stmt(
		conn, "INSERT INTO message(id, receive_count, sent, body, sum) VALUES(?, 0, ?, ?, ?)");
	uint64_t sent = clock_wall_ms(local->clock);

	db_bind_u64(st, 1, seq);
	db_bind_u64(st, 2, sent);
	db_bind_slice(st, 3, body);
	db_bind_u64(st, 4, row_sum_message(seq, sent, body));
	return db_run(st, err);
}

struct send_op {
	struct commit_op op;
	struct local *local;
	const struct slice *bodies;
	size_t n;
	/* One that was started: */
	struct arena arena; /* the bodies */
	struct eq_sent sent;
	bool too_large;
};

static enum rc send_apply(struct commit_op *op, struct db_conn *conn, struct err *err)
{
	struct send_op *s = (struct send_op *)op;
	enum rc rc = RC_OK;

	for (size_t i = 0; i < s->n && rc == RC_OK; i++)
		if (s->bodies[i].n <= QUEUE_BODY_MAX)
			rc = local_queue_insert(s->local, conn,
				committer_next_seq(s->local->committer), s->bodies[i], err);
	return rc;
}

enum rc queue_send(struct event_queue *base, const struct slice *bodies, size_t n, enum rc *results,
	struct err *err)
{
	struct local *local = ((struct local_queue *)base)->local;
	struct send_op s = {.op = {.apply = send_apply, .grows = true},
		.local = local,
		.bodies = bodies,
		.n = n};
	enum rc rc = queue_check_batch(n, err);

	if (rc != RC_OK)
		return rc;
	for (size_t i = 0; i < n; i++)
		s.op.bytes += bodies[i].n;
	rc = committer_run(local->committer, &s.op, err);
	for (size_t i = 0; i < n; i++)
		results[i] = bodies[i].n <= QUEUE_BODY_MAX ? rc : RC_REFUSED;
	if (rc == RC_OK)
		local_queue_wake(local);
	return rc;
}

static enum rc start_apply(struct commit_op *op, struct db_conn *conn, struct err *err)
{
	const struct send_op *s = (const struct send_op *)op;

	if (s->too_large)
		return err_set(err, RC_REFUSED, "a message has more than %d bytes", QUEUE_BODY_MAX);
	return send_apply(op, conn, err);
}

static void start_done(struct commit_op *op, enum rc rc, const struct err *err)
{
	struct send_op *s = (struct send_op *)op;

	if (rc == RC_OK)
		local_queue_wake(s->local);
	s->sent.fn(s->sent.arg, rc, err);
	arena_release(&s->arena);
	free(s);
}

void queue_send_start(
	struct event_queue *base, const struct slice *bodies, size_t n, struct eq_sent sent)
{
	struct local *local = ((struct local_queue *)base)->local;
	struct send_op *s = xcalloc(1, sizeof(*s));
	struct slice *copies;

	*s = (struct send_op){.op = {.apply = start_apply, .done = start_done, .grows = true},
		.local = local,
		.n = n,
		.arena = ARENA_OF(1024),
		.sent = sent};
	s->bodies = copies = arena_array(&s->arena, n, sizeof(*copies));
	for (size_t i = 0; i < n; i++) {
		s->too_large |= bodies[i].n > QUEUE_BODY_MAX;
		copies[i] = arena_slice(&s->arena, bodies[i]);
		s->op.bytes += bodies[i].n;
	}
	committer_submit(local->committer, &s->op);
}
