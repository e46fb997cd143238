/* What stands in front of libc: notes, fails, passes on. disk_replay.c makes folders of what was
 * noted. */
#undef _FILE_OFFSET_BITS /* with it open would be another name for open64 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "disk_internal.h"

struct disk *disk;

void disk_init(void)
{
	disk = mmap(NULL, sizeof(*disk), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (disk == MAP_FAILED)
		abort();
}

static void make_lock(void)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&disk->lock, &attr);
	pthread_mutexattr_destroy(&attr);
}

void disk_begin(const char *folder, const struct disk_fault *fault, unsigned at, bool record)
{
	memset(disk, 0, offsetof(struct disk, events));
	make_lock(); /* anew: whoever died may have held the last one */
	snprintf(disk->folder, sizeof(disk->folder), "%s", folder);
	disk->fault = fault ? *fault : (struct disk_fault){.call = DISK_CALL_NONE};
	disk->at = at;
	disk->record = record;
	disk->active = true;
}

void disk_end(void)
{
	disk->active = false;
}

unsigned disk_n_calls(enum disk_call call)
{
	return disk->n_calls[call];
}

bool disk_has_struck(void)
{
	return disk->struck;
}

void disk_closing(bool is_closing)
{
	disk->is_closing = is_closing;
}

bool disk_struck_file(void)
{
	return disk->struck_file;
}

/* The path from the folder on, or NULL: not ours. */
static const char *ours(const char *path)
{
	size_t n = disk && disk->active ? strlen(disk->folder) : 0;

	if (!n || strncmp(path, disk->folder, n) != 0 || (path[n] && path[n] != '/'))
		return NULL;
	return path[n] ? path + n + 1 : "";
}

static bool is_shared_memory(const char *name)
{
	size_t n = strlen(name);

	return n > 4 && strcmp(name + n - 4, "-shm") == 0;
}

/* Counts the call. true: it fails, and errno says why. */
static bool fails_locked(enum disk_call call)
{
	unsigned n = ++disk->n_calls[call];
	const struct disk_fault *f = &disk->fault;

	if (f->call != call || n < disk->at || (n > disk->at && !f->lasts))
		return false;
	disk->struck = true;
	errno = f->error;
	return true;
}

static struct disk_event *note_locked(enum disk_kind kind, unsigned file, const char *path)
{
	struct disk_event *e = &disk->events[disk->n_events];

	if (!disk->record || (path && is_shared_memory(path)))
		return NULL;
	if (disk->n_events == DISK_EVENTS_MAX)
		abort();
	*e = (struct disk_event){.kind = kind, .file = file};
	snprintf(e->path, sizeof(e->path), "%s", path ? path : "");
	disk->n_events++;
	return e;
}

static unsigned file_of_locked(const char *path)
{
	for (unsigned i = 0; i < disk->n_names; i++)
		if (strcmp(disk->names[i].path, path) == 0)
			return disk->names[i].file;
	return 0;
}

static void name_locked(const char *path, unsigned file)
{
	if (disk->n_names == DISK_NAMES_MAX)
		abort();
	snprintf(disk->names[disk->n_names].path, DISK_PATH_MAX, "%s", path);
	disk->names[disk->n_names++].file = file;
}

static void unname_locked(const char *path)
{
	for (unsigned i = 0; i < disk->n_names; i++)
		if (strcmp(disk->names[i].path, path) == 0)
			disk->names[i--] = disk->names[--disk->n_names];
}

/* What a descriptor that was just opened stands for. */
static struct disk_fd describe_locked(int fd, const char *name)
{
	struct disk_fd d = {.is_ours = true};
	struct stat st;

	if (fstat(fd, &st) != 0)
		abort();
	d.is_folder = S_ISDIR(st.st_mode);
	d.device = st.st_dev;
	d.inode = st.st_ino;
	d.is_shared = is_shared_memory(name);
	d.file = d.is_folder ? 0 : file_of_locked(name);
	snprintf(d.path, sizeof(d.path), "%s", name);
	return d;
}

