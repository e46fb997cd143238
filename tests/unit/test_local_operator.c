/* port/operator.h over the data folder, clause by clause. */
#include "check.h"

#include "operator_fixture.h"

#define ARCHIVE "archive"

struct world {
	struct local_fixture f;
	struct op_port *op;
	struct arena a;
};

static void open_operator(struct world *w)
{
	struct local_operator_config cfg = {.version = "1.2.3",
		.landing_bucket = LANDING,
		.event_prefix = PREFIX,
		.distribution_bucket = DISTRIBUTION,
		.is_landing_local = true,
		.archive_bucket = ARCHIVE};

	w->op = local_operator_new(w->f.local, &cfg);
}

static int setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	fixture_init(&w->f, 3);
	fixture_bucket(&w->f, LANDING, BS_ENABLED);
	fixture_bucket(&w->f, DISTRIBUTION, BS_ENABLED);
	open_operator(w);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	op_close(w->op);
	fixture_release(&w->f);
	arena_release(&w->a);
	free(w);
	return 0;
}

static struct op_status status_of(struct world *w)
{
	struct op_status s;
	struct err err;

	assert_int_equal(op_status_get(w->op, &w->a, &s, &err), RC_OK);
	return s;
}

static void op_1_status_counts_objects_plans_and_rates(void **state)
{
	struct world *w = *state;
	char version[BS_VERSION_MAX];
	struct object_id objects[2];
	struct op_status s;
	struct plan_id plan;

	op_put(&w->f, LANDING, "data/a", 100, version);
	objects[0] = object_of("data/a", version);
	op_put(&w->f, LANDING, "data/b", 50, version);
	objects[1] = object_of("data/b", version);
	plan = make_plan(&w->f, 7, "2026/01/01/00/bundle-07070707070707070707070707070707.tar.gz",
		objects, 2);
	s = status_of(w);
	assert_string_equal(s.version, "1.2.3");
	assert_int_equal(s.landing_objects, 2);
	assert_int_equal(s.landing_bytes, 150);
	assert_int_equal(s.received, 2);
	assert_int_equal(s.plans_open, 1);
	finish_plan(&w->f, &plan, 2, NULL, 0);
	op_put(&w->f, DISTRIBUTION, "2026/01/01/00/bundle-07070707070707070707070707070707.tar.gz",
		77, version);
	s = status_of(w);
	assert_int_equal(s.plans_open, 0);
	assert_int_equal(s.waiting_bundles, 1);
	assert_int_equal(s.waiting_bytes, 77);
	assert_int_equal(s.bundles, 1);
	assert_int_equal(s.bundled, 2);
	/* the consumer takes it, a minute passes */
	op_delete(&w->f, DISTRIBUTION,
		"2026/01/01/00/bundle-07070707070707070707070707070707.tar.gz");
	fixture_pass(&w->f.clock, OP_RATE_MS + 1000);
	s = status_of(w);
	assert_int_equal(s.waiting_bundles, 0);
	assert_int_equal(s.bundles, 0);
	assert_int_equal(s.received, 0);
	assert_true(s.uptime_ms > OP_RATE_MS);
}

static void op_1_totals_follow_every_removal(void **state)
{
	struct world *w = *state;
	struct fixture_wait wait = FIXTURE_WAIT;
	char version[BS_VERSION_MAX];
	struct bs_deletion d = {.key = slice_str("data/a")};

	op_put(&w->f, LANDING, "data/a", 200000, version); /* a file */
	op_put(&w->f, LANDING, "data/a", 10, version);
	op_delete(&w->f, LANDING, "data/a");
	assert_int_equal(status_of(w).landing_objects, 2);
	assert_int_equal(status_of(w).landing_bytes, 200010);
	d.version = slice_str(version);
	bs_call(local_bucket_store(w->f.local), delete_many, slice_str(LANDING), &d, (size_t)1,
		((struct bs_done){fixture_done, &wait}));
	assert_int_equal(fixture_end(&wait), RC_OK);
	assert_int_equal(status_of(w).landing_objects, 1);
	assert_int_equal(status_of(w).landing_bytes, 200000);
}

static void remove_version(struct world *w, const char *key, const char *version)
{
	struct fixture_wait wait = FIXTURE_WAIT;
	struct bs_deletion d = {.key = slice_str(key), .version = slice_str(version)};

	bs_call(local_bucket_store(w->f.local), delete_many, slice_str(DISTRIBUTION), &d, (size_t)1,
		((struct bs_done){fixture_done, &wait}));
	assert_int_equal(fixture_end(&wait), RC_OK);
}

