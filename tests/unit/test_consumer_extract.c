/* consumer/extract and place: what comes to lie in the folder, what never does, and whose version
 * wins. */
#include "bundle_maker.h"
#include "folder_fixture.h"

#include <fcntl.h>
#include <zlib.h>

#include "consumer/extract.h"

struct world {
	struct folder folder;
	struct destination *d;
	struct extract_counts counts;
	struct err err;
};

static void open_destination(struct world *w, enum on_conflict policy)
{
	destination_close(w->d);
	assert_int_equal(destination_open(w->folder.to, policy, &w->d, NULL), RC_OK);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	folder_make(&w->folder);
	open_destination(w, ON_CONFLICT_NEWER);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	destination_close(w->d);
	folder_remove(&w->folder);
	free(w);
	return 0;
}

static enum rc extract_fd(struct world *w, int fd, const char *bundle, uint64_t published_ms)
{
	struct extraction x = {.destination = w->d,
		.bundle_fd = fd,
		.bundle = bundle,
		.published_wall_ms = published_ms,
		.work_name = "member-0"};
	enum rc rc = extract_bundle(&x, &w->counts, &w->err);

	close(fd);
	/* Whatever happened, nothing is left of the work. */
	assert_int_equal(access(folder_path(&w->folder, ".baler-pull/work/member-0"), F_OK), -1);
	return rc;
}

#define extract(w, bundle, ms, ...)                                                                \
	extract_fd(w, bundle_of((const char *const[]){__VA_ARGS__, NULL}), bundle, ms)

static void files_come_with_their_folders(void **state)
{
	struct world *w = *state;

	assert_int_equal(extract(w, "b1", 1, "a/b/c", "one", "a/d", "", "e \xc3\xa9", "3"), RC_OK);
	assert_file(&w->folder, "a/b/c", "one");
	assert_file(&w->folder, "a/d", "");
	assert_file(&w->folder, "e \xc3\xa9", "3");
	assert_int_equal(w->counts.members, 3);
	assert_int_equal(w->counts.bytes, 4);
	assert_int_equal(w->counts.placed[PLACED_NEW], 3);
}

