/*
 * Dead letters: they are read, put back, or dropped.
 *
 * A redriven message is a new row. The queue reads rows behind its cursor, and a message under its
 * old id would lie before the cursor.
 *
 * A redrive makes a rejected object claimable again. Its record becomes claimed by the plan in
 * which it was rejected, in the slot that it had there. That slot is excluded from the plan's
 * bundle (or the plan is aborted), so the protocol's rule for a stale claim (section 2, 3c … 3e)
 * lets the next plan take the claim over. This needs no new rule, and no record is ever deleted. If
 * the slot were not excluded, the object would be a member; then the redrive is refused [OP-5]. The
 * record gets two attempts: so it counts neither as a first claim, whose event could be too old
 * (the operator vouches for it), nor as a suspect. For the same reason an object that was claimed
 * but never shipped or rejected (its message was received too often) gets a second attempt too.
 */
#include <stdio.h>

#include "adapter/local/engine/row_sum.h"
#include "adapter/local/operator/operator.h"
#include "model/s3_event.h"
#include "port/ledger.h"

#define DEAD_COLUMNS "id, receive_count, sent, died, code, reason, body, sum"

static void read_dead(sqlite3_stmt *st, struct arena *a, struct op_dead *ret_dead)
{
	*ret_dead = (struct op_dead){
		.attempts = (uint32_t)db_column_u64(st, 1),
		.sent_wall_ms = db_column_u64(st, 2),
		.died_wall_ms = db_column_u64(st, 3),
		.code = db_column_copy(st, 4, a),
		.reason = db_column_copy(st, 5, a),
		.message = db_column_copy(st, 6, a),
	};
	op_id_format(db_column_u64(st, 0), ret_dead->id);
	ret_dead->is_damaged = !row_sum_fits(st, 7,
		row_sum_message(db_column_u64(st, 0), ret_dead->sent_wall_ms, ret_dead->message));
	if (ret_dead->is_damaged && !slice_eq_str(ret_dead->code, "message-damaged"))
		ret_dead->reason = slice_str(arena_printf(a,
			SLICE_FMT " (and the message that is kept here is damaged)",
			SLICE_ARG(ret_dead->reason)));
}

static enum rc bad_id(const char *id, struct err *err)
{
	return err_code(err, RC_REFUSED, "InvalidArgument",
		"'%s' is not the id of a dead letter: 16 hex digits", id);
}

static enum rc read_last(struct db_conn *conn, char last[OP_ID_BYTES], struct err *err)
{
	sqlite3_stmt *st = db_stmt(conn, "SELECT id FROM dead_letter ORDER BY id DESC LIMIT 1");
	bool row;
	enum rc rc = db_step(st, &row, err);

	last[0] = '\0';
	if (rc == RC_OK && row)
		op_id_format(db_column_u64(st, 0), last);
	db_done(st);
	return rc;
}

static enum rc read_page(struct db_conn *conn, struct arena *a, uint64_t after, size_t max,
	struct op_dead_page *page, struct err *err)
{
	sqlite3_stmt *st = db_stmt(
		conn, "SELECT " DEAD_COLUMNS " FROM dead_letter WHERE id > ? ORDER BY id LIMIT ?");
	size_t bytes = 0;
	bool row = true;
	enum rc rc;

	page->dead = arena_array(a, max, sizeof(*page->dead));
	db_bind_u64(st, 1, after);
	db_bind_u64(st, 2, max + 1);
	while ((rc = db_step(st, &row, err)) == RC_OK && row) {
		if (page->n == max || bytes >= OP_PAGE_BYTES) {
			page->truncated = true;
			break;
		}
		read_dead(st, a, &page->dead[page->n]);
		bytes += page->dead[page->n++].message.n;
	}
	db_done(st);
	return rc;
}

enum rc operator_dead_list(struct op_port *op, struct arena *a, const char *after, size_t max,
	struct op_dead_page *ret_page, struct err *err)
{
	struct db *db = operator_of(op)->local->db;
	struct op_dead_page page = {0};
	struct db_conn *conn;
	uint64_t from = 0;
	enum rc rc;

	if (*after && !op_id_parse(slice_str(after), &from))
		return bad_id(after, err);
	if (max < 1 || max > OP_PAGE_MAX)
		return err_code(err, RC_REFUSED, "InvalidArgument", "a page has 1 to %d entries",
			OP_PAGE_MAX);
	conn = db_reader(db);
	db_read_begin(conn);
	rc = read_page(conn, a, from, max, &page, err);
	if (rc == RC_OK)
		rc = read_last(conn, page.last, err);
	db_read_end(conn);
	db_reader_return(db, conn);
	if (rc == RC_OK)
		*ret_page = page;
	return rc;
}

/* *ret_found false: there is none. */
static enum rc find_dead(struct db_conn *conn, struct arena *a, uint64_t id,
	struct op_dead *ret_dead, bool *ret_found, struct err *err)
{
	sqlite3_stmt *st = db_stmt(conn, "SELECT " DEAD_COLUMNS " FROM dead_letter WHERE id = ?");
	enum rc rc;

