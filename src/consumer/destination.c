#include <errno.h>
#include <fcntl.h>
#include <dirent.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "consumer/place.h"

static enum rc open_folder(int at, const char *name, int *ret_fd, struct err *err)
{
	if (mkdirat(at, name, 0700) != 0 && errno != EEXIST)
		return err_errno(err, errno, "make folder '%s'", name);
	*ret_fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return *ret_fd < 0 ? err_errno(err, errno, "open folder '%s'", name) : RC_OK;
}

static enum rc lock(int state_fd, int *ret_fd, struct err *err)
{
	*ret_fd = openat(state_fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (*ret_fd < 0)
		return err_errno(err, errno, "open its lock");
	if (flock(*ret_fd, LOCK_EX | LOCK_NB) == 0)
		return RC_OK;
	if (errno == EWOULDBLOCK)
		return err_set(err, RC_CONFLICT, "another 'baler pull' is at work there");
	return err_errno(err, errno, "lock it");
}

/* Removes the work files of a run that was killed. */
static enum rc empty_folder(int fd, struct err *err)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	const struct dirent *e;

	if (!dir)
		return err_errno(err, errno, "read the work folder");
	while ((e = readdir(dir)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			unlinkat(fd, e->d_name, 0);
	closedir(dir);
	return RC_OK;
}

static enum rc open_state(struct destination *d, struct err *err)
{
	int state_fd = -1;
	enum rc rc = open_folder(d->root_fd, STATE_FOLDER, &state_fd, err);

	if (rc == RC_OK)
		rc = lock(state_fd, &d->lock_fd, err);
	if (rc == RC_OK)
		rc = open_folder(state_fd, "work", &d->work_fd, err);
	if (rc == RC_OK)
		rc = empty_folder(d->work_fd, err);
	if (rc == RC_OK && (fsync(state_fd) != 0 || fsync(d->root_fd) != 0))
		rc = err_errno(err, errno, "fsync");
	if (state_fd >= 0)
		close(state_fd);
	return rc;
}

enum rc destination_open(
	const char *path, enum on_conflict policy, struct destination **ret_d, struct err *err)
{
	struct destination *d = xcalloc(1, sizeof(*d));
	enum rc rc = file_make_dirs(path, 0777, err);

	d->path = xstrdup(path);
	d->policy = policy;
	d->root_fd = d->work_fd = d->lock_fd = -1;
	for (size_t i = 0; i < PLACE_LOCKS; i++)
		pthread_mutex_init(&d->names[i], NULL);
	if (rc == RC_OK) {
		d->root_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		rc = d->root_fd < 0 ? err_errno(err, errno, "open it") : open_state(d, err);
	}
	if (rc != RC_OK) {
		destination_close(d);
		return err_ctx(err, rc, "folder '%s'", path);
	}
	*ret_d = d;
	return RC_OK;
}

void destination_close(struct destination *d)
{
	if (!d)
		return;
	if (d->work_fd >= 0)
		close(d->work_fd);
	if (d->lock_fd >= 0)
		close(d->lock_fd);
	if (d->root_fd >= 0)
		close(d->root_fd);
	for (size_t i = 0; i < PLACE_LOCKS; i++)
		pthread_mutex_destroy(&d->names[i]);
	free(d->path);
	free(d);
}
