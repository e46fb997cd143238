#include "consumer/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

#define TRIES 16 /* someone else makes and removes the name between our looking and our renaming */
#define BESIDE_ID_BYTES 8 /* of the bundle's id */
#define READ_BYTES 65536

struct placing {
	struct destination *d;
	const char *work_name;
	struct slice name;
	const struct mark *mark;
	int folder_fd;
	char base[PATH_NAME_MAX]; /* in folder_fd */
	bool is_beside;
};

/* What lies under the name. */
struct present {
	bool is_there, is_regular;
	bool is_ours; /* marked, and unchanged since */
	struct mark mark;
	unsigned char sha256[SHA256_BYTES];
	int fd;
};

static enum rc hash_fd(int fd, unsigned char ret_hash[SHA256_BYTES], struct err *err)
{
	unsigned char *block = xmalloc(READ_BYTES);
	struct digest *d = digest_new(DIGEST_SHA256);
	enum rc rc = RC_OK;
	ssize_t n;

	do {
		n = read(fd, block, READ_BYTES);
		if (n > 0)
			digest_update(d, slice_of(block, (size_t)n));
		else if (n < 0 && errno != EINTR)
			rc = err_errno(err, errno, "read what is there");
	} while (rc == RC_OK && n != 0);
	digest_final(d, DIGEST_SHA256, ret_hash);
	digest_free(d);
	free(block);
	return rc;
}

static enum rc too_long(struct err *err)
{
	return err_set(err, RC_REFUSED, "the file system takes no name as long");
}

static enum rc look(const struct placing *p, struct present *ret, struct err *err)
{
	struct stat st;
	enum rc rc;

	*ret = (struct present){.fd = -1};
	if (fstatat(p->folder_fd, p->base, &st, AT_SYMLINK_NOFOLLOW) != 0) {
		if (errno == ENAMETOOLONG)
			return too_long(err);
		return errno == ENOENT ? RC_OK : err_errno(err, errno, "look at it");
	}
	ret->is_there = true;
	if (!S_ISREG(st.st_mode))
		return RC_OK;
	/* O_NONBLOCK: if the file was replaced by a FIFO meanwhile, opening it does not hang. */
	ret->fd = openat(p->folder_fd, p->base, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (ret->fd < 0 && errno == ENOENT) {
		ret->is_there = false;
		return RC_OK;
	}
	if (ret->fd < 0 || fstat(ret->fd, &st) != 0 || !S_ISREG(st.st_mode))
		return RC_OK; /* unreadable: somebody else's */
	ret->is_regular = true;
	rc = hash_fd(ret->fd, ret->sha256, err);
	ret->is_ours = rc == RC_OK && mark_read(ret->fd, &ret->mark) &&
		       mark_is_of(&ret->mark, ret->sha256);
	return rc;
}

static enum rc move(const struct placing *p, bool replaces, struct err *err)
{
	unsigned flags = replaces ? 0 : RENAME_NOREPLACE;
	int r = renameat2(p->d->work_fd, p->work_name, p->folder_fd, p->base, flags);

	/* File systems without RENAME_NOREPLACE: a link is as careful. */
	if (r != 0 && errno == EINVAL && flags) {
		r = linkat(p->d->work_fd, p->work_name, p->folder_fd, p->base, 0);
		if (r == 0)
			unlinkat(p->d->work_fd, p->work_name, 0);
	}
	if (r == 0)
		return RC_OK;
	if (errno == ENAMETOOLONG)
		return too_long(err);
	if (errno == EXDEV)
		return err_set(err, RC_REFUSED, "its folder is on another file system");
	return err_errno(err, errno, "rename to it");
}

static enum rc drop(const struct placing *p)
{
	unlinkat(p->d->work_fd, p->work_name, 0);
	return RC_OK;
}

/* The same content: from now on the younger bundle's, so that no bundle between the two replaces
 * it. */
static enum rc keep_same(const struct placing *p, const struct present *there, struct err *err)
{
	enum rc rc = RC_OK;

