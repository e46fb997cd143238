/* What the tests of operator and retention share: objects, plans and dead letters in a data folder
 * of their own. */
#ifndef BALER_TESTS_UNIT_OPERATOR_FIXTURE_H
#define BALER_TESTS_UNIT_OPERATOR_FIXTURE_H

#include "local_fixture.h"

#include "adapter/local/engine/db.h"
#include "adapter/local/local_internal.h"
#include "base/digest.h"
#include "model/s3_event.h"
#include "port/event_queue.h"
#include "port/ledger.h"
#include "port/operator.h"

#define LANDING "landing"
#define DISTRIBUTION "distribution"
#define PREFIX "data/"
#define DAY_MS 86400000ull

struct made {
	struct fixture_wait wait;
	char version[BS_VERSION_MAX];
};

static inline void made_done(void *arg, const struct bs_result *result)
{
	struct made *m = arg;

	memcpy(m->version, result->object.version, BS_VERSION_MAX);
	fixture_done(&m->wait, result);
}

/* Its versionId in out. */
static inline void op_put(struct local_fixture *f, const char *bucket, const char *key,
	size_t bytes, char out[BS_VERSION_MAX])
{
	struct made m = {.wait = FIXTURE_WAIT};
	struct bs_commit commit = {
		.etag = "5d41402abc4b2a76b9719d911017c592", .event_name = "ObjectCreated:Put"};
	struct bs_put *put;
	struct err err;
	char *body = xcalloc(1, bytes + 1);

	if (bs_call(local_bucket_store(f->local), put_begin, slice_str(bucket), slice_str(key),
		    &put, &err) != RC_OK ||
		bs_put_write(put, slice_of(body, bytes), &err) != RC_OK)
		die("put: %s", err.text);
	bs_put_commit(put, &commit, ((struct bs_done){made_done, &m}));
	if (fixture_end(&m.wait) != RC_OK)
		die("put '%s'", key);
	memcpy(out, m.version, BS_VERSION_MAX);
	free(body);
}

/* A delete marker. */
static inline void op_delete(struct local_fixture *f, const char *bucket, const char *key)
{
	struct fixture_wait w = FIXTURE_WAIT;
	struct bs_deletion d = {.key = slice_str(key)};

	bs_call(local_bucket_store(f->local), delete_many, slice_str(bucket), &d, (size_t)1,
		((struct bs_done){fixture_done, &w}));
	if (fixture_end(&w) != RC_OK || d.rc != RC_OK)
		die("delete '%s'", key);
}

static inline struct object_id object_of(const char *key, const char *version)
{
	return (struct object_id){slice_str(LANDING), slice_str(key), slice_str(version)};
}

/* A plan whose bundle has this key, with the objects claimed in order. */
static inline struct plan_id make_plan(struct local_fixture *f, unsigned char number,
	const char *key, const struct object_id *objects, size_t n)
{
	struct lg_claim claims[8] = {0};
	struct lg_plan plan = {.state = PLAN_OPEN,
		.owner = slice_str("test"),
		.bucket = slice_str(DISTRIBUTION),
		.key = slice_str(key),
		.opened_wall_ms = clock_wall_ms(&f->clock)};
	struct arena a = ARENA_INIT;
	struct err err = {0};

	memset(plan.id.bytes, number, PLAN_ID_BYTES);
	for (size_t i = 0; i < n; i++)
		claims[i] = (struct lg_claim){.object = objects[i], .slot = (uint32_t)i};
	if (lg_plan_open(local_ledger(f->local), &plan, &err) != RC_OK ||
		lg_claim_many(local_ledger(f->local), &a, &plan.id, claims, n, &err) != RC_OK)
		die("plan: %s", err.text);
	arena_release(&a);
	return plan.id;
}

/* Sealed with n slots less those excluded, and done. */
static inline void finish_plan(struct local_fixture *f, const struct plan_id *id, uint32_t n,
	const uint32_t *excluded, size_t n_excluded)
{
	static const unsigned char nonce[LG_NONCE_BYTES];
	struct lg_seal seal = {.staged = slice_str("stage"),
		.size_bytes = 1234,
		.n_slots = n};
	unsigned char bits[8] = {0};
	struct err err = {0};

	for (size_t i = 0; i < n_excluded; i++)
		bits[excluded[i] / 8] |= (unsigned char)(1 << excluded[i] % 8);
	if (n_excluded)
		seal.excluded = slice_of(bits, LG_BITMAP_BYTES(n));
	if (lg_plan_seal(local_ledger(f->local), id, nonce, &seal, &err) != RC_OK ||
		lg_plan_done(local_ledger(f->local), id, &err) != RC_OK)
		die("finish: %s", err.text);
}

static inline void reject(struct local_fixture *f, const struct plan_id *id,
	const struct object_id *object, const char *code)
{
	struct lg_reject r = {.object = *object, .reason = slice_str(code)};
	struct err err = {0};

	if (lg_reject_many(local_ledger(f->local), id, &r, (size_t)1, &err) != RC_OK ||
		r.result != RC_OK)
		die("reject: %s", err.text);
}

/* A message that becomes a dead letter at once; its id in out. NULL object: no event at all. */
static inline void make_dead(struct local_fixture *f, const struct object_id *object,
	const char *code, char out[OP_ID_BYTES])
{
	struct event_queue *q = local_event_queue(f->local);
	struct s3_event_record record = {.event_name = slice_str("ObjectCreated:Put")};
	struct eq_message *messages;
	struct arena a = ARENA_INIT;
	struct eq_dead dead;
	struct slice body = slice_str("no event");
	struct err err = {0};
	struct buf text;
	enum rc result;
	size_t n;

	buf_init(&text, 65536);
	if (object) {
		record.object = *object;
		s3_event_write(&text, &record, "eu-central-1", "1");
		body = buf_slice(&text);
	}
	if (eq_send(q, &body, 1, &result, &err) != RC_OK ||
		eq_receive(q, &a, 1, 0, 60000, &messages, &n, &err) != RC_OK || n != 1)
		die("dead letter: %s", err.text);
	dead = (struct eq_dead){messages[0].receipt, slice_str(code), slice_str("a reason")};
	if (eq_dead_letter(q, &dead, 1, &result, &err) != RC_OK || result != RC_OK)
		die("dead letter: %s", err.text);
	memcpy(out, messages[0].id.p, OP_ID_BYTES - 1);
	out[OP_ID_BYTES - 1] = '\0';
	buf_release(&text);
	arena_release(&a);
}

/* One statement, past the adapter. */
static inline void change_folder(struct local_fixture *f, const char *sql)
{
	char path[128];
	sqlite3 *handle = NULL;

	snprintf(path, sizeof(path), "%s/baler.db", f->folder);
	if (sqlite3_open(path, &handle) != SQLITE_OK ||
		sqlite3_exec(handle, sql, NULL, NULL, NULL) != SQLITE_OK)
		die("%s: %s", sql, sqlite3_errmsg(handle));
	sqlite3_close(handle);
}

/* What one SELECT of a number gives. */
static inline uint64_t number_of(struct local_fixture *f, const char *sql)
{
	struct db_conn *conn = db_reader(f->local->db);
	sqlite3_stmt *st = NULL;
	uint64_t v;

	if (sqlite3_prepare_v2(db_handle(conn), sql, -1, &st, NULL) != SQLITE_OK ||
		sqlite3_step(st) != SQLITE_ROW)
		die("%s", sql);
	v = (uint64_t)sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	db_reader_return(f->local->db, conn);
	return v;
}

#endif
