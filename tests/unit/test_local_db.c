/* The data folder and its database: who may open what. */
#include "check.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "adapter/local/engine/db.h"
#include "adapter/local/engine/schema.sql.h"
#include "base/file.h"
#include "schema_v1.h"

#define HANG_SECONDS 20 /* then SIGALRM ends the test */

struct fixture {
	char folder[64];
	char path[128]; /* of path_in */
	struct err err;
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	snprintf(f->folder, sizeof(f->folder), "/tmp/baler-db-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(file_remove_tree(f->folder, &f->err), RC_OK);
	free(f);
	return 0;
}

static const char *path_in(struct fixture *f, const char *name)
{
	snprintf(f->path, sizeof(f->path), "%s/%s", f->folder, name);
	return f->path;
}

static void write_file(const char *path, const char *text)
{
	struct err err;

	assert_int_equal(file_replace(path, slice_str(text), 0600, &err), RC_OK);
}

static void open_ok(struct fixture *f)
{
	struct db *db = NULL;

	if (db_open(f->folder, &db, &f->err) != RC_OK)
		fail_msg("%s", f->err.text);
	db_close(db);
}

static void open_refused(struct fixture *f, const char *why)
{
	struct db *db = NULL;

	assert_int_equal(db_open(f->folder, &db, &f->err), RC_REFUSED);
	assert_null(db);
	if (!strstr(f->err.text, why))
		fail_msg("'%s' does not say '%s'", f->err.text, why);
}

static void a_new_folder_is_made_private(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	snprintf(f->folder + strlen(f->folder), 8, "/a/b");
	open_ok(f);
	assert_int_equal(stat(f->folder, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	f->folder[strlen(f->folder) - 4] = '\0';
}

static void an_existing_database_opens_again(void **state)
{
	open_ok(*state);
	open_ok(*state);
}

static void a_second_process_is_refused_with_the_holders_number(void **state)
{
	struct fixture *f = *state;
	struct db *db = NULL;
	char say[64];

	assert_int_equal(db_open(f->folder, &db, &f->err), RC_OK);
	snprintf(say, sizeof(say), "in use by process %ld", (long)getpid());
	open_refused(f, say);
	db_close(db);
	open_ok(f);
}

static void *let_go_soon(void *arg)
{
	usleep(10000);
	close(*(int *)arg);
	return NULL;
}

/* As `baler verify --ledger` does when it looks whether a server is there: a start at that moment
 * must not fail for it. */
static void a_look_at_the_lock_does_not_hinder_a_start(void **state)
{
	struct fixture *f = *state;
	pthread_t looking;
	int fd;

	open_ok(f);
	fd = open(path_in(f, "lock"), O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_SH | LOCK_NB), 0);
	assert_int_equal(pthread_create(&looking, NULL, let_go_soon, &fd), 0);
	open_ok(f);
	assert_int_equal(pthread_join(looking, NULL), 0);
}

static void a_lock_of_a_dead_process_does_not_hold(void **state)
{
	struct fixture *f = *state;
	struct db *db = NULL;
	pid_t child = fork();
	int status;

	if (child == 0)
		_exit(db_open(f->folder, &db, &f->err) == RC_OK ? 0 : 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	open_ok(f);
}

static void a_foreign_folder_is_refused_and_left_alone(void **state)
{
	struct fixture *f = *state;

	write_file(path_in(f, "holiday.jpg"), "not ours");
	open_refused(f, "holiday.jpg");
	assert_int_equal(access(path_in(f, "lock"), F_OK), -1);
	assert_int_equal(access(path_in(f, "baler.db"), F_OK), -1);
}

static void a_file_that_is_no_database_is_refused(void **state)
{
	struct fixture *f = *state;
	char junk[10000];

	memset(junk, 'x', sizeof(junk) - 1);
	junk[sizeof(junk) - 1] = '\0';
	write_file(path_in(f, "baler.db"), junk);
	open_refused(f, "is not a database of baler");
}

static void run_sql(const char *path, const char *sql)
{
	sqlite3 *handle;

	assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
	assert_int_equal(sqlite3_exec(handle, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(handle), SQLITE_OK);
}

static void a_database_of_another_program_is_refused(void **state)
{
	struct fixture *f = *state;

	run_sql(path_in(f, "baler.db"), "CREATE TABLE t(a); PRAGMA application_id=77;");
	open_refused(f, "is not a database of baler");
}

static void a_newer_schema_is_refused(void **state)
{
	struct fixture *f = *state;

	open_ok(f);
	run_sql(path_in(f, "baler.db"), "PRAGMA user_version=999;");
	open_refused(f, "newer baler (schema 999");
}

static void an_empty_file_of_a_first_start_that_died_is_used(void **state)
{
	struct fixture *f = *state;

	write_file(path_in(f, "baler.db"), "");
	open_ok(f);
	open_ok(f);
}

static void a_linked_database_is_refused(void **state)
{
	struct fixture *f = *state;
	char to[128];

	snprintf(to, sizeof(to), "%s/elsewhere.db", f->folder);
	assert_int_equal(symlink(to, path_in(f, "baler.db")), 0);
	open_refused(f, "is not a plain file");
	assert_int_equal(access(to, F_OK), -1);
}

static void a_folder_others_can_write_is_refused(void **state)
{
	struct fixture *f = *state;

	open_ok(f);
	assert_int_equal(chmod(f->folder, 0777), 0);
	open_refused(f, "can be written by others");
}

static void a_path_that_is_a_file_is_refused(void **state)
{
	struct fixture *f = *state;
	struct db *db = NULL;

	write_file(path_in(f, "file"), "x");
	assert_int_equal(db_open(f->path, &db, &f->err), RC_REFUSED);
	assert_non_null(strstr(f->err.text, "is not a folder"));
}

/* On a disk that fills up the log must be what is refused, never its index: db.c, grow_index. */
static void the_logs_index_has_its_room_from_the_start(void **state)
{
	struct fixture *f = *state;
	struct db *db = NULL;
	struct stat st;

	for (int i = 0; i < 2; i++) {
		assert_int_equal(db_open(f->folder, &db, &f->err), RC_OK);
		assert_int_equal(stat(path_in(f, "baler.db-shm"), &st), 0);
		assert_true(st.st_size >= 4 * 32768);
		assert_true(st.st_blocks * 512 >= 4 * 32768);
		db_close(db);
	}
}

/* A start that died between making the file and allocating it, or a disk that was full when a
 * server stopped, leaves a smaller one. */
static void a_reserve_that_is_too_small_is_made_whole(void **state)
{
	static const off_t sizes[] = {0, 1 << 20};
	struct fixture *f = *state;
	struct stat whole, st;

	open_ok(f);
	assert_int_equal(stat(path_in(f, "reserve"), &whole), 0);
	assert_true(whole.st_size > 1 << 20);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(truncate(path_in(f, "reserve"), sizes[i]), 0);
		open_ok(f);
		assert_int_equal(stat(path_in(f, "reserve"), &st), 0);
		assert_int_equal(st.st_size, whole.st_size);
		assert_true(st.st_blocks * 512 >= st.st_size);
	}
}

static void readers_see_one_snapshot(void **state)
{
	struct fixture *f = *state;
	struct db *db = NULL;
	struct db_conn *r;
	sqlite3_stmt *st;
	bool row;

	assert_int_equal(db_open(f->folder, &db, &f->err), RC_OK);
	r = db_reader(db);
	for (int i = 0; i < 2; i++) {
		if (i == 0)
			db_read_begin(r);
		st = db_stmt(r, "SELECT count(*) FROM bucket");
		assert_int_equal(db_step(st, &row, &f->err), RC_OK);
		assert_true(row);
		assert_int_equal(db_column_u64(st, 0), 0);
		if (i == 0)
			assert_int_equal(
				db_run(db_stmt(db_writer(db), "INSERT INTO bucket(name, created, "
							      "versioning) VALUES('b', 1, 1)"),
					&f->err),
				RC_OK);
	}
	db_read_end(r);
	db_reader_return(db, r);
	db_close(db);
}

/* The lowest number that a new descriptor would have. */
static rlim_t next_fd(void)
{
	int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	close(fd);
	return (rlim_t)fd;
}

static void limit_fds(rlim_t n)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = n;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void *borrow(void *arg)
{
	struct db *db = arg;
	struct db_conn *conn = db_reader(db);

	db_reader_return(db, conn);
	return NULL;
}

/* From no descriptor at all up to enough: the folder opens and can be read, or an error says
 * that it cannot. */
static void too_few_descriptors_refuse_the_start_and_hang_nobody(void **state)
{
	struct fixture *f = *state;
	rlim_t used = next_fd(), n = used;
	unsigned n_refused = 0;
	struct db *db = NULL;
	struct rlimit before;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	open_ok(f);
	alarm(HANG_SECONDS);
	for (; n < used + 40; n++) {
		enum rc rc;

		limit_fds(n);
		rc = db_open(f->folder, &db, &f->err);
		if (rc == RC_OK)
			break;
		n_refused++;
		assert_true(f->err.text[0]);
	}
	limit_fds(before.rlim_cur);
	assert_non_null(db);
	assert_true(n_refused > 3);
	db_close(db);
	assert_true(next_fd() == used);
	alarm(0);
}

static void a_reader_for_whom_there_is_no_descriptor_waits_for_one_that_is_lent(void **state)
{
	struct fixture *f = *state;
	struct db_conn *kept, *lent;
	struct rlimit before;
	struct db *db = NULL;
	pthread_t third;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(db_open(f->folder, &db, &f->err), RC_OK);
	alarm(HANG_SECONDS);
	limit_fds(next_fd());
	kept = db_reader(db); /* as the checkpointer does */
	lent = db_reader(db);
	assert_int_equal(pthread_create(&third, NULL, borrow, db), 0);
	db_reader_return(db, lent);
	assert_int_equal(pthread_join(third, NULL), 0);
	for (int i = 0; i < 3; i++)
		borrow(db);
	limit_fds(before.rlim_cur);
	db_reader_return(db, kept);
	db_close(db);
	alarm(0);
}

/* Every column, index and trigger of the folder's database, in an order that does not depend on how
 * they were made. */
static char *schema_of(const char *path)
{
	static const char sql[] =
		"SELECT group_concat(line, char(10)) FROM (SELECT line FROM ("
		" SELECT m.name || '.' || c.name || ' ' || c.type || ' ' || c.\"notnull\" || ' ' ||"
		"  ifnull(c.dflt_value, '-') || ' ' || c.pk AS line"
		"  FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.type = 'table'"
		" UNION ALL SELECT type || ' ' || replace(replace(sql, ' ', ''), char(10), '') FROM sqlite_schema"
		"  WHERE type <> 'table' AND sql IS NOT NULL) ORDER BY line)";
	sqlite3 *handle = NULL;
	sqlite3_stmt *st = NULL;
	char *text;

	assert_int_equal(sqlite3_open_v2(path, &handle, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(handle, sql, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	text = xstrdup((const char *)sqlite3_column_text(st, 0));
	sqlite3_finalize(st);
	assert_int_equal(sqlite3_close(handle), SQLITE_OK);
	return text;
}

/* rows: statements that put something into the old tables, or "". */
static void make_folder_v1(struct fixture *f, const char *rows)
{
	sqlite3 *handle = NULL;

	assert_int_equal(sqlite3_open(path_in(f, "baler.db"), &handle), SQLITE_OK);
	assert_int_equal(sqlite3_exec(handle, "PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL;" SCHEMA_V1_SQL,
				 NULL, NULL, NULL),
		SQLITE_OK);
	assert_int_equal(sqlite3_exec(handle, rows, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(handle), SQLITE_OK);
	assert_int_equal(chmod(path_in(f, "baler.db"), 0600), 0);
}

static void a_folder_of_the_first_schema_is_upgraded_to_what_a_new_one_has(void **state)
{
	struct fixture *f = *state;
	char *fresh, *upgraded;

	open_ok(f);
	fresh = schema_of(path_in(f, "baler.db"));
	assert_int_equal(file_remove_tree(f->folder, &f->err), RC_OK);
	assert_int_equal(mkdir(f->folder, 0700), 0);
	make_folder_v1(f, "");
	open_ok(f);
	upgraded = schema_of(path_in(f, "baler.db"));
	assert_string_equal(upgraded, fresh);
	open_ok(f); /* the second start finds nothing to do */
	free(fresh);
	free(upgraded);
}

/* One key of each kind: its newest is an object, a delete marker, an object above a marker. */
static void an_upgraded_folder_knows_what_is_current(void **state)
{
	static const char rows[] =
		"INSERT INTO bucket(id, name, created, versioning) VALUES(1, 'b', 1, 1);"
		"INSERT INTO version(bucket, key, seq, nonce, is_null, is_marker, kind, size, modified, n_parts, etag, headers)"
		" VALUES(1, x'61', 1, 7, 0, 0, 0, 5, 9, 0, 'e', x'01'), (1, x'61', 2, 7, 0, 0, 0, 6, 9, 0, 'e', x''),"
		" (1, x'62', 3, 7, 0, 0, 0, 5, 9, 0, 'e', x''), (1, x'62', 4, 7, 0, 1, 0, 0, 9, 0, '', x''),"
		" (1, x'63', 5, 7, 0, 1, 0, 0, 9, 0, '', x''), (1, x'63', 6, 7, 1, 0, 0, 5, 9, 0, 'e', x'');";
	struct fixture *f = *state;
	struct db *db = NULL;
	sqlite3_stmt *st;
	bool row;

	make_folder_v1(f, rows);
	if (db_open(f->folder, &db, &f->err) != RC_OK)
		fail_msg("%s", f->err.text);
	st = db_stmt(db_writer(db),
		"SELECT group_concat(seq || ':' || is_current || ':' || size || ':' || hex(headers)) FROM"
		" (SELECT * FROM version ORDER BY seq)");
	assert_int_equal(db_step(st, &row, &f->err), RC_OK);
	assert_string_equal((const char *)sqlite3_column_text(st, 0),
		"1:0:5:01,2:1:6:,3:0:5:,4:0:0:,5:0:0:,6:1:5:");
	db_done(st);
	db_close(db);
}

/* Slots 1, 5 and 100,000 of a long list; a list without entries; a plan that is open and has
 * none. */
static void an_upgraded_folder_has_its_excluded_slots_as_bitmaps(void **state)
{
	static const char rows[] =
		"INSERT INTO plan(seq, id, state, live, heartbeat, nonce, owner, bucket, key, opened, n_slots, excluded) VALUES"
		" (1, x'01', 4, 0, 1, x'', x'', x'', x'', 1, 9, x'0100000005000000'),"
		" (2, x'02', 4, 0, 1, x'', x'', x'', x'', 1, 9, x''), (3, x'03', 1, 1, 1, x'', x'', x'', x'', 1, 0, NULL),"
		" (4, x'04', 4, 0, 1, x'', x'', x'', x'', 1, 100001, x'a0860100');";
	struct fixture *f = *state;
	struct db *db = NULL;
	sqlite3_stmt *st;
	bool row;

	make_folder_v1(f, rows);
	if (db_open(f->folder, &db, &f->err) != RC_OK)
		fail_msg("%s", f->err.text);
	st = db_stmt(db_writer(db),
		"SELECT group_concat(seq || ':' || ifnull(length(excluded), '-') || ':' || ifnull(hex(substr(excluded, -2)), ''), ' ')"
		" FROM plan");
	assert_int_equal(db_step(st, &row, &f->err), RC_OK);
	assert_string_equal((const char *)sqlite3_column_text(st, 0), "1:2:2200 2:0: 3:-: 4:12501:0001");
	db_done(st);
	db_close(db);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_new_folder_is_made_private, setup, teardown),
		cmocka_unit_test_setup_teardown(an_existing_database_opens_again, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_second_process_is_refused_with_the_holders_number, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_look_at_the_lock_does_not_hinder_a_start, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_lock_of_a_dead_process_does_not_hold, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_foreign_folder_is_refused_and_left_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_file_that_is_no_database_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_database_of_another_program_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(a_newer_schema_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(
			an_empty_file_of_a_first_start_that_died_is_used, setup, teardown),
		cmocka_unit_test_setup_teardown(a_linked_database_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_folder_others_can_write_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(a_path_that_is_a_file_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(readers_see_one_snapshot, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_reserve_that_is_too_small_is_made_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_folder_of_the_first_schema_is_upgraded_to_what_a_new_one_has, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			an_upgraded_folder_knows_what_is_current, setup, teardown),
		cmocka_unit_test_setup_teardown(
			an_upgraded_folder_has_its_excluded_slots_as_bitmaps, setup, teardown),
		cmocka_unit_test_setup_teardown(
			too_few_descriptors_refuse_the_start_and_hang_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_reader_for_whom_there_is_no_descriptor_waits_for_one_that_is_lent, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			the_logs_index_has_its_room_from_the_start, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
