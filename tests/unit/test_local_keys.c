/* port/key_store.h over adapter/local: each clause by name, over crashes too. */
#include "check.h"

#include <sqlite3.h>
#include <sys/stat.h>

#include "local_fixture.h"
#include "port/key_store.h"

struct world {
	struct local_fixture f;
	struct key_store *ks;
};

static enum rc open_keys(struct world *w, struct err *err)
{
	return local_keys_open(w->f.local, &w->ks, err);
}

static int setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	fixture_init(&w->f, 5);
	if (open_keys(w, NULL) != RC_OK)
		die("no key store");
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	ks_close(w->ks);
	fixture_release(&w->f);
	free(w);
	return 0;
}

static void crash(struct world *w)
{
	struct err err = {0};

	ks_close(w->ks);
	w->ks = NULL;
	fixture_crash(&w->f);
	if (open_keys(w, &err) != RC_OK)
		fail_msg("%s", err.text);
}

static struct key_info add(struct world *w, enum key_role role, const char *note, char *secret)
{
	struct key_info info;

	assert_int_equal(ks_add(w->ks, role, slice_str(note), &info, secret, NULL), RC_OK);
	return info;
}

static void ks1_a_key_is_found_at_once_and_after_a_crash(void **state)
{
	struct world *w = *state;
	char secret[KEY_SECRET_MAX + 1], second[KEY_SECRET_MAX + 1];
	struct key_info a = add(w, ROLE_SUPPLIER, "a", secret), b = add(w, ROLE_ADMIN, "", second);
	struct key_grant grant;

	assert_string_not_equal(a.access_key, b.access_key);
	assert_string_not_equal(secret, second);
	assert_int_equal(strlen(secret), 40);
	for (int i = 0; i < 2; i++) {
		assert_true(ks_find(w->ks, a.access_key, &grant));
		assert_string_equal(grant.secret, secret);
		assert_int_equal(grant.role, ROLE_SUPPLIER);
		assert_true(ks_find(w->ks, b.access_key, &grant));
		assert_int_equal(grant.role, ROLE_ADMIN);
		assert_false(ks_find(w->ks, "nobody", &grant));
		assert_false(ks_find(w->ks, "", &grant));
		crash(w);
	}
}

static void ks2_a_revoked_key_is_found_no_more(void **state)
{
	struct world *w = *state;
	char secret[KEY_SECRET_MAX + 1];
	struct key_info a = add(w, ROLE_CONSUMER, "", secret),
			b = add(w, ROLE_CONSUMER, "", secret);
	struct key_info got, again;
	struct key_grant grant;

	assert_int_equal(ks_revoke(w->ks, a.access_key, &got, NULL), RC_OK);
	assert_true(got.revoked_wall_ms >= a.created_wall_ms);
	for (int i = 0; i < 2; i++) {
		assert_false(ks_find(w->ks, a.access_key, &grant));
		assert_true(ks_find(w->ks, b.access_key, &grant));
		crash(w);
	}
	assert_int_equal(ks_revoke(w->ks, a.access_key, &again, NULL), RC_OK);
	assert_int_equal(again.revoked_wall_ms, got.revoked_wall_ms);
	assert_int_equal(ks_revoke(w->ks, "nobody", &got, NULL), RC_ABSENT);
}

static void ks3_find_gives_a_copy_while_others_change(void **state)
{
	struct world *w = *state;
	char secret[KEY_SECRET_MAX + 1], first[KEY_SECRET_MAX + 1];
	struct key_info a = add(w, ROLE_PROCESSOR, "", first), info[60];
	struct key_grant before, grant;

	assert_true(ks_find(w->ks, a.access_key, &before));
	for (int i = 0; i < 60; i++) /* grows, and shifts what is sorted */
		info[i] = add(w, ROLE_SUPPLIER, "", secret);
	for (int i = 0; i < 60; i += 2)
		assert_int_equal(ks_revoke(w->ks, info[i].access_key, &info[i], NULL), RC_OK);
	for (int i = 0; i < 60; i++)
		assert_int_equal(ks_find(w->ks, info[i].access_key, &grant), i % 2);
	assert_int_equal(ks_revoke(w->ks, a.access_key, &a, NULL), RC_OK);
	assert_string_equal(before.secret, first);
}

static void ks4_the_list_has_all_and_no_secret(void **state)
{
	struct world *w = *state;
	char secret[KEY_SECRET_MAX + 1];
	struct key_info a = add(w, ROLE_SUPPLIER, "plant 7, ü", secret), *keys;
	struct arena arena = ARENA_INIT;
	size_t n;

	add(w, ROLE_CONSUMER, "", secret);
	assert_int_equal(ks_revoke(w->ks, a.access_key, &a, NULL), RC_OK);
	crash(w);
	assert_int_equal(ks_list(w->ks, &arena, &keys, &n, NULL), RC_OK);
	assert_int_equal(n, 2);
	assert_string_equal(keys[0].access_key, a.access_key);
	assert_string_equal(keys[0].note, "plant 7, ü");
	assert_int_equal(keys[0].revoked_wall_ms, a.revoked_wall_ms);
	assert_int_equal(keys[1].role, ROLE_CONSUMER);
	assert_int_equal(keys[1].revoked_wall_ms, 0);
	assert_null(memmem(keys, n * sizeof(*keys), secret, strlen(secret)));
	arena_release(&arena);
}

