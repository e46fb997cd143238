/*
 * Finds where an object is, by key and version, with two exceptions. First, the queue knows no
 * keys. A put and its event are one transaction with consecutive numbers, so an object's first
 * message is the first row at or behind the version's number; a message that was redriven or came
 * from outside is searched among the newest SEARCH_MAX. Second, the ledger's records are in the
 * order of versions. A key of another store's landing bucket is found by claim_key. For a key that
 * is gone from our own landing bucket, asked for without a version, all records are searched (0.1 s
 * a million), because an index would cost every claim a page.
 */
#include "adapter/local/buckets/version.h"
#include "adapter/local/operator/operator.h"
#include "model/s3_event.h"
#include "port/ledger.h"

#define SEARCH_MAX 20000 /* messages; a tenth of a second */

struct search {
	struct local_operator *o;
	struct db_conn *conn;
	struct arena *a;
	struct op_where *w;
	uint64_t seq; /* number of the version; 0: it is not stored here */
};

/* false: the place is decided. */
static bool is_watched(struct search *s)
{
	const struct object_id *o = &s->w->object;

	s->w->place = OP_NOT_WATCHED;
	if (!slice_eq_str(o->bucket, s->o->landing_bucket))
		s->w->why = slice_str(
			arena_printf(s->a, "only objects in the landing bucket '%s' are bundled",
				s->o->landing_bucket));
	else if (!slice_has_prefix(o->key, slice_str(s->o->event_prefix)))
		s->w->why = slice_str(arena_printf(
			s->a, "only keys that begin with '%s' are bundled", s->o->event_prefix));
	else
		return true;
	return false;
}

/* The newest version that is no delete marker. */
static enum rc find_newest(struct search *s, uint64_t bucket, bool *ret_found, struct err *err)
{
	sqlite3_stmt *st = db_stmt(s->conn,
		"SELECT * FROM (SELECT " VERSION_COLUMNS " FROM version"
		"  WHERE bucket = ?1 AND is_current = 1 AND key = ?2"
		"  UNION ALL SELECT " VERSION_COLUMNS " FROM version WHERE bucket = ?1"
		"  AND is_current = 0 AND key = ?2 AND NOT is_marker ORDER BY seq DESC) LIMIT 1");
	struct version_row row;
	char id[BS_VERSION_MAX];
	enum rc rc;

	db_bind_u64(st, 1, bucket);
	db_bind_slice(st, 2, s->w->object.key);
	rc = db_step(st, ret_found, err);
	if (rc == RC_OK && *ret_found) {
		version_read(st, &row);
		version_format(&row, id);
		s->seq = row.seq;
		s->w->object.version = arena_slice(s->a, slice_str(id));
	}
	db_done(st);
	return rc;
}

/* The first row's version, if there is one. */
static enum rc take_version(struct search *s, sqlite3_stmt *st, bool *ret_found, struct err *err)
{
	enum rc rc;

	db_bind_slice(st, 1, s->w->object.key);
	db_bind_slice(st, 2, s->w->object.bucket);
	rc = db_step(st, ret_found, err);
	if (rc == RC_OK && *ret_found)
		s->w->object.version = db_column_copy(st, 0, s->a);
	db_done(st);
	return rc;
}

#define LAST_CLAIM(where)                                                                          \
	"SELECT c.version FROM claim c LEFT JOIN plan p ON p.id = c.plan WHERE " where             \
	" c.key = ? AND c.bucket = ? ORDER BY p.seq DESC, c.version DESC LIMIT 1"

/* The version that was claimed last, of a key that has none in landing. */
static enum rc find_in_ledger(struct search *s, struct err *err)
{
	bool found;
	enum rc rc = take_version(
		s, db_stmt(s->conn, LAST_CLAIM("c.by_key = 1 AND")), &found, err);

	if (rc == RC_OK && !found && s->o->is_landing_local)
		rc = take_version(s, db_stmt(s->conn, LAST_CLAIM("")), &found, err);
	return rc;
}

/* In a landing bucket of our own. */
static enum rc find_version(struct search *s, struct err *err)
{
	enum bs_versioning versioning;
	struct version_row row;
	uint64_t bucket;
	bool found = false;
	enum rc rc = bucket_row(s->conn, s->w->object.bucket, &bucket, &versioning, err);

	if (rc != RC_OK)
		return rc == RC_ABSENT ? RC_OK : rc;
	if (s->w->object.version.n == 0)
		return find_newest(s, bucket, &found, err);
	rc = version_find(
		s->conn, bucket, s->w->object.key, s->w->object.version, NULL, &row, &found, err);
	if (rc == RC_OK && found && !row.is_marker)
		s->seq = row.seq;
	return rc;
}

/* An object without versionId in its event is in the ledger by its sequencer. */
static struct slice ledger_version(const struct search *s)
{
	if (!slice_eq_str(s->w->object.version, "null") || !s->seq)
		return s->w->object.version;
	return slice_str(arena_printf(s->a, "seq:%016llX", (unsigned long long)s->seq));
}

