/* One receive: first the messages that are due, then fresh rows behind the cursor. event_queue.c
 * has the design. */
#include <stdlib.h>

#include "adapter/local/engine/row_sum.h"
#include "adapter/local/queue/queue_internal.h"

/* A message on its way out of one receive. */
struct outgoing {
	uint64_t id, serial, old_serial, sent_wall_ms;
	uint32_t count_before;
	bool is_due;  /* has a flight already, taken out of its heap */
	bool is_read; /* the row was there */
	bool is_damaged; /* its row is damaged: it is not delivered, but made a dead letter */
	struct slice body;
};

struct receive_call {
	struct arena *a;
	size_t max;
	uint64_t visibility_ms, until_boot_ms;
	struct outgoing *out;
	size_t n_due, n; /* due ones first */
	size_t n_tried;  /* of the due ones: up to the id where rows were searched */
	size_t n_delivered;
	uint64_t cursor, arrivals, serial;
	size_t room; /* for fresh rows */
	struct eq_message *messages;
};

static void take_due_locked(struct local_queue *q, struct receive_call *call)
{
	struct flight *f;

	call->n = call->n_due = call->n_tried = 0;
	while (call->n_due < call->max && (f = flight_first(&q->flights, FLIGHT_DUE))) {
		struct outgoing *o = &call->out[call->n_due++];

		*o = (struct outgoing){.id = f->id,
			.serial = q->next_serial++,
			.old_serial = f->serial,
			.count_before = flight_count(f),
			.is_due = true};
		f->serial = o->serial;
		flight_move(&q->flights, f, FLIGHT_NOWHERE);
	}
	call->n = call->n_due;
	call->cursor = q->cursor;
	call->arrivals = q->arrivals;
	call->room = call->max - call->n_due;
	if (call->room > FLIGHTS_MAX - q->flights.n)
		call->room = FLIGHTS_MAX - q->flights.n;
	call->serial = q->next_serial;
	q->next_serial += call->room;
}

static bool is_damaged(sqlite3_stmt *st, int i, const struct outgoing *o)
{
	return !row_sum_fits(st, i, row_sum_message(o->id, o->sent_wall_ms, o->body));
}

/* For a due one the row may be gone only when a receipt from before a restart was acknowledged
 * meanwhile. */
static enum rc read_due(
	struct db_conn *conn, struct receive_call *call, size_t *bytes, struct err *err)
{
	for (; call->n_tried < call->n_due && *bytes < QUEUE_RECEIVE_BYTES; call->n_tried++) {
		sqlite3_stmt *st = db_stmt(conn, "SELECT sent, body, sum FROM message WHERE id = ?");
		struct outgoing *o = &call->out[call->n_tried];
		enum rc rc;

		db_bind_u64(st, 1, o->id);
		rc = db_step(st, &o->is_read, err);
		if (rc != RC_OK)
			return rc;
		if (o->is_read) {
			o->sent_wall_ms = db_column_u64(st, 0);
			o->body = db_column_copy(st, 1, call->a);
			o->is_damaged = is_damaged(st, 2, o);
			*bytes += o->body.n;
		}
		db_done(st);
	}
	return RC_OK;
}

static enum rc read_fresh(
	struct db_conn *conn, struct receive_call *call, size_t *bytes, struct err *err)
{
	sqlite3_stmt *st = db_stmt(conn, "SELECT id, receive_count, sent, body, sum FROM message WHERE "
					 "id > ? ORDER BY id LIMIT ?");
	size_t end = call->n + call->room;
	struct outgoing *o;
	enum rc rc = RC_OK;
	bool row = true;

	db_bind_u64(st, 1, call->cursor);
	db_bind_u64(st, 2, call->room);
	while (call->n < end && *bytes < QUEUE_RECEIVE_BYTES) {
		rc = db_step(st, &row, err);
		if (rc != RC_OK || !row)
			break;
		o = &call->out[call->n++];
		*o = (struct outgoing){.id = db_column_u64(st, 0),
			.serial = call->serial++,
			.count_before = (uint32_t)db_column_u64(st, 1),
			.sent_wall_ms = db_column_u64(st, 2),
			.is_read = true,
			.body = db_column_copy(st, 3, call->a)};
		o->is_damaged = is_damaged(st, 4, o);
		*bytes += o->body.n;
	}
	db_done(st);
	return rc;
}

static bool is_delivered(const struct local_queue *q, const struct outgoing *o)
{
	return o->is_read && !o->is_damaged && o->count_before < q->local->max_receives;
}

/* The lock must not be held, because a receipt's hash takes half a microsecond. The array has room
 * for the delivered messages, not for call->max, because many receives bring a single message. */
static void write_messages(struct local_queue *q, struct receive_call *call)
{
	size_t n = 0;

	for (size_t i = 0; i < call->n; i++)
		n += is_delivered(q, &call->out[i]);
	call->messages = arena_array(call->a, n, sizeof(*call->messages));
	for (size_t i = 0; i < call->n; i++) {
		const struct outgoing *o = &call->out[i];
		char *text;

		if (!is_delivered(q, o))
			continue;
		text = arena_alloc(call->a, QUEUE_RECEIPT_BYTES);
		queue_receipt_write(q->key, (struct queue_receipt){o->id, o->serial}, text);
		call->messages[call->n_delivered++] = (struct eq_message){
			.id = slice_of(text, 16),
			.receipt = slice_of(text, QUEUE_RECEIPT_BYTES),
			.body = o->body,
			.receive_count = o->count_before + 1,
			.sent_wall_ms = o->sent_wall_ms,
		};
	}
}