/* Puts, overwrites, delete markers, removals of versions old and new, of few keys so that all
 * orders come up. */
static void change_at_random(struct world *w, struct prng *r, unsigned n)
{
	char versions[16][BS_VERSION_MAX], keys[16][8], id[OP_ID_BYTES], key[8];
	unsigned n_made = 0;

	for (unsigned i = 0; i < n; i++) {
		snprintf(key, sizeof(key), "k%u", (unsigned)prng_below(r, 4));
		switch (prng_below(r, 5)) {
		case 0:
		case 1:
			memcpy(keys[n_made % 16], key, sizeof(key));
			op_put(&w->f, DISTRIBUTION, key, 1 + prng_below(r, 50),
				versions[n_made++ % 16]);
			break;
		case 2:
			op_delete(&w->f, DISTRIBUTION, key);
			break;
		case 3:
			if (n_made) {
				unsigned at = (unsigned)prng_below(r, n_made < 16 ? n_made : 16);

				remove_version(w, keys[at], versions[at]);
			}
			break;
		default:
			make_dead(&w->f, NULL, "not-json", id);
			break;
		}
	}
}

static void send_one(struct world *w)
{
	struct slice body = slice_str("no event");
	struct err err = {0};
	enum rc result;

	assert_int_equal(eq_send(local_event_queue(w->f.local), &body, 1, &result, &err), RC_OK);
}

/* Counted anew, from the rows. */
static void assert_counts(struct world *w)
{
	struct op_status s = status_of(w);

	assert_int_equal(s.waiting_bundles,
		number_of(&w->f,
			"SELECT count(*) FROM version v WHERE bucket = 2 AND NOT is_marker AND NOT "
			"EXISTS"
			" (SELECT 1 FROM version n WHERE n.bucket = 2 AND n.key = v.key AND n.seq "
			"> v.seq)"));
	assert_int_equal(s.waiting_bytes,
		number_of(&w->f,
			"SELECT ifnull(sum(size), 0) FROM version v WHERE bucket = 2 AND NOT "
			"is_marker AND NOT EXISTS"
			" (SELECT 1 FROM version n WHERE n.bucket = 2 AND n.key = v.key AND n.seq "
			"> v.seq)"));
	assert_int_equal(s.dead_letters, number_of(&w->f, "SELECT count(*) FROM dead_letter"));
	assert_int_equal(s.queue_visible + s.queue_in_flight,
		number_of(&w->f, "SELECT count(*) FROM message"));
}

static void op_1_totals_are_those_of_a_recount_also_after_a_crash(void **state)
{
	struct world *w = *state;
	struct prng r = prng_seeded(3);

	for (int round = 0; round < 6; round++) {
		change_at_random(w, &r, 60);
		send_one(w);
		assert_counts(w);
		op_close(w->op);
		fixture_crash(&w->f);
		open_operator(w);
		assert_counts(w);
	}
	assert_true(number_of(&w->f, "SELECT count(*) FROM dead_letter") > 10);
	assert_int_equal(status_of(w).queue_visible, 6);
}

/* A folder of a baler that did not keep them: counted once, kept from then on. */
static void op_1_a_folder_without_totals_gets_them(void **state)
{
	static const char forget[] = "DROP TRIGGER waiting_in; DROP TRIGGER waiting_out;"
				     "DROP TRIGGER waiting_becomes; DROP TRIGGER waiting_ceases;"
				     "DROP TRIGGER message_in; DROP TRIGGER message_out;"
				     "DROP TRIGGER dead_letter_in; DROP TRIGGER dead_letter_out;"
				     "DROP TABLE waiting; DROP TABLE total;";
	struct world *w = *state;
	struct prng r = prng_seeded(4);
	char path[128];
	sqlite3 *db;

	change_at_random(w, &r, 50);
	send_one(w);
	op_close(w->op);
	local_close(w->f.local);
	snprintf(path, sizeof(path), "%s/baler.db", w->f.folder);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, forget, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	fixture_start(&w->f);
	open_operator(w);
	assert_counts(w);
	change_at_random(w, &r, 50);
	assert_counts(w);
	assert_int_equal(status_of(w).queue_visible, 1);
}

