/* Group commit: order, isolation of failures, durability, the sequence. */
#include "check.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapter/local/engine/committer.h"
#include "base/file.h"

struct fixture {
	char folder[64];
	struct db *db;
	struct committer *committer;
	struct err err;
};

/* Writes one row of meta, or fails as told. */
struct test_op {
	struct commit_op op;
	struct fixture *f;
	char name[32];
	enum rc fails;
	bool fails_half; /* after its write */
	unsigned applied, done;
	uint64_t seq;
	enum rc rc;
	struct err err;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t change = PTHREAD_COND_INITIALIZER;
static unsigned n_done;                  /* under lock */
static struct test_op *done_order[4096]; /* under lock */
static bool gate_shut;                   /* under lock: applies wait */
static unsigned n_at_gate;               /* under lock: applies that wait */

static enum rc test_apply(struct commit_op *op, struct db_conn *conn, struct err *err)
{
	struct test_op *t = (struct test_op *)op;
	sqlite3_stmt *st;
	enum rc rc;

	pthread_mutex_lock(&lock);
	n_at_gate++;
	pthread_cond_broadcast(&change);
	while (gate_shut)
		pthread_cond_wait(&change, &lock);
	n_at_gate--;
	pthread_mutex_unlock(&lock);
	t->applied++;
	t->seq = committer_next_seq(t->f->committer);
	if (t->fails != RC_OK && !t->fails_half)
		return err_code(err, t->fails, "Told", "told to fail");
	st = db_stmt(conn, "INSERT INTO meta(name, value) VALUES(?, ?)");
	db_bind_text(st, 1, t->name);
	db_bind_u64(st, 2, t->seq);
	rc = db_run(st, err);
	if (rc != RC_OK)
		return rc;
	return t->fails == RC_OK ? RC_OK : err_code(err, t->fails, "Told", "told to fail");
}

static void test_done(struct commit_op *op, enum rc rc, const struct err *err)
{
	struct test_op *t = (struct test_op *)op;

	pthread_mutex_lock(&lock);
	t->done++;
	t->rc = rc;
	t->err = *err;
	done_order[n_done++] = t;
	pthread_cond_broadcast(&change);
	pthread_mutex_unlock(&lock);
}

static void set_gate(bool shut)
{
	pthread_mutex_lock(&lock);
	gate_shut = shut;
	pthread_cond_broadcast(&change);
	pthread_mutex_unlock(&lock);
}

static void wait_done(unsigned n)
{
	pthread_mutex_lock(&lock);
	while (n_done < n)
		pthread_cond_wait(&change, &lock);
	pthread_mutex_unlock(&lock);
}

static void reopen(struct fixture *f)
{
	committer_free(f->committer);
	db_close(f->db);
	assert_int_equal(db_open(f->folder, &f->db, &f->err), RC_OK);
	f->committer = committer_new(f->db, clock_system());
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	n_done = 0;
	snprintf(f->folder, sizeof(f->folder), "/tmp/baler-committer-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	assert_int_equal(db_open(f->folder, &f->db, &f->err), RC_OK);
	f->committer = committer_new(f->db, clock_system());
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	committer_free(f->committer);
	db_close(f->db);
	assert_int_equal(file_remove_tree(f->folder, &f->err), RC_OK);
	free(f);
	return 0;
}

static struct test_op *ops_new(struct fixture *f, unsigned n)
{
	struct test_op *ops = xcalloc(n, sizeof(*ops));

	for (unsigned i = 0; i < n; i++) {
		ops[i].op.apply = test_apply;
		ops[i].op.done = test_done;
		ops[i].op.bytes = 100;
		ops[i].f = f;
		snprintf(ops[i].name, sizeof(ops[i].name), "op-%u", i);
	}
	return ops;
}

/* Returns once the committer's thread has taken an operation and stands at the gate with it. */
static void wait_at_gate(void)
{
	pthread_mutex_lock(&lock);
	while (n_at_gate == 0)
		pthread_cond_wait(&change, &lock);
	pthread_mutex_unlock(&lock);
}

/* All in one group: the first operation holds the committer's thread until the others wait. */
static void run_together(struct fixture *f, struct test_op *ops, unsigned n)
{
	struct test_op *first = ops_new(f, 1);

	snprintf(first->name, sizeof(first->name), "first");
	set_gate(true);
	committer_submit(f->committer, &first->op);
	wait_at_gate(); /* the thread has taken the first operation alone */
	for (unsigned i = 0; i < n; i++)
		committer_submit(f->committer, &ops[i].op);
	set_gate(false);
	wait_done(n + 1);
	free(first);
}

static bool has_row(struct fixture *f, const char *name)
{
	struct db_conn *r = db_reader(f->db);
	sqlite3_stmt *st = db_stmt(r, "SELECT 1 FROM meta WHERE name = ?");
	bool row;

	db_bind_text(st, 1, name);
	assert_int_equal(db_step(st, &row, &f->err), RC_OK);
	db_done(st);
	db_reader_return(f->db, r);
	return row;
}

static void what_arrives_together_shares_a_commit_in_order(void **state)
{
	struct fixture *f = *state;
	struct test_op *ops = ops_new(f, 1000);
	struct committer_stat stat;

	run_together(f, ops, 1000);
	for (unsigned i = 0; i < 1000; i++) {
		assert_int_equal(ops[i].rc, RC_OK);
		assert_int_equal(ops[i].applied, 1);
		assert_int_equal(ops[i].done, 1);
		assert_ptr_equal(done_order[i + 1], &ops[i]);
		assert_true(i == 0 || ops[i].seq > ops[i - 1].seq);
	}
	stat = committer_stat(f->committer);
	assert_int_equal(stat.operations, 1001);
	assert_int_equal(stat.commits, 2);
	reopen(f);
	for (unsigned i = 0; i < 1000; i++)
		assert_true(has_row(f, ops[i].name));
	free(ops);
}

static void a_group_is_bounded(void **state)
{
	struct fixture *f = *state;
	struct test_op *ops = ops_new(f, 40);

	for (unsigned i = 0; i < 40; i++)
		ops[i].op.bytes = 8 << 20;
	run_together(f, ops, 40);
	assert_int_equal(committer_stat(f->committer).commits, 1 + 20);
	free(ops);
}

static void one_that_fails_does_not_take_the_others(void **state)
{
	struct fixture *f = *state;
	struct test_op *ops = ops_new(f, 10);

	ops[3].fails = RC_FATAL;
	ops[3].fails_half = true;
	ops[7].fails = RC_AGAIN;
	run_together(f, ops, 10);
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(ops[i].rc, ops[i].fails);
		assert_int_equal(ops[i].done, 1);
		assert_int_equal(has_row(f, ops[i].name), ops[i].fails == RC_OK);
	}
	assert_true(err_is(&ops[3].err, "Told"));
	assert_in_range(ops[0].applied, 1, 4);
	free(ops);
}

/* One operation among many that fails again and again costs the others a few commits, not one each,
 * and their order stays. */
static void one_that_fails_among_many_costs_few_commits(void **state)
{
	enum { N = 1000 };
	struct fixture *f = *state;
	struct test_op *ops = ops_new(f, N);
	uint64_t commits = committer_stat(f->committer).commits;
	unsigned n = 0;

	ops[777].fails = RC_AGAIN;
	run_together(f, ops, N);
	commits = committer_stat(f->committer).commits - commits;
	assert_in_range(commits, 5, 25);
	for (unsigned i = 0; i < N; i++) {
		assert_int_equal(ops[i].rc, i == 777 ? RC_AGAIN : RC_OK);
		assert_int_equal(ops[i].done, 1);
		assert_in_range(ops[i].applied, 1, 13);
		n += done_order[i + 1] == &ops[i]; /* the first held the thread */
	}
	assert_int_equal(n, N);
	free(ops);
}

static void a_refusal_costs_the_group_nothing(void **state)
{
	struct fixture *f = *state;
	struct test_op *ops = ops_new(f, 10);

	ops[2].fails = RC_REFUSED;
	ops[4].fails = RC_CONFLICT;
	ops[6].fails = RC_ABSENT;
	run_together(f, ops, 10);
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(ops[i].rc, ops[i].fails);
		assert_int_equal(ops[i].applied, 1);
	}
	assert_int_equal(committer_stat(f->committer).commits, 2);
	free(ops);
}