static void ks1_what_cannot_be_a_key_is_refused(void **state)
{
	struct world *w = *state;
	char secret[KEY_SECRET_MAX + 1], note[KEY_NOTE_MAX + 2];
	struct key_info info;

	memset(note, 'n', sizeof(note));
	assert_int_equal(ks_add(w->ks, ROLE_NONE, slice_str(""), &info, secret, NULL), RC_REFUSED);
	assert_int_equal(ks_add(w->ks, N_ROLES, slice_str(""), &info, secret, NULL), RC_REFUSED);
	assert_int_equal(
		ks_add(w->ks, ROLE_ADMIN, slice_of(note, KEY_NOTE_MAX + 1), &info, secret, NULL),
		RC_REFUSED);
	assert_int_equal(
		ks_add(w->ks, ROLE_ADMIN, slice_str("a\nb"), &info, secret, NULL), RC_REFUSED);
	/* Not UTF-8: a lone byte, a sequence cut off, an overlong one, a surrogate. Hidden: C1, a
	 * bidirectional control, DEL. */
	for (const char *const *bad = (const char *const[]){"caf\xe9", "caf\xc3", "\xc0\xaf", "\xed\xa0\x80",
		     "a\xc2\x9b" "1m", "\xe2\x80\xaegpj.exe", "a\x7f", NULL};
		*bad; bad++)
		assert_int_equal(
			ks_add(w->ks, ROLE_ADMIN, slice_str(*bad), &info, secret, NULL), RC_REFUSED);
	assert_int_equal(
		ks_add(w->ks, ROLE_ADMIN, slice_of(note, KEY_NOTE_MAX), &info, secret, NULL),
		RC_OK);
}

/* Runs sql on the closed database; opens the folder again: what the key store says then. */
static enum rc after(struct world *w, const char *sql, struct err *err)
{
	char path[256];
	sqlite3 *db;
	enum rc rc;

	ks_close(w->ks);
	w->ks = NULL;
	local_close(w->f.local);
	snprintf(path, sizeof(path), "%s/baler.db", w->f.folder);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	fixture_start(&w->f);
	rc = open_keys(w, err);
	return rc;
}

static void ks5_a_changed_row_is_not_believed(void **state)
{
	struct world *w = *state;
	char first[KEY_SECRET_MAX + 1], second[KEY_SECRET_MAX + 1];
	struct key_info a = add(w, ROLE_SUPPLIER, "", first);
	struct key_grant grant;
	struct err err = {0};

	add(w, ROLE_ADMIN, "", second);
	/* another role; a secret lent from another row; no secret at all */
	assert_int_equal(after(w, "UPDATE access_key SET role = 4 WHERE id = 1", &err), RC_CORRUPT);
	assert_non_null(strstr(err.text, a.access_key));
	assert_int_equal(after(w,
				 "UPDATE access_key SET role = 1 WHERE id = 1;"
				 "CREATE TABLE kept AS SELECT secret FROM access_key WHERE id = 1;"
				 "UPDATE access_key SET secret = (SELECT secret FROM access_key "
				 "WHERE id = 2) WHERE id = 1",
				 &err),
		RC_CORRUPT);
	assert_int_equal(
		after(w, "UPDATE access_key SET secret = NULL WHERE id = 1", &err), RC_CORRUPT);
	assert_int_equal(
		after(w,
			"UPDATE access_key SET secret = (SELECT secret FROM kept) WHERE id = 1;"
			"DROP TABLE kept",
			&err),
		RC_OK);
	assert_true(ks_find(w->ks, a.access_key, &grant));
	assert_string_equal(grant.secret, first);
}

static void ks5_the_master_key_is_ours_alone_and_needed(void **state)
{
	struct world *w = *state;
	char secret[KEY_SECRET_MAX + 1], path[256], moved[256], command[700];
	struct err err = {0};
	struct stat st;

	snprintf(path, sizeof(path), "%s/master-key", w->f.folder);
	snprintf(moved, sizeof(moved), "%s/master-key.moved", w->f.folder);
	assert_int_not_equal(stat(path, &st), 0); /* made with the first key */
	add(w, ROLE_SUPPLIER, "", secret);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	snprintf(command, sizeof(command), "! grep -rqF -e '%s' %s", secret, w->f.folder);
	assert_int_equal(system(command), 0); /* the secret is nowhere in the folder */
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(after(w, "", &err), RC_REFUSED);
	assert_non_null(strstr(err.text, "chmod 600"));
	assert_int_equal(rename(path, moved), 0);
	assert_int_equal(after(w, "", &err), RC_CORRUPT);
	assert_non_null(strstr(err.text, "master-key' is missing"));
	assert_int_equal(chmod(moved, 0600), 0);
	assert_int_equal(mkfifo(path, 0600), 0); /* not waited for */
	assert_int_equal(after(w, "", &err), RC_REFUSED);
	assert_non_null(strstr(err.text, "not a plain file"));
	assert_int_equal(rename(moved, path), 0);
	assert_int_equal(after(w, "", &err), RC_OK);
}

/* A folder from before there were keys. */
static void an_older_folder_gets_the_table(void **state)
{
	struct world *w = *state;
	char secret[KEY_SECRET_MAX + 1];

	assert_int_equal(after(w, "DROP TABLE access_key", NULL), RC_OK);
	add(w, ROLE_SUPPLIER, "", secret);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ks1_a_key_is_found_at_once_and_after_a_crash),
		TEST(ks1_what_cannot_be_a_key_is_refused),
		TEST(ks2_a_revoked_key_is_found_no_more),
		TEST(ks3_find_gives_a_copy_while_others_change),
		TEST(ks4_the_list_has_all_and_no_secret),
		TEST(ks5_a_changed_row_is_not_believed),
		TEST(ks5_the_master_key_is_ours_alone_and_needed),
		TEST(an_older_folder_gets_the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
