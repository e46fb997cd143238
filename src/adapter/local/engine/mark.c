#include "adapter/local/engine/mark.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapter/local/engine/folder.h"
#include "base/file.h"
#include "base/prng.h"

#define LINE_BYTES 64

struct mark {
	uint64_t folder_id;
	int fd; /* or -1: nothing is noted */
};

static const char *path_in(const char *folder, const char *name, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%.*s/%s", PATH_MAX - 64, folder, name);
	return path;
}

/* Whether a folder below blobs/ has any file. */
static bool has_blobs(const char *folder)
{
	char path[PATH_MAX];
	bool has = false;

	for (unsigned i = 0; i < 256 && !has; i++) {
		char name[16];
		struct dirent *entry;
		DIR *dir;

		snprintf(name, sizeof(name), FOLDER_BLOBS "/%02x", i);
		dir = opendir(path_in(folder, name, path));
		while (dir && !has && (entry = readdir(dir)))
			has = entry->d_name[0] != '.';
		if (dir)
			closedir(dir);
	}
	return has;
}

enum rc mark_check_folder(const char *folder, struct err *err)
{
	char path[PATH_MAX];
	struct stat st;
	bool has_db = stat(path_in(folder, FOLDER_DB, path), &st) == 0 && st.st_size > 0;
	static const char *const traces[] = {FOLDER_MARK, FOLDER_DB "-wal", FOLDER_ROOT_KEY, FOLDER_MASTER_KEY};
	const char *trace = NULL;

	if (has_db)
		return RC_OK;
	for (size_t i = 0; i < sizeof(traces) / sizeof(*traces) && !trace; i++)
		if (lstat(path_in(folder, traces[i], path), &st) == 0 && st.st_size > 0)
			trace = traces[i];
	if (!trace && has_blobs(folder))
		trace = FOLDER_BLOBS;
	if (!trace)
		return RC_OK;
	return err_set(err, RC_REFUSED,
		"'%s/" FOLDER_DB "' is missing or empty, but the folder was in use: '%s/%s' is there. Restore " FOLDER_DB
		" and " FOLDER_DB "-wal. To give up what the folder held, move the folder away and start with a new one",
		folder, folder, trace);
}

static enum rc read_meta(struct db_conn *conn, const char *name, bool *ret_found, uint64_t *ret_value,
	struct err *err)
{
	sqlite3_stmt *st = db_stmt(conn, "SELECT value FROM meta WHERE name = ?");
	enum rc rc;

	db_bind_text(st, 1, name);
	rc = db_step(st, ret_found, err);
	if (rc == RC_OK && *ret_found)
		*ret_value = db_column_u64(st, 0);
	db_done(st);
	return rc;
}

static enum rc folder_id(struct db_conn *conn, uint64_t *ret_id, struct err *err)
{
	struct prng prng = prng_system();
	bool found = false;
	sqlite3_stmt *st;
	enum rc rc = read_meta(conn, "folder_id", &found, ret_id, err);

	if (rc != RC_OK || found)
		return rc;
	*ret_id = prng_u64(&prng) >> 1;
	st = db_stmt(conn, "INSERT INTO meta(name, value) VALUES('folder_id', ?)");
	db_bind_u64(st, 1, *ret_id);
	return db_run(st, err);
}

/* false: the file is empty, as a loss of power may leave it, or not of the form that mark_note
 * writes. */
static bool read_mark(int fd, uint64_t *ret_id, uint64_t *ret_seq)
{
	char line[LINE_BYTES];
	ssize_t n = pread(fd, line, sizeof(line) - 1, 0);

	line[n > 0 ? n : 0] = '\0';
	return sscanf(line, "%" SCNx64 " %" SCNu64, ret_id, ret_seq) == 2;
}

static enum rc check(const char *folder, struct db_conn *conn, const struct mark *mark, struct err *err)
{
	uint64_t id = 0, seq = 0, limit = 0;
	bool found;
	enum rc rc = read_meta(conn, "seq_limit", &found, &limit, err);

	if (rc != RC_OK || !read_mark(mark->fd, &id, &seq))
		return rc;
	if (id != mark->folder_id)
		return err_set(err, RC_REFUSED,
			"'%s/" FOLDER_DB "' is the database of another data folder: its id is not the one in '%s/" FOLDER_MARK
			"'. Put the right database back",
			folder, folder);
	if (seq >= limit)
		return err_set(err, RC_REFUSED,
			"'%s/" FOLDER_DB "' is older than its folder: it was restored from a backup, or its -wal file is "
			"missing. Put the newest " FOLDER_DB " and " FOLDER_DB "-wal back. To go on with the older one, "
			"remove '%s/" FOLDER_MARK "': objects that came later are lost, and objects that were bundled "
			"later are bundled again",
			folder, folder);
	return RC_OK;
}

enum rc mark_open(const char *folder, struct db_conn *conn, struct mark **ret_mark, struct err *err)
{
	struct mark *mark = xcalloc(1, sizeof(*mark));
	char path[PATH_MAX];
	enum rc rc;

	mark->fd = -1;
	rc = folder_id(conn, &mark->folder_id, err);
	if (rc == RC_OK)
		rc = file_open_plain(path_in(folder, FOLDER_MARK, path), O_RDWR | O_CREAT, 0600, &mark->fd, err);
	if (rc == RC_OK)
		rc = check(folder, conn, mark, err);
	if (rc != RC_OK) {
		mark_close(mark);
		return rc;
	}
	*ret_mark = mark;
	return RC_OK;
}

/* One write of one short line, so that a reader after a crash finds the old line or the new one. */
void mark_note(struct mark *mark, uint64_t seq)
{
	char line[LINE_BYTES];
	int n = snprintf(line, sizeof(line), "%016" PRIx64 " %020" PRIu64 "\n", mark->folder_id, seq);
	ssize_t put = pwrite(mark->fd, line, (size_t)n, 0);

	(void)put;
}

void mark_close(struct mark *mark)
{
	if (!mark)
		return;
	if (mark->fd >= 0)
		close(mark->fd);
	free(mark);
}