	db_bind_u64(st, 1, id);
	rc = db_step(st, ret_found, err);
	if (rc == RC_OK && *ret_found)
		read_dead(st, a, ret_dead);
	db_done(st);
	return rc;
}

enum rc operator_dead_get(struct op_port *op, struct arena *a, const char *id,
	struct op_dead *ret_dead, struct err *err)
{
	struct db *db = operator_of(op)->local->db;
	struct db_conn *conn;
	uint64_t number;
	bool found;
	enum rc rc;

	if (!op_id_parse(slice_str(id), &number))
		return bad_id(id, err);
	conn = db_reader(db);
	rc = find_dead(conn, a, number, ret_dead, &found, err);
	db_reader_return(db, conn);
	if (rc == RC_OK && !found)
		return err_code(
			err, RC_ABSENT, "NoSuchDeadLetter", "there is no dead letter '%s'", id);
	return rc;
}

/* Changes. */

struct change_op {
	struct commit_op op;
	struct local *local;
	const char *who;
	struct op_change *changes;
	size_t n;
	bool drops; /* else redrives */
	bool made_message;
};

static enum rc audit(struct change_op *w, struct db_conn *conn, const char *action,
	struct slice subject, struct slice detail, struct err *err)
{
	sqlite3_stmt *st = db_stmt(
		conn, "INSERT INTO audit(at, who, action, subject, detail) VALUES(?, ?, ?, ?, ?)");

	db_bind_u64(st, 1, clock_wall_ms(w->local->clock));
	db_bind_text(st, 2, w->who);
	db_bind_text(st, 3, action);
	db_bind_slice(st, 4, subject);
	db_bind_slice(st, 5, detail);
	return db_run(st, err);
}

/* What happened to a dead letter that does not exist any more [OP-4]. */
static enum rc answer_gone(struct db_conn *conn, struct op_change *c, struct err *err)
{
	sqlite3_stmt *st = db_stmt(conn, "SELECT action, detail FROM audit WHERE subject = ?"
					 " AND action IN ('redrive', 'drop')");
	struct slice detail;
	bool row;
	enum rc rc;

	db_bind_slice(st, 1, slice_str(c->id));
	rc = db_step(st, &row, err);
	c->outcome = row ? OP_ALREADY : OP_NOT_THERE;
	if (rc == RC_OK && row) {
		detail = db_column_slice(st, 1);
		if (detail.n == OP_ID_BYTES - 1)
			memcpy(c->message_id, detail.p, detail.n);
		snprintf(c->why, sizeof(c->why), "%s before",
			c->message_id[0] ? "redriven" : "dropped");
	}
	db_done(st);
	return rc;
}

/* Whether nothing that the message names forbids it [OP-5]. */
static enum rc check_reopen(struct db_conn *conn, struct arena *a, const struct s3_event *event,
	struct op_change *c, struct err *err)
{
	struct plan_facts facts;
	struct operator_record record;
	enum rc rc = RC_OK;

	for (size_t i = 0; i < event->n_records && rc == RC_OK; i++) {
		rc = operator_record_read(conn, a, &event->records[i].object, &record, err);
		if (rc != RC_OK || !record.is_found || record.state != LG_REJECTED)
			continue;
		rc = operator_plan_facts(conn, a, record.plan, record.slot, &facts, err);
		if (rc != RC_OK || (facts.is_found && !facts.is_member))
			continue;
		c->outcome = OP_REFUSED;
		if (facts.is_found)
			snprintf(c->why, sizeof(c->why), "its object is a member of " SLICE_FMT,
				SLICE_ARG(facts.key));
		else
			snprintf(c->why, sizeof(c->why), "its plan is not in the ledger");
	}
	return rc;
}

static enum rc set_claimed(struct db_conn *conn, const struct object_id *o,
	const struct operator_record *record, struct err *err)
{
	sqlite3_stmt *st = db_stmt(conn,
		"UPDATE claim SET state = 1, attempts = 2, reason = NULL, sum = ?"
		" WHERE version = ? AND bucket = ? AND key = ?");

	db_bind_u64(st, 1,
		row_sum_claim(o, LG_CLAIMED, record->plan, record->slot, 2, (struct slice){0}));
	db_bind_slice(st, 2, o->version);
	db_bind_slice(st, 3, o->bucket);
	db_bind_slice(st, 4, o->key);
	return db_run(st, err);
}

/* A member's record is final, so it is not changed. */
static enum rc vouch(struct db_conn *conn, struct arena *a, const struct object_id *o,
	const struct operator_record *record, struct err *err)
{
	struct plan_facts facts;
	enum rc rc;

	if (record->attempts != 1)
		return RC_OK;
	rc = operator_plan_facts(conn, a, record->plan, record->slot, &facts, err);
	return rc == RC_OK && facts.is_found && !facts.is_member ? set_claimed(conn, o, record, err)
								    : rc;
}