	if (there->is_ours && mark_cmp(&there->mark, p->mark) < 0)
		rc = mark_write(there->fd, p->mark, err);
	if (rc == RC_OK && fsync(there->fd) != 0)
		rc = err_errno(err, errno, "fsync");
	return rc == RC_OK ? drop(p) : rc;
}

static enum rc conflict(const struct placing *p, struct err *err)
{
	return err_set(err, RC_CONFLICT, "something else is there%s; move it away%s",
		p->d->policy == ON_CONFLICT_FAIL ? "" : " that 'baler pull' has not written",
		p->d->policy == ON_CONFLICT_NEWER ? ", or use --on-conflict=beside" : "");
}

static enum rc step_aside(struct placing *p, struct err *err)
{
	char id[2 * BESIDE_ID_BYTES + 1];
	size_t n = strlen(p->base), room = sizeof(p->base) - n;

	hex_encode(p->mark->bundle, BESIDE_ID_BYTES, id);
	if (snprintf(p->base + n, room, "~%s", id) >= (int)room)
		return err_set(err, RC_REFUSED, "no room for a name beside it");
	p->is_beside = true;
	return RC_OK;
}

/* RC_AGAIN with the code "EEXIST": look again. */
static enum rc decide(
	struct placing *p, const struct present *there, enum placed *ret_placed, struct err *err)
{
	enum on_conflict policy = p->d->policy;
	enum rc rc;

	if (!there->is_there) {
		rc = move(p, false, err);
		*ret_placed = p->is_beside ? PLACED_BESIDE : PLACED_NEW;
		if (rc == RC_CONFLICT || rc == RC_ABSENT)
			return err_code(err, RC_AGAIN, "EEXIST", "it changes all the time");
		return rc;
	}
	if (there->is_regular && mark_is_of(p->mark, there->sha256)) {
		*ret_placed = PLACED_SAME;
		return keep_same(p, there, err);
	}
	if (there->is_ours && policy != ON_CONFLICT_FAIL) {
		bool is_newer = mark_cmp(&there->mark, p->mark) <= 0;

		*ret_placed = is_newer ? PLACED_NEWER : PLACED_OLDER;
		return is_newer ? move(p, true, err) : drop(p);
	}
	if (policy != ON_CONFLICT_BESIDE || p->is_beside)
		return conflict(p, err);
	rc = step_aside(p, err);
	return rc == RC_OK ? err_code(err, RC_AGAIN, "EEXIST", "it changes all the time") : rc;
}

static enum rc try_once(struct placing *p, enum placed *ret_placed, struct err *err)
{
	struct present there;
	struct slice base;
	enum rc rc = path_open_parent(p->d->root_fd, p->name, true, &p->folder_fd, &base, err);

	if (rc != RC_OK)
		return rc;
	if (!p->is_beside)
		snprintf(p->base, sizeof(p->base), SLICE_FMT, SLICE_ARG(base));
	rc = look(p, &there, err);
	if (rc == RC_OK)
		rc = decide(p, &there, ret_placed, err);
	if (there.fd >= 0)
		close(there.fd);
	close(p->folder_fd);
	return rc;
}

enum rc place(struct destination *d, const char *work_name, struct slice name,
	const struct mark *mark, enum placed *ret_placed, struct err *err)
{
	struct placing p = {.d = d, .work_name = work_name, .name = name, .mark = mark};
	uint32_t stripe = crc32_update(0, name) % PLACE_LOCKS;
	char shown[PATH_NAME_MAX];
	struct err why = {0};
	enum rc rc;
	int tries = 0;

	pthread_mutex_lock(&d->names[stripe]);
	do
		rc = try_once(&p, ret_placed, &why);
	while (rc == RC_AGAIN && err_is(&why, "EEXIST") && ++tries < TRIES);
	pthread_mutex_unlock(&d->names[stripe]);
	if (rc == RC_OK)
		return rc;
	if (err)
		*err = why;
	text_printable(name, shown, sizeof(shown));
	return err_ctx(err, rc, "'%.300s/%.300s'", d->path, shown);
}
