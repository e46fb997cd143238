/* consumer/path: which names are taken, and that nothing leads out of the folder. */
#include "folder_fixture.h"

#include <fcntl.h>

#include "consumer/path.h"

static void harmless_names_are_taken(void **state)
{
	static const char *const names[] = {"a", "a/b", "data..x/...hidden", "a b/\xc3\xa9", ".x",
		".baler-pull-2/a", "a/.baler-pull/b"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_int_equal(path_check(slice_str(names[i]), NULL), RC_OK);
}

static void unsafe_names_are_refused(void **state)
{
	static const char *const names[] = {"", "/", "/a", "..", "../a", "a/..", "a/../b", "a//b",
		"a/", ".", "./a", "a/./b", ".baler-pull", ".baler-pull/journal", ".BALER-pull/x"};
	char longest[PATH_NAME_MAX + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (path_check(slice_str(names[i]), NULL) != RC_CORRUPT)
			fail_msg("'%s' is taken", names[i]);
	assert_int_equal(path_check(slice_of("a\0b", 3), NULL), RC_CORRUPT);
	memset(longest, 'a', sizeof(longest));
	assert_int_equal(path_check(slice_of(longest, PATH_NAME_MAX), NULL), RC_CORRUPT);
}

static int open_folder(const struct folder *f)
{
	int fd;

	assert_int_equal(file_make_dirs(f->to, 0755, NULL), RC_OK);
	fd = open(f->to, O_RDONLY | O_DIRECTORY);
	assert_true(fd >= 0);
	return fd;
}

static void folders_are_made_on_the_way(void **state)
{
	struct folder f;
	struct slice base;
	struct stat st;
	int root, fd;

	(void)state;
	folder_make(&f);
	root = open_folder(&f);
	assert_int_equal(
		path_open_parent(root, slice_str("x/y/z"), false, &fd, &base, NULL), RC_ABSENT);
	assert_int_equal(path_open_parent(root, slice_str("x/y/z"), true, &fd, &base, NULL), RC_OK);
	assert_slice_is(base, "z");
	close(fd);
	assert_int_equal(stat(folder_path(&f, "x/y"), &st), 0);
	assert_int_equal(path_open_folder(root, slice_str("x/y"), &fd, NULL), RC_OK);
	close(fd);
	close(root);
	folder_remove(&f);
}

static void links_and_files_on_the_way_are_not_followed(void **state)
{
	struct folder f;
	struct slice base;
	int root, fd;

	(void)state;
	folder_make(&f);
	root = open_folder(&f);
	assert_int_equal(symlink("/tmp", folder_path(&f, "link")), 0);
	assert_int_equal(symlink("..", folder_path(&f, "up")), 0);
	folder_write(&f, "file", "x");
	for (int create = 0; create < 2; create++) {
		assert_int_equal(
			path_open_parent(root, slice_str("link/a"), create, &fd, &base, NULL),
			RC_CONFLICT);
		assert_int_equal(
			path_open_parent(root, slice_str("up/a/b"), create, &fd, &base, NULL),
			RC_CONFLICT);
		assert_int_equal(
			path_open_parent(root, slice_str("file/a"), create, &fd, &base, NULL),
			RC_CONFLICT);
	}
	close(root);
	folder_remove(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(harmless_names_are_taken),
		cmocka_unit_test(unsafe_names_are_refused),
		cmocka_unit_test(folders_are_made_on_the_way),
		cmocka_unit_test(links_and_files_on_the_way_are_not_followed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