static int open_at(int folder, const char *path, int flags, mode_t mode)
{
	const char *name = ours(path);
	bool is_new;
	int fd;

	if (!name)
		return (int)syscall(SYS_openat, folder, path, flags, mode);
	pthread_mutex_lock(&disk->lock);
	if (fails_locked(DISK_CALL_OPEN)) {
		pthread_mutex_unlock(&disk->lock);
		return -1;
	}
	is_new = (flags & O_CREAT) && syscall(SYS_faccessat, folder, path, F_OK) != 0;
	fd = (int)syscall(SYS_openat, folder, path, flags, mode);
	if (fd >= 0 && is_new) {
		name_locked(name, ++disk->n_files);
		note_locked(DISK_CREATE, disk->n_files, name);
	}
	if (fd >= 0 && fd < DISK_FDS_MAX) {
		struct disk_fd *d = &disk->fds[fd];

		*d = describe_locked(fd, name);
		if (flags & O_TRUNC && !is_new && !d->is_shared)
			note_locked(DISK_TRUNCATE, d->file, NULL);
	}
	pthread_mutex_unlock(&disk->lock);
	return fd;
}

static mode_t mode_of(int flags, va_list ap)
{
	return flags & (O_CREAT | O_TMPFILE) ? (mode_t)va_arg(ap, int) : 0;
}

#define OPEN_BODY(folder)                                                                          \
	va_list ap;                                                                                \
	mode_t mode;                                                                               \
                                                                                                   \
	va_start(ap, flags);                                                                       \
	mode = mode_of(flags, ap);                                                                 \
	va_end(ap);                                                                                \
	return open_at(folder, path, flags, mode)

int open(const char *path, int flags, ...)
{
	OPEN_BODY(AT_FDCWD);
}

int open64(const char *path, int flags, ...)
{
	OPEN_BODY(AT_FDCWD);
}

int openat(int folder, const char *path, int flags, ...)
{
	OPEN_BODY(folder);
}

int openat64(int folder, const char *path, int flags, ...)
{
	OPEN_BODY(folder);
}

/*
 * What is known of a descriptor, or NULL: not of this folder. libc closes some descriptors without
 * calling close, and gives their numbers to sockets and pipes, so the file that the number stands
 * for now is compared with the file that was opened.
 */
static struct disk_fd *fd_of_locked(int fd)
{
	struct disk_fd *d = fd >= 0 && fd < DISK_FDS_MAX ? &disk->fds[fd] : NULL;
	struct stat st;

	if (!d || !d->is_ours)
		return NULL;
	if (fstat(fd, &st) == 0 && st.st_dev == d->device && st.st_ino == d->inode)
		return d;
	d->is_ours = false;
	return NULL;
}

/* As fd_of_locked, with the lock taken when there is something: the caller unlocks. A call that
 * returns NULL holds nothing. */
static struct disk_fd *lock_fd_of(int fd)
{
	struct disk_fd *d;

	if (!disk || !disk->active)
		return NULL;
	pthread_mutex_lock(&disk->lock);
	d = fd_of_locked(fd);
	if (!d)
		pthread_mutex_unlock(&disk->lock);
	return d;
}

int close(int fd)
{
	struct disk_fd *d = lock_fd_of(fd);
	int rc;

	if (!d)
		return (int)syscall(SYS_close, fd);
	d->is_ours = false;
	rc = (int)syscall(SYS_close, fd);
	pthread_mutex_unlock(&disk->lock);
	return rc;
}

/* A file whose bytes somebody may depend on. */
static void note_struck_locked(const struct disk_fd *d)
{
	if (!d->is_folder && !disk->is_closing)
		disk->struck_file = true;
}

static int sync_fd(int fd)
{
	struct disk_fd *d = lock_fd_of(fd);
	bool fails;

	if (!d)
		return 0; /* nothing outside is worth waiting for in a test */
	fails = fails_locked(DISK_CALL_SYNC);
	if (fails)
		note_struck_locked(d);
	else
		note_locked(d->is_folder ? DISK_SYNC_FOLDER : DISK_SYNC, d->file, d->path);
	pthread_mutex_unlock(&disk->lock);
	return fails ? -1 : 0;
}

