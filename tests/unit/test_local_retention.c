/* adapter/local/retention: what is old goes, what is needed stays, nobody waits, the disk gets its
 * space back. */
#include "check.h"

#include <sys/stat.h>

#include "adapter/local/retention/retention.h"
#include "operator_fixture.h"

struct world {
	struct local_fixture f;
	struct retention_config cfg;
	struct retention_report did;
};

static int setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	fixture_init(&w->f, 3);
	fixture_bucket(&w->f, LANDING, BS_ENABLED);
	fixture_bucket(&w->f, DISTRIBUTION, BS_ENABLED);
	fixture_bucket(&w->f, "archive", BS_ENABLED);
	w->cfg = (struct retention_config){.landing_bucket = LANDING,
		.event_prefix = PREFIX,
		.distribution_bucket = DISTRIBUTION,
		.landing_ms = 7 * DAY_MS,
		.distribution_ms = 14 * DAY_MS,
		.uploads_ms = DAY_MS,
		.ledger_ms = 45 * DAY_MS,
		.dead_letters_ms = 14 * DAY_MS};
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	fixture_release(&w->f);
	free(w);
	return 0;
}

static void run(struct world *w)
{
	struct err err = {0};

	if (local_retention_run(w->f.local, &w->cfg, &w->did, &err) != RC_OK)
		fail_msg("%s", err.text);
}

static void pass_days(struct world *w, uint64_t days)
{
	fixture_pass(&w->f.clock, days * DAY_MS);
}

static void each_bucket_has_its_own_age(void **state)
{
	struct world *w = *state;
	char version[BS_VERSION_MAX];

	op_put(&w->f, LANDING, "other/a", 10, version);
	op_put(&w->f, DISTRIBUTION, "bundle-1", 200000, version); /* a file */
	op_put(&w->f, "archive", "bundle-1", 10, version);
	pass_days(w, 6);
	run(w);
	assert_int_equal(w->did.versions, 0);
	pass_days(w, 2);
	run(w);
	assert_int_equal(w->did.versions, 1);
	pass_days(w, 7);
	run(w);
	assert_int_equal(w->did.versions, 1);
	assert_int_equal(number_of(&w->f, "SELECT count(*) FROM version"), 1); /* the archive's */
	assert_int_equal(number_of(&w->f, "SELECT count(*) FROM blob"), 0);
	assert_int_equal(number_of(&w->f, "SELECT sum(objects) FROM bucket"), 1);
	pass_days(w, 10000);
	run(w);
	assert_int_equal(number_of(&w->f, "SELECT count(*) FROM version"), 1);
}

static void what_is_not_bundled_yet_never_expires(void **state)
{
	static const uint32_t excluded[] = {1};
	struct world *w = *state;
	char version[4][BS_VERSION_MAX];
	struct object_id objects[3];
	struct plan_id plan;

	op_put(&w->f, LANDING, "data/shipped", 10, version[0]);
	op_put(&w->f, LANDING, "data/rejected", 10, version[1]);
	op_put(&w->f, LANDING, "data/claimed", 10, version[2]);
	op_put(&w->f, LANDING, "data/never-claimed", 10, version[3]);
	objects[0] = object_of("data/shipped", version[0]);
	objects[1] = object_of("data/rejected", version[1]);
	objects[2] = object_of("data/claimed", version[2]);
	plan = make_plan(&w->f, 1, "bundle-1", objects, 2);
	make_plan(&w->f, 2, "bundle-2", &objects[2], 1);
	reject(&w->f, &plan, &objects[1], "object-missing");
	finish_plan(&w->f, &plan, 2, excluded, 1);
	pass_days(w, 30);
	run(w);
	assert_int_equal(w->did.versions, 2);
	assert_int_equal(
		number_of(&w->f, "SELECT count(*) FROM version WHERE key IN "
				 "(CAST('data/claimed' AS BLOB), CAST('data/never-claimed' AS "
				 "BLOB))"),
		2);
}