static enum rc reopen_one(struct change_op *w, struct db_conn *conn, struct arena *a,
	const struct object_id *o, struct op_change *c, struct err *err)
{
	struct operator_record record;
	char *subject;
	enum rc rc = operator_record_read(conn, a, o, &record, err);

	if (rc == RC_OK && record.is_found && record.state == LG_CLAIMED)
		return vouch(conn, a, o, &record, err);
	if (rc != RC_OK || !record.is_found || record.state != LG_REJECTED)
		return rc;
	rc = set_claimed(conn, o, &record, err);
	if (rc != RC_OK)
		return rc;
	c->n_reopened++;
	subject = arena_printf(a, SLICE_FMT "/" SLICE_FMT "?" SLICE_FMT, SLICE_ARG(o->bucket),
		SLICE_ARG(o->key), SLICE_ARG(o->version));
	return audit(w, conn, "reopen", slice_str(subject), record.reason, err);
}

static enum rc delete_dead(struct db_conn *conn, uint64_t id, struct err *err)
{
	sqlite3_stmt *st = db_stmt(conn, "DELETE FROM dead_letter WHERE id = ?");

	db_bind_u64(st, 1, id);
	return db_run(st, err);
}

static enum rc put_back(struct change_op *w, struct db_conn *conn, struct arena *a, uint64_t id,
	const struct op_dead *dead, struct op_change *c, struct err *err)
{
	uint64_t seq = committer_next_seq(w->local->committer);
	struct s3_event event = {0};
	enum rc rc = RC_OK;

	if (dead->is_damaged) {
		c->outcome = OP_REFUSED;
		snprintf(c->why, sizeof(c->why),
			"its message is damaged: put its object again, then drop it");
		return RC_OK;
	}
	/* a text that is no event goes back too, because a later version may be able to read it */
	rc = s3_event_parse(a, dead->message, &event, err);
	if (rc != RC_OK && rc != RC_REFUSED)
		return rc;
	rc = check_reopen(conn, a, &event, c, err);
	if (rc != RC_OK || c->outcome == OP_REFUSED)
		return rc;
	for (size_t i = 0; i < event.n_records && rc == RC_OK; i++)
		rc = reopen_one(w, conn, a, &event.records[i].object, c, err);
	if (rc == RC_OK)
		rc = local_queue_insert(w->local, conn, seq, dead->message, err);
	if (rc == RC_OK)
		rc = delete_dead(conn, id, err);
	op_id_format(seq, c->message_id);
	w->made_message = true;
	if (rc == RC_OK)
		rc = audit(w, conn, "redrive", slice_str(c->id), slice_str(c->message_id), err);
	return rc;
}

static enum rc change_one(
	struct change_op *w, struct db_conn *conn, struct op_change *c, struct err *err)
{
	struct arena a = ARENA_INIT;
	struct op_dead dead;
	uint64_t id = 0;
	bool found;
	enum rc rc;

	c->outcome = OP_DONE;
	c->why[0] = '\0';
	memset(c->message_id, 0, sizeof(c->message_id));
	c->n_reopened = 0;
	op_id_parse(slice_str(c->id), &id);
	rc = find_dead(conn, &a, id, &dead, &found, err);
	if (rc == RC_OK && !found) {
		rc = answer_gone(conn, c, err);
	} else if (rc == RC_OK && w->drops) {
		rc = delete_dead(conn, id, err);
		if (rc == RC_OK)
			rc = audit(w, conn, "drop", slice_str(c->id), dead.code, err);
	} else if (rc == RC_OK) {
		rc = put_back(w, conn, &a, id, &dead, c, err);
	}
	arena_release(&a);
	return rc;
}

static enum rc change_apply(struct commit_op *op, struct db_conn *conn, struct err *err)
{
	struct change_op *w = (struct change_op *)op;
	enum rc rc = RC_OK;

	w->made_message = false;
	for (size_t i = 0; i < w->n && rc == RC_OK; i++)
		rc = change_one(w, conn, &w->changes[i], err);
	return rc;
}

static enum rc change(struct op_port *op, const char *who, bool drops, struct op_change *changes,
	size_t n, struct err *err)
{
	struct change_op w = {.op = {.apply = change_apply, .bytes = n * 2048},
		.local = operator_of(op)->local,
		.who = who,
		.changes = changes,
		.n = n,
		.drops = drops};
	uint64_t number;
	enum rc rc;

	if (n > OP_BATCH_MAX || strlen(who) > OP_WHO_MAX)
		return err_code(err, RC_REFUSED, "InvalidArgument",
			"at most %d ids in one call, and a name of at most %d bytes", OP_BATCH_MAX,
			OP_WHO_MAX);
	for (size_t i = 0; i < n; i++)
		if (!op_id_parse(slice_str(changes[i].id), &number))
			return bad_id(changes[i].id, err);
	rc = committer_run(w.local->committer, &w.op, err);
	if (rc == RC_OK && w.made_message)
		local_queue_wake(w.local);
	return rc;
}

enum rc operator_redrive(
	struct op_port *op, const char *who, struct op_change *changes, size_t n, struct err *err)
{
	return change(op, who, false, changes, n, err);
}

enum rc operator_drop(
	struct op_port *op, const char *who, struct op_change *changes, size_t n, struct err *err)
{
	return change(op, who, true, changes, n, err);
}