/* Whether the message in body names the object; then s->w gets the version. A message that is no
 * event names no object. */
static enum rc names(const struct search *s, struct slice body, struct arena *scratch,
	bool *ret_names, struct err *err)
{
	struct object_id want = s->w->object;
	struct s3_event event;
	enum rc rc = s3_event_parse(scratch, body, &event, err);

	*ret_names = false;
	want.version = ledger_version(s);
	if (rc != RC_OK)
		return rc == RC_REFUSED ? RC_OK : rc;
	for (size_t i = 0; i < event.n_records; i++) {
		const struct object_id *o = &event.records[i].object;

		if (want.version.n == 0) /* any will do */
			want.version = o->version;
		if (object_id_eq(o, &want)) {
			s->w->object.version = arena_slice(s->a, o->version);
			*ret_names = true;
			return RC_OK;
		}
		want.version = ledger_version(s);
	}
	return RC_OK;
}

/* Walks rows (id, body) until one names the object. */
static enum rc walk(struct search *s, sqlite3_stmt *st, uint64_t *ret_id, struct err *err)
{
	struct slice version = ledger_version(s);
	struct arena scratch = ARENA_INIT;
	bool row = true, is_named = false;
	enum rc rc = RC_OK;

	if (slice_has_prefix(version, slice_str("seq:")))
		version = slice_of(version.p + 4, version.n - 4);
	*ret_id = 0;
	while (*ret_id == 0 && (rc = db_step(st, &row, err)) == RC_OK && row) {
		struct slice body = db_column_slice(st, 1);

		/* the body contains the versionId unencoded, so most bodies need no parsing */
		if (version.n && !slice_eq_str(version, "null") &&
			!memmem(body.p, body.n, version.p, version.n))
			continue;
		rc = names(s, body, &scratch, &is_named, err);
		if (is_named)
			*ret_id = db_column_u64(st, 0);
		arena_release(&scratch);
		if (rc != RC_OK)
			break;
	}
	db_done(st);
	arena_release(&scratch);
	return rc;
}

static enum rc find_message(struct search *s, uint64_t *ret_id, struct err *err)
{
	sqlite3_stmt *st =
		db_stmt(s->conn, "SELECT id, body FROM message WHERE id >= ? ORDER BY id LIMIT 8");
	enum rc rc;

	db_bind_u64(st, 1, s->seq);
	rc = walk(s, st, ret_id, err);
	if (rc != RC_OK || *ret_id)
		return rc;
	st = db_stmt(s->conn, "SELECT id, body FROM message ORDER BY id DESC LIMIT ?");
	db_bind_u64(st, 1, SEARCH_MAX);
	return walk(s, st, ret_id, err);
}

static enum rc find_dead_letter(struct search *s, struct err *err)
{
	sqlite3_stmt *st = db_stmt(
		s->conn, "SELECT id, body FROM dead_letter WHERE id >= ? ORDER BY id LIMIT 8");
	uint64_t id;
	enum rc rc;

	db_bind_u64(st, 1, s->seq);
	rc = walk(s, st, &id, err);
	if (rc == RC_OK && !id) {
		st = db_stmt(s->conn, "SELECT id, body FROM dead_letter ORDER BY id DESC LIMIT ?");
		db_bind_u64(st, 1, SEARCH_MAX);
		rc = walk(s, st, &id, err);
	}
	if (rc == RC_OK && id)
		op_id_format(id, s->w->dead_id);
	return rc;
}

/* Whether a GET of the key finds something. A bucket that there is not has nothing. */
static enum rc is_there(
	struct search *s, struct slice name, struct slice key, bool *ret_is, struct err *err)
{
	enum bs_versioning versioning;
	struct err none;
	sqlite3_stmt *st;
	uint64_t bucket;
	enum rc rc = bucket_row(s->conn, name, &bucket, &versioning, &none);

	*ret_is = false;
	if (rc != RC_OK)
		return rc == RC_ABSENT ? RC_OK : rc;
	st = db_stmt(s->conn,
		"SELECT 1 FROM version WHERE bucket = ? AND is_current = 1 AND key = ?");
	db_bind_u64(st, 1, bucket);
	db_bind_slice(st, 2, key);
	rc = db_step(st, ret_is, err);
	db_done(st);
	return rc;
}

static enum rc judge_member(struct search *s, const struct plan_facts *plan, struct err *err)
{
	struct op_where *w = s->w;
	bool is_out = false;
	enum rc rc = RC_OK;

	w->place = OP_MEMBER;
	w->bundle_bytes = plan->size;
	w->is_published = plan->state == PLAN_DONE;
	if (w->is_published)
		rc = is_there(s, plan->bucket, plan->key, &is_out, err);
	w->is_taken = w->is_published && !is_out;
	if (rc == RC_OK && s->o->archive_bucket)
		rc = is_there(s, slice_str(s->o->archive_bucket), plan->key, &w->is_archived, err);
	w->why = slice_str(arena_printf(s->a, "it is in a %s%s",
		!w->is_published ? "sealed bundle, not yet published"
		: w->is_taken    ? "published bundle, which was taken out of its bucket since"
				 : "published bundle",
		w->is_archived ? "; the archive has it" : ""));
	return rc;
}