static void what_is_rejected_stays_as_long_as_its_dead_letter(void **state)
{
	static const uint32_t excluded[] = {0};
	struct world *w = *state;
	char version[BS_VERSION_MAX], id[OP_ID_BYTES];
	struct object_id object;
	struct plan_id plan;

	op_put(&w->f, LANDING, "data/rejected", 10, version);
	object = object_of("data/rejected", version);
	plan = make_plan(&w->f, 1, "bundle-1", &object, 1);
	reject(&w->f, &plan, &object, "denied");
	finish_plan(&w->f, &plan, 1, excluded, 1);
	make_dead(&w->f, &object, "denied", id);
	pass_days(w, 10); /* redriving it now must find it */
	run(w);
	assert_int_equal(w->did.versions + w->did.dead_letters, 0);
	pass_days(w, 5);
	run(w);
	assert_int_equal(w->did.dead_letters, 1);
	assert_int_equal(w->did.versions, 1);
}

/* A bundle that is being published may have to be looked at again; a version in it is nobody's to
 * remove. */
static void what_is_in_a_sealed_bundle_stays_until_it_is_published(void **state)
{
	static const unsigned char nonce[LG_NONCE_BYTES];
	struct lg_seal seal = {.staged = slice_str("stage"), .size_bytes = 1, .n_slots = 1};
	struct world *w = *state;
	char version[BS_VERSION_MAX];
	struct object_id object;
	struct plan_id plan;
	struct err err;

	op_put(&w->f, LANDING, "data/sealed", 10, version);
	object = object_of("data/sealed", version);
	plan = make_plan(&w->f, 1, "bundle-1", &object, 1);
	assert_int_equal(lg_plan_seal(local_ledger(w->f.local), &plan, nonce, &seal, &err), RC_OK);
	pass_days(w, 60);
	run(w);
	assert_int_equal(w->did.versions + w->did.records + w->did.plans, 0);
	assert_int_equal(lg_plan_done(local_ledger(w->f.local), &plan, &err), RC_OK);
	run(w);
	assert_int_equal(w->did.versions, 1);
}

/* Stands in the committer's way until retention has chosen what to remove, then does what a redrive
 * does. */
struct late_redrive {
	struct commit_op op;
	bool slept;
};

static enum rc late_redrive_apply(struct commit_op *op, struct db_conn *conn, struct err *err)
{
	struct late_redrive *r = (struct late_redrive *)op;

	if (!r->slept)
		clock_sleep_ms(clock_system(), 400);
	r->slept = true;
	return db_run(
		db_stmt(conn, "UPDATE claim SET state = 1, reason = NULL, sum = NULL WHERE state = 2"), err);
}

static void *redrive_late(void *arg)
{
	struct late_redrive r = {.op = {.apply = late_redrive_apply}};
	struct err err = {0};

	if (committer_run(((struct world *)arg)->f.local->committer, &r.op, &err) != RC_OK)
		die("%s", err.text);
	return NULL;
}

static void what_is_redriven_meanwhile_stays(void **state)
{
	static const uint32_t excluded[] = {0};
	struct world *w = *state;
	char version[BS_VERSION_MAX];
	struct object_id object;
	struct plan_id plan;
	pthread_t thread;

	op_put(&w->f, LANDING, "data/rejected", 10, version);
	object = object_of("data/rejected", version);
	plan = make_plan(&w->f, 1, "bundle-1", &object, 1);
	reject(&w->f, &plan, &object, "denied");
	finish_plan(&w->f, &plan, 1, excluded, 1);
	pass_days(w, 30);
	assert_int_equal(pthread_create(&thread, NULL, redrive_late, w), 0);
	clock_sleep_ms(clock_system(), 100);
	run(w);
	pthread_join(thread, NULL);
	assert_int_equal(w->did.versions, 0);
	assert_int_equal(number_of(&w->f, "SELECT count(*) FROM version"), 1);
}

