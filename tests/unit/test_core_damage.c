/* The pipeline over a data folder whose disk did not keep what it was given: who is set aside, what
 * is made again, what is said. */
#include "failures_fixture.h"

#include <sys/stat.h>

#include "damage_help.h"

#define LARGE 200000 /* bytes: a file */
#define N_GOOD 4

/* A body of n letters that begins with name. */
static const char *text_of(struct fixture *f, const char *name, size_t n)
{
	char *text = arena_alloc(&f->arena, n + 1);

	memset(text, 'x', n);
	memcpy(text, name, strlen(name));
	return text;
}

struct flipping {
	const char *head; /* the files' first two bytes */
	ino_t done[64];   /* a bundle and its archive copy are one file with two names */
	size_t n;
};

static void flip_if(void *arg, const char *path)
{
	struct flipping *flip = arg;
	unsigned char head[2];
	int fd = open(path, O_RDONLY);
	struct stat st;
	bool is_done = false;

	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	for (size_t i = 0; i < flip->n; i++)
		is_done |= flip->done[i] == st.st_ino;
	if (!is_done && pread(fd, head, 2, 0) == 2 && memcmp(head, flip->head, 2) == 0) {
		flip_byte(path, 40);
		assert_true(flip->n < 64);
		flip->done[flip->n++] = st.st_ino;
	}
	close(fd);
}

/* A byte in each file that begins so. */
static void flip_files(struct fixture *f, const char *head)
{
	struct flipping flip = {.head = head};

	each_blob(f->local.folder, flip_if, &flip);
	assert_true(flip.n > 0);
}

static uint64_t n_damaged(struct fixture *f, const char *kind, const char *key)
{
	struct op_status s;

	assert_int_equal(op_status_get(f->op, &f->arena, &s, NULL), RC_OK);
	for (size_t i = 0; i < s.n_damage; i++) {
		assert_string_equal(s.damage[i].kind, kind);
		assert_true(s.damage[i].what.n > 0 && s.damage[i].bucket.n > 0);
		assert_true(slice_has_prefix(s.damage[i].key, slice_str(key)));
	}
	return s.n_damaged;
}

static uint64_t n_damaged_messages(struct fixture *f)
{
	struct op_status s;

	assert_int_equal(op_status_get(f->op, &f->arena, &s, NULL), RC_OK);
	for (size_t i = 0; i < s.n_damage; i++)
		assert_string_equal(s.damage[i].kind, "message");
	return s.n_damaged;
}

/* More of them than a bundle is begun again for, small ones in rows and large ones in files. */
static void damaged_objects_are_dead_letters_at_once_and_the_others_ship(void **state)
{
	struct fixture *f = *state;
	struct s3_event_record good[N_GOOD], bad;
	struct op_dead_page page;
	char key[32];

	for (int i = 0; i < 9; i++) {
		snprintf(key, sizeof(key), "data/bad%d", i);
		bad = put(f, key, text_of(f, i < 7 ? "BAD" : "BED", i < 7 ? LARGE : 1000));
		announce(f, &bad);
	}
	for (int i = 0; i < N_GOOD; i++) {
		snprintf(key, sizeof(key), "data/good%d", i);
		good[i] = put(f, key, text_of(f, "good", i % 2 ? LARGE : 1000));
		announce(f, &good[i]);
	}
	flip_files(f, "BA");
	run_sql(f->local.folder, "UPDATE body SET data = CAST('BED' || substr(data, 4, 996) || 'y' AS BLOB)"
				 " WHERE substr(data, 1, 3) = x'424544'");
	run(f);
	for (int i = 0; i < N_GOOD; i++) {
		struct shown s = look(f);

		assert_int_equal(times_shipped(&s, &good[i]), 1);
		assert_int_equal(s.n_members, N_GOOD);
		forget(&s);
	}
	assert_int_equal(op_dead_list(f->op, &f->arena, "", 100, &page, NULL), RC_OK);
	assert_int_equal(page.n, 9);
	for (size_t i = 0; i < page.n; i++) {
		assert_slice_is(page.dead[i].code, "object-damaged");
		assert_int_equal(page.dead[i].attempts, 1);
		assert_non_null(memmem(page.dead[i].reason.p, page.dead[i].reason.n,
			"put the object again", 20));
	}
	assert_int_equal(n_damaged(f, "object", "data/bad"), 9);
}