static void op_2_pages_lose_and_repeat_nothing(void **state)
{
	enum { N = 7 };
	struct world *w = *state;
	char ids[N][OP_ID_BYTES], after[OP_ID_BYTES] = "";
	struct op_dead_page page;
	struct op_dead dead;
	struct err err;
	size_t n = 0;

	for (int i = 0; i < N; i++)
		make_dead(&w->f, NULL, "not-json", ids[i]);
	do {
		assert_int_equal(op_dead_list(w->op, &w->a, after, (size_t)3, &page, &err), RC_OK);
		for (size_t i = 0; i < page.n; i++)
			assert_string_equal(page.dead[i].id, ids[n++]);
		assert_string_equal(page.last, ids[N - 1]);
		memcpy(after, page.dead[page.n - 1].id, OP_ID_BYTES);
	} while (page.truncated);
	assert_int_equal(n, N);
	assert_int_equal(op_dead_get(w->op, &w->a, ids[3], &dead, &err), RC_OK);
	assert_true(slice_eq_str(dead.message, "no event"));
	assert_true(slice_eq_str(dead.code, "not-json"));
	assert_true(slice_eq_str(dead.reason, "a reason"));
	assert_int_equal(dead.attempts, 1);
	assert_true(dead.died_wall_ms >= dead.sent_wall_ms);
	assert_int_equal(op_dead_get(w->op, &w->a, "0000000000000001", &dead, &err), RC_ABSENT);
	assert_int_equal(op_dead_get(w->op, &w->a, "nonsense", &dead, &err), RC_REFUSED);
	assert_int_equal(op_dead_list(w->op, &w->a, "x", (size_t)3, &page, &err), RC_REFUSED);
	assert_int_equal(op_dead_list(w->op, &w->a, "", (size_t)0, &page, &err), RC_REFUSED);
}

/* Long messages make short pages: an answer of a page must fit into memory and into a reply. */
static void op_2_a_page_of_long_messages_is_short(void **state)
{
	enum { N = 9, BYTES = 900000 };
	struct world *w = *state;
	char after[OP_ID_BYTES] = "";
	struct op_dead_page page;
	size_t n = 0, n_pages = 0;
	char *sql;

	sql = arena_printf(&w->a,
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
		"INSERT INTO dead_letter SELECT i, 1, 1, 2, 'c', 'r', zeroblob(%d), NULL FROM n",
		N, BYTES);
	change_folder(&w->f, sql);
	do {
		assert_int_equal(
			op_dead_list(w->op, &w->a, after, (size_t)1000, &page, NULL), RC_OK);
		assert_in_range(page.n, 1, OP_PAGE_BYTES / BYTES + 1);
		memcpy(after, page.dead[page.n - 1].id, OP_ID_BYTES);
		n += page.n;
		n_pages++;
	} while (page.truncated);
	assert_int_equal(n, N);
	assert_int_equal(n_pages, 3);
}

/* A rejected object, excluded from its plan's bundle, and its dead letter. */
static void make_rejected(struct world *w, const uint32_t *excluded, size_t n_excluded,
	struct object_id *ret_object, char id[OP_ID_BYTES])
{
	static char version[BS_VERSION_MAX];
	struct plan_id plan;

	op_put(&w->f, LANDING, "data/bad", 10, version);
	*ret_object = object_of("data/bad", version);
	plan = make_plan(&w->f, 9, "bundle-9", ret_object, 1);
	reject(&w->f, &plan, ret_object, "object-missing");
	make_dead(&w->f, ret_object, "object-missing", id);
	finish_plan(&w->f, &plan, 1, excluded, n_excluded);
}

