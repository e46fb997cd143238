#include "adapter/local/engine/blobs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapter/local/engine/blob_view.h"
#include "adapter/local/engine/folder.h"
#include "base/file.h"
#include "base/prng.h"
#include "obs/log.h"

#define BLOB_THREADS 2
#define FAN_OUT 256
#define WRITEBACK_BYTES                                                                            \
	(8u << 20) /* started early, so that the fsync at the end finds little to do */
#define PIN_SLOTS 256
/* bytes of room that are reserved at once, so that few writes ask the file system */
#define GRANT_BYTES (1u << 20)

struct pin {
	struct blob_id id;
	unsigned count;
	bool is_dropped; /* unlink when the last reader goes */
	unsigned char *sums; /* NULL: none */
	size_t sums_bytes;
	struct pin *next;
};

struct blobs {
	char folder[PATH_MAX];
	struct grants *grants;
	struct work_pool *pool;
	/* apart: thousands of removals must not stand before a PUT's fsync */
	struct work_pool *removers;
	pthread_mutex_t lock;
	struct pin *pins[PIN_SLOTS]; /* under lock */
};

struct blob_file {
	struct blobs *blobs;
	struct blob_id id;
	int fd;
	uint64_t size;    /* bytes */
	uint64_t started; /* bytes whose writeback was begun */
	uint64_t granted; /* bytes of room taken and not yet written */
	struct sums sums;
};

/* An unlink of a large file takes a while on some file systems: a thread of its own does it. */
struct removal {
	struct work work;
	struct blobs *blobs;
	struct blob_id id;
	int fd; /* to close first, or -1 */
};

static void folder_of(const struct blobs *b, const struct blob_id *id, char out[PATH_MAX])
{
	snprintf(out, PATH_MAX, "%.*s/%02x", PATH_MAX - 48, b->folder, id->bytes[0]);
}

static void path_of(const struct blobs *b, const struct blob_id *id, char out[PATH_MAX])
{
	char name[2 * BLOB_ID_BYTES + 1];

	hex_encode(id->bytes, BLOB_ID_BYTES, name);
	snprintf(out, PATH_MAX, "%.*s/%.2s/%s", PATH_MAX - 48, b->folder, name, name + 2);
}

static enum rc make_folder(const char *path, struct err *err)
{
	return mkdir(path, 0700) == 0 || errno == EEXIST
		       ? RC_OK
		       : err_errno(err, errno, "make folder '%s'", path);
}

/* Makes all folders at each start, and fsyncs their names: after a loss of power some of them may
 * be missing. */
static enum rc make_folders(struct blobs *b, const char *data, struct err *err)
{
	char path[PATH_MAX];
	enum rc rc = make_folder(b->folder, err);

	for (int i = 0; i < FAN_OUT && rc == RC_OK; i++) {
		const struct blob_id id = {.bytes = {(unsigned char)i}};

		folder_of(b, &id, path);
		rc = make_folder(path, err);
	}
	if (rc == RC_OK)
		rc = file_sync_dir(b->folder, err);
	return rc == RC_OK ? file_sync_dir(data, err) : rc;
}

enum rc blobs_open(
	const char *folder, struct grants *grants, struct blobs **ret_blobs, struct err *err)
{
	struct blobs *b = xcalloc(1, sizeof(*b));
	enum rc rc;

	snprintf(b->folder, sizeof(b->folder), "%s/%s", folder, FOLDER_BLOBS);
	rc = make_folders(b, folder, err);
	if (rc != RC_OK) {
		free(b);
		return err_ctx(err, rc, "blobs");
	}
	b->grants = grants;
	pthread_mutex_init(&b->lock, NULL);
	b->pool = work_pool_new(BLOB_THREADS, "blobs");
	b->removers = work_pool_new(1, "blob-removal");
	*ret_blobs = b;
	return RC_OK;
}

void blobs_close(struct blobs *b)
{
	if (!b)
		return;
	work_pool_free(b->pool);
	work_pool_free(b->removers);
	for (size_t i = 0; i < PIN_SLOTS; i++)
		if (b->pins[i])
			die("blobs: a reader is still open");
	pthread_mutex_destroy(&b->lock);
	free(b);
}

struct work_pool *blobs_pool(struct blobs *b)
{
	return b->pool;
}