/* Put again, it ships; deleted, nobody is told of it any more. */
static void the_alarm_ends_with_the_version(void **state)
{
	struct fixture *f = *state;
	struct s3_event_record bad = put(f, "data/bad", text_of(f, "BAD", LARGE)), again;
	struct object_id id = bad.object;
	enum rc result;

	announce(f, &bad);
	flip_files(f, "BA");
	run(f);
	assert_int_equal(n_damaged(f, "object", "data/bad"), 1);
	again = put(f, "data/bad", text_of(f, "BAD", LARGE));
	announce(f, &again);
	run(f);
	assert_shown(f, 1, 1, &again, 1);
	assert_int_equal(n_damaged(f, "object", "data/bad"), 1);
	assert_int_equal(os_delete_many(local_object_store(f->local.local), id.bucket, &id, 1,
				 &result, NULL),
		RC_OK);
	assert_int_equal(n_damaged(f, "object", "data/bad"), 0);
}

static bool is_sealed(struct fixture *f)
{
	struct op_status s;

	assert_int_equal(op_status_get(f->op, &f->arena, &s, NULL), RC_OK);
	return s.plans_sealed > 0;
}

static void publish_nothing(struct fixture *f, bool nothing)
{
	f->verb = "publish";
	f->action = FAULT_AGAIN;
	f->n = nothing ? -1 : 0;
}

/* Bundle and archive copy are one file; the manifest is another. */
static void os14_a_damaged_stage_is_not_published_its_members_are_bundled_again(void **state)
{
	static const char *const heads[] = {"\x1f\x8b", "{\""};

	for (size_t i = 0; i < 2; i++) {
		struct s3_event_record a, b;
		struct fixture *f;

		setup(state);
		f = *state;
		fault_all_ports(f);
		a = put(f, "data/a", text_of(f, "a", 1000));
		b = put(f, "data/b", text_of(f, "b", LARGE));
		announce(f, &a);
		announce(f, &b);
		publish_nothing(f, true);
		while (!is_sealed(f))
			step_on(f);
		publish_nothing(f, false);
		flip_files(f, heads[i]);
		restart(f);
		for (int step = 0; step < 20; step++) {
			step_on(f);
			assert_shown(f, 0, 0, NULL, 0);
		}
		run(f);
		assert_shown(f, 1, 2, &a, 1);
		assert_shown(f, 1, 2, &b, 1);
		assert_none_dead(f);
		assert_int_equal(n_damaged(f, "stage", ""), 0); /* it was discarded */
		teardown(state);
	}
}

/* Of its object nobody can be sure: it is neither delivered nor lost, and cannot be redriven. The
 * others are. */
static void a_damaged_message_is_a_dead_letter_and_the_others_are_delivered(void **state)
{
	struct fixture *f = *state;
	struct s3_event_record bad = put(f, "data/bad", "bad"), good = put(f, "data/good", "good");
	struct op_change change;
	struct op_dead dead;

	announce(f, &bad);
	announce(f, &good);
	run_sql(f->local.folder, "UPDATE message SET body = CAST(replace(CAST(body AS TEXT), 'data/bad',"
				 " 'data/bat') AS BLOB)");
	run(f);
	assert_shown(f, 1, 1, &good, 1);
	dead = the_dead(f);
	assert_slice_is(dead.code, "message-damaged");
	assert_true(dead.is_damaged);
	assert_int_equal(n_damaged_messages(f), 1);
	change = (struct op_change){0};
	snprintf(change.id, sizeof(change.id), "%s", dead.id);
	assert_int_equal(op_redrive(f->op, "test", &change, 1, NULL), RC_OK);
	assert_int_equal(change.outcome, OP_REFUSED);
	assert_non_null(strstr(change.why, "its message is damaged"));
	assert_int_equal(op_drop(f->op, "test", &change, 1, NULL), RC_OK);
	assert_int_equal(change.outcome, OP_DONE);
	assert_int_equal(n_damaged_messages(f), 0);
}

