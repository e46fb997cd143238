#include "adapter/local/engine/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

#define LOCK_AGAIN 5 /* times */
#define LOCK_PAUSE_MS 10

/* Files that a first start which died half-way may have left. */
static bool is_expected(const char *name)
{
	static const char *const expected[] = {
		".", "..", FOLDER_LOCK, FOLDER_BLOBS, FOLDER_RESERVE, FOLDER_MARK,
		FOLDER_ROOT_KEY, FOLDER_MASTER_KEY, FOLDER_DB "-journal", FOLDER_DB "-wal", FOLDER_DB "-shm",
		"lost+found"};

	for (size_t i = 0; i < sizeof(expected) / sizeof(*expected); i++)
		if (strcmp(name, expected[i]) == 0)
			return true;
	return false;
}

/* Whether there is a database, and whether there is nothing at all. */
static enum rc look_inside(
	const char *path, bool *ret_has_db, char stranger[NAME_MAX + 1], struct err *err)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	if (!dir)
		return err_errno(err, errno, "open folder '%s'", path);
	*ret_has_db = false;
	stranger[0] = '\0';
	while ((entry = readdir(dir))) {
		if (strcmp(entry->d_name, FOLDER_DB) == 0)
			*ret_has_db = true;
		else if (!is_expected(entry->d_name))
			snprintf(stranger, NAME_MAX + 1, "%s", entry->d_name);
	}
	closedir(dir);
	return RC_OK;
}

/* A pipe or a device in the place of a file of baler could make the start wait for ever. */
static enum rc check_plain(const char *path, struct err *err)
{
	static const char *const names[] = {
		FOLDER_DB, FOLDER_DB "-wal", FOLDER_DB "-shm", FOLDER_RESERVE, FOLDER_MARK};
	char file[PATH_MAX];
	struct stat st;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(file, sizeof(file), "%s/%s", path, names[i]);
		if (lstat(file, &st) != 0) {
			if (errno != ENOENT)
				return err_errno(err, errno, "look at '%s'", file);
		} else if (!S_ISREG(st.st_mode)) {
			return err_set(err, RC_REFUSED, "'%s' is not a plain file", file);
		}
	}
	return RC_OK;
}

static enum rc check(const char *path, struct err *err)
{
	char stranger[NAME_MAX + 1];
	struct stat st;
	bool has_db;
	enum rc rc;

	if (stat(path, &st) != 0)
		return err_errno(err, errno, "look at '%s'", path);
	if (!S_ISDIR(st.st_mode))
		return err_set(err, RC_REFUSED, "'%s' is not a folder", path);
	if (st.st_uid != geteuid())
		return err_set(err, RC_REFUSED,
			"data folder '%s' belongs to user %u, not to user %u", path,
			(unsigned)st.st_uid, (unsigned)geteuid());
	rc = look_inside(path, &has_db, stranger, err);
	if (rc != RC_OK)
		return rc;
	if (!has_db && stranger[0])
		return err_set(err, RC_REFUSED,
			"'%s' is not a data folder of baler: it has no " FOLDER_DB ", but '%s'",
			path, stranger);
	if (has_db && (st.st_mode & (S_IWGRP | S_IWOTH)))
		return err_set(err, RC_REFUSED,
			"data folder '%s' can be written by others: chmod 700 it", path);
	return check_plain(path, err);
}

static enum rc refuse_in_use(int fd, const char *path, struct err *err)
{
	char pid[24] = "";
	ssize_t n = pread(fd, pid, sizeof(pid) - 1, 0);

	pid[n > 0 ? n : 0] = '\0';
	pid[strcspn(pid, "\n")] = '\0';
	return err_set(err, RC_REFUSED, "data folder '%s' is in use by process %s", path,
		pid[0] ? pid : "unknown");
}

/* An auditor that looks whether the folder is served holds the lock for a moment
 * (local_audit_open.c). */
static bool lock(int fd)
{
	for (int i = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; i++) {
		if (errno != EWOULDBLOCK || i == LOCK_AGAIN)
			return false;
		clock_sleep_ms(clock_system(), LOCK_PAUSE_MS);
	}
	return true;
}

static enum rc take_lock(const char *path, int *ret_fd, struct err *err)
{
	char file[PATH_MAX], pid[24];
	bool told;
	enum rc rc;
	int n, fd;

	snprintf(file, sizeof(file), "%s/%s", path, FOLDER_LOCK);
	rc = file_open_plain(file, O_RDWR | O_CREAT | O_NOFOLLOW, 0600, &fd, err);
	if (rc != RC_OK)
		return rc;
	if (!lock(fd)) {
		rc = errno == EWOULDBLOCK ? refuse_in_use(fd, path, err)
					  : err_errno(err, errno, "lock '%s'", file);
		close(fd);
		return rc;
	}
	/* The process id is for people and for refuse_in_use. The kernel keeps the lock itself, so
	 * on a full disk the file just stays empty. */
	n = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
	told = ftruncate(fd, 0) == 0 && pwrite(fd, pid, (size_t)n, 0) == n;
	(void)told;
	*ret_fd = fd;
	return RC_OK;
}

/* A folder that cannot be opened for reading was not made by baler. Some file systems cannot fsync
 * a folder. */
static enum rc sync_parent(const char *path, struct err *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum rc rc = RC_OK;

	if (fd < 0)
		return RC_OK;
	if (fsync(fd) != 0 && errno != EINVAL && errno != EROFS)
		rc = err_errno(err, errno, "fsync '%s'", path);
	close(fd);
	return rc;
}

/*
 * The folder's own name becomes durable, and those of the folders above it: else a power loss
 * takes away all that was acknowledged in it. At each start, for the one that made them may have
 * died before it came to this.
 */
static enum rc sync_names(const char *path, struct err *err)
{
	char part[PATH_MAX];
	size_t n = strlen(path);
	enum rc rc = RC_OK;

	memcpy(part, path, n + 1);
	while (rc == RC_OK && n > 0) {
		while (n > 0 && part[n - 1] == '/')
			n--;
		while (n > 0 && part[n - 1] != '/')
			n--;
		part[n] = '\0';
		rc = sync_parent(n > 0 ? part : ".", err);
	}
	return rc;
}

enum rc folder_open(const char *path, int *ret_lock_fd, struct err *err)
{
	struct stat st;
	enum rc rc;

	if (strlen(path) > PATH_MAX - 64)
		return err_set(err, RC_REFUSED, "the data folder's path is too long");
	if (stat(path, &st) != 0 && errno == ENOENT) {
		rc = file_make_dirs(path, 0700, err);
		if (rc != RC_OK)
			return err_ctx(err, rc, "data folder '%s'", path);
	}
	rc = check(path, err);
	if (rc == RC_OK)
		rc = sync_names(path, err);
	if (rc == RC_OK)
		rc = take_lock(path, ret_lock_fd, err);
	if (rc != RC_OK)
		return rc;
	if (chmod(path, 0700) != 0) {
		rc = err_errno(err, errno, "chmod 700 '%s'", path);
		close(*ret_lock_fd);
	}
	return rc;
}