static void markers_go_with_the_last_version_under_them(void **state)
{
	struct world *w = *state;
	char version[BS_VERSION_MAX];

	op_put(&w->f, DISTRIBUTION, "bundle-1", 10, version);
	pass_days(w, 10);
	op_delete(&w->f, DISTRIBUTION, "bundle-1");
	op_delete(&w->f, DISTRIBUTION, "never-was");
	op_put(&w->f, DISTRIBUTION, "bundle-2", 10, version);
	op_delete(&w->f, DISTRIBUTION, "bundle-2");
	pass_days(w, 5);
	run(w);
	assert_int_equal(w->did.versions, 1);
	assert_int_equal(
		w->did.markers, 1); /* bundle-1's: younger than 14 days, but nothing is under it */
	assert_int_equal(number_of(&w->f, "SELECT count(*) FROM version"), 3);
	pass_days(w, 10);
	run(w);
	assert_int_equal(number_of(&w->f, "SELECT count(*) FROM version"), 0);
}

/* A deleted object that is not bundled yet stays, and so must the marker: without it the object
 * would be there again. */
static void a_marker_stays_as_long_as_what_it_hides(void **state)
{
	struct world *w = *state;
	char version[BS_VERSION_MAX];

	op_put(&w->f, LANDING, "data/pending", 10, version);
	op_delete(&w->f, LANDING, "data/pending");
	pass_days(w, 300);
	run(w);
	assert_int_equal(w->did.versions, 0);
	assert_int_equal(w->did.markers, 0);
	assert_int_equal(number_of(&w->f, "SELECT count(*) FROM version"), 2);
}

static void zero_keeps_for_ever(void **state)
{
	struct world *w = *state;
	char version[BS_VERSION_MAX], id[OP_ID_BYTES];

	w->cfg.landing_ms = w->cfg.distribution_ms = w->cfg.dead_letters_ms = w->cfg.ledger_ms =
		w->cfg.uploads_ms = 0;
	op_put(&w->f, LANDING, "other/a", 10, version);
	op_put(&w->f, DISTRIBUTION, "bundle-1", 10, version);
	make_dead(&w->f, NULL, "not-json", id);
	pass_days(w, 3000);
	run(w);
	assert_int_equal(w->did.versions + w->did.dead_letters + w->did.plans + w->did.records, 0);
}

static void dead_letters_stay_for_their_time_after_they_died(void **state)
{
	struct world *w = *state;
	char id[OP_ID_BYTES];

	for (int i = 0; i < 250; i++)
		make_dead(&w->f, NULL, "not-json", id);
	pass_days(w, 13);
	run(w);
	assert_int_equal(w->did.dead_letters, 0);
	pass_days(w, 2);
	run(w);
	assert_int_equal(w->did.dead_letters, 250);
}

static void records_stay_while_the_source_version_exists(void **state)
{
	struct world *w = *state;
	char version[2][BS_VERSION_MAX];
	struct object_id objects[2];
	struct plan_id plan;
	struct fixture_wait wait = FIXTURE_WAIT;
	struct bs_deletion d;

	w->cfg.landing_ms = 0;
	op_put(&w->f, LANDING, "data/a", 10, version[0]);
	op_put(&w->f, LANDING, "data/b", 10, version[1]);
	objects[0] = object_of("data/a", version[0]);
	objects[1] = object_of("data/b", version[1]);
	plan = make_plan(&w->f, 1, "bundle-1", objects, 2);
	finish_plan(&w->f, &plan, 2, NULL, 0);
	make_plan(&w->f, 2, "bundle-2", NULL, 0); /* open, of a worker that died: the scanner's */
	d = (struct bs_deletion){.key = slice_str("data/b"), .version = slice_str(version[1])};
	bs_call(local_bucket_store(w->f.local), delete_many, slice_str(LANDING), &d, (size_t)1,
		((struct bs_done){fixture_done, &wait}));
	assert_int_equal(fixture_end(&wait), RC_OK);
	pass_days(w, 44);
	run(w);
	assert_int_equal(w->did.records, 0);
	pass_days(w, 2);
	run(w);
	assert_int_equal(w->did.records, 1); /* b's */
	assert_int_equal(w->did.plans, 0);   /* a's record names it */
	w->cfg.landing_ms = 7 * DAY_MS;
	run(w); /* now the version goes, and with it everything about it */
	assert_int_equal(w->did.versions, 1);
	assert_int_equal(w->did.records, 1);
	assert_int_equal(w->did.plans, 1);
	assert_int_equal(number_of(&w->f, "SELECT count(*) FROM plan"), 1);
}

