#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum rc file_open_plain(const char *path, int flags, mode_t mode, int *ret_fd, struct err *err)
{
	int fd = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, mode);
	struct stat st;

	/* a pipe that nobody reads, a socket, or a folder */
	if (fd < 0 && (errno == ENXIO || errno == EISDIR))
		return err_set(err, RC_REFUSED, "'%s' is not a plain file", path);
	if (fd < 0)
		return err_errno(err, errno, "open '%s'", path);
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return err_set(err, RC_REFUSED, "'%s' is not a plain file", path);
	}
	*ret_fd = fd;
	return RC_OK;
}

static enum rc read_all(int fd, const char *path, struct buf *b, struct err *err)
{
	enum rc rc = RC_OK;

	for (;;) {
		unsigned char block[16384];
		ssize_t got = read(fd, block, sizeof(block));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			rc = err_errno(err, errno, "read '%s'", path);
			break;
		}
		if (got == 0)
			break;
		if (!buf_add(b, block, (size_t)got)) {
			rc = err_set(err, RC_REFUSED, "'%s' is longer than %zu bytes", path, b->max);
			break;
		}
	}
	close(fd);
	return rc;
}

enum rc file_read_plain(const char *path, struct buf *b, struct err *err)
{
	int fd;
	enum rc rc = file_open_plain(path, O_RDONLY, 0, &fd, err);

	return rc == RC_OK ? read_all(fd, path, b, err) : rc;
}

enum rc file_read(const char *path, struct buf *b, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd >= 0 ? read_all(fd, path, b, err) : err_errno(err, errno, "open '%s'", path);
}

enum rc file_write_all(int fd, const void *p, size_t n, struct err *err)
{
	const unsigned char *from = p;

	while (n) {
		ssize_t put = write(fd, from, n);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return err_errno(err, errno, "write");
		from += put;
		n -= (size_t)put;
	}
	return RC_OK;
}

enum rc file_pread_all(int fd, void *p, size_t n, off_t offset, struct err *err)
{
	unsigned char *to = p;

	while (n) {
		ssize_t got = pread(fd, to, n, offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_errno(err, errno, "read");
		if (got == 0)
			return err_set(err, RC_CORRUPT, "the file ends %zu bytes early", n);
		to += got;
		n -= (size_t)got;
		offset += got;
	}
	return RC_OK;
}

enum rc file_sync_dir(const char *path, struct err *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum rc rc = RC_OK;

	if (fd < 0)
		return err_errno(err, errno, "open '%s'", path);
	if (fsync(fd) != 0) {
		err_errno(err, errno, "fsync '%s'", path);
		rc = RC_FATAL;
	}
	close(fd);
	return rc;
}

enum rc file_replace(const char *path, struct slice bytes, mode_t mode, struct err *err)
{
	char beside[PATH_MAX], folder[PATH_MAX];
	enum rc rc;
	int fd;

	if (snprintf(beside, sizeof(beside), "%s.new", path) >= (int)sizeof(beside))
		return err_set(err, RC_REFUSED, "'%s' is too long a path", path);
	snprintf(folder, sizeof(folder), "%s", path);
	rc = file_open_plain(beside, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode, &fd, err);
	if (rc != RC_OK)
		return err_ctx(err, rc, "write '%s'", path);
	rc = file_write_all(fd, bytes.p, bytes.n, err);
	if (rc == RC_OK && fsync(fd) != 0)
		rc = err_errno(err, errno, "fsync");
	if (rc == RC_OK && rename(beside, path) != 0)
		rc = err_errno(err, errno, "rename");
	close(fd);
	if (rc != RC_OK) {
		unlink(beside);
		return err_ctx(err, rc, "write '%s'", path);
	}
	return file_sync_dir(dirname(folder), err);
}

/* A folder that was made is an entry of the one above. */
static enum rc sync_parent(const char *path, struct err *err)
{
	char copy[PATH_MAX];

	snprintf(copy, sizeof(copy), "%s", path);
	return file_sync_dir(dirname(copy), err);
}

enum rc file_make_dirs(const char *path, mode_t mode, struct err *err)
{
	char part[PATH_MAX];
	size_t n = strlen(path);

	if (n == 0 || n >= sizeof(part))
		return err_set(err, RC_REFUSED, "'%s' is not a usable path", path);
	memcpy(part, path, n + 1);
	for (size_t i = 1; i <= n; i++) {
		if (part[i] != '/' && part[i] != '\0')
			continue;
		part[i] = '\0';
		if (mkdir(part, mode) == 0) {
			enum rc rc = sync_parent(part, err);

			if (rc != RC_OK)
				return rc;
		} else if (errno != EEXIST) {
			return err_errno(err, errno, "make folder '%s'", part);
		}
		part[i] = path[i];
	}
	return RC_OK;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

enum rc file_remove_tree(const char *path, struct err *err)
{
	if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
		return err_errno(err, errno, "remove '%s'", path);
	return RC_OK;
}