static void the_same_bundle_again_changes_nothing(void **state)
{
	struct world *w = *state;
	struct stat before, after;

	assert_int_equal(extract(w, "b1", 1, "a", "one"), RC_OK);
	assert_int_equal(stat(folder_path(&w->folder, "a"), &before), 0);
	assert_int_equal(extract(w, "b1", 1, "a", "one"), RC_OK);
	assert_int_equal(stat(folder_path(&w->folder, "a"), &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(w->counts.placed[PLACED_SAME], 1);
}

#define KEY(id) "2026/11/23/11/bundle-" id "0123456789abcdef0123456789abcd.tar.gz"

static void a_later_bundle_wins_in_whatever_order_they_come(void **state)
{
	struct world *w = *state;

	assert_int_equal(extract(w, KEY("20"), 200, "a", "two"), RC_OK);
	assert_int_equal(extract(w, KEY("10"), 100, "a", "one"), RC_OK);
	assert_int_equal(w->counts.placed[PLACED_OLDER], 1);
	assert_file(&w->folder, "a", "two");
	assert_int_equal(extract(w, KEY("30"), 300, "a", "three"), RC_OK);
	assert_int_equal(w->counts.placed[PLACED_NEWER], 1);
	assert_file(&w->folder, "a", "three");
	/* In one millisecond the ids decide. */
	assert_int_equal(extract(w, KEY("2a"), 300, "a", "two a"), RC_OK);
	assert_file(&w->folder, "a", "three");
	assert_int_equal(extract(w, KEY("40"), 300, "a", "four"), RC_OK);
	assert_file(&w->folder, "a", "four");
}

static void the_same_content_from_a_later_bundle_is_the_later_ones(void **state)
{
	struct world *w = *state;

	assert_int_equal(extract(w, "b1", 100, "a", "x"), RC_OK);
	assert_int_equal(extract(w, "b3", 300, "a", "x"), RC_OK);
	assert_int_equal(extract(w, "b2", 200, "a", "between"), RC_OK);
	assert_file(&w->folder, "a", "x");
}

static void somebody_elses_file_is_left_alone(void **state)
{
	struct world *w = *state;

	folder_write(&w->folder, "a", "mine");
	assert_int_equal(extract(w, "b1", 1, "a", "theirs"), RC_CONFLICT);
	assert_file(&w->folder, "a", "mine");
	assert_non_null(strstr(w->err.text, "/a'"));
	assert_non_null(strstr(w->err.text, "--on-conflict=beside"));
	assert_int_equal(extract(w, "b1", 1, "a", "mine"), RC_OK); /* the same content is none */
	assert_int_equal(extract(w, "b2", 2, "a", "theirs"), RC_CONFLICT); /* and stays theirs */
}

static void a_file_changed_since_is_somebody_elses(void **state)
{
	struct world *w = *state;
	int fd;

	assert_int_equal(extract(w, "b1", 1, "a", "one"), RC_OK);
	fd = open(folder_path(&w->folder, "a"), O_WRONLY | O_APPEND);
	assert_int_equal(write(fd, "!", 1), 1);
	close(fd);
	assert_int_equal(extract(w, "b2", 2, "a", "two"), RC_CONFLICT);
	assert_file(&w->folder, "a", "one!");
}

static void beside_it_with_the_bundles_id(void **state)
{
	static const char key[] = "2026/11/23/11/bundle-0123456789abcdef0123456789abcdef.tar.gz";
	struct world *w = *state;

	open_destination(w, ON_CONFLICT_BESIDE);
	folder_write(&w->folder, "a", "mine");
	for (int again = 0; again < 2; again++) {
		assert_int_equal(extract(w, key, 1, "a", "theirs", "b", "2"), RC_OK);
		assert_file(&w->folder, "a", "mine");
		assert_file(&w->folder, "a~0123456789abcdef", "theirs");
		assert_file(&w->folder, "b", "2");
		assert_int_equal(
			w->counts.placed[again ? PLACED_SAME : PLACED_BESIDE], again ? 2 : 1);
	}
	assert_int_equal(extract(w, "b9", 9, "b", "newer"), RC_OK); /* our own is still replaced */
	assert_file(&w->folder, "b", "newer");
}

static void fail_replaces_nothing(void **state)
{
	struct world *w = *state;

	open_destination(w, ON_CONFLICT_FAIL);
	assert_int_equal(extract(w, "b1", 1, "a", "one"), RC_OK);
	assert_int_equal(extract(w, "b1", 1, "a", "one"), RC_OK);
	assert_int_equal(extract(w, "b2", 2, "a", "two"), RC_CONFLICT);
	assert_file(&w->folder, "a", "one");
}

static void links_planted_in_the_folder_are_not_followed(void **state)
{
	struct world *w = *state;
	char outside[128];

	snprintf(outside, sizeof(outside), "%s/outside", w->folder.root);
	assert_int_equal(mkdir(outside, 0755), 0);
	assert_int_equal(symlink(outside, folder_path(&w->folder, "dir")), 0);
	assert_int_equal(symlink("../outside/file", folder_path(&w->folder, "file")), 0);
	assert_int_equal(mkfifo(folder_path(&w->folder, "fifo"), 0644), 0);
	for (int policy = ON_CONFLICT_NEWER; policy <= ON_CONFLICT_FAIL; policy++) {
		open_destination(w, (enum on_conflict)policy);
		assert_int_equal(extract(w, "b1", 1, "dir/x", "out"), RC_CONFLICT);
		if (policy == ON_CONFLICT_BESIDE)
			continue;
		assert_int_equal(extract(w, "b1", 1, "file", "out"), RC_CONFLICT);
		assert_int_equal(extract(w, "b1", 1, "fifo", "out"), RC_CONFLICT);
	}
	assert_int_equal(rmdir(outside), 0); /* it is empty */
}

static void a_file_where_a_folder_has_to_be(void **state)
{
	struct world *w = *state;

	assert_int_equal(extract(w, "b1", 1, "a", "x"), RC_OK);
	assert_int_equal(extract(w, "b2", 2, "a/b", "y"), RC_CONFLICT);
	assert_int_equal(extract(w, "b3", 3, "c/d", "y"), RC_OK);
	assert_int_equal(extract(w, "b4", 4, "c", "x"), RC_CONFLICT);
	assert_file(&w->folder, "a", "x");
	assert_file(&w->folder, "c/d", "y");
}

/* Hostile archives: nothing of them is written, not even the harmless member before. */

static void hostile_members_are_refused_as_a_whole(void **state)
{
	static const struct {
		const char *name;
		unsigned type;
		const char *link;
	} bad[] = {
		{"../out", AE_IFREG, NULL}, {"a/../../out", AE_IFREG, NULL},
		{"/tmp/baler-absolute", AE_IFREG, NULL}, {".baler-pull/journal", AE_IFREG, NULL},
		{"link", AE_IFLNK, "/etc/passwd"}, {"link", AE_IFLNK, "good"},
		{"hard", AE_IFREG, "/etc/passwd"}, {"hard", AE_IFREG, "good"},
		{"device", AE_IFCHR, NULL}, {"block", AE_IFBLK, NULL}, {"fifo", AE_IFIFO, NULL},
		{"folder", AE_IFDIR, NULL}, {"good", AE_IFREG, NULL}, /* twice */
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct maker m = maker_begin();

		maker_add(&m, "good", AE_IFREG, NULL, "x");
		maker_add(&m, bad[i].name, bad[i].type, bad[i].link, "y");
		if (extract_fd(w, maker_end(&m), "b", 1) != RC_CORRUPT)
			fail_msg("'%s' (%zu) is taken", bad[i].name, i);
		assert_file(&w->folder, "good", NULL);
	}
	assert_int_equal(access("/tmp/baler-absolute", F_OK), -1);
}

/* A gzip file of these plain bytes. */
static int gzip_of(const unsigned char *plain, size_t n)
{
	int fd = memfd_create("gzip", MFD_CLOEXEC);
	gzFile gz = gzdopen(dup(fd), "wb");

	assert_int_equal(gzwrite(gz, plain, (unsigned)n), (int)n);
	assert_int_equal(gzclose(gz), Z_OK);
	lseek(fd, 0, SEEK_SET);
	return fd;
}

/* A ustar header by hand: name, and a size that need not be true. */
static void ustar(unsigned char block[512], const char *name, const char *octal_size)
{
	unsigned sum = 0;

	memset(block, 0, 512);
	strcpy((char *)block, name);
	memcpy(block + 100, "0000644", 7);
	memcpy(block + 108, "0000000", 7);
	memcpy(block + 116, "0000000", 7);
	memcpy(block + 124, octal_size, 11);
	memcpy(block + 136, "00000000000", 11);
	memset(block + 148, ' ', 8);
	block[156] = '0';
	memcpy(block + 257,
		"ustar\0"
		"00",
		8);
	for (int i = 0; i < 512; i++)
		sum += block[i];
	snprintf((char *)block + 148, 8, "%06o", sum);
}

static void a_size_that_lies_is_found_before_anything_is_written(void **state)
{
	struct world *w = *state;
	unsigned char tar[512 * 6];

	memset(tar, 0, sizeof(tar));
	ustar(tar, "good", "00000000001");
	tar[512] = 'x';
	ustar(tar + 1024, "huge", "77777777777"); /* 8 GiB */
	assert_int_equal(extract_fd(w, gzip_of(tar, sizeof(tar)), "b", 1), RC_CORRUPT);
	assert_file(&w->folder, "good", NULL);
	assert_file(&w->folder, "huge", NULL);
	ustar(tar + 1024, "fair", "00000000002"); /* the same, told truly */
	assert_int_equal(extract_fd(w, gzip_of(tar, sizeof(tar)), "b", 1), RC_OK);
	assert_file(&w->folder, "good", "x");
}

static void an_archive_without_end_or_members_is_corrupt(void **state)
{
	struct world *w = *state;
	unsigned char tar[512 * 4];

	memset(tar, 0, sizeof(tar));
	ustar(tar, "good", "00000000001");
	memset(tar + 512, 'x', 512);
	assert_int_equal(extract_fd(w, gzip_of(tar, 1024), "b", 1), RC_CORRUPT);
	assert_int_equal(extract_fd(w, gzip_of(tar, sizeof(tar)), "b", 1), RC_OK);
	memset(tar, 0, sizeof(tar));
	assert_int_equal(extract_fd(w, gzip_of(tar, sizeof(tar)), "b", 1), RC_CORRUPT);
	assert_int_equal(extract_fd(w, gzip_of(tar, 0), "b", 1), RC_CORRUPT);
}

/* Cut anywhere, also in the last checksum; a bit changed there; something behind it. */
static void gzip_is_read_to_its_last_byte(void **state)
{
	static const char *const files[] = {"a", "some text", NULL};
	struct world *w = *state;
	int whole = bundle_of(files);
	off_t size = lseek(whole, 0, SEEK_END);
	unsigned char bytes[4096];

	assert_true(size < (off_t)sizeof(bytes) - 1);
	assert_int_equal(pread(whole, bytes, (size_t)size, 0), size);
	close(whole);
	for (off_t n = 0; n <= size + 1; n++) {
		int fd = memfd_create("cut", MFD_CLOEXEC);

		bytes[size] = 'x';
		assert_int_equal(write(fd, bytes, (size_t)n), n);
		if (extract_fd(w, fd, "b", 1) != (n == size ? RC_OK : RC_CORRUPT))
			fail_msg("wrong answer for %ld of %ld bytes", (long)n, (long)size);
		if (n < size)
			assert_file(&w->folder, "a", NULL);
	}
	for (off_t back = 1; back <= 8; back++) {
		int fd = memfd_create("changed", MFD_CLOEXEC);

		bytes[size - back] ^= 1;
		assert_int_equal(write(fd, bytes, (size_t)size), size);
		bytes[size - back] ^= 1;
		assert_int_equal(extract_fd(w, fd, "b", 1), RC_CORRUPT);
	}
}

static void one_pull_at_a_time(void **state)
{
	struct world *w = *state;
	struct destination *second;

	assert_int_equal(
		destination_open(w->folder.to, ON_CONFLICT_NEWER, &second, &w->err), RC_CONFLICT);
	assert_non_null(strstr(w->err.text, "another"));
}

static void what_a_killed_run_left_is_swept(void **state)
{
	struct world *w = *state;

	folder_write(&w->folder, ".baler-pull/work/member-3", "half");
	open_destination(w, ON_CONFLICT_NEWER);
	assert_file(&w->folder, ".baler-pull/work/member-3", NULL);
}

static void stopping_is_heard(void **state)
{
	static const char *const files[] = {"a", "1", NULL};
	struct world *w = *state;
	atomic_bool stopping = true;
	struct extraction x = {.destination = w->d,
		.bundle_fd = bundle_of(files),
		.bundle = "b",
		.work_name = "member-0",
		.stopping = &stopping};

	assert_int_equal(extract_bundle(&x, &w->counts, &w->err), RC_AGAIN);
	assert_true(err_is(&w->err, "ECANCELED"));
	assert_file(&w->folder, "a", NULL);
	close(x.bundle_fd);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(files_come_with_their_folders),
		TEST(the_same_bundle_again_changes_nothing),
		TEST(a_later_bundle_wins_in_whatever_order_they_come),
		TEST(the_same_content_from_a_later_bundle_is_the_later_ones),
		TEST(somebody_elses_file_is_left_alone),
		TEST(a_file_changed_since_is_somebody_elses),
		TEST(beside_it_with_the_bundles_id),
		TEST(fail_replaces_nothing),
		TEST(links_planted_in_the_folder_are_not_followed),
		TEST(a_file_where_a_folder_has_to_be),
		TEST(hostile_members_are_refused_as_a_whole),
		TEST(a_size_that_lies_is_found_before_anything_is_written),
		TEST(an_archive_without_end_or_members_is_corrupt),
		TEST(gzip_is_read_to_its_last_byte),
		TEST(one_pull_at_a_time),
		TEST(what_a_killed_run_left_is_swept),
		TEST(stopping_is_heard),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
