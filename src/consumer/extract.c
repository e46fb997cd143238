#include "consumer/extract.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "verify/key_set.h"
#include "verify/untar.h"

#define FOLDERS_MAX 4096   /* at this number of folders they are fsynced, and the list is emptied */

struct run {
	const struct extraction *x;
	struct extract_counts counts;
	struct key_set names;   /* the first pass; their hashes */
	struct key_set folders; /* the second: to be fsynced */
	int fd;                 /* of the member at work */
};

static enum rc stopped(const struct run *r, struct err *err)
{
	if (r->x->stopping && atomic_load(r->x->stopping))
		return err_code(err, RC_AGAIN, "ECANCELED", "stopped");
	return RC_OK;
}

/* The first pass. */

static enum rc check_member(void *arg, const struct untar_member *m, struct err *err)
{
	struct run *r = arg;
	char shown[200];
	enum rc rc = stopped(r, err);

	if (rc == RC_OK)
		rc = path_check(m->name, err);
	if (rc != RC_OK)
		return rc;
	if (r->names.n >= EXTRACT_MEMBERS_MAX)
		return err_set(err, RC_CORRUPT, "more than %u members", EXTRACT_MEMBERS_MAX);
	if (key_set_add_hashed(&r->names, m->name))
		return RC_OK;
	text_printable(m->name, shown, sizeof(shown));
	return err_set(err, RC_CORRUPT, "member '%s' is there twice", shown);
}

static enum rc check_data(void *arg, struct slice bytes, struct err *err)
{
	(void)bytes;
	return stopped(arg, err);
}

static enum rc check(struct run *r, struct err *err)
{
	struct untar_sink sink = {.member = check_member, .arg = r, .data = check_data};
	enum rc rc = untar_fd(r->x->bundle_fd, &sink, err);

	if (rc == RC_OK && r->names.n == 0)
		rc = err_set(err, RC_CORRUPT, "no member in it");
	key_set_release(&r->names);
	return rc;
}

/* The second. */

static enum rc sync_folder(int root_fd, struct slice name, struct err *err)
{
	enum rc rc;
	int fd;

	rc = path_open_folder(root_fd, name, &fd, err);
	if (rc != RC_OK) /* another program that takes the files away may take the folder too */
		return rc == RC_ABSENT ? RC_OK : rc;
	if (fsync(fd) != 0)
		rc = err_errno(err, errno, "fsync folder '" SLICE_FMT "'", SLICE_ARG(name));
	close(fd);
	return rc;
}

static enum rc sync_folders(struct run *r, struct err *err)
{
	int root_fd = r->x->destination->root_fd;
	enum rc rc = sync_folder(root_fd, (struct slice){0}, err);

	for (size_t i = 0; i < r->folders.n_slots && rc == RC_OK; i++)
		if (r->folders.slots[i].p)
			rc = sync_folder(root_fd, r->folders.slots[i], err);
	key_set_release(&r->folders);
	return rc;
}

/* Every folder on the way to name: one that was made is an entry of the one above. */
static enum rc note_folders(struct run *r, struct slice name, struct err *err)
{
	for (;;) {
		const unsigned char *slash = memrchr(name.p, '/', name.n);

		if (!slash)
			break;
		name = slice_of(name.p, (size_t)(slash - name.p));
		if (!key_set_add(&r->folders, name))
			break;
	}
	return r->folders.n < FOLDERS_MAX ? RC_OK : sync_folders(r, err);
}

static enum rc begin_member(void *arg, struct slice name, uint64_t claimed_bytes, struct err *err)
{
	struct run *r = arg;
	enum rc rc = stopped(r, err);

	(void)claimed_bytes; /* a size that is only declared reserves no room */
	if (rc == RC_OK)
		rc = path_check(name, err);
	if (rc != RC_OK)
		return rc;
	r->fd = openat(r->x->destination->work_fd, r->x->work_name,
		O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
	return r->fd < 0 ? err_errno(err, errno, "make a work file") : RC_OK;
}

static enum rc member_data(void *arg, struct slice bytes, struct err *err)
{
	struct run *r = arg;
	enum rc rc = stopped(r, err);

	r->counts.bytes += bytes.n;
	return rc == RC_OK ? file_write_all(r->fd, bytes.p, bytes.n, err) : rc;
}

static enum rc end_member(void *arg, const struct untar_member *m, struct err *err)
{
	struct run *r = arg;
	struct mark mark = mark_of(r->x->bundle, r->x->published_wall_ms, m->sha256);
	enum placed placed;
	enum rc rc;

	rc = mark_write(r->fd, &mark, err);
	if (rc == RC_OK && fsync(r->fd) != 0)
		rc = err_errno(err, errno, "fsync '" SLICE_FMT "'", SLICE_ARG(m->name));
	close(r->fd);
	r->fd = -1;
	if (rc == RC_OK)
		rc = place(r->x->destination, r->x->work_name, m->name, &mark, &placed, err);
	if (rc != RC_OK)
		return rc;
	r->counts.members++;
	r->counts.placed[placed]++;
	return note_folders(r, m->name, err);
}

static enum rc rewind_fd(int fd, struct err *err)
{
	return lseek(fd, 0, SEEK_SET) == 0 ? RC_OK : err_errno(err, errno, "rewind the bundle");
}

enum rc extract_bundle(
	const struct extraction *x, struct extract_counts *ret_counts, struct err *err)
{
	struct run r = {.x = x, .fd = -1};
	struct untar_sink sink = {
		.member = end_member, .arg = &r, .begin = begin_member, .data = member_data};
	enum rc rc = rewind_fd(x->bundle_fd, err);

	if (rc == RC_OK)
		rc = check(&r, err);
	if (rc == RC_OK)
		rc = rewind_fd(x->bundle_fd, err);
	if (rc == RC_OK)
		rc = untar_fd(x->bundle_fd, &sink, err);
	if (r.fd >= 0)
		close(r.fd);
	if (rc == RC_OK)
		rc = sync_folders(&r, err);
	key_set_release(&r.folders);
	unlinkat(x->destination->work_fd, x->work_name, 0);
	*ret_counts = r.counts;
	return rc;
}