static void a_dead_letter_that_is_damaged_says_so_and_is_not_put_back(void **state)
{
	struct fixture *f = *state;
	struct s3_event_record gone = put(f, "data/gone", "gone");
	struct op_change change = {0};
	struct op_dead dead;

	gone.object.key = slice_str("data/never");
	announce(f, &gone);
	run(f);
	assert_false(the_dead(f).is_damaged);
	run_sql(f->local.folder, "UPDATE dead_letter SET body = x'7b7d'");
	dead = the_dead(f);
	assert_true(dead.is_damaged);
	assert_non_null(memmem(dead.reason.p, dead.reason.n, "is damaged", 10));
	snprintf(change.id, sizeof(change.id), "%s", dead.id);
	assert_int_equal(op_redrive(f->op, "test", &change, 1, NULL), RC_OK);
	assert_int_equal(change.outcome, OP_REFUSED);
	assert_int_equal(queue(f).dead, 1);
}

/* Whether the object was bundled cannot be told any more: it is not bundled again, and the others
 * are. */
static void a_damaged_record_is_never_guessed(void **state)
{
	struct fixture *f = *state;
	struct s3_event_record bad = put(f, "data/bad", "bad"), good;
	struct op_where where;
	struct err err = {0};
	struct op_dead dead;

	announce(f, &bad);
	run(f);
	assert_shown(f, 1, 1, &bad, 1);
	run_sql(f->local.folder, "UPDATE claim SET slot = slot + 1");
	good = put(f, "data/good", "good");
	announce(f, &bad);
	announce(f, &good);
	run(f);
	assert_shown(f, 2, 2, &good, 1);
	assert_shown(f, 2, 2, &bad, 1);
	dead = the_dead(f);
	assert_slice_is(dead.code, "record-damaged");
	assert_int_equal(n_damaged(f, "record", "data/bad"), 1);
	assert_int_equal(op_where_is(f->op, &f->arena, &bad.object, &where, &err), RC_CORRUPT);
	assert_non_null(strstr(err.text, "data/bad"));
}

/* A sealed plan that is not what was sealed is neither published nor undone; the others are looked
 * after. */
static void a_damaged_plan_stays_and_holds_up_nobody(void **state)
{
	struct s3_event_record bad, good;
	struct fixture *f = *state;

	fault_all_ports(f);
	bad = put(f, "data/bad", "bad");
	announce(f, &bad);
	publish_nothing(f, true);
	while (!is_sealed(f))
		step_on(f);
	publish_nothing(f, false);
	run_sql(f->local.folder, "UPDATE plan SET n_slots = n_slots + 1");
	good = put(f, "data/good", "good");
	announce(f, &good);
	restart(f);
	run(f);
	assert_shown(f, 1, 1, &good, 1);
	assert_slice_is(the_dead(f).code, "record-damaged");
	assert_int_equal(n_damaged(f, "plan", ""), 1);
	assert_true(is_sealed(f));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(damaged_objects_are_dead_letters_at_once_and_the_others_ship),
		TEST(the_alarm_ends_with_the_version),
		TEST(a_damaged_message_is_a_dead_letter_and_the_others_are_delivered),
		TEST(a_dead_letter_that_is_damaged_says_so_and_is_not_put_back),
		TEST(a_damaged_record_is_never_guessed),
		TEST(a_damaged_plan_stays_and_holds_up_nobody),
		cmocka_unit_test(
			os14_a_damaged_stage_is_not_published_its_members_are_bundled_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
