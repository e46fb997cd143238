#include "adapter/local/engine/room.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "adapter/local/engine/folder.h"
#include "adapter/local/engine/schema.sql.h"
#include "base/file.h"

/* with so much free room no exact calculation is made */
#define PLENTY_BYTES (256u << 20)
#define FRAME_BYTES (SCHEMA_PAGE_BYTES + 24) /* a page in the log */
/* bytes that a put writes besides its body: leaves of tables, indexes, the queue */
#define PUT_BYTES                                                                                  \
	(UINT64_C(12) * SCHEMA_PAGE_BYTES)
#define SLACK_BYTES 65536          /* bytes that the file system itself needs */

static uint64_t disk_free(const char *folder)
{
	struct statvfs st;

	return statvfs(folder, &st) == 0 ? (uint64_t)st.f_bavail * st.f_frsize : UINT64_MAX;
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static uint64_t file_size(const char *folder, const char *name)
{
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

/* An eighth of a disk is the most that is held. */
static uint64_t reserve_bytes(const char *folder)
{
	struct statvfs st;
	uint64_t eighth;

	if (statvfs(folder, &st) != 0)
		return ROOM_RESERVE_BYTES;
	eighth = (uint64_t)st.f_blocks * st.f_frsize / 8;
	return eighth < ROOM_RESERVE_BYTES ? eighth : ROOM_RESERVE_BYTES;
}

static const char *reserve_path(const char *folder, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/%s", folder, FOLDER_RESERVE);
	return path;
}

bool room_prepare(const char *folder)
{
	return disk_free(folder) < ROOM_BYTES && room_give(folder);
}

static bool make(const char *path, uint64_t bytes)
{
	struct err err;
	bool made;
	int fd;

	if (file_open_plain(path, O_WRONLY | O_CREAT | O_NOFOLLOW, 0600, &fd, &err) != RC_OK)
		return false;
	made = posix_fallocate(fd, 0, (off_t)bytes) == 0;
	if (!made)
		unlink(path);
	close(fd);
	return made;
}

/* A reserve that is too small is from a disk that had no more room when a server stopped, or from a
 * start that died while making it. */
static uint64_t reserve_lacks(const char *folder)
{
	return less(reserve_bytes(folder), file_size(folder, FOLDER_RESERVE));
}

void room_keep(const char *folder)
{
	uint64_t lacks = reserve_lacks(folder);
	char path[PATH_MAX];

	if (lacks && disk_free(folder) >= lacks + ROOM_BYTES)
		make(reserve_path(folder, path), reserve_bytes(folder));
}

void room_leave(const char *folder)
{
	uint64_t lacks = reserve_lacks(folder), left = less(disk_free(folder), SLACK_BYTES);
	uint64_t bytes = file_size(folder, FOLDER_RESERVE) + (left < lacks ? left : lacks);
	char path[PATH_MAX];

	if (lacks && bytes >= ROOM_BYTES)
		make(reserve_path(folder, path), bytes);
}

bool room_give(const char *folder)
{
	char path[PATH_MAX];

	return unlink(reserve_path(folder, path)) == 0;
}

/* Room that must stay free besides: also what the reserve lacks. */
static uint64_t untouched(const char *folder)
{
	return ROOM_BYTES + reserve_lacks(folder);
}

uint64_t room_left(const char *folder)
{
	uint64_t left = disk_free(folder);

	return left == UINT64_MAX ? left : less(left, untouched(folder));
}

static uint64_t pragma(struct db_conn *conn, const char *sql)
{
	sqlite3_stmt *st = db_stmt(conn, sql);
	struct err err;
	bool row;
	uint64_t v = db_step(st, &row, &err) == RC_OK && row ? db_column_u64(st, 0) : 0;

	db_done(st);
	return v;
}

/* How much longer the database becomes when the log is moved. */
static uint64_t growth(struct db_conn *conn, const char *folder)
{
	return less(pragma(conn, "PRAGMA page_count") * SCHEMA_PAGE_BYTES,
		file_size(folder, FOLDER_DB));
}

bool room_for_log(struct db_conn *conn, const char *folder)
{
	uint64_t left = disk_free(folder), grows;

	if (left >= PLENTY_BYTES)
		return true;
	grows = growth(conn, folder);
	return grows == 0 || left >= grows + ROOM_BYTES;
}

bool room_budget(struct db_conn *conn, const char *folder, int frames, uint64_t granted,
	struct room_budget *ret_budget)
{
	uint64_t left = less(disk_free(folder), granted);

	if (left >= PLENTY_BYTES)
		return false;
	ret_budget->pages = pragma(conn, "PRAGMA freelist_count") * SCHEMA_PAGE_BYTES;
	ret_budget->log = less(file_size(folder, FOLDER_DB "-wal"),
		(uint64_t)(frames > 0 ? frames : 0) * FRAME_BYTES);
	ret_budget->disk = less(left, growth(conn, folder) + untouched(folder));
	return true;
}

bool room_spend(struct room_budget *b, uint64_t bytes)
{
	uint64_t cost = bytes + PUT_BYTES;
	uint64_t more = less(cost, b->pages) + less(cost, b->log);

	if (more > b->disk)
		return false;
	b->pages = less(b->pages, cost);
	b->log = less(b->log, cost);
	b->disk -= more;
	return true;
}