static bool has_row(struct db_conn *conn, const struct blob_id *id)
{
	sqlite3_stmt *st = db_stmt(conn, "SELECT 1 FROM blob WHERE id = ?");
	struct err err;
	bool row;

	db_bind_slice(st, 1, slice_of(id->bytes, BLOB_ID_BYTES));
	if (db_step(st, &row, &err) != RC_OK)
		die("%s", err.text);
	db_done(st);
	return row;
}

struct swept {
	uint64_t files, bytes;
};

static enum rc sweep_folder(struct blobs *b, struct db_conn *conn, unsigned char first,
	struct swept *swept, struct err *err)
{
	struct stat st;
	struct blob_id id = {.bytes = {first}};
	struct dirent *entry;
	char path[PATH_MAX];
	DIR *dir;

	folder_of(b, &id, path);
	dir = opendir(path);
	if (!dir)
		return err_errno(err, errno, "open folder '%s'", path);
	while ((entry = readdir(dir))) {
		/* Files whose names do not look like blob ids were put there by someone else.
		 * Leave them. */
		if (!hex_decode(slice_str(entry->d_name), id.bytes + 1, BLOB_ID_BYTES - 1))
			continue;
		if (!has_row(conn, &id)) {
			if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
				swept->bytes += (uint64_t)st.st_size;
			swept->files++;
			unlinkat(dirfd(dir), entry->d_name, 0);
		}
	}
	closedir(dir);
	return RC_OK;
}

enum rc blobs_sweep(struct blobs *b, struct db *db, struct err *err)
{
	struct db_conn *conn = db_reader(db);
	struct swept swept = {0};
	enum rc rc = RC_OK;

	for (int i = 0; i < FAN_OUT && rc == RC_OK; i++)
		rc = sweep_folder(b, conn, (unsigned char)i, &swept, err);
	db_reader_return(db, conn);
	if (swept.files)
		log_event(EV_BLOBS_SWEPT, LF_U64(removed_files, swept.files), LF_U64(removed_bytes, swept.bytes));
	return rc;
}

enum rc blob_create(struct blobs *b, struct blob_file **ret_file, struct err *err)
{
	struct blob_file *f = xcalloc(1, sizeof(*f));
	struct prng r = prng_system();
	char path[PATH_MAX];

	f->blobs = b;
	prng_bytes(&r, f->id.bytes, BLOB_ID_BYTES);
	path_of(b, &f->id, path);
	f->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (f->fd < 0) {
		enum rc rc = err_errno(err, errno, "create '%s'", path);

		free(f);
		return rc;
	}
	*ret_file = f;
	return RC_OK;
}

struct grants *blobs_grants(struct blobs *b)
{
	return b->grants;
}

uint64_t blob_take_room(struct blob_file *f, uint64_t least, uint64_t some, uint64_t most,
	uint64_t *ret_free)
{
	uint64_t got = grants_take_some(f->blobs->grants, least, some, most, ret_free);

	f->granted += got;
	return got;
}

static enum rc take_room(struct blob_file *f, size_t n, struct err *err)
{
	uint64_t more, free_bytes;

	if (n <= f->granted)
		return RC_OK;
	more = n - f->granted;
	if (blob_take_room(f, more, more, more > GRANT_BYTES ? more : GRANT_BYTES, &free_bytes))
		return RC_OK;
	grants_note_refusal(f->blobs->grants);
	return err_code(err, RC_AGAIN, "ENOSPC",
		"blob: no room on disk: %llu bytes more are needed, %llu are free",
		(unsigned long long)more, (unsigned long long)free_bytes);
}

/* The written bytes show in the file system's free space from now on. */
static void give_back_room(struct blob_file *f, uint64_t n)
{
	grants_give_back(f->blobs->grants, n);
	f->granted -= n;
}

enum rc blob_write(struct blob_file *f, struct slice bytes, struct err *err)
{
	enum rc rc = take_room(f, bytes.n, err);

	if (rc != RC_OK)
		return rc;
	rc = file_write_all(f->fd, bytes.p, bytes.n, err);
	if (rc != RC_OK)
		return err_ctx(err, rc, "blob");
	give_back_room(f, bytes.n);
	f->size += bytes.n;
	sums_add(&f->sums, bytes);
	if (f->size - f->started >= WRITEBACK_BYTES) {
		/* Only a hint to the kernel; blob_sync writes the bytes and reports errors. */
		(void)sync_file_range(f->fd, (off_t)f->started, (off_t)(f->size - f->started),
			SYNC_FILE_RANGE_WRITE);
		f->started = f->size;
	}
	return RC_OK;
}

