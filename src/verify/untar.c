#include "verify/untar.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <locale.h>
#include <unistd.h>

#include "verify/gunzip.h"

#define BLOCK_BYTES 65536
#define END_MARK_BYTES 1024 /* two blocks of zeros, POSIX pax, "ustar Interchange Format" */

/* What libarchive reads from, and why it ended. */
struct source {
	struct gunzip *gunzip;
	enum rc rc;
	struct err err;
};

static bool is_safe_name(struct slice name)
{
	for (size_t at = 0; at < name.n;) {
		const unsigned char *slash = memchr(name.p + at, '/', name.n - at);
		size_t end = slash ? (size_t)(slash - name.p) : name.n;

		if (end == at || slice_eq_str(slice_of(name.p + at, end - at), ".."))
			return false;
		at = end + 1;
	}
	return name.n > 0 && name.n <= UNTAR_NAME_MAX && name.p[name.n - 1] != '/';
}

static enum rc broken(struct archive *archive, struct err *err)
{
	const char *why = archive_error_string(archive);

	return err_set(err, RC_CORRUPT, "not a whole tar.gz: %s", why ? why : "unreadable");
}

static enum rc check_entry(struct archive_entry *entry, struct slice *ret_name, struct err *err)
{
	const char *name = archive_entry_pathname(entry);

	if (!name)
		name = archive_entry_pathname_utf8(entry);
	*ret_name = slice_str(name);
	if (!name || !is_safe_name(*ret_name))
		return err_set(
			err, RC_CORRUPT, "member '%.200s' has an unsafe name", name ? name : "");
	if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry) ||
		archive_entry_symlink(entry))
		return err_set(err, RC_CORRUPT, "member '%.200s' is not a regular file", name);
	return RC_OK;
}

static enum rc read_member(struct archive *archive, struct archive_entry *entry,
	const struct untar_sink *sink, struct err *err)
{
	struct digest *d = digest_new(DIGEST_SHA256);
	struct untar_member member = {0};
	unsigned char block[BLOCK_BYTES];
	enum rc rc = check_entry(entry, &member.name, err);
	la_ssize_t n = 0;

	if (rc == RC_OK && sink->begin)
		rc = sink->begin(sink->arg, member.name, (uint64_t)archive_entry_size(entry), err);
	while (rc == RC_OK && (n = archive_read_data(archive, block, sizeof(block))) > 0) {
		digest_update(d, slice_of(block, (size_t)n));
		member.size += (size_t)n;
		if (sink->data)
			rc = sink->data(sink->arg, slice_of(block, (size_t)n), err);
	}
	if (rc == RC_OK && n < 0)
		rc = broken(archive, err);
	digest_final(d, DIGEST_SHA256, member.sha256);
	digest_free(d);
	return rc == RC_OK ? sink->member(sink->arg, &member, err) : rc;
}

static enum rc read_all(struct archive *archive, const struct untar_sink *sink, struct err *err)
{
	struct archive_entry *entry;
	enum rc rc = RC_OK;
	int r;

	while (rc == RC_OK) {
		r = archive_read_next_header(archive, &entry);
		if (r == ARCHIVE_EOF)
			return RC_OK;
		if (r != ARCHIVE_OK)
			return broken(archive, err);
		rc = read_member(archive, entry, sink, err);
	}
	return rc;
}

static void drain(int fd)
{
	unsigned char block[BLOCK_BYTES];
	ssize_t n;

	do
		n = read(fd, block, sizeof(block));
	while (n > 0 || (n < 0 && errno == EINTR));
}

static la_ssize_t read_source(struct archive *archive, void *arg, const void **ret_bytes)
{
	struct source *s = arg;
	struct slice bytes = {0};

	s->rc = gunzip_read(s->gunzip, &bytes, &s->err);
	if (s->rc != RC_OK) {
		archive_set_error(archive, EIO, "%s", s->err.text);
		return -1;
	}
	*ret_bytes = bytes.p;
	return (la_ssize_t)bytes.n;
}

/* What the tar reader had no need to look at: to the end of the gzip file, whose last checksum is there. */
static enum rc finish(struct source *s, struct err *err)
{
	struct slice bytes;
	enum rc rc;

	do
		rc = gunzip_read(s->gunzip, &bytes, err);
	while (rc == RC_OK && bytes.n);
	if (rc == RC_OK && gunzip_zero_tail(s->gunzip) < END_MARK_BYTES)
		rc = err_set(err, RC_CORRUPT, "not a whole tar.gz: no end mark");
	return rc;
}

enum rc untar_fd(int fd, const struct untar_sink *sink, struct err *err)
{
	/* libarchive converts names to the thread's locale; they are UTF-8. */
	locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	locale_t before = utf8 ? uselocale(utf8) : (locale_t)0;
	struct archive *archive = archive_read_new();
	struct source source = {.gunzip = gunzip_new(fd)};
	enum rc rc;

	if (!archive)
		die("no memory for an archive");
	archive_read_support_format_tar(archive);
	if (archive_read_open(archive, &source, NULL, read_source, NULL) != ARCHIVE_OK)
		rc = broken(archive, err);
	else
		rc = read_all(archive, sink, err);
	if (rc == RC_OK)
		rc = finish(&source, err);
	archive_read_free(archive);
	if (source.rc != RC_OK) {
		/* What gunzip says comes first, and says it better. */
		rc = source.rc;
		if (err)
			*err = source.err;
	}
	gunzip_free(source.gunzip);
	if (utf8) {
		uselocale(before);
		freelocale(utf8);
	}
	drain(fd);
	return rc;
}
