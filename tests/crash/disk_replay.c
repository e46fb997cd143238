/* The folder as a power loss may leave it. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/prng.h"
#include "disk_internal.h"

#define SECTOR_BYTES 512

struct file {
	unsigned char *bytes;
	size_t n, cap;
};

struct replay {
	const char *to;
	size_t n;
	struct prng prng;
	unsigned keep_percent;
	struct file *files; /* by number */
};

size_t disk_n_recorded(void)
{
	return disk->n_events;
}

bool disk_make_folder(char ret_path[64])
{
	snprintf(ret_path, 64, "%s/baler-crash-XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	return mkdtemp(ret_path) != NULL;
}

/* Whether path is a name in the folder. */
static bool is_in(const char *path, const char *folder)
{
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) : 0;

	return strlen(folder) == n && strncmp(path, folder, n) == 0;
}

static bool is_name(enum disk_kind kind)
{
	return kind == DISK_CREATE || kind == DISK_MKDIR || kind == DISK_UNLINK;
}

static bool is_synced(const struct replay *r, size_t i)
{
	const struct disk_event *e = &disk->events[i];

	for (size_t k = i + 1; k < r->n; k++) {
		const struct disk_event *s = &disk->events[k];

		if (is_name(e->kind) ? s->kind == DISK_SYNC_FOLDER && e->path[0] &&
					       is_in(e->path, s->path)
				     : s->kind == DISK_SYNC && s->file == e->file)
			return true;
	}
	return false;
}

static bool is_kept(struct replay *r)
{
	return prng_below(&r->prng, 100) < r->keep_percent;
}

static void grow(struct file *f, size_t n)
{
	if (n > f->cap) {
		f->bytes = xrealloc(f->bytes, 2 * n);
		memset(f->bytes + f->cap, 0, 2 * n - f->cap);
		f->cap = 2 * n;
	}
	if (n > f->n)
		f->n = n;
}

static void put(struct file *f, const struct disk_event *e, size_t from, size_t n)
{
	grow(f, e->at + from + n);
	memcpy(f->bytes + e->at + from, disk->bytes + e->bytes + from, n);
}

static void replay_write(struct replay *r, const struct disk_event *e, bool synced)
{
	struct file *f = &r->files[e->file];
	bool torn = !synced && prng_below(&r->prng, 2) == 0;

	if (!synced && !is_kept(r))
		return;
	for (size_t at = 0; torn && at < e->n; at += SECTOR_BYTES)
		if (is_kept(r))
			put(f, e, at, e->n - at < SECTOR_BYTES ? e->n - at : SECTOR_BYTES);
	if (!torn)
		put(f, e, 0, e->n);
}

static void replay_truncate(struct replay *r, const struct disk_event *e, bool synced)
{
	struct file *f = &r->files[e->file];

	if (!synced && !is_kept(r))
		return;
	if (e->at < f->n)
		memset(f->bytes + e->at, 0, f->n - e->at);
	grow(f, e->at);
	f->n = e->at;
}

static void path_of(const struct replay *r, const char *path, char out[1024])
{
	snprintf(out, 1024, "%s%s%s", r->to, path[0] ? "/" : "", path);
}

/* Names first: a file holds its bytes whatever it is called. What lies in a folder that is lost is
 * lost. */
static void replay_name(struct replay *r, const struct disk_event *e, bool synced)
{
	char path[1024], number[16];
	int fd;

	if (!synced && !is_kept(r))
		return;
	path_of(r, e->path, path);
	if (e->kind == DISK_MKDIR) {
		mkdir(path, 0700);
		return;
	}
	unlink(path);
	if (e->kind == DISK_UNLINK)
		return;
	/* For now it holds its number; the bytes come at the end. */
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0)
		return;
	snprintf(number, sizeof(number), "%u", e->file);
	if (write(fd, number, strlen(number)) < 0)
		die("power loss: cannot write '%s'", path);
	close(fd);
}

static void fill(struct replay *r, const char *name)
{
	char path[1024], number[16] = "";
	const struct file *f;
	int fd;

	path_of(r, name, path);
	fd = open(path, O_RDWR);
	if (fd < 0)
		return;
	if (pread(fd, number, sizeof(number) - 1, 0) < 0 || ftruncate(fd, 0) != 0)
		die("power loss: cannot read '%s'", path);
	f = &r->files[atoi(number)];
	for (size_t at = 0; at < f->n;) {
		ssize_t n = pwrite(fd, f->bytes + at, f->n - at, (off_t)at);

		if (n <= 0)
			die("power loss: cannot write '%s'", path);
		at += (size_t)n;
	}
	close(fd);
}

static void fill_all(struct replay *r)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct disk_event *e = &disk->events[i];
		bool is_first = e->kind == DISK_CREATE;

		for (size_t k = 0; k < i && is_first; k++)
			is_first = disk->events[k].kind != DISK_CREATE ||
				   strcmp(disk->events[k].path, e->path) != 0;
		if (is_first)
			fill(r, e->path);
	}
}

void disk_after_power_loss(const char *to, size_t n, uint64_t seed, unsigned keep_percent)
{
	struct replay r = {
		.to = to, .n = n, .prng = prng_seeded(seed), .keep_percent = keep_percent};

	r.files = xcalloc(disk->n_files + 1, sizeof(*r.files));
	for (size_t i = 0; i < n; i++) {
		const struct disk_event *e = &disk->events[i];
		bool synced = is_synced(&r, i);

		if (e->kind == DISK_WRITE)
			replay_write(&r, e, synced);
		else if (e->kind == DISK_TRUNCATE)
			replay_truncate(&r, e, synced);
		else if (is_name(e->kind))
			replay_name(&r, e, synced);
	}
	fill_all(&r);
	for (unsigned i = 0; i <= disk->n_files; i++)
		free(r.files[i].bytes);
	free(r.files);
}