/* For file systems without hard links, or a file that has too many. */
static enum rc copy_bytes(struct blob_file *to, struct blob_view *from, struct err *err)
{
	unsigned char *block = xmalloc(SUMS_BLOCK_BYTES);
	size_t n = 1;
	enum rc rc = RC_OK;

	while (rc == RC_OK && n > 0) {
		rc = blob_view_read(from, to->size, block, SUMS_BLOCK_BYTES, &n, err);
		if (rc == RC_OK)
			rc = blob_write(to, slice_of(block, n), err);
	}
	free(block);
	return rc;
}

static enum rc copy_blob(struct blobs *b, struct blob_view *from, struct blob_file **ret_file,
	struct err *err)
{
	enum rc rc = blob_create(b, ret_file, err);

	if (rc != RC_OK)
		return rc;
	rc = copy_bytes(*ret_file, from, err);
	if (rc != RC_OK) {
		blob_discard(*ret_file);
		*ret_file = NULL;
	}
	return rc;
}

/* Reads all that is linked, which checks it: a link to damaged bytes would look like a second,
 * whole copy. */
static enum rc take_sums(struct sums *sums, struct blob_view *v, struct err *err)
{
	unsigned char *block = xmalloc(SUMS_BLOCK_BYTES);
	size_t n = 1;
	enum rc rc = RC_OK;

	while (rc == RC_OK && n > 0) {
		rc = blob_view_read(v, sums->size, block, SUMS_BLOCK_BYTES, &n, err);
		if (rc == RC_OK)
			sums_add(sums, slice_of(block, n));
	}
	free(block);
	return rc;
}

static enum rc link_or_copy(struct blobs *b, const struct blob_id *from, struct blob_view *v,
	struct blob_file **ret_file, struct err *err)
{
	struct blob_file *f = xcalloc(1, sizeof(*f));
	char old[PATH_MAX], path[PATH_MAX];
	struct prng r = prng_system();

	*f = (struct blob_file){.blobs = b, .fd = -1};
	prng_bytes(&r, f->id.bytes, BLOB_ID_BYTES);
	path_of(b, from, old);
	path_of(b, &f->id, path);
	if (link(old, path) != 0) {
		int why = errno;

		free(f);
		return why == EPERM || why == EMLINK || why == EOPNOTSUPP
			       ? copy_blob(b, v, ret_file, err)
			       : err_errno(err, why, "link '%s'", old);
	}
	f->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (f->fd < 0) {
		enum rc rc = err_errno(err, errno, "open '%s'", path);

		blob_discard(f);
		return rc;
	}
	f->size = v->size;
	*ret_file = f;
	return RC_OK;
}

enum rc blob_link(struct blobs *b, const struct blob_id *from, uint64_t size, struct slice sums,
	struct blob_file **ret_file, struct err *err)
{
	struct blob_view v = BLOB_VIEW_CLOSED;
	int fd;
	enum rc rc = blobs_fd(b, from, &fd, err);

	*ret_file = NULL;
	if (rc == RC_OK)
		rc = blob_view_open(&v, fd, size, sums, err);
	if (rc == RC_OK)
		rc = link_or_copy(b, from, &v, ret_file, err);
	if (rc == RC_OK && (*ret_file)->sums.size == 0) /* a link; a copy has taken them */
		rc = take_sums(&(*ret_file)->sums, &v, err);
	if (rc != RC_OK) {
		blob_discard(*ret_file);
		*ret_file = NULL;
	}
	blob_view_close(&v);
	return rc;
}

struct blob_id blob_file_id(const struct blob_file *f)
{
	return f->id;
}

uint64_t blob_file_size(const struct blob_file *f)
{
	return f->size;
}

struct slice blob_file_sums(struct blob_file *f)
{
	return sums_end(&f->sums);
}

enum rc blob_sync(struct blob_file *f, struct err *err)
{
	char path[PATH_MAX];
	enum rc rc;

	if (fsync(f->fd) != 0) {
		if (errno != ENOSPC && errno != EDQUOT)
			die("blob: fsync failed: %s",
				strerror(errno)); /* the kernel may have dropped the pages */
		return err_errno(err, errno, "fsync of a blob");
	}
	folder_of(f->blobs, &f->id, path);
	rc = file_sync_dir(path, err);
	if (rc == RC_FATAL)
		die("blob: %s", err->text);
	return rc;
}