static void op_3_redrive_puts_the_message_back_and_opens_the_object_again(void **state)
{
	static const uint32_t excluded[] = {0};
	struct world *w = *state;
	struct op_change c = {0};
	struct lg_object record;
	struct lg_claim swap = {.slot = 0};
	struct eq_message *messages;
	struct object_id object;
	struct plan_id other;
	struct err err;
	size_t n;

	make_rejected(w, excluded, 1, &object, c.id);
	assert_int_equal(op_redrive(w->op, "root", &c, (size_t)1, &err), RC_OK);
	assert_int_equal(c.outcome, OP_DONE);
	assert_int_equal(c.n_reopened, 1);
	assert_int_equal(status_of(w).dead_letters, 0);
	assert_int_equal(
		eq_receive(local_event_queue(w->f.local), &w->a, 10, 0, 60000, &messages, &n, &err),
		RC_OK);
	assert_int_equal(n, 1);
	assert_memory_equal(messages[0].id.p, c.message_id, OP_ID_BYTES - 1);
	assert_int_equal(
		lg_object_get(local_ledger(w->f.local), &w->a, &object, &record, &err), RC_OK);
	assert_int_equal(record.state, LG_CLAIMED);
	/* as after any stale claim, another plan takes it over */
	other = make_plan(&w->f, 10, "bundle-10", NULL, 0);
	swap.object = object;
	swap.from = record.plan;
	assert_int_equal(
		lg_swap_many(local_ledger(w->f.local), &w->a, &other, &swap, (size_t)1, &err),
		RC_OK);
	assert_int_equal(swap.result, RC_OK);
	/* who did it, and what it was */
	assert_int_equal(
		number_of(&w->f, "SELECT count(*) FROM audit WHERE who = 'root' AND action = "
				 "'redrive'"),
		1);
	assert_int_equal(number_of(&w->f, "SELECT count(*) FROM audit WHERE action = 'reopen' AND "
					  "detail = CAST('object-missing' AS BLOB)"),
		1);
}

static void op_4_a_second_redrive_or_drop_does_nothing_and_says_so(void **state)
{
	struct world *w = *state;
	struct op_change c[3] = {0};
	char message_id[OP_ID_BYTES];
	struct err err;

	make_dead(&w->f, NULL, "not-json", c[0].id);
	make_dead(&w->f, NULL, "not-json", c[1].id);
	memcpy(c[2].id, "0000000000000001", OP_ID_BYTES);
	assert_int_equal(op_redrive(w->op, "root", &c[0], (size_t)1, &err), RC_OK);
	memcpy(message_id, c[0].message_id, OP_ID_BYTES);
	assert_int_equal(op_drop(w->op, "root", &c[1], (size_t)1, &err), RC_OK);
	assert_int_equal(c[1].outcome, OP_DONE);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(i ? op_drop(w->op, "root", c, (size_t)3, &err)
				   : op_redrive(w->op, "root", c, (size_t)3, &err),
			RC_OK);
		assert_int_equal(c[0].outcome, OP_ALREADY);
		assert_string_equal(c[0].message_id, message_id);
		assert_int_equal(c[1].outcome, OP_ALREADY);
		assert_string_equal(c[1].why, "dropped before");
		assert_int_equal(c[2].outcome, OP_NOT_THERE);
	}
	assert_int_equal(status_of(w).queue_visible, 1);
	fixture_crash(&w->f);
	op_close(w->op);
	open_operator(w);
	assert_int_equal(op_redrive(w->op, "root", c, (size_t)1, &err), RC_OK);
	assert_int_equal(c[0].outcome, OP_ALREADY);
	assert_int_equal(status_of(w).queue_visible, 1);
}

/* A redrive in one process is another delivery: one message, whether the process dies right after
 * or not. */
static void op_4_the_same_id_twice_in_one_call_is_redriven_once(void **state)
{
	struct world *w = *state;
	struct op_change c[2] = {0};
	struct err err;

	make_dead(&w->f, NULL, "not-json", c[0].id);
	c[1] = c[0];
	assert_int_equal(op_redrive(w->op, "root", c, (size_t)2, &err), RC_OK);
	assert_int_equal(c[0].outcome, OP_DONE);
	assert_int_equal(c[1].outcome, OP_ALREADY);
	assert_int_equal(status_of(w).queue_visible, 1);
}

static void op_5_a_member_of_a_bundle_is_never_opened_again(void **state)
{
	struct world *w = *state;
	struct object_id object;
	struct op_change c = {0};
	struct lg_object record;
	struct err err;

	make_rejected(w, NULL, 0, &object, c.id); /* a broken ledger: rejected, and yet a member */
	assert_int_equal(op_redrive(w->op, "root", &c, (size_t)1, &err), RC_OK);
	assert_int_equal(c.outcome, OP_REFUSED);
	assert_non_null(strstr(c.why, "bundle-9"));
	assert_int_equal(status_of(w).dead_letters, 1);
	assert_int_equal(status_of(w).queue_visible, 0);
	assert_int_equal(
		lg_object_get(local_ledger(w->f.local), &w->a, &object, &record, &err), RC_OK);
	assert_int_equal(record.state, LG_REJECTED);
	assert_int_equal(number_of(&w->f, "SELECT count(*) FROM audit"), 0);
}