/* A walk over more records than one chunk has loses none: the rest stands behind a cursor. */
static void records_of_many_chunks(void **state)
{
	enum { N = 4500 };
	struct world *w = *state;
	struct lg_claim *claims = xcalloc(N, sizeof(*claims));
	struct arena a = ARENA_INIT;
	struct plan_id plan;
	struct err err;

	plan = make_plan(&w->f, 1, "bundle-1", NULL, 0);
	for (unsigned i = 0; i < N; i++)
		claims[i] = (struct lg_claim){.slot = i,
			.object = object_of("data/gone", arena_printf(&a, "%032x", i * 7919u))};
	assert_int_equal(
		lg_claim_many(local_ledger(w->f.local), &a, &plan, claims, (size_t)N, &err), RC_OK);
	finish_plan(&w->f, &plan, N, NULL, 0);
	pass_days(w, 46);
	run(w);
	assert_int_equal(w->did.records, N);
	assert_int_equal(w->did.plans, 1);
	free(claims);
	arena_release(&a);
}

/* Plans whose objects are kept for ever, more than are looked at at a time, and behind them one
 * that is over. */
static void what_is_kept_hides_nothing_behind_it(void **state)
{
	static const char sql[] =
		"CREATE TEMP TABLE n AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 "
		"FROM n WHERE i < 20001)"
		" SELECT i FROM n;"
		"INSERT INTO plan(seq, id, state, live, heartbeat, nonce, owner, bucket, key, "
		"opened, n_slots)"
		" SELECT i, CAST(printf('%016d', i) AS BLOB), 4, 0, 0, x'', x'', x'', x'', i, 1 "
		"FROM n;"
		"INSERT INTO claim(version, bucket, key, state, plan, slot, attempts)"
		" SELECT CAST(printf('%016x%016x', i, 7) AS BLOB), CAST('landing' AS BLOB), "
		"CAST('data/' || i AS BLOB), 1,"
		"  CAST(printf('%016d', i) AS BLOB), 0, 1 FROM n;"
		"INSERT INTO version(bucket, is_current, key, seq, nonce, is_null, is_marker, kind, size, "
		"modified, n_parts, etag, headers)"
		" SELECT 1, 1, CAST('data/' || i AS BLOB), i, 7, 0, 0, 0, 0, 0, 0, 'e', x'' FROM n "
		"WHERE i < 20001;";
	struct world *w = *state;
	char path[128];
	sqlite3 *db;

	w->cfg.landing_ms = 0;
	snprintf(path, sizeof(path), "%s/baler.db", w->f.folder);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 10000);
	assert_int_equal(sqlite3_exec(db, "BEGIN", NULL, NULL, NULL), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s", sqlite3_errmsg(db));
	assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	run(w);
	assert_int_equal(w->did.records, 1);
	assert_int_equal(w->did.plans, 1);
	assert_int_equal(number_of(&w->f, "SELECT count(*) FROM plan"), 20000);
}