/* The plan that had it was given up or went without it: its message brings it back, unless the
 * message has died. */
static enum rc judge_stale(struct search *s, struct err *err)
{
	struct op_where *w = s->w;
	uint64_t message = 0;
	enum rc rc = find_message(s, &message, err);

	if (rc == RC_OK && !message)
		rc = find_dead_letter(s, err);
	if (rc != RC_OK)
		return rc;
	w->place = w->dead_id[0] ? OP_DEAD : OP_WAITING;
	w->why = slice_str(w->dead_id[0]
			? "its message is a dead letter; the plan that had it was given up or went without it"
			: "the plan that had it was given up or went without it; another takes it");
	return RC_OK;
}

static enum rc judge_claim(struct search *s, const struct plan_facts *plan, struct err *err)
{
	struct op_where *w = s->w;

	if (!plan->is_member && plan->state != PLAN_OPEN)
		return judge_stale(s, err);
	w->bundle_bucket = plan->bucket;
	w->bundle_key = plan->key;
	if (plan->is_member)
		return judge_member(s, plan, err);
	w->place = OP_CLAIMED;
	w->why = slice_str("a bundle with it is being made");
	return RC_OK;
}

/* *ret_found: the ledger has a record, and the place is decided. */
static enum rc ask_ledger(struct search *s, bool *ret_found, struct err *err)
{
	struct object_id id = s->w->object;
	struct operator_record record;
	struct plan_facts plan;
	enum rc rc;

	id.version = ledger_version(s);
	rc = operator_record_read(s->conn, s->a, &id, &record, err);
	*ret_found = record.is_found;
	if (rc != RC_OK || !record.is_found)
		return rc;
	s->w->attempts = record.attempts;
	if (record.state == LG_REJECTED) {
		s->w->place = OP_REJECTED;
		s->w->code = record.reason;
		s->w->why = slice_str(
			"it was rejected; its message is kept as a dead letter for a while");
		return find_dead_letter(s, err);
	}
	rc = operator_plan_facts(s->conn, s->a, record.plan, record.slot, &plan, err);
	return rc == RC_OK ? judge_claim(s, &plan, err) : rc;
}

static enum rc ask_queue(struct search *s, struct err *err)
{
	uint64_t message;
	enum rc rc = find_message(s, &message, err);

	if (rc == RC_OK && message) {
		s->w->place = OP_WAITING;
		s->w->why = slice_str("its message is in the queue");
		return RC_OK;
	}
	if (rc == RC_OK)
		rc = find_dead_letter(s, err);
	if (rc == RC_OK && s->w->dead_id[0]) {
		s->w->place = OP_DEAD;
		s->w->why = slice_str("its message is a dead letter");
	}
	return rc;
}

static void nothing_found(struct search *s)
{
	s->w->place = OP_NOT_FOUND;
	if (s->seq) {
		s->w->place = OP_NO_MESSAGE;
		s->w->why = slice_str("no message about it was found: it was put before the event "
				      "prefix covered it, or its message was dropped");
	} else if (!s->o->is_landing_local) {
		s->w->why = slice_str("no record and no message of it was found; the landing "
				      "bucket is in another store, which is not asked");
	} else if (s->w->object.version.n) {
		s->w->why = slice_str("no such version of this key, and no record of one");
	} else {
		s->w->why = slice_str("no such key, and no record of one");
	}
}

static enum rc look(struct search *s, struct err *err)
{
	bool found = false;
	enum rc rc = RC_OK;

	if (!is_watched(s))
		return RC_OK;
	s->w->place = OP_NOT_FOUND;
	if (s->o->is_landing_local)
		rc = find_version(s, err);
	if (rc == RC_OK && !s->w->object.version.n)
		rc = find_in_ledger(s, err);
	if (rc == RC_OK && s->w->object.version.n)
		rc = ask_ledger(s, &found, err);
	if (rc == RC_OK && !found)
		rc = ask_queue(s, err);
	if (rc == RC_OK && s->w->place == OP_NOT_FOUND)
		nothing_found(s);
	s->w->is_gone = s->o->is_landing_local && !s->seq && s->w->place != OP_NOT_FOUND;
	return rc;
}

enum rc operator_where(struct op_port *op, struct arena *a, const struct object_id *object,
	struct op_where *ret_where, struct err *err)
{
	struct local_operator *o = operator_of(op);
	struct op_where where = {.object = object_id_copy(a, object)};
	struct search s = {.o = o, .a = a, .w = &where};
	enum rc rc;

	s.conn = db_reader(o->local->db);
	db_read_begin(s.conn); /* one moment's answer */
	rc = look(&s, err);
	db_read_end(s.conn);
	db_reader_return(o->local->db, s.conn);
	if (rc == RC_OK)
		*ret_where = where;
	return rc;
}