static void op_6_drop_leaves_the_record(void **state)
{
	static const uint32_t excluded[] = {0};
	struct world *w = *state;
	struct object_id object;
	struct op_change c = {0};
	struct lg_object record;
	struct err err;

	make_rejected(w, excluded, 1, &object, c.id);
	assert_int_equal(op_drop(w->op, "root", &c, (size_t)1, &err), RC_OK);
	assert_int_equal(c.outcome, OP_DONE);
	assert_int_equal(status_of(w).dead_letters, 0);
	assert_int_equal(
		lg_object_get(local_ledger(w->f.local), &w->a, &object, &record, &err), RC_OK);
	assert_int_equal(record.state, LG_REJECTED);
}

static struct op_where where_is(struct world *w, const char *key, const char *version)
{
	struct object_id id = object_of(key, version);
	struct op_where where;
	struct err err;

	assert_int_equal(op_where_is(w->op, &w->a, &id, &where, &err), RC_OK);
	return where;
}

static void op_7_where_members_claims_and_rejections(void **state)
{
	static const uint32_t excluded[] = {1};
	struct world *w = *state;
	char a[BS_VERSION_MAX], b[BS_VERSION_MAX], c[BS_VERSION_MAX], dead[OP_ID_BYTES];
	struct object_id objects[3];
	struct op_where where;
	struct plan_id plan;

	op_put(&w->f, LANDING, "data/a", 1, a);
	op_put(&w->f, LANDING, "data/b", 1, b);
	op_put(&w->f, LANDING, "data/c", 1, c);
	objects[0] = object_of("data/a", a);
	objects[1] = object_of("data/b", b);
	objects[2] = object_of("data/c", c);
	plan = make_plan(&w->f, 1, "bundle-1", objects, 3);
	where = where_is(w, "data/a", "");
	assert_int_equal(where.place, OP_CLAIMED);
	assert_true(slice_eq_str(where.object.version, a));
	reject(&w->f, &plan, &objects[1], "object-missing");
	make_dead(&w->f, &objects[1], "object-missing", dead);
	finish_plan(&w->f, &plan, 2, excluded, 1); /* c came too late: not a member */
	where = where_is(w, "data/a", a);
	assert_int_equal(where.place, OP_MEMBER);
	assert_true(where.is_published);
	assert_true(slice_eq_str(where.bundle_key, "bundle-1"));
	assert_true(slice_eq_str(where.bundle_bucket, DISTRIBUTION));
	assert_int_equal(where.bundle_bytes, 1234);
	where = where_is(w, "data/b", b);
	assert_int_equal(where.place, OP_REJECTED);
	assert_true(slice_eq_str(where.code, "object-missing"));
	assert_string_equal(where.dead_id, dead);
	assert_int_equal(where_is(w, "data/c", c).place, OP_WAITING);
}

static void make_bundle_object(struct world *w, const char *bucket, const char *key)
{
	char version[BS_VERSION_MAX];

	op_put(&w->f, bucket, key, 1, version);
}

static void op_7_where_a_bundle_is_out_taken_and_archived(void **state)
{
	struct world *w = *state;
	char a[BS_VERSION_MAX];
	struct object_id object;
	struct op_where where;
	struct plan_id plan;

	op_put(&w->f, LANDING, "data/a", 1, a);
	object = object_of("data/a", a);
	plan = make_plan(&w->f, 1, "bundle-1", &object, 1);
	finish_plan(&w->f, &plan, 1, NULL, 0);
	make_bundle_object(w, DISTRIBUTION, "bundle-1");
	where = where_is(w, "data/a", a);
	assert_false(where.is_taken);
	assert_false(where.is_archived); /* no such bucket, even */
	assert_false(where.is_gone);
	fixture_bucket(&w->f, ARCHIVE, BS_ENABLED);
	make_bundle_object(w, ARCHIVE, "bundle-1");
	op_delete(&w->f, DISTRIBUTION, "bundle-1");
	where = where_is(w, "data/a", a);
	assert_true(where.is_published);
	assert_true(where.is_taken);
	assert_true(where.is_archived);
}

