/* Security item 36: what GNU tar, bsdtar, Python's tarfile (data filter; from a file and streaming)
 * and busybox extract from a bundle is the members, byte for byte, and nothing else, in every mode.
 * A reader that is not installed is a failure. */
#include "check.h"

#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "pack_samples.h"

#define MIB ((size_t)1 << 20)

static const char *const readers[][2] = {
	{"GNU tar", "tar -xzf $bundle -C $tree"},
	{"bsdtar", "bsdtar -xf $bundle -C $tree"},
	{"Python", "python3 -c 'import sys, tarfile; t = tarfile.open(sys.argv[1]);"
		   " t.extractall(sys.argv[2], **({\"filter\": \"data\"} if hasattr(tarfile, "
		   "\"data_filter\") else {}))'"
		   " $bundle $tree"},
	/* A pipe's reader: sees one gzip member only, and ours must be one. */
	{"Python, streaming", "python3 -c 'import sys, tarfile; t = tarfile.open("
			      "fileobj=open(sys.argv[1], \"rb\"), mode=\"r|gz\");"
			      " t.extractall(sys.argv[2], **({\"filter\": \"data\"} if "
			      "hasattr(tarfile, \"data_filter\") else {}))'"
			      " $bundle $tree"},
	{"busybox", "busybox tar -xzf $bundle -C $tree"},
};

static char folder[] = "/tmp/baler-test-readers-XXXXXX";
static struct samples samples;
static unsigned n_files, n_others; /* of the tree being walked: nftw has no argument for them */

static enum rc keep(void *arg, struct slice bytes, struct err *err)
{
	(void)err;
	assert_true(buf_add_slice(arg, bytes));
	return RC_OK;
}

static void make_bundle(const struct samples *s, enum gzip_mode mode, const char *path)
{
	unsigned char sha[SHA256_BYTES];
	uint64_t size;
	struct buf out;
	struct pack *p;

	buf_init(&out, 64 * MIB);
	p = pack_new(mode, NULL, NULL, keep, &out);
	for (size_t i = 0; i < N_MEMBERS; i++) {
		assert_int_equal(
			pack_member_begin(p, s->members[i].name, s->members[i].data.n, NULL),
			RC_OK);
		assert_int_equal(pack_data(p, s->members[i].data, NULL), RC_OK);
		assert_int_equal(pack_member_end(p, NULL), RC_OK);
	}
	assert_int_equal(pack_finish(p, &size, sha, NULL), RC_OK);
	assert_int_equal(file_replace(path, buf_slice(&out), 0600, NULL), RC_OK);
	pack_free(p);
	buf_release(&out);
}

static int count_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)path;
	(void)ftw;
	if (type == FTW_F && S_ISREG(st->st_mode) && st->st_nlink == 1 &&
		(st->st_mode & 07777) == 0644 && st->st_mtime == 0)
		n_files++;
	else if (type != FTW_D)
		n_others++;
	return 0;
}

static void assert_tree_is(const struct samples *s, const char *tree, const char *reader)
{
	n_files = n_others = 0;
	assert_int_equal(nftw(tree, count_entry, 16, FTW_PHYS), 0);
	if (n_files != N_MEMBERS || n_others != 0)
		fail_msg("%s made %u files of %u, and %u other things", reader, n_files, N_MEMBERS,
			n_others);
	for (size_t i = 0; i < N_MEMBERS; i++) {
		char path[4096];
		struct err err = {0};
		struct buf got;

		buf_init(&got, 4 * MIB);
		snprintf(path, sizeof(path), "%s/%s", tree, s->names[i]);
		if (file_read(path, &got, &err) != RC_OK)
			fail_msg("%s: %s", reader, err.text);
		if (!slice_eq(buf_slice(&got), s->members[i].data))
			fail_msg("%s: '%s' has other bytes", reader, s->names[i]);
		buf_release(&got);
	}
}

static void run(const char *command)
{
	int status = system(command); /* our own words and a folder from mkdtemp */

	if (status != 0)
		fail_msg("%s: status %d", command, status);
}

/* One bundle a mode, for all readers. */
static int make_bundles(void **state)
{
	char path[64];

	(void)state;
	samples_init(&samples);
	if (!mkdtemp(folder))
		return -1;
	for (int mode = 0; mode < GZIP_MODES; mode++) {
		snprintf(path, sizeof(path), "%s/%s.tar.gz", folder,
			gzip_mode_name((enum gzip_mode)mode));
		make_bundle(&samples, (enum gzip_mode)mode, path);
	}
	return 0;
}

static int remove_bundles(void **state)
{
	(void)state;
	samples_release(&samples);
	return file_remove_tree(folder, NULL) == RC_OK ? 0 : -1;
}

static void extracts_the_members_and_nothing_else(const char *const reader[2])
{
	char tree[64], command[512];

	snprintf(tree, sizeof(tree), "%s/tree", folder);
	for (int mode = 0; mode < GZIP_MODES; mode++) {
		assert_int_equal(mkdir(tree, 0700), 0);
		snprintf(command, sizeof(command), "bundle=%s/%s.tar.gz; tree=%s; %s", folder,
			gzip_mode_name((enum gzip_mode)mode), tree, reader[1]);
		run(command);
		assert_tree_is(&samples, tree, reader[0]);
		assert_int_equal(file_remove_tree(tree, NULL), RC_OK);
	}
}

static void gnu_tar_extracts_exactly_the_members(void **state)
{
	(void)state;
	extracts_the_members_and_nothing_else(readers[0]);
}

static void bsdtar_extracts_exactly_the_members(void **state)
{
	(void)state;
	extracts_the_members_and_nothing_else(readers[1]);
}

static void python_extracts_exactly_the_members(void **state)
{
	(void)state;
	extracts_the_members_and_nothing_else(readers[2]);
}

static void python_streaming_extracts_exactly_the_members(void **state)
{
	(void)state;
	extracts_the_members_and_nothing_else(readers[3]);
}

static void busybox_extracts_exactly_the_members(void **state)
{
	(void)state;
	extracts_the_members_and_nothing_else(readers[4]);
}

/* The header alone, as nobody wants 8 GiB of data in a test. */
static void python_and_gnu_tar_read_a_size_above_8_gib(void **state)
{
	char path[] = "/tmp/baler-test-size-XXXXXX", command[512];
	int fd = mkstemp(path);
	struct buf h;

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	buf_init(&h, TAR_HEADER_MAX_BYTES);
	assert_int_equal(
		tar_member_header(&h, slice_str("big"), ((uint64_t)1 << 33) + 5, NULL), RC_OK);
	assert_int_equal(file_replace(path, buf_slice(&h), 0600, NULL), RC_OK);
	snprintf(command, sizeof(command),
		"python3 -c 'import sys, tarfile; m = tarfile.open(sys.argv[1]).next();"
		" sys.exit((m.name, m.size) != (\"big\", 2**33 + 5))' %s",
		path);
	run(command);
	snprintf(command, sizeof(command),
		"tar -tvf %s 2>/dev/null | grep -q ' 8589934597 .* big$'", path);
	run(command);
	unlink(path);
	buf_release(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gnu_tar_extracts_exactly_the_members),
		cmocka_unit_test(bsdtar_extracts_exactly_the_members),
		cmocka_unit_test(python_extracts_exactly_the_members),
		cmocka_unit_test(python_streaming_extracts_exactly_the_members),
		cmocka_unit_test(busybox_extracts_exactly_the_members),
		cmocka_unit_test(python_and_gnu_tar_read_a_size_above_8_gib),
	};

	umask(022);
	return cmocka_run_group_tests(tests, make_bundles, remove_bundles);
}