static void removal_run(struct work *w)
{
	struct removal *r = (struct removal *)w;
	char path[PATH_MAX];

	if (r->fd >= 0)
		close(r->fd);
	path_of(r->blobs, &r->id, path);
	unlink(path); /* if it fails, the sweep at the next open tries again */
	free(r);
}

static void remove_later(struct blobs *b, const struct blob_id *id, int fd)
{
	struct removal *r = xcalloc(1, sizeof(*r));

	r->work.run = removal_run;
	r->blobs = b;
	r->id = *id;
	r->fd = fd;
	work_pool_submit(b->removers, &r->work);
}

void blob_keep(struct blob_file *f)
{
	give_back_room(f, f->granted);
	close(f->fd);
	sums_release(&f->sums);
	free(f);
}

void blob_discard(struct blob_file *f)
{
	if (!f)
		return;
	give_back_room(f, f->granted);
	remove_later(f->blobs, &f->id, f->fd);
	sums_release(&f->sums);
	free(f);
}

enum rc blob_row_insert(struct db_conn *conn, const struct blob_id *id, uint64_t size,
	struct slice sums, struct err *err)
{
	sqlite3_stmt *st = db_stmt(conn, "INSERT INTO blob(id, size, sums) VALUES(?, ?, ?)");

	db_bind_slice(st, 1, slice_of(id->bytes, BLOB_ID_BYTES));
	db_bind_u64(st, 2, size);
	db_bind_slice(st, 3, sums);
	return db_run(st, err);
}

enum rc blob_row_delete(struct db_conn *conn, struct slice id, struct err *err)
{
	sqlite3_stmt *st = db_stmt(conn, "DELETE FROM blob WHERE id = ?");

	db_bind_slice(st, 1, id);
	return db_run(st, err);
}

static struct pin **find_locked(struct blobs *b, const struct blob_id *id)
{
	struct pin **at = &b->pins[id->bytes[1] % PIN_SLOTS];

	while (*at && memcmp((*at)->id.bytes, id->bytes, BLOB_ID_BYTES) != 0)
		at = &(*at)->next;
	return at;
}

void blobs_drop(struct blobs *b, const struct blob_id *id)
{
	struct pin *pin;

	pthread_mutex_lock(&b->lock);
	pin = *find_locked(b, id);
	if (pin)
		pin->is_dropped = true;
	pthread_mutex_unlock(&b->lock);
	if (!pin)
		remove_later(b, id, -1);
}

static struct pin *pin_locked(struct blobs *b, const struct blob_id *id)
{
	struct pin **at = find_locked(b, id);

	if (!*at) {
		*at = xcalloc(1, sizeof(**at));
		(*at)->id = *id;
	}
	(*at)->count++;
	return *at;
}

void blobs_pin(struct blobs *b, const struct blob_id *id)
{
	pthread_mutex_lock(&b->lock);
	pin_locked(b, id);
	pthread_mutex_unlock(&b->lock);
}

struct slice blobs_pin_sums(struct blobs *b, const struct blob_id *id, struct slice sums)
{
	struct pin *pin;
	struct slice kept;

	pthread_mutex_lock(&b->lock);
	pin = pin_locked(b, id);
	if (!pin->sums && sums.n) {
		pin->sums = xmalloc(sums.n);
		memcpy(pin->sums, sums.p, sums.n);
		pin->sums_bytes = sums.n;
	}
	kept = slice_of(pin->sums, pin->sums_bytes);
	pthread_mutex_unlock(&b->lock);
	return kept;
}

void blobs_unpin(struct blobs *b, const struct blob_id *id)
{
	struct pin *pin = NULL, **at;

	pthread_mutex_lock(&b->lock);
	at = find_locked(b, id);
	if (--(*at)->count == 0) {
		pin = *at;
		*at = pin->next;
	}
	pthread_mutex_unlock(&b->lock);
	if (pin && pin->is_dropped)
		remove_later(b, id, -1);
	if (pin)
		free(pin->sums);
	free(pin);
}

enum rc blobs_fd(struct blobs *b, const struct blob_id *id, int *ret_fd, struct err *err)
{
	char path[PATH_MAX];
	int fd;

	path_of(b, id, path);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		return err_code(
			err, RC_CORRUPT, ERR_DAMAGED, "its file '%s' is not there", path);
	if (fd < 0)
		return err_errno(err, errno, "open '%s'", path);
	*ret_fd = fd;
	return RC_OK;
}
