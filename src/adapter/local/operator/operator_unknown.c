/*
 * Objects that nothing here knows of. One pass over the messages and dead letters answers for a
 * whole page of objects: reading every message once an object would cost a page of 1,000 objects
 * seconds with 10,000 messages waiting.
 *
 * A body is parsed only when one of its texts is a version that is looked for, or when it has an
 * escape, which may hide one (a notification of SNS carries its event as one escaped text).
 */
#include "adapter/local/operator/operator.h"
#include "base/table.h"
#include "model/s3_event.h"

struct wanted {
	size_t index;        /* of the object */
	struct wanted *next; /* with the same version */
};

struct lookup {
	struct db_conn *conn;
	const struct object_id *objects;
	bool *unknown;
	size_t n_left;
	struct table versions; /* version → the first struct wanted */
	struct arena a;
};

static bool may_name_one(const struct lookup *l, struct slice body)
{
	const unsigned char *p = body.p, *end = body.p + body.n, *quote;

	if (memchr(body.p, '\\', body.n))
		return true;
	while ((p = memchr(p, '"', (size_t)(end - p)))) {
		quote = memchr(p + 1, '"', (size_t)(end - p) - 1);
		if (!quote)
			return false;
		if (table_get(&l->versions, slice_of(p + 1, (size_t)(quote - p) - 1)))
			return true;
		p = quote + 1;
	}
	return false;
}

static void found(struct lookup *l, const struct object_id *o)
{
	for (struct wanted *w = table_get(&l->versions, o->version); w; w = w->next) {
		if (!l->unknown[w->index] || !object_id_eq(o, &l->objects[w->index]))
			continue;
		l->unknown[w->index] = false;
		l->n_left--;
	}
}

/* Rows of a body each. */
static enum rc look_through(struct lookup *l, sqlite3_stmt *st, struct err *err)
{
	struct arena scratch = ARENA_INIT;
	struct s3_event event;
	bool row = true;
	enum rc rc = RC_OK;

	while (l->n_left && (rc = db_step(st, &row, err)) == RC_OK && row) {
		struct slice body = db_column_slice(st, 0);

		if (!may_name_one(l, body) ||
			s3_event_parse(&scratch, body, &event, NULL) != RC_OK)
			continue;
		for (size_t i = 0; i < event.n_records; i++)
			found(l, &event.records[i].object);
		arena_release(&scratch);
	}
	db_done(st);
	arena_release(&scratch);
	return rc;
}

static enum rc ask_ledger(struct lookup *l, size_t n, struct err *err)
{
	enum rc rc = RC_OK;

	for (size_t i = 0; i < n && rc == RC_OK; i++) {
		const struct object_id *o = &l->objects[i];
		struct arena scratch = ARENA_INIT;
		struct operator_record record;
		struct wanted *w, *first;

		rc = operator_record_read(l->conn, &scratch, o, &record, err);
		arena_release(&scratch);
		l->unknown[i] = rc == RC_OK && !record.is_found;
		if (!l->unknown[i])
			continue;
		l->n_left++;
		w = arena_alloc(&l->a, sizeof(*w));
		w->index = i;
		first = table_get(&l->versions, o->version);
		w->next = first;
		table_put(&l->versions, o->version, w);
	}
	return rc;
}

enum rc operator_unknown(struct op_port *op, const struct object_id *objects, size_t n,
	bool *ret_unknown, struct err *err)
{
	struct local_operator *o = operator_of(op);
	struct lookup l = {
		.conn = db_reader(o->local->db), .objects = objects, .unknown = ret_unknown};
	enum rc rc;

	/* one snapshot: a message that is claimed meanwhile is seen either as a message or as a
	 * claim */
	db_read_begin(l.conn);
	rc = ask_ledger(&l, n, err);
	if (rc == RC_OK)
		rc = look_through(&l, db_stmt(l.conn, "SELECT body FROM message ORDER BY id DESC"), err);
	if (rc == RC_OK)
		rc = look_through(
			&l, db_stmt(l.conn, "SELECT body FROM dead_letter ORDER BY id DESC"), err);
	db_read_end(l.conn);
	db_reader_return(o->local->db, l.conn);
	table_release(&l.versions);
	arena_release(&l.a);
	return rc;
}