int fsync(int fd)
{
	return sync_fd(fd);
}

int fdatasync(int fd)
{
	return sync_fd(fd);
}

/* The bytes to write after all; 0: errno says why none. */
static size_t weigh_write_locked(const struct disk_fd *d, size_t n)
{
	bool is_second_half = disk->is_full;

	if (d->is_shared)
		return fails_locked(DISK_CALL_SHARED) ? 0 : n;
	disk->is_full = false;
	if (is_second_half) {
		disk->n_calls[DISK_CALL_WRITE]++;
		errno = disk->fault.error;
		return 0;
	}
	if (!fails_locked(DISK_CALL_WRITE))
		return n;
	note_struck_locked(d);
	if (disk->fault.is_short && n > 1 && disk->n_calls[DISK_CALL_WRITE] == disk->at) {
		disk->is_full = true;
		return n / 2;
	}
	return 0;
}

static void note_write_locked(const struct disk_fd *d, const void *p, size_t n, off_t at)
{
	struct disk_event *e = note_locked(DISK_WRITE, d->file, d->path);

	if (!e)
		return;
	if (disk->n_bytes + n > DISK_BYTES_MAX)
		abort();
	e->at = (uint64_t)at;
	e->n = n;
	e->bytes = disk->n_bytes;
	memcpy(disk->bytes + disk->n_bytes, p, n);
	disk->n_bytes += n;
}

static ssize_t write_at(int fd, const void *p, size_t n, off_t at)
{
	struct disk_fd *d = lock_fd_of(fd);
	bool in_order = at < 0;
	ssize_t put;

	if (!d)
		return in_order ? syscall(SYS_write, fd, p, n)
				: syscall(SYS_pwrite64, fd, p, n, at);
	n = weigh_write_locked(d, n);
	if (n && in_order)
		at = (off_t)syscall(SYS_lseek, fd, 0, SEEK_CUR);
	put = n ? syscall(SYS_pwrite64, fd, p, n, at) : -1;
	if (put > 0)
		note_write_locked(d, p, (size_t)put, at);
	if (put > 0 && in_order)
		syscall(SYS_lseek, fd, at + put, SEEK_SET);
	pthread_mutex_unlock(&disk->lock);
	return put;
}

ssize_t write(int fd, const void *p, size_t n)
{
	return write_at(fd, p, n, -1);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
	return write_at(fd, p, n, at);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at)
{
	return write_at(fd, p, n, at);
}

int ftruncate(int fd, off_t size)
{
	struct disk_fd *d = lock_fd_of(fd);
	struct disk_event *e;
	int rc;

	if (!d)
		return (int)syscall(SYS_ftruncate, fd, size);
	rc = fails_locked(d->is_shared ? DISK_CALL_SHARED : DISK_CALL_TRUNCATE)
		     ? -1
		     : (int)syscall(SYS_ftruncate, fd, size);
	e = rc == 0 ? note_locked(DISK_TRUNCATE, d->file, d->path) : NULL;
	if (e)
		e->at = (uint64_t)size;
	pthread_mutex_unlock(&disk->lock);
	return rc;
}

int ftruncate64(int fd, off64_t size)
{
	return ftruncate(fd, size);
}

/* Not recorded: only the reserve is allocated ahead, and nothing depends on its bytes. */
static int allocate(int fd, int mode, off_t at, off_t size)
{
	struct disk_fd *d = lock_fd_of(fd);
	bool fails = false;

	if (d) {
		fails = fails_locked(DISK_CALL_ALLOCATE);
		pthread_mutex_unlock(&disk->lock);
	}
	return fails ? -1 : (int)syscall(SYS_fallocate, fd, mode, at, size);
}

int fallocate(int fd, int mode, off_t at, off_t size)
{
	return allocate(fd, mode, at, size);
}

