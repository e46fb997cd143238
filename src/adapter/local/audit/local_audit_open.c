/*
 * The database, opened so that looking at it leaves no trace.
 *
 * Beside a live server it is opened as any reader does, and shares the log's index. SQLite would
 * make that index, and an empty log, for the first reader of a stopped server's database too;
 * and needs a folder it may write in. So then:
 *  - no log, or an empty one: immutable, which reads the one file and nothing else;
 *  - a log, of a server that was killed: with readonly_shm, for which SQLite rebuilds the index
 *    in memory;
 *  - a log without its index, of a copy that lacks it: as beside a live server.
 * The first two hold no lock, so a server that is started meanwhile must be noticed:
 * local_audit_is_disturbed.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapter/local/audit/local_audit_internal.h"
#include "adapter/local/engine/folder.h"

#define BUSY_MS 10000
/* KiB of page cache, for the folder's pages and for the temporary ones: a landing bucket is walked
 * by key, and the records lie by version. */
#define CACHES "PRAGMA main.cache_size=-32768; PRAGMA temp.cache_size=-16384"
#define NAME_BYTES 16 /* bytes of FOLDER_DB with the suffixes that SQLite appends */

/* Asks for the lock and gives it back at once. When the lock cannot be examined, a server is
 * assumed to run. */
static bool is_served(const char *folder)
{
	char path[PATH_MAX];
	bool is = true;
	int fd;

	snprintf(path, sizeof(path), "%.*s/%s", PATH_MAX - NAME_BYTES, folder, FOLDER_LOCK);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno != ENOENT;
	if (flock(fd, LOCK_SH | LOCK_NB) == 0)
		is = false;
	close(fd);
	return is;
}

static bool has_file(const struct local_audit *a, const char *suffix, struct stat *st)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%.*s/%s%s", PATH_MAX - NAME_BYTES, a->folder, FOLDER_DB,
		suffix);
	return stat(path, st) == 0;
}

static struct local_audit_stamp stamp(const struct local_audit *a)
{
	struct local_audit_stamp s = {0};
	struct stat st;

	if (has_file(a, "", &st))
		s = (struct local_audit_stamp){
			.db_bytes = st.st_size, .db_time = st.st_mtim, .inode = st.st_ino};
	if (has_file(a, "-wal", &st)) {
		s.wal_bytes = st.st_size;
		s.wal_time = st.st_size ? st.st_mtim : (struct timespec){0};
	}
	return s;
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool local_audit_is_disturbed(const struct local_audit *a)
{
	struct local_audit_stamp now;

	if (!a->is_alone)
		return false;
	now = stamp(a);
	return now.db_bytes != a->stamp.db_bytes || now.inode != a->stamp.inode ||
	       !same_time(&now.db_time, &a->stamp.db_time) || now.wal_bytes != a->stamp.wal_bytes ||
	       !same_time(&now.wal_time, &a->stamp.wal_time);
}

enum rc local_audit_disturbed(struct err *err)
{
	return err_set(err, RC_AGAIN, "a server began to work in it meanwhile: run it again");
}

/* "file:" and the path, with what a URI gives a meaning escaped. */
static void add_uri(struct buf *out, const struct local_audit *a, const char *query)
{
	buf_add_str(out, "file:");
	for (const char *p = a->folder; *p; p++)
		if (strchr("%?#", *p))
			buf_addf(out, "%%%02X", (unsigned char)*p);
		else
			buf_add_char(out, *p);
	buf_addf(out, "/%s%s", FOLDER_DB, query);
}

/* Chooses how to open the folder, and sets is_alone. */
static const char *way_in(struct local_audit *a)
{
	struct stat wal, shm;

	a->is_alone = false;
	if (is_served(a->folder))
		return "";
	a->is_alone = true;
	if (!has_file(a, "-wal", &wal) || wal.st_size == 0)
		return "?immutable=1";
	if (has_file(a, "-shm", &shm))
		return "?readonly_shm=1";
	a->is_alone = false;
	return "";
}

static enum rc check_readable(const struct local_audit *a, struct err *err)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%.*s/%s", PATH_MAX - NAME_BYTES, a->folder, FOLDER_DB);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		return err_set(
			err, RC_ABSENT, "no data folder of baler: it has no '%s'", FOLDER_DB);
	if (fd < 0)
		return err_errno(err, errno, "open '%s'", FOLDER_DB);
	close(fd);
	return RC_OK;
}

enum rc local_audit_database(struct local_audit *a, const char *folder, struct err *err)
{
	char real[PATH_MAX];
	struct buf uri;
	int code;
	enum rc rc;

	if (!realpath(folder, real) || strlen(real) > PATH_MAX - NAME_BYTES)
		return err_errno(err, errno, "resolve");
	a->folder = xstrdup(real);
	rc = check_readable(a, err);
	if (rc != RC_OK)
		return rc;
	a->stamp = stamp(a);
	buf_init(&uri, 3 * PATH_MAX + 64);
	add_uri(&uri, a, way_in(a));
	code = sqlite3_open_v2(buf_cstr(&uri), &a->handle,
		SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_URI,
		NULL);
	buf_release(&uri);
	if (code != SQLITE_OK)
		return db_error(a->handle, code, err);
	sqlite3_extended_result_codes(a->handle, 1);
	sqlite3_busy_timeout(a->handle, BUSY_MS);
	return local_audit_exec(
		a, "PRAGMA trusted_schema=OFF; PRAGMA temp_store=FILE; " CACHES "; BEGIN", err);
}
