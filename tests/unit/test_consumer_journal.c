/* consumer/journal: what was extracted stays so, also after a torn line; a replayed bundle is
 * another. */
#include "folder_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>

#include "consumer/journal.h"

#define KEEP 10

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
	assert_int_equal(journal_open(w->path, KEEP, &w->journal, NULL), RC_OK);
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
	assert_int_equal(journal_open(w->path, KEEP, &w->journal, NULL), RC_OK);
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

static size_t n_lines(const char *path)
{
	struct buf text;
	size_t n = 0;

	buf_init(&text, 1 << 20);
	assert_int_equal(file_read(path, &text, NULL), RC_OK);
	for (size_t i = 0; i < text.n; i++)
		n += text.p[i] == '\n';
	buf_release(&text);
	return n;
}

static void add_numbered(struct world *w, unsigned from, unsigned to)
{
	char key[32];

	for (unsigned i = from; i < to; i++) {
		struct os_object b;

		snprintf(key, sizeof(key), "bundle-%04u", i);
		b = bundle(key, i, "e");
		assert_int_equal(journal_add(w->journal, &b, NULL), RC_OK);
	}
}

static bool has_numbered(struct world *w, unsigned i)
{
	char key[32];
	struct os_object b;

	snprintf(key, sizeof(key), "bundle-%04u", i);
	b = bundle(key, i, "e");
	return journal_has(w->journal, &b);
}

/* For ever at work: of those long taken it keeps the last, of those still in the bucket all. */
static void it_stays_small(void **state)
{
	struct world *w = *state;
	struct os_object kept = bundle("bundle-0003", 3, "e");

	for (unsigned round = 0; round < 30; round++) {
		journal_begin_listing(w->journal);
		journal_first_ms(w->journal, &kept);
		assert_int_equal(journal_trim(w->journal, NULL), RC_OK);
		add_numbered(w, 4 * round, 4 * round + 4);
		assert_true(n_lines(w->path) <= 3 * KEEP + 4);
	}
	for (int i = 0; i < 2; i++) {
		assert_true(has_numbered(w, 119) && has_numbered(w, 115) && has_numbered(w, 3));
		assert_false(has_numbered(w, 4) || has_numbered(w, 80));
		open_again(w);
	}
}

static void one_replayed_again_and_again_is_one_line(void **state)
{
	struct world *w = *state;

	for (unsigned round = 1; round < 30; round++) {
		struct os_object b = bundle("k", 100 * round, "e");

		journal_begin_listing(w->journal);
		assert_int_equal(journal_first_ms(w->journal, &b), 100);
		assert_int_equal(journal_trim(w->journal, NULL), RC_OK);
		assert_int_equal(journal_add(w->journal, &b, NULL), RC_OK);
		assert_true(n_lines(w->path) <= KEEP + 3);
	}
}

static void limit_files(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* A full disk, say: what could not be noted is not there, neither now nor in a file that is made
 * anew later. */
static void what_could_not_be_added_leaves_no_trace(void **state)
{
	struct world *w = *state;
	struct os_object young = bundle("bundle-0005", 5, "e"),
			 again = bundle("bundle-0005", 9, "e"),
			 new = bundle("bundle-new", 700, "e");

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(journal_add(w->journal, &young, NULL), RC_OK);
	limit_files(10);
	assert_int_not_equal(journal_add(w->journal, &new, NULL), RC_OK);
	assert_int_not_equal(journal_add(w->journal, &again, NULL), RC_OK);
	limit_files(RLIM_INFINITY);
	for (unsigned i = 0; i < 2 * KEEP; i++) /* lines enough for a trim */
		assert_int_equal(journal_add(w->journal, &young, NULL), RC_OK);
	journal_begin_listing(w->journal);
	assert_int_equal(journal_trim(w->journal, NULL), RC_OK);
	assert_int_equal(n_lines(w->path), 1);
	for (int i = 0; i < 2; i++) {
		assert_true(journal_has(w->journal, &young));
		assert_false(journal_has(w->journal, &again) || journal_has(w->journal, &new));
		assert_int_equal(journal_first_ms(w->journal, &new), 700);
		open_again(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_bundle_added_is_there_after_opening_again, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_replayed_bundle_is_another_but_keeps_its_first_time, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_could_not_be_added_leaves_no_trace, setup, teardown),
		cmocka_unit_test_setup_teardown(it_stays_small, setup, teardown),
		cmocka_unit_test_setup_teardown(
			one_replayed_again_and_again_is_one_line, setup, teardown),
		cmocka_unit_test_setup_teardown(a_torn_or_strange_line_is_dropped, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