int fallocate64(int fd, int mode, off64_t at, off64_t size)
{
	return allocate(fd, mode, at, size);
}

int posix_fallocate(int fd, off_t at, off_t size)
{
	return allocate(fd, 0, at, size) == 0 ? 0 : errno;
}

int posix_fallocate64(int fd, off64_t at, off64_t size)
{
	return posix_fallocate(fd, at, size);
}

/* Only of the log's index: nothing else here maps a file of the data folder. */
void *mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset)
{
	struct disk_fd *d = fd >= 0 ? lock_fd_of(fd) : NULL;
	bool fails = false;

	if (d) {
		fails = d->is_shared && fails_locked(DISK_CALL_SHARED);
		pthread_mutex_unlock(&disk->lock);
	}
	if (fails)
		return MAP_FAILED;
	return (void *)syscall(SYS_mmap, at, n, protection, flags, fd, offset);
}

void *mmap64(void *at, size_t n, int protection, int flags, int fd, off64_t offset)
{
	return mmap(at, n, protection, flags, fd, offset);
}

static int unlink_named(const char *path)
{
	const char *name = ours(path);
	int rc;

	if (!name)
		return (int)syscall(SYS_unlink, path);
	pthread_mutex_lock(&disk->lock);
	rc = fails_locked(DISK_CALL_UNLINK) ? -1 : (int)syscall(SYS_unlink, path);
	if (rc == 0) {
		note_locked(DISK_UNLINK, file_of_locked(name), name);
		unname_locked(name);
	}
	pthread_mutex_unlock(&disk->lock);
	return rc;
}

int unlink(const char *path)
{
	return unlink_named(path);
}

int unlinkat(int folder, const char *path, int flags)
{
	char link[64], whole[PATH_MAX];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", folder);
	n = readlink(link, whole, sizeof(whole) - 1);
	if (flags || n < 0 || path[0] == '/')
		return (int)syscall(SYS_unlinkat, folder, path, flags);
	snprintf(whole + n, sizeof(whole) - (size_t)n, "/%s", path);
	return unlink_named(whole);
}

int link(const char *from, const char *to)
{
	const char *old = ours(from), *name = ours(to);
	int rc;

	if (!old || !name)
		return (int)syscall(SYS_link, from, to);
	pthread_mutex_lock(&disk->lock);
	rc = fails_locked(DISK_CALL_LINK) ? -1 : (int)syscall(SYS_link, from, to);
	if (rc == 0) {
		name_locked(name, file_of_locked(old));
		note_locked(DISK_CREATE, file_of_locked(old), name);
	}
	pthread_mutex_unlock(&disk->lock);
	return rc;
}

/* As a link and an unlink that may be parted: worse than what a file system does, and the data
 * folder renames nothing that matters. */
int rename(const char *from, const char *to)
{
	const char *old = ours(from), *name = ours(to);
	unsigned file;
	int rc;

	if (!old || !name)
		return (int)syscall(SYS_rename, from, to);
	pthread_mutex_lock(&disk->lock);
	file = file_of_locked(old);
	rc = fails_locked(DISK_CALL_RENAME) ? -1 : (int)syscall(SYS_rename, from, to);
	if (rc == 0) {
		unname_locked(old);
		unname_locked(name);
		name_locked(name, file);
		note_locked(DISK_CREATE, file, name);
		note_locked(DISK_UNLINK, file, old);
	}
	pthread_mutex_unlock(&disk->lock);
	return rc;
}

int mkdir(const char *path, mode_t mode)
{
	const char *name = ours(path);
	int rc;

	if (!name)
		return (int)syscall(SYS_mkdir, path, mode);
	pthread_mutex_lock(&disk->lock);
	rc = fails_locked(DISK_CALL_MKDIR) ? -1 : (int)syscall(SYS_mkdir, path, mode);
	if (rc == 0)
		note_locked(DISK_MKDIR, 0, name);
	pthread_mutex_unlock(&disk->lock);
	return rc;
}
