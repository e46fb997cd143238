/* security.md, tar output: only whole archives of regular files with harmless names are bundles. */
#include "check.h"

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>
#include <sys/mman.h>
#include <unistd.h>

#include "verify/untar.h"

struct made {
	int fd;
	struct archive *archive;
};

static struct made make(void)
{
	struct made m = {.fd = memfd_create("bundle", MFD_CLOEXEC), .archive = archive_write_new()};

	assert_true(m.fd >= 0);
	archive_write_set_format_pax(m.archive);
	archive_write_add_filter_gzip(m.archive);
	archive_write_set_bytes_in_last_block(m.archive, 1);
	assert_int_equal(archive_write_open_fd(m.archive, m.fd), ARCHIVE_OK);
	return m;
}

static void add(struct made *m, const char *name, unsigned type, const char *link, const char *text)
{
	/* The writer needs to know that names are UTF-8; the reader must not. */
	locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	locale_t before = uselocale(utf8);
	struct archive_entry *e = archive_entry_new();

	archive_entry_set_pathname(e, name);
	archive_entry_set_filetype(e, type);
	archive_entry_set_perm(e, 0644);
	if (type == AE_IFLNK)
		archive_entry_set_symlink(e, link);
	else if (link)
		archive_entry_set_hardlink(e, link);
	archive_entry_set_size(e, type == AE_IFREG && !link ? (la_int64_t)strlen(text) : 0);
	assert_int_equal(archive_write_header(m->archive, e), ARCHIVE_OK);
	if (type == AE_IFREG && !link)
		assert_int_equal(archive_write_data(m->archive, text, strlen(text)), strlen(text));
	archive_entry_free(e);
	uselocale(before);
	freelocale(utf8);
}

static void done(struct made *m)
{
	assert_int_equal(archive_write_close(m->archive), ARCHIVE_OK);
	archive_write_free(m->archive);
	assert_int_equal(lseek(m->fd, 0, SEEK_SET), 0);
}

struct list {
	struct buf text; /* "name:size " */
	enum rc answer;
};

static enum rc note(void *arg, const struct untar_member *m, struct err *err)
{
	struct list *l = arg;

	(void)err;
	buf_addf(&l->text, SLICE_FMT ":%llu ", SLICE_ARG(m->name), (unsigned long long)m->size);
	return l->answer;
}

static enum rc untar(int fd, char *ret_text, struct err *err)
{
	struct list l = {.answer = RC_OK};
	struct untar_sink sink = {note, &l};
	enum rc rc;

	buf_init(&l.text, 4000);
	rc = untar_fd(fd, &sink, err);
	if (ret_text)
		strcpy(ret_text, buf_cstr(&l.text));
	buf_release(&l.text);
	/* Read to its end, whatever was found. */
	assert_int_equal(lseek(fd, 0, SEEK_CUR), lseek(fd, 0, SEEK_END));
	close(fd);
	return rc;
}

static enum rc hash_is_of_hello(void *arg, const struct untar_member *m, struct err *err)
{
	unsigned char hash[SHA256_BYTES];

	(void)arg;
	(void)err;
	sha256(slice_str("hello"), hash);
	assert_memory_equal(m->sha256, hash, SHA256_BYTES);
	assert_int_equal(m->size, 5);
	return RC_OK;
}

static void members_are_hashed(void **state)
{
	struct made m = make();
	struct untar_sink sink = {hash_is_of_hello, NULL};
	struct err err;

	(void)state;
	add(&m, "a", AE_IFREG, NULL, "hello");
	done(&m);
	assert_int_equal(untar_fd(m.fd, &sink, &err), RC_OK);
	close(m.fd);
}

static void members_are_listed_with_their_names(void **state)
{
	struct made m = make();
	char text[4001];
	struct err err;

	(void)state;
	add(&m, "data/a b", AE_IFREG, NULL, "1");
	add(&m, "data/\xc3\xa9/\xf0\x9f\x98\x80", AE_IFREG, NULL, "22");
	add(&m, "data..x/...hidden", AE_IFREG, NULL, "");
	done(&m);
	assert_int_equal(untar(m.fd, text, &err), RC_OK);
	assert_string_equal(
		text, "data/a b:1 data/\xc3\xa9/\xf0\x9f\x98\x80:2 data..x/...hidden:0 ");
}

static void what_is_not_a_regular_file_is_refused(void **state)
{
	static const struct {
		unsigned type;
		const char *link;
	} kinds[] = {{AE_IFLNK, "/etc/passwd"}, {AE_IFDIR, NULL}, {AE_IFIFO, NULL},
		{AE_IFCHR, NULL}, {AE_IFREG, "a"}};

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		struct made m = make();
		struct err err = {0};

		add(&m, "a", AE_IFREG, NULL, "x");
		add(&m, "b", kinds[i].type, kinds[i].link, "");
		done(&m);
		assert_int_equal(untar(m.fd, NULL, &err), RC_CORRUPT);
		assert_non_null(strstr(err.text, "'b"));
	}
}

static void unsafe_names_are_refused(void **state)
{
	static const char *const names[] = {"/a", "../a", "a/../b", "a/..", "..", "a//b"};

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		struct made m = make();
		struct err err = {0};

		add(&m, names[i], AE_IFREG, NULL, "x");
		done(&m);
		if (untar(m.fd, NULL, &err) != RC_CORRUPT)
			fail_msg("'%s' is taken", names[i]);
	}
}

static void a_cut_archive_is_corrupt(void **state)
{
	struct err err;

	(void)state;
	for (int percent = 0; percent < 100; percent += 9) {
		struct made m = make();
		off_t size;

		add(&m, "a", AE_IFREG, NULL, "some text that is long enough to be cut");
		add(&m, "b", AE_IFREG, NULL, "some other text of that kind");
		done(&m);
		size = lseek(m.fd, 0, SEEK_END);
		assert_int_equal(ftruncate(m.fd, size * percent / 100), 0);
		lseek(m.fd, 0, SEEK_SET);
		if (untar(m.fd, NULL, &err) != RC_CORRUPT)
			fail_msg("%d %% are taken for the whole", percent);
	}
}

static void garbage_is_corrupt(void **state)
{
	int fd = memfd_create("garbage", MFD_CLOEXEC);
	struct err err;

	(void)state;
	assert_int_equal(write(fd, "this is not a bundle", 20), 20);
	lseek(fd, 0, SEEK_SET);
	assert_int_equal(untar(fd, NULL, &err), RC_CORRUPT);
}

static void the_sinks_answer_ends_it(void **state)
{
	struct made m = make();
	struct list l = {.answer = RC_FATAL};
	struct untar_sink sink = {note, &l};
	struct err err;

	(void)state;
	buf_init(&l.text, 4000);
	add(&m, "a", AE_IFREG, NULL, "1");
	add(&m, "b", AE_IFREG, NULL, "2");
	done(&m);
	assert_int_equal(untar_fd(m.fd, &sink, &err), RC_FATAL);
	assert_string_equal(buf_cstr(&l.text), "a:1 ");
	buf_release(&l.text);
	close(m.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_are_hashed),
		cmocka_unit_test(members_are_listed_with_their_names),
		cmocka_unit_test(what_is_not_a_regular_file_is_refused),
		cmocka_unit_test(unsafe_names_are_refused),
		cmocka_unit_test(a_cut_archive_is_corrupt),
		cmocka_unit_test(garbage_is_corrupt),
		cmocka_unit_test(the_sinks_answer_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