static void part_of(struct local_fixture *f, const char *upload, uint32_t number)
{
	struct made m = {.wait = FIXTURE_WAIT};
	struct bs_put *put;
	struct err err;

	assert_int_equal(bs_call(local_bucket_store(f->local), put_begin, slice_str(LANDING),
				 slice_str("data/big"), &put, &err),
		RC_OK);
	assert_int_equal(bs_put_write(put, slice_str("a part"), &err), RC_OK);
	bs_part_commit(put, slice_str(upload), number, "5d41402abc4b2a76b9719d911017c592",
		(struct slice){0}, ((struct bs_done){made_done, &m}));
	assert_int_equal(fixture_end(&m.wait), RC_OK);
}

static void uploads_that_nobody_completes(void **state)
{
	struct world *w = *state;
	struct made old = {.wait = FIXTURE_WAIT}, fresh = {.wait = FIXTURE_WAIT};
	struct bucket_store *bs = local_bucket_store(w->f.local);

	bs_call(bs, upload_create, slice_str(LANDING), slice_str("data/big"), (struct slice){0},
		((struct bs_done){made_done, &old}));
	assert_int_equal(fixture_end(&old.wait), RC_OK);
	for (uint32_t i = 1; i <= 700; i++)
		part_of(&w->f, old.version, i);
	pass_days(w, 2);
	bs_call(bs, upload_create, slice_str(LANDING), slice_str("data/big"), (struct slice){0},
		((struct bs_done){made_done, &fresh}));
	assert_int_equal(fixture_end(&fresh.wait), RC_OK);
	part_of(&w->f, fresh.version, 1);
	run(w);
	assert_int_equal(w->did.uploads, 1);
	assert_int_equal(number_of(&w->f, "SELECT count(*) FROM upload"), 1);
	assert_int_equal(number_of(&w->f, "SELECT count(*) FROM part"), 1);
	assert_int_equal(number_of(&w->f, "SELECT count(*) FROM body"), 1);
}

/* As many as a client with a bad line leaves behind: not one commit for each. */
static void many_uploads_share_transactions(void **state)
{
	enum { N = 300 };
	struct world *w = *state;
	struct bucket_store *bs = local_bucket_store(w->f.local);
	uint64_t commits;
	char key[32];

	for (int i = 0; i < N; i++) {
		struct made m = {.wait = FIXTURE_WAIT};

		snprintf(key, sizeof(key), "data/%d", i);
		bs_call(bs, upload_create, slice_str(LANDING), slice_str(key), (struct slice){0},
			((struct bs_done){made_done, &m}));
		assert_int_equal(fixture_end(&m.wait), RC_OK);
	}
	pass_days(w, 2);
	commits = local_stat(w->f.local).commits;
	run(w);
	assert_int_equal(w->did.uploads, N);
	assert_int_equal(number_of(&w->f, "SELECT count(*) FROM upload"), 0);
	assert_true(local_stat(w->f.local).commits - commits < N / 4);
}

static uint64_t database_pages(struct world *w)
{
	return number_of(&w->f, "PRAGMA page_count");
}

/* As du counts. */
static uint64_t folder_kib(struct world *w)
{
	char command[160];
	unsigned long kib = 0;
	FILE *f;

	snprintf(command, sizeof(command), "du -sk --exclude=reserve %s", w->f.folder);
	f = popen(command, "r");
	if (!f || fscanf(f, "%lu", &kib) != 1)
		die("du");
	pclose(f);
	return kib;
}

