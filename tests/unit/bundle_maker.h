/* Bundles for tests, made by libarchive's writer: also such as baler never makes. In memory, on a
 * file descriptor. */
#ifndef BALER_TESTS_UNIT_BUNDLE_MAKER_H
#define BALER_TESTS_UNIT_BUNDLE_MAKER_H

#include "check.h"

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>
#include <sys/mman.h>
#include <unistd.h>

struct maker {
	int fd;
	struct archive *archive;
};

static inline struct maker maker_begin(void)
{
	struct maker m = {
		.fd = memfd_create("bundle", MFD_CLOEXEC), .archive = archive_write_new()};

	assert_true(m.fd >= 0);
	archive_write_set_format_pax(m.archive);
	archive_write_add_filter_gzip(m.archive);
	archive_write_set_bytes_in_last_block(m.archive, 1);
	assert_int_equal(archive_write_open_fd(m.archive, m.fd), ARCHIVE_OK);
	return m;
}

/* link: of a symbolic or, with AE_IFREG, a hard link. */
static inline void maker_add(
	struct maker *m, const char *name, unsigned type, const char *link, const char *text)
{
	locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0), before = uselocale(utf8);
	struct archive_entry *e = archive_entry_new();
	bool has_data = type == AE_IFREG && !link;

	archive_entry_set_pathname(e, name);
	archive_entry_set_filetype(e, type);
	archive_entry_set_perm(e, 0644);
	if (type == AE_IFLNK)
		archive_entry_set_symlink(e, link);
	else if (link)
		archive_entry_set_hardlink(e, link);
	archive_entry_set_size(e, has_data ? (la_int64_t)strlen(text) : 0);
	assert_int_equal(archive_write_header(m->archive, e), ARCHIVE_OK);
	if (has_data)
		assert_int_equal(archive_write_data(m->archive, text, strlen(text)), strlen(text));
	archive_entry_free(e);
	uselocale(before);
	freelocale(utf8);
}

/* The bundle, to be read from its start; the caller closes it. */
static inline int maker_end(struct maker *m)
{
	assert_int_equal(archive_write_close(m->archive), ARCHIVE_OK);
	archive_write_free(m->archive);
	assert_int_equal(lseek(m->fd, 0, SEEK_SET), 0);
	return m->fd;
}

/* One with these files: name, text, name, text, NULL. */
static inline int bundle_of(const char *const *files)
{
	struct maker m = maker_begin();

	for (size_t i = 0; files[i]; i += 2)
		maker_add(&m, files[i], AE_IFREG, NULL, files[i + 1]);
	return maker_end(&m);
}

#endif
