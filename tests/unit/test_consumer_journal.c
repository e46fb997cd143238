/* consumer/journal: what was extracted stays so, also after a torn line; a replayed bundle is another. */
#include "folder_fixture.h"

#include <fcntl.h>

#include "consumer/journal.h"

struct world {
	struct folder folder;
	char path[128];
	struct journal *journal;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	folder_make(&w->folder);
	snprintf(w->path, sizeof(w->path), "%s/journal", w->folder.root);
	assert_int_equal(journal_open(w->path, &w->journal, NULL), RC_OK);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	journal_close(w->journal);
	folder_remove(&w->folder);
	free(w);
	return 0;
}

static void open_again(struct world *w)
{
	journal_close(w->journal);
	assert_int_equal(journal_open(w->path, &w->journal, NULL), RC_OK);
}

static struct os_object bundle(const char *key, uint64_t ms, const char *etag)
{
	return (struct os_object){
		.key = slice_str(key), .etag = slice_str(etag), .modified_wall_ms = ms};
}

static void a_bundle_added_is_there_after_opening_again(void **state)
{
	struct world *w = *state;
	struct os_object a = bundle("2026/bundle-a b\n%41", 7, "e 1"), b = bundle("b", 8, "");

	assert_false(journal_has(w->journal, &a));
	assert_int_equal(journal_add(w->journal, &a, NULL), RC_OK);
	assert_int_equal(journal_add(w->journal, &b, NULL), RC_OK);
	for (int i = 0; i < 2; i++) {
		assert_true(journal_has(w->journal, &a));
		assert_true(journal_has(w->journal, &b));
		open_again(w);
	}
}

static void a_replayed_bundle_is_another_but_keeps_its_first_time(void **state)
{
	struct world *w = *state;
	struct os_object first = bundle("k", 100, "e"), replayed = bundle("k", 900, "e"),
			 changed = bundle("k", 100, "f"), other = bundle("x", 500, "e");

	assert_int_equal(journal_add(w->journal, &first, NULL), RC_OK);
	assert_false(journal_has(w->journal, &replayed));
	assert_false(journal_has(w->journal, &changed));
	assert_int_equal(journal_first_ms(w->journal, &replayed), 100);
	assert_int_equal(journal_first_ms(w->journal, &other), 500);
	assert_int_equal(journal_add(w->journal, &replayed, NULL), RC_OK);
	open_again(w);
	assert_true(journal_has(w->journal, &replayed));
	assert_int_equal(journal_first_ms(w->journal, &replayed), 100);
}

static void a_torn_or_strange_line_is_dropped(void **state)
{
	static const char *const tails[] = {"1 2 e", "1 2 e half-a-key", "\n\n", "no journal\n",
		"99999999999999999999999 1 e k\n"};
	struct world *w = *state;
	struct os_object a = bundle("a", 1, "e"), b = bundle("b", 2, "e");

	assert_int_equal(journal_add(w->journal, &a, NULL), RC_OK);
	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		int fd = open(w->path, O_WRONLY | O_APPEND);

		assert_int_equal(write(fd, tails[i], strlen(tails[i])), strlen(tails[i]));
		close(fd);
		open_again(w);
		assert_true(journal_has(w->journal, &a));
		assert_int_equal(journal_add(w->journal, &b, NULL), RC_OK);
		open_again(w);
		assert_true(journal_has(w->journal, &a));
		assert_true(journal_has(w->journal, &b));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_bundle_added_is_there_after_opening_again, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_replayed_bundle_is_another_but_keeps_its_first_time, setup, teardown),
		cmocka_unit_test_setup_teardown(a_torn_or_strange_line_is_dropped, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