static void run_waits_for_the_result(void **state)
{
	struct fixture *f = *state;
	struct test_op *ops = ops_new(f, 2);

	ops[1].fails = RC_CONFLICT;
	assert_int_equal(committer_run(f->committer, &ops[0].op, &f->err), RC_OK);
	assert_true(has_row(f, "op-0"));
	assert_int_equal(committer_run(f->committer, &ops[1].op, &f->err), RC_CONFLICT);
	assert_true(err_is(&f->err, "Told"));
	assert_int_equal(ops[0].done, 0);
	free(ops);
}

/* A clock that stands still, then goes back a day: the sequence must not. */
static uint64_t fake_wall = (uint64_t)86400 * 1000 * 20000;

static uint64_t fake_wall_ms(struct clock *c)
{
	(void)c;
	return fake_wall;
}

static void the_sequence_ascends_over_restarts_and_a_clock_set_back(void **state)
{
	struct fixture *f = *state;
	struct clock fake = {.wall_ms = fake_wall_ms};
	struct test_op *ops = ops_new(f, 30);
	uint64_t last = 0;

	for (unsigned i = 0; i < 30; i++) {
		if (i % 10 == 0) {
			committer_free(f->committer);
			db_close(f->db);
			assert_int_equal(db_open(f->folder, &f->db, &f->err), RC_OK);
			f->committer = committer_new(f->db, &fake);
		}
		if (i == 10)
			fake_wall -= 86400 * 1000;
		assert_int_equal(committer_run(f->committer, &ops[i].op, &f->err), RC_OK);
		assert_true(ops[i].seq > last);
		last = ops[i].seq;
	}
	/* No clean end: what a killed process leaves is the limit of its last commit. */
	assert_true((ops[29].seq >> 20) >= (ops[9].seq >> 20));
	free(ops);
}

static void what_was_submitted_is_run_before_the_end(void **state)
{
	struct fixture *f = *state;
	struct test_op *ops = ops_new(f, 100);

	for (unsigned i = 0; i < 100; i++)
		committer_submit(f->committer, &ops[i].op);
	reopen(f);
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(ops[i].done, 1);
		assert_true(has_row(f, ops[i].name));
	}
	free(ops);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			what_arrives_together_shares_a_commit_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(a_group_is_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(
			one_that_fails_does_not_take_the_others, setup, teardown),
		cmocka_unit_test_setup_teardown(
			one_that_fails_among_many_costs_few_commits, setup, teardown),
		cmocka_unit_test_setup_teardown(a_refusal_costs_the_group_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(run_waits_for_the_result, setup, teardown),
		cmocka_unit_test_setup_teardown(
			the_sequence_ascends_over_restarts_and_a_clock_set_back, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_was_submitted_is_run_before_the_end, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