/* The rows of small objects, the files of large ones, and the log. */
static void space_goes_back_to_the_file_system(void **state)
{
	struct world *w = *state;
	char version[BS_VERSION_MAX], key[32];
	uint64_t before, after;
	int i;

	for (i = 0; i < 400; i++) {
		snprintf(key, sizeof(key), "other/%d", i);
		op_put(&w->f, LANDING, key, 60000, version);
	}
	for (i = 0; i < 20; i++) {
		snprintf(key, sizeof(key), "bundle-%d", i);
		op_put(&w->f, LANDING, key, 1 << 20, version);
	}
	assert_true(folder_kib(w) > 43000);
	before = database_pages(w);
	assert_true(before > 400 * 60000 / 4096);
	pass_days(w, 8);
	run(w);
	assert_int_equal(w->did.versions, 420);
	after = database_pages(w);
	assert_true(after < before / 10);
	assert_true(number_of(&w->f, "PRAGMA freelist_count") <= after / 10 + 1);
	/* files are removed on another thread, the database is cut when the log is moved; of the
	 * log 16 MiB stay */
	for (i = 0; i < 100 && folder_kib(w) > 20000; i++)
		clock_sleep_ms(clock_system(), 100);
	assert_true(folder_kib(w) <= 20000);
}

static uint64_t log_bytes(struct world *w)
{
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), "%s/baler.db-wal", w->f.folder);
	return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

/* While somebody looks at one moment, a backup or an audit, the log can only grow; afterwards it is
 * what it was, though nothing more is written. */
static void the_log_is_short_again_after_a_long_reader(void **state)
{
	struct world *w = *state;
	struct db_conn *reader = db_reader(w->f.local->db);
	char version[BS_VERSION_MAX], key[32];
	struct err err;
	bool row;
	int i;

	db_read_begin(reader);
	assert_int_equal(
		db_step(db_stmt(reader, "SELECT count(*) FROM version"), &row, &err), RC_OK);
	for (i = 0; i < 500; i++) {
		snprintf(key, sizeof(key), "other/%d", i);
		op_put(&w->f, LANDING, key, 100000, version);
	}
	assert_true(log_bytes(w) > 40u << 20);
	db_read_end(reader);
	db_reader_return(w->f.local->db, reader);
	for (i = 0; i < 100 && log_bytes(w) > 17u << 20; i++)
		clock_sleep_ms(clock_system(), 100);
	assert_true(log_bytes(w) <= 17u << 20);
}

/* A put that comes meanwhile waits for a transaction or two, not for the pass. */
static void transactions_are_short(void **state)
{
	struct world *w = *state;
	char version[BS_VERSION_MAX], key[32];

	for (int i = 0; i < 1200; i++) {
		snprintf(key, sizeof(key), "other/%d", i);
		op_put(&w->f, LANDING, key, 4000, version);
	}
	pass_days(w, 8);
	run(w);
	assert_int_equal(w->did.versions, 1200);
	/* the work of one, fsync included, on a busy machine; all at once took many times as
	 * long */
	assert_true(w->did.longest_ms < 1000);
}

static void the_thread_works_by_the_clock_it_was_given(void **state)
{
	struct world *w = *state;
	struct local_retention *r;
	char version[BS_VERSION_MAX];
	int i;

	op_put(&w->f, LANDING, "other/a", 10, version);
	r = local_retention_start(w->f.local, &w->cfg);
	pass_days(w, 8);
	for (i = 0; i < 100 && number_of(&w->f, "SELECT count(*) FROM version"); i++)
		clock_sleep_ms(clock_system(), 100);
	local_retention_stop(r);
	assert_true(i < 100);
}

/* Whether the thread removes the one version there is. It looks once a second. */
static bool is_removed(struct world *w, int seconds)
{
	for (int i = 0; i < seconds * 10; i++) {
		if (!number_of(&w->f, "SELECT count(*) FROM version"))
			return true;
		clock_sleep_ms(clock_system(), 100);
	}
	return false;
}

static void wait_for_a_look(struct world *w)
{
	for (int i = 0; i < 100 && !number_of(&w->f, "SELECT count(*) FROM meta WHERE name = "
						     "'retention_wall_ms'");
		i++)
		clock_sleep_ms(clock_system(), 100);
}

