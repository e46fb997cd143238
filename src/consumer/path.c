#include "consumer/path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

/* Takes the first component off *rest. */
static struct slice next_component(struct slice *rest)
{
	const unsigned char *slash = rest->n ? memchr(rest->p, '/', rest->n) : NULL;
	struct slice part = slice_of(rest->p, slash ? (size_t)(slash - rest->p) : rest->n);
	size_t skip = part.n + (slash ? 1 : 0);

	*rest = slice_of(rest->p + skip, rest->n - skip);
	return part;
}

static bool is_usable(struct slice part)
{
	return part.n && !slice_eq_str(part, ".") && !slice_eq_str(part, "..") &&
	       !memchr(part.p, '\0', part.n);
}

enum rc path_check(struct slice name, struct err *err)
{
	struct slice rest = name, first = next_component(&rest), part = first;
	char shown[200];

	text_printable(name, shown, sizeof(shown));
	if (name.n == 0 || name.n >= PATH_NAME_MAX || name.p[name.n - 1] == '/')
		return err_set(err, RC_CORRUPT, "member '%s' has an unsafe name", shown);
	while (is_usable(part) && rest.n)
		part = next_component(&rest);
	if (!is_usable(part))
		return err_set(err, RC_CORRUPT, "member '%s' has an unsafe name", shown);
	if (slice_eq_nocase(first, slice_str(STATE_FOLDER)))
		return err_set(err, RC_CORRUPT, "member '%s' would be in pull's own folder", shown);
	return RC_OK;
}

static enum rc step_error(struct slice part, struct err *err)
{
	int why = errno;
	char shown[200];

	text_printable(part, shown, sizeof(shown));
	if (why == ENOTDIR || why == ELOOP)
		return err_set(err, RC_CONFLICT, "'%s' is there and is not a folder", shown);
	if (why == ENAMETOOLONG)
		return err_set(
			err, RC_REFUSED, "the file system takes no name as long as '%s'", shown);
	return err_errno(err, why, "open folder '%s'", shown);
}

/* Opens the next component; takes fd over. */
static enum rc step(int fd, struct slice part, bool create, int *ret_fd, struct err *err)
{
	char name[PATH_NAME_MAX];
	enum rc rc = RC_OK;
	int next;

	snprintf(name, sizeof(name), SLICE_FMT, SLICE_ARG(part));
	next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (next < 0 && errno == ENOENT && create) {
		if (mkdirat(fd, name, 0777) == 0 || errno == EEXIST)
			next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	}
	if (next < 0)
		rc = step_error(part, err);
	else
		*ret_fd = next;
	close(fd);
	return rc;
}

static enum rc open_self(int root_fd, int *ret_fd, struct err *err)
{
	*ret_fd = openat(root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *ret_fd < 0 ? err_errno(err, errno, "open the folder") : RC_OK;
}

enum rc path_open_parent(int root_fd, struct slice name, bool create, int *ret_fd,
	struct slice *ret_base, struct err *err)
{
	struct slice rest = name, part = next_component(&rest);
	enum rc rc;
	int fd;

	rc = open_self(root_fd, &fd, err);
	while (rc == RC_OK && rest.n) {
		rc = step(fd, part, create, &fd, err);
		part = next_component(&rest);
	}
	if (rc != RC_OK)
		return rc;
	*ret_fd = fd;
	*ret_base = part;
	return RC_OK;
}

enum rc path_open_folder(int root_fd, struct slice name, int *ret_fd, struct err *err)
{
	struct slice rest = name;
	enum rc rc;
	int fd;

	rc = open_self(root_fd, &fd, err);
	while (rc == RC_OK && rest.n)
		rc = step(fd, next_component(&rest), false, &fd, err);
	if (rc == RC_OK)
		*ret_fd = fd;
	return rc;
}