/* Sources of another day, whose versions nobody remembers. */
static void op_7_where_a_key_that_is_gone_is_found_in_the_ledger(void **state)
{
	struct world *w = *state;
	struct object_id old = object_of("data/old", "0000000000000001aaaaaaaaaaaaaaaa");
	struct object_id newer = object_of("data/old", "0000000000000000bbbbbbbbbbbbbbbb");
	struct object_id unversioned = object_of("data/null", "seq:00000000000000AA");
	struct plan_id plan = make_plan(&w->f, 1, "bundle-1", &old, 1);
	struct op_where where;

	finish_plan(&w->f, &plan, 1, NULL, 0);
	plan = make_plan(&w->f, 2, "bundle-2", (struct object_id[]){newer, unversioned}, 2);
	where = where_is(w, "data/old", "");
	assert_int_equal(where.place, OP_CLAIMED); /* by the plan that was opened last */
	assert_true(where.is_gone);
	assert_true(slice_eq(where.object.version, newer.version));
	finish_plan(&w->f, &plan, 2, NULL, 0);
	where = where_is(w, "data/null", "");
	assert_int_equal(where.place, OP_MEMBER);
	assert_true(slice_eq(where.object.version, unversioned.version));
	where = where_is(w, "data/null", "seq:00000000000000AA");
	assert_int_equal(where.place, OP_MEMBER);
	assert_int_equal(where_is(w, "data/nul", "").place, OP_NOT_FOUND);
}

static void op_7_where_messages_and_nothing(void **state)
{
	struct world *w = *state;
	struct event_queue *q = local_event_queue(w->f.local);
	struct s3_event_record record = {.event_name = slice_str("ObjectCreated:Put")};
	char a[BS_VERSION_MAX], b[BS_VERSION_MAX], dead[OP_ID_BYTES];
	struct object_id object, elsewhere = {slice_str("other"), slice_str("data/a"), {0}};
	struct op_where where;
	struct slice body;
	struct buf text;
	struct err err;
	enum rc result;

	op_put(&w->f, LANDING, "data/a", 1, a); /* the fixture notifies nobody */
	assert_int_equal(where_is(w, "data/a", "").place, OP_NO_MESSAGE);
	object = object_of("data/a", a);
	make_dead(&w->f, &object, "max-receives", dead);
	where = where_is(w, "data/a", a);
	assert_int_equal(where.place, OP_DEAD);
	assert_string_equal(where.dead_id, dead);
	buf_init(&text, 65536);
	record.object = object;
	s3_event_write(&text, &record, "eu-central-1", "1");
	body = buf_slice(&text);
	assert_int_equal(eq_send(q, &body, 1, &result, &err), RC_OK);
	assert_int_equal(where_is(w, "data/a", a).place, OP_WAITING);
	buf_release(&text);
	op_put(&w->f, LANDING, "other/x", 1, b);
	assert_int_equal(where_is(w, "other/x", "").place, OP_NOT_WATCHED);
	assert_int_equal(op_where_is(w->op, &w->a, &elsewhere, &where, &err), RC_OK);
	assert_int_equal(where.place, OP_NOT_WATCHED);
	assert_int_equal(where_is(w, "data/never", "").place, OP_NOT_FOUND);
	assert_int_equal(where_is(w, "data/a", b).place, OP_NOT_FOUND);
}

/* A plan was given up, or went without the object, and after that the object's message died. Only a
 * message that is there brings it back. */
static void op_7_where_a_stale_claim_whose_message_died_is_a_dead_letter(void **state)
{
	static const uint32_t excluded[] = {1};
	struct world *w = *state;
	char a[BS_VERSION_MAX], b[BS_VERSION_MAX], dead[2][OP_ID_BYTES];
	struct object_id objects[2];
	struct plan_id plan;
	struct err err;

	op_put(&w->f, LANDING, "data/a", 1, a);
	op_put(&w->f, LANDING, "data/b", 1, b);
	objects[0] = object_of("data/a", a);
	objects[1] = object_of("data/b", b);
	plan = make_plan(&w->f, 1, "bundle-1", objects, 1);
	assert_int_equal(lg_plan_abort(local_ledger(w->f.local), &plan, LG_ANY_HEARTBEAT, &err), RC_OK);
	plan = make_plan(&w->f, 2, "bundle-2", objects, 2); /* a stays the first plan's */
	finish_plan(&w->f, &plan, 2, excluded, 1);
	for (int i = 0; i < 2; i++) {
		const char *key = i ? "data/b" : "data/a", *version = i ? b : a;
		struct op_where where;

		assert_int_equal(where_is(w, key, version).place, OP_WAITING);
		make_dead(&w->f, &objects[i], "max-receives", dead[i]);
		where = where_is(w, key, version);
		assert_int_equal(where.place, OP_DEAD);
		assert_string_equal(where.dead_id, dead[i]);
		assert_int_equal(where_is(w, key, "").place, OP_DEAD);
		assert_false(where.bundle_key.n);
	}
}