static void a_clock_that_jumps_ahead_removes_nothing_for_a_day(void **state)
{
	struct world *w = *state;
	struct local_retention *r;
	char version[BS_VERSION_MAX];

	op_put(&w->f, DISTRIBUTION, "bundle-1", 10, version);
	r = local_retention_start(w->f.local, &w->cfg);
	wait_for_a_look(w);
	w->f.wall_jump_ms += (int64_t)(365 * DAY_MS);
	fixture_pass(&w->f.clock, 2 * 3600000); /* two passes would be due */
	assert_false(is_removed(w, 2));
	fixture_pass(&w->f.clock, DAY_MS); /* nobody has put it right: it is right */
	assert_true(is_removed(w, 10));
	local_retention_stop(r);
}

static void a_clock_that_is_put_right_again_harms_nothing(void **state)
{
	struct world *w = *state;
	struct local_retention *r;
	char version[BS_VERSION_MAX];

	op_put(&w->f, DISTRIBUTION, "bundle-1", 10, version);
	r = local_retention_start(w->f.local, &w->cfg);
	wait_for_a_look(w);
	w->f.wall_jump_ms += (int64_t)(365 * DAY_MS);
	assert_false(is_removed(w, 2));
	w->f.wall_jump_ms -= (int64_t)(365 * DAY_MS);
	fixture_pass(&w->f.clock, 13 * DAY_MS);
	assert_false(is_removed(w, 2));
	fixture_pass(&w->f.clock, 2 * DAY_MS);
	assert_true(is_removed(w, 10)); /* the next pass is not put off for a year either */
	local_retention_stop(r);
}

static void a_start_with_a_wrong_clock_removes_nothing_for_a_day(void **state)
{
	struct world *w = *state;
	struct local_retention *r;
	char version[BS_VERSION_MAX];

	op_put(&w->f, DISTRIBUTION, "bundle-1", 10, version);
	r = local_retention_start(w->f.local, &w->cfg);
	wait_for_a_look(w);
	local_retention_stop(r);
	w->f.wall_jump_ms += (int64_t)(365 * DAY_MS);
	for (int i = 0; i < 2; i++) { /* nor does starting again make it right */
		r = local_retention_start(w->f.local, &w->cfg);
		fixture_pass(&w->f.clock, 2 * 3600000);
		assert_false(is_removed(w, 2));
		local_retention_stop(r);
	}
	r = local_retention_start(w->f.local, &w->cfg);
	fixture_pass(&w->f.clock, DAY_MS);
	assert_true(is_removed(w, 10));
	local_retention_stop(r);
}

static void jump_days(struct world *w, int64_t days)
{
	w->f.wall_jump_ms += days * (int64_t)DAY_MS;
}

static void restart(struct world *w)
{
	local_close(w->f.local);
	fixture_start(&w->f);
}

static void begin_upload(struct world *w, const char *key)
{
	struct made m = {.wait = FIXTURE_WAIT};

	bs_call(local_bucket_store(w->f.local), upload_create, slice_str(LANDING), slice_str(key),
		(struct slice){0}, ((struct bs_done){made_done, &m}));
	assert_int_equal(fixture_end(&m.wait), RC_OK);
}

/* Put when the clock was right, when it was a year ahead, and after it was put right. */
static void put_three(struct world *w, bool with_restart)
{
	char version[BS_VERSION_MAX];

	op_put(&w->f, LANDING, "other/before", 10, version);
	jump_days(w, 365);
	op_put(&w->f, LANDING, "other/ahead", 10, version);
	begin_upload(w, "data/ahead");
	jump_days(w, -365);
	if (with_restart)
		restart(w);
	op_put(&w->f, LANDING, "other/after", 10, version);
}