static enum rc read_messages(struct local_queue *q, struct receive_call *call, struct err *err)
{
	struct db_conn *conn = db_reader(q->local->db);
	size_t bytes = 0;
	enum rc rc = read_due(conn, call, &bytes, err);

	if (rc == RC_OK && call->n_tried == call->n_due && call->room > 0)
		rc = read_fresh(conn, call, &bytes, err);
	db_reader_return(q->local->db, conn);
	damage_note_err(q->local->damage, rc, err, &(struct damage_found){0});
	for (size_t i = 0; rc == RC_OK && i < call->n; i++)
		if (call->out[i].is_damaged)
			damage_note(q->local->damage,
				&(struct damage_found){.kind = DAMAGE_MESSAGE,
					.owner = call->out[i].id,
					.what = slice_str(QUEUE_DAMAGED)});
	if (rc == RC_OK)
		write_messages(q, call);
	return rc;
}

static void depart_due_locked(
	struct local_queue *q, struct receive_call *call, size_t i, enum rc rc)
{
	const struct outgoing *o = &call->out[i];
	struct flight *f = flight_find(&q->flights, o->id);

	if (rc != RC_OK || i >= call->n_tried) { /* not delivered: as it was */
		f->serial = o->old_serial;
		flight_move(&q->flights, f, FLIGHT_DUE);
	} else if (!o->is_read) {
		flight_remove(&q->flights, f);
	} else {
		f->count_before = o->count_before;
		f->counted = !o->is_damaged;
		f->is_damaged = o->is_damaged;
		if (o->is_damaged)
			f->visible_boot_ms = 0;
		flight_move(&q->flights, f, FLIGHT_AWAY);
	}
}

static void depart_locked(struct local_queue *q, struct receive_call *call, enum rc rc)
{
	uint64_t now = clock_boot_ms(q->local->clock);

	for (size_t i = 0; i < call->n_due; i++) {
		flight_find(&q->flights, call->out[i].id)->visible_boot_ms =
			now + call->visibility_ms;
		depart_due_locked(q, call, i, rc);
	}
	for (size_t i = call->n_due; rc == RC_OK && i < call->n; i++) {
		const struct outgoing *o = &call->out[i];
		struct flight *f = flight_add(&q->flights, o->id);

		f->serial = o->serial;
		f->count_before = f->stored_count = o->count_before;
		f->counted = is_delivered(q, o);
		f->is_damaged = o->is_damaged;
		/* A message that is damaged, or was received often enough before a restart, is not
		 * delivered: its last delivery has ended, and it becomes a dead letter. */
		f->visible_boot_ms = f->counted ? now + call->visibility_ms : 0;
		flight_move(&q->flights, f, FLIGHT_AWAY);
		q->cursor = o->id;
	}
	queue_alarm_locked(q);
}

/* One look at the rows. Only one reader looks at a time, because two would read the same rows
 * behind the cursor. */
static enum rc receive_once_locked(
	struct local_queue *q, struct receive_call *call, struct err *err)
{
	enum rc rc;

	queue_settle_locked(q);
	queue_reading_begin_locked(q);
	take_due_locked(q, call);
	pthread_mutex_unlock(&q->lock);
	rc = read_messages(q, call, err);
	pthread_mutex_lock(&q->lock);
	depart_locked(q, call, rc);
	queue_reading_end_locked(q);
	return rc;
}

/* false: the time is up. */
static bool wait_news_locked(struct local_queue *q, const struct receive_call *call)
{
	for (;;) {
		uint64_t now = clock_boot_ms(q->local->clock);
		uint64_t end = queue_next_end_locked(q);

		if (q->arrivals != call->arrivals || flight_first(&q->flights, FLIGHT_DUE) ||
			end <= now)
			return true;
		if (q->closing || now >= call->until_boot_ms)
			return false;
		queue_wait_locked(
			q, &q->news, end < call->until_boot_ms ? end : call->until_boot_ms);
	}
}

enum rc queue_receive(struct event_queue *base, struct arena *a, size_t max, uint64_t wait_ms,
	uint64_t visibility_ms, struct eq_message **ret_messages, size_t *ret_n, struct err *err)
{
	struct local_queue *q = (struct local_queue *)base;
	struct receive_call call = {.a = a, .visibility_ms = visibility_ms};
	enum rc rc;

	call.max = max < EQ_BATCH_MAX ? max : EQ_BATCH_MAX;
	call.until_boot_ms = clock_boot_ms(q->local->clock) + wait_ms;
	call.out = xcalloc(call.max, sizeof(*call.out));
	pthread_mutex_lock(&q->lock);
	do {
		rc = receive_once_locked(q, &call, err);
	} while (rc == RC_OK && call.n_delivered == 0 && wait_news_locked(q, &call));
	pthread_mutex_unlock(&q->lock);
	free(call.out);
	if (rc != RC_OK)
		return rc;
	*ret_messages = call.messages;
	*ret_n = call.n_delivered;
	return RC_OK;
}
