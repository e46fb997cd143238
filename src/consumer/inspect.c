#include "consumer/inspect.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "consumer/fetch.h"
#include "consumer/path.h"
#include "verify/bundle_read.h"
#include "verify/key_set.h"

#define READ_BYTES 65536
#define MEMBERS_MAX 1000000u

struct look {
	const struct inspection *what;
	struct inspected *found;
	struct key_set names;
	int fd;                        /* of the file */
	uint64_t before_bytes;         /* bytes of it that the first pass has read */
	struct bundle_progress object; /* of the object; all_bytes only for a file */
};

static void tell_progress(struct look *l)
{
	uint64_t done_bytes = atomic_load(&l->object.done_bytes);
	uint64_t all_bytes = atomic_load(&l->object.all_bytes);
	off_t at;

	if (!l->what->progress)
		return;
	if (l->fd >= 0) {
		at = lseek(l->fd, 0, SEEK_CUR);
		done_bytes = l->before_bytes + (at > 0 ? (uint64_t)at : 0);
	}
	l->what->progress(l->what->arg, done_bytes, all_bytes);
}

static enum rc on_data(void *arg, struct slice bytes, struct err *err)
{
	(void)bytes;
	(void)err;
	tell_progress(arg);
	return RC_OK;
}

static enum rc on_member(void *arg, const struct untar_member *m, struct err *err)
{
	struct look *l = arg;
	char shown[200];
	enum rc rc = path_check(m->name, err);

	if (rc != RC_OK)
		return rc;
	if (l->names.n >= MEMBERS_MAX)
		return err_set(err, RC_CORRUPT, "more than %u members", MEMBERS_MAX);
	if (!key_set_add_hashed(&l->names, m->name)) {
		text_printable(m->name, shown, sizeof(shown));
		return err_set(err, RC_CORRUPT, "member '%s' is there twice", shown);
	}
	l->found->members++;
	l->found->member_bytes += m->size;
	if (l->what->member)
		l->what->member(l->what->arg, m);
	tell_progress(l);
	return RC_OK;
}

static enum rc hash_file(struct look *l, struct inspected *ret, struct err *err)
{
	int fd = l->fd;
	unsigned char *block = xmalloc(READ_BYTES), hash[SHA256_BYTES];
	struct digest *d = digest_new(DIGEST_SHA256);
	enum rc rc = RC_OK;
	ssize_t n;

	do {
		n = read(fd, block, READ_BYTES);
		if (n > 0) {
			digest_update(d, slice_of(block, (size_t)n));
			ret->bytes += (size_t)n;
			tell_progress(l);
		} else if (n < 0 && errno != EINTR) {
			rc = err_errno(err, errno, "read");
		}
	} while (rc == RC_OK && n != 0);
	digest_final(d, DIGEST_SHA256, hash);
	if (rc == RC_OK)
		hex_encode(hash, SHA256_BYTES, ret->sha256);
	if (rc == RC_OK && lseek(fd, 0, SEEK_SET) != 0)
		rc = err_errno(err, errno, "rewind");
	digest_free(d);
	free(block);
	return rc;
}

static enum rc check_hash(const char *expected, struct inspected *found, struct err *err)
{
	unsigned char hash[SHA256_BYTES];

	hex_decode(slice_str(found->sha256), hash, SHA256_BYTES);
	found->is_hash_checked = true;
	return fetch_check_hash(slice_str(expected), hash, err);
}

static enum rc inspect_file(struct look *l, const struct untar_sink *sink, struct err *err)
{
	const char *path = l->what->path;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat st;
	enum rc rc;

	if (fd < 0)
		return err_errno(err, errno, "open");
	l->fd = fd;
	if (fstat(fd, &st) == 0 && st.st_size > 0)
		l->object.all_bytes = 2 * (uint64_t)st.st_size;
	rc = hash_file(l, l->found, err);
	l->before_bytes = l->found->bytes;
	if (rc == RC_OK && l->what->sha256)
		rc = check_hash(l->what->sha256, l->found, err);
	if (rc == RC_OK)
		rc = untar_fd(fd, sink, err);
	close(fd);
	return rc;
}

static enum rc inspect_object(struct look *l, const struct untar_sink *sink, struct err *err)
{
	const struct inspection *what = l->what;
	struct bundle_facts facts = {0};
	const char *expected;
	enum rc rc = bundle_read_watched(
		what->store, what->object.bucket, what->object.key, sink, &l->object, &facts, err);

	l->found->bytes = facts.bytes;
	if (rc != RC_OK)
		return rc;
	hex_encode(facts.sha256, SHA256_BYTES, l->found->sha256);
	expected = what->sha256 ? what->sha256 : facts.declared;
	return check_hash(expected, l->found, err);
}

enum rc inspect_bundle(const struct inspection *what, struct inspected *ret, struct err *err)
{
	struct look l = {.what = what, .found = ret, .fd = -1};
	struct untar_sink sink = {.member = on_member, .data = on_data, .arg = &l};
	enum rc rc;

	*ret = (struct inspected){0};
	rc = what->path ? inspect_file(&l, &sink, err) : inspect_object(&l, &sink, err);
	if (rc == RC_OK && ret->members == 0)
		rc = err_set(err, RC_CORRUPT, "no member in it");
	key_set_release(&l.names);
	return rc;
}