/* Order and time are two things: what the clock did once does not keep anything for a year. */
static void a_clock_that_was_ahead_once_does_not_turn_retention_off(void **state)
{
	struct world *w = *state;

	for (int with_restart = 0; with_restart < 2; with_restart++) {
		put_three(w, with_restart);
		pass_days(w, 5);
		run(w);
		assert_int_equal(w->did.versions, 0);
		assert_int_equal(w->did.uploads, 1);
		pass_days(w, 3);
		run(w);
		assert_int_equal(w->did.versions, 3);
		assert_int_equal(number_of(&w->f, "SELECT count(*) FROM version"), 0);
	}
}

/* One that falls back by mistake looks the same, and nothing goes too early when it is put
 * right. */
static void a_clock_that_falls_back_and_is_put_right_removes_nothing_early(void **state)
{
	struct world *w = *state;
	char version[BS_VERSION_MAX];

	op_put(&w->f, LANDING, "other/before", 10, version);
	jump_days(w, -365);
	restart(w);
	op_put(&w->f, LANDING, "other/behind", 10, version);
	pass_days(w, 1);
	run(w);
	assert_int_equal(w->did.versions, 0);
	jump_days(w, 365);
	run(w);
	assert_int_equal(w->did.versions, 0);
	pass_days(w, 7);
	run(w);
	assert_int_equal(w->did.versions, 2);
}

static void what_the_ledger_and_the_queue_keep_is_as_old_as_it_is(void **state)
{
	static const uint32_t excluded[] = {1};
	struct world *w = *state;
	char version[2][BS_VERSION_MAX];
	struct object_id objects[2];
	struct plan_id plan;

	jump_days(w, 365);
	op_put(&w->f, LANDING, "data/shipped", 10, version[0]);
	op_put(&w->f, LANDING, "data/rejected", 10, version[1]);
	objects[0] = object_of("data/shipped", version[0]);
	objects[1] = object_of("data/rejected", version[1]);
	plan = make_plan(&w->f, 1, "bundle-1", objects, 2);
	reject(&w->f, &plan, &objects[1], "object-missing");
	finish_plan(&w->f, &plan, 2, excluded, 1);
	jump_days(w, -365);
	restart(w);
	pass_days(w, 8);
	run(w);
	assert_int_equal(w->did.versions, 1); /* what was rejected waits for its dead letter */
	pass_days(w, 7);
	run(w);
	assert_int_equal(w->did.versions, 1);
	pass_days(w, 31);
	run(w);
	assert_int_equal(w->did.records, 2);
	assert_int_equal(w->did.plans, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(each_bucket_has_its_own_age),
		TEST(what_is_not_bundled_yet_never_expires),
		TEST(what_is_rejected_stays_as_long_as_its_dead_letter),
		TEST(what_is_in_a_sealed_bundle_stays_until_it_is_published),
		TEST(what_is_redriven_meanwhile_stays),
		TEST(markers_go_with_the_last_version_under_them),
		TEST(a_marker_stays_as_long_as_what_it_hides),
		TEST(zero_keeps_for_ever),
		TEST(a_clock_that_was_ahead_once_does_not_turn_retention_off),
		TEST(a_clock_that_falls_back_and_is_put_right_removes_nothing_early),
		TEST(what_the_ledger_and_the_queue_keep_is_as_old_as_it_is),
		TEST(dead_letters_stay_for_their_time_after_they_died),
		TEST(records_stay_while_the_source_version_exists),
		TEST(records_of_many_chunks),
		TEST(what_is_kept_hides_nothing_behind_it),
		TEST(uploads_that_nobody_completes),
		TEST(many_uploads_share_transactions),
		TEST(space_goes_back_to_the_file_system),
		TEST(the_log_is_short_again_after_a_long_reader),
		TEST(transactions_are_short),
		TEST(the_thread_works_by_the_clock_it_was_given),
		TEST(a_clock_that_jumps_ahead_removes_nothing_for_a_day),
		TEST(a_clock_that_is_put_right_again_harms_nothing),
		TEST(a_start_with_a_wrong_clock_removes_nothing_for_a_day),
	};

	return cmocka_run_group_tests_name("local retention", tests, NULL, NULL);
}
