#include "verify/untar.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <locale.h>
#include <unistd.h>

#include "base/text.h"
#include "verify/gunzip.h"
#include "verify/tar_walk.h"

#define BLOCK_BYTES 65536

/* The source that libarchive reads from, and why it ended. */
struct source {
	struct gunzip *gunzip;
	struct tar_walk walk;
	uint64_t members, member_bytes; /* that libarchive has found */
	const struct untar_sink *sink;
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

static enum rc unfit(struct slice name, const char *why, struct err *err)
{
	char shown[200];

	text_printable(name, shown, sizeof(shown));
	return err_set(err, RC_CORRUPT, "member '%s' %s", shown, why);
}

static enum rc check_entry(struct archive_entry *entry, struct slice *ret_name, struct err *err)
{
	const char *name = archive_entry_pathname(entry);

	if (!name)
		name = archive_entry_pathname_utf8(entry);
	*ret_name = slice_str(name);
	if (!name || !is_safe_name(*ret_name))
		return unfit(*ret_name, "has an unsafe name", err);
	if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry) ||
		archive_entry_symlink(entry))
		return unfit(*ret_name, "is not a regular file", err);
	if (archive_entry_sparse_count(entry) > 0)
		return unfit(*ret_name, "is a sparse file", err);
	return RC_OK;
}

static enum rc read_member(struct archive *archive, struct archive_entry *entry,
	const struct untar_sink *sink, struct source *source, struct err *err)
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
	source->members++;
	source->member_bytes += member.size;
	return rc == RC_OK ? sink->member(sink->arg, &member, err) : rc;
}

static enum rc read_all(struct archive *archive, const struct untar_sink *sink,
	struct source *source, struct err *err)
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
		rc = read_member(archive, entry, sink, source, err);
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

static enum rc read_piece(struct source *s, struct slice *ret_bytes, struct err *err)
{
	enum rc rc = gunzip_read(s->gunzip, ret_bytes, err);

	if (rc == RC_OK && ret_bytes->n && s->sink->plain)
		s->sink->plain(s->sink->arg, *ret_bytes);
	return rc == RC_OK ? tar_walk_take(&s->walk, *ret_bytes, err) : rc;
}

static la_ssize_t read_source(struct archive *archive, void *arg, const void **ret_bytes)
{
	struct source *s = arg;
	struct slice bytes = {0};

	s->rc = read_piece(s, &bytes, &s->err);
	if (s->rc != RC_OK) {
		archive_set_error(archive, EIO, "%s", s->err.text);
		return -1;
	}
	*ret_bytes = bytes.p;
	return (la_ssize_t)bytes.n;
}

/* The bytes that the tar reader did not need: up to the end of the gzip file, where its last
 * checksum is. */
static enum rc finish(struct source *s, struct err *err)
{
	struct slice bytes;
	enum rc rc;

	do
		rc = read_piece(s, &bytes, err);
	while (rc == RC_OK && bytes.n);
	if (rc == RC_OK)
		rc = tar_walk_end(&s->walk, err);
	if (rc == RC_OK && (s->walk.is_judged || s->walk.members != s->members ||
				   s->walk.member_bytes != s->member_bytes))
		rc = err_set(err, RC_CORRUPT,
			"not a whole tar: two readers of it see %llu and %llu members",
			(unsigned long long)s->members, (unsigned long long)s->walk.members);
	return rc;
}

enum rc untar_fd(int fd, const struct untar_sink *sink, struct err *err)
{
	/* libarchive converts names to the thread's locale; they are UTF-8. */
	locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	locale_t before = utf8 ? uselocale(utf8) : (locale_t)0;
	struct archive *archive = archive_read_new();
	struct source source = {.gunzip = gunzip_new(fd), .sink = sink};
	enum rc rc;

	if (!archive)
		die("no memory for an archive");
	tar_walk_init(&source.walk);
	archive_read_support_format_tar(archive);
	if (archive_read_open(archive, &source, NULL, read_source, NULL) != ARCHIVE_OK)
		rc = broken(archive, err);
	else
		rc = read_all(archive, sink, &source, err);
	if (rc == RC_OK)
		rc = finish(&source, err);
	archive_read_free(archive);
	if (source.rc != RC_OK) {
		/* The layers in front of libarchive report an error first, and more precisely. */
		rc = source.rc;
		if (err)
			*err = source.err;
	}
	gunzip_free(source.gunzip);
	tar_walk_release(&source.walk);
	if (utf8) {
		uselocale(before);
		freelocale(utf8);
	}
	drain(fd);
	return rc;
}