/* Of a key in another store's landing bucket only the ledger knows the versions: 100,000 claims are
 * not looked through (10 ms). */
static void op_7_where_a_foreign_key_costs_one_look(void **state)
{
	struct local_operator_config cfg = {.version = "1.2.3",
		.landing_bucket = LANDING,
		.event_prefix = PREFIX,
		.distribution_bucket = DISTRIBUTION};
	struct world *w = *state;
	struct object_id one = object_of("data/one", "v1"), two = object_of("data/one", "v0");
	struct timespec begun, end;
	double ms, best = 1000;

	change_folder(&w->f,
		"INSERT INTO claim(version, bucket, key, state, plan, slot, attempts, by_key)"
		" WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)"
		" SELECT CAST('version-' || i AS BLOB), CAST('landing' AS BLOB), CAST('data/' || i AS BLOB),"
		"  1, x'00', 0, 1, 1 FROM n");
	op_close(w->op);
	w->op = local_operator_new(w->f.local, &cfg);
	make_plan(&w->f, 1, "bundle-1", &one, 1);
	make_plan(&w->f, 2, "bundle-2", &two, 1);
	for (int i = 0; i < 5; i++) {
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begun);
		assert_true(slice_eq_str(where_is(w, "data/one", "").bundle_key, "bundle-2"));
		assert_int_equal(where_is(w, "data/none", "").place, OP_NOT_FOUND);
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
		ms = (double)(end.tv_sec - begun.tv_sec) * 1e3 + (double)(end.tv_nsec - begun.tv_nsec) / 1e6;
		best = ms < best ? ms : best;
	}
	if (best > 2)
		fail_msg("two looks took %.1f ms", best);
}

/* A page of a foreign listing, with 5,000 messages waiting: one look at each message, not one an
 * object (seconds). */
static double cpu_ms_of_unknown(
	struct world *w, const struct object_id *ids, size_t n, bool *ret_unknown)
{
	struct timespec begun, end;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begun);
	assert_int_equal(op_unknown(w->op, ids, n, ret_unknown, NULL), RC_OK);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
	return (double)(end.tv_sec - begun.tv_sec) * 1e3 + (double)(end.tv_nsec - begun.tv_nsec) / 1e6;
}

static void op_8_what_nothing_knows_of_is_found_in_one_pass(void **state)
{
	enum { N = 1000, WAITING = 5000 };
	struct world *w = *state;
	struct event_queue *q = local_event_queue(w->f.local);
	struct object_id *ids = xcalloc(N, sizeof(*ids)), claimed;
	struct slice *bodies = xcalloc(WAITING, sizeof(*bodies));
	enum rc *results = xcalloc(WAITING, sizeof(*results));
	bool *unknown = xcalloc(N, sizeof(*unknown));
	struct s3_event_record record = {.event_name = slice_str("ObjectCreated:Put")};
	struct arena a = ARENA_INIT;
	double of_few, of_all;
	struct err err;
	struct buf text;

	for (size_t i = 0; i < N; i++) /* two versions of each key */
		ids[i] = object_of(arena_printf(&a, "data/%zu", i / 2), arena_printf(&a, "version-%zu", i));
	buf_init(&text, 65536);
	for (size_t i = 0; i < WAITING; i++) {
		/* the first 100 name even objects; one of them as SNS does; others have the version
		 * of another key */
		record.object = i < 100 ? ids[2 * i]
					: object_of("data/else", arena_printf(&a, "version-%zu", i));
		buf_reset(&text);
		s3_event_write(&text, &record, "eu-central-1", "1");
		bodies[i] = arena_slice(&a, buf_slice(&text));
	}
	bodies[7] = slice_str("{\"Type\":\"Notification\",\"Message\":\"{\\\"Records\\\":[{\\\"eventVersion\\\":\\\"2.1\\\","
			      "\\\"eventSource\\\":\\\"aws:s3\\\",\\\"eventName\\\":\\\"ObjectCreated:Put\\\",\\\"s3\\\":"
			      "{\\\"bucket\\\":{\\\"name\\\":\\\"landing\\\"},\\\"object\\\":{\\\"key\\\":\\\"data/7\\\","
			      "\\\"size\\\":1,\\\"versionId\\\":\\\"version-14\\\"}}}]}\"}");
	assert_int_equal(eq_send(q, bodies, WAITING, results, &err), RC_OK);
	claimed = ids[1];
	make_plan(&w->f, 1, "bundle-1", &claimed, 1);
	/* of ids[0] */
	change_folder(&w->f, "DELETE FROM message WHERE id = (SELECT min(id) FROM message)");
	change_folder(&w->f,
		"INSERT INTO dead_letter SELECT id, 1, 1, 1, 'c', 'r', body, NULL FROM message WHERE id ="
		" (SELECT min(id) FROM message); DELETE FROM message WHERE id = (SELECT min(id) FROM dead_letter)");
	of_few = cpu_ms_of_unknown(w, ids, N / 100, unknown);
	of_all = cpu_ms_of_unknown(w, ids, N, unknown);
	for (size_t i = 0; i < N; i++)
		assert_int_equal(unknown[i], i == 0 || !((i % 2 == 0 && i < 200) || i == 1));
	/* each message is looked at once, however many versions are asked about */
	if (of_all > 10 * of_few)
		fail_msg("%d versions took %.1f ms, %d took %.1f ms", N, of_all, N / 100, of_few);
	buf_release(&text);
	arena_release(&a);
	free(ids);
	free(bodies);
	free(results);
	free(unknown);
}

/* The rates of the last minute, and what is said, after a clock that was ahead for a while. */
static void op_1_a_clock_that_was_ahead_falsifies_no_rate_and_is_told(void **state)
{
	struct world *w = *state;
	char version[BS_VERSION_MAX];

	op_put(&w->f, LANDING, "data/before", 10, version);
	fixture_pass(&w->f.clock, 2 * OP_RATE_MS);
	w->f.wall_jump_ms += (int64_t)(30 * DAY_MS);
	for (int i = 0; i < 5; i++)
		op_put(&w->f, LANDING, "data/ahead", 10, version);
	assert_int_equal(status_of(w).received, 5);
	w->f.wall_jump_ms -= (int64_t)(30 * DAY_MS);
	assert_int_equal(status_of(w).received, 0);
	op_put(&w->f, LANDING, "data/after", 10, version);
	op_put(&w->f, LANDING, "data/after", 10, version);
	assert_int_equal(status_of(w).received, 2);
	assert_in_range(status_of(w).clock_behind_ms, 29 * DAY_MS, 30 * DAY_MS);
	fixture_pass(&w->f.clock, 2 * OP_RATE_MS);
	assert_int_equal(status_of(w).received, 0);
	fixture_pass(&w->f.clock, DAY_MS);
	assert_int_equal(status_of(w).clock_behind_ms, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(op_1_status_counts_objects_plans_and_rates),
		TEST(op_1_a_clock_that_was_ahead_falsifies_no_rate_and_is_told),
		TEST(op_1_totals_follow_every_removal),
		TEST(op_1_totals_are_those_of_a_recount_also_after_a_crash),
		TEST(op_1_a_folder_without_totals_gets_them),
		TEST(op_2_pages_lose_and_repeat_nothing),
		TEST(op_2_a_page_of_long_messages_is_short),
		TEST(op_3_redrive_puts_the_message_back_and_opens_the_object_again),
		TEST(op_4_a_second_redrive_or_drop_does_nothing_and_says_so),
		TEST(op_4_the_same_id_twice_in_one_call_is_redriven_once),
		TEST(op_5_a_member_of_a_bundle_is_never_opened_again),
		TEST(op_6_drop_leaves_the_record),
		TEST(op_7_where_members_claims_and_rejections),
		TEST(op_7_where_a_bundle_is_out_taken_and_archived),
		TEST(op_7_where_a_key_that_is_gone_is_found_in_the_ledger),
		TEST(op_7_where_messages_and_nothing),
		TEST(op_7_where_a_stale_claim_whose_message_died_is_a_dead_letter),
		TEST(op_7_where_a_foreign_key_costs_one_look),
		TEST(op_8_what_nothing_knows_of_is_found_in_one_pass),
	};

	return cmocka_run_group_tests_name("local operator", tests, NULL, NULL);
}
