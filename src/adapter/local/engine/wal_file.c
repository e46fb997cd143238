#include "adapter/local/engine/wal_file.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define GATHER_BYTES 131071 /* SQLite's unix layer takes the length of a write modulo 128 KiB */
#define VFS_NAME "baler-gather"

struct wal_file {
	sqlite3_file base;
	sqlite3_file *real; /* behind this struct, in memory of SQLite's */
	unsigned char *bytes;
	int n;            /* bytes gathered */
	sqlite3_int64 at; /* where the first of them belongs in the file */
};

static sqlite3_vfs gather; /* a copy of the default VFS with its own xOpen */
static sqlite3_vfs *below;

static struct wal_file *of(sqlite3_file *f)
{
	return (struct wal_file *)f;
}

static int flush(struct wal_file *w)
{
	int code = SQLITE_OK;

	if (w->n)
		code = w->real->pMethods->xWrite(w->real, w->bytes, w->n, w->at);
	/* After an error the transaction is rolled back, and its frames are written again. */
	w->n = 0;
	return code;
}

static int wal_close(sqlite3_file *f)
{
	int code = flush(of(f)), closed = of(f)->real->pMethods->xClose(of(f)->real);

	free(of(f)->bytes);
	return code != SQLITE_OK ? code : closed;
}

static int wal_read(sqlite3_file *f, void *out, int n, sqlite3_int64 at)
{
	int code = flush(of(f));

	return code != SQLITE_OK ? code : of(f)->real->pMethods->xRead(of(f)->real, out, n, at);
}

static int wal_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
	struct wal_file *w = of(f);

	if (w->n && (at != w->at + w->n || n > GATHER_BYTES - w->n)) {
		int code = flush(w);

		if (code != SQLITE_OK)
			return code;
	}
	if (n > GATHER_BYTES)
		return w->real->pMethods->xWrite(w->real, p, n, at);
	if (!w->n)
		w->at = at;
	memcpy(w->bytes + w->n, p, (size_t)n);
	w->n += n;
	return SQLITE_OK;
}

static int wal_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	int code = flush(of(f));

	return code != SQLITE_OK ? code : of(f)->real->pMethods->xTruncate(of(f)->real, size);
}

static int wal_sync(sqlite3_file *f, int flags)
{
	int code = flush(of(f));

	return code != SQLITE_OK ? code : of(f)->real->pMethods->xSync(of(f)->real, flags);
}

static int wal_size(sqlite3_file *f, sqlite3_int64 *ret_size)
{
	int code = flush(of(f));

	return code != SQLITE_OK ? code : of(f)->real->pMethods->xFileSize(of(f)->real, ret_size);
}

static int wal_lock(sqlite3_file *f, int level)
{
	return of(f)->real->pMethods->xLock(of(f)->real, level);
}

static int wal_unlock(sqlite3_file *f, int level)
{
	return of(f)->real->pMethods->xUnlock(of(f)->real, level);
}

static int wal_check_lock(sqlite3_file *f, int *ret_locked)
{
	return of(f)->real->pMethods->xCheckReservedLock(of(f)->real, ret_locked);
}

static int wal_control(sqlite3_file *f, int op, void *arg)
{
	return of(f)->real->pMethods->xFileControl(of(f)->real, op, arg);
}

static int wal_sector(sqlite3_file *f)
{
	return of(f)->real->pMethods->xSectorSize(of(f)->real);
}

static int wal_device(sqlite3_file *f)
{
	return of(f)->real->pMethods->xDeviceCharacteristics(of(f)->real);
}

/* Version 1: shared memory is the database file's business, not the log's. */
static const sqlite3_io_methods methods = {
	.iVersion = 1,
	.xClose = wal_close,
	.xRead = wal_read,
	.xWrite = wal_write,
	.xTruncate = wal_truncate,
	.xSync = wal_sync,
	.xFileSize = wal_size,
	.xLock = wal_lock,
	.xUnlock = wal_unlock,
	.xCheckReservedLock = wal_check_lock,
	.xFileControl = wal_control,
	.xSectorSize = wal_sector,
	.xDeviceCharacteristics = wal_device,
};

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *ret_flags)
{
	struct wal_file *w = of(f);
	int code;

	(void)vfs;
	if (!(flags & SQLITE_OPEN_WAL))
		return below->xOpen(below, name, f, flags, ret_flags);
	*w = (struct wal_file){.real = (sqlite3_file *)(w + 1)};
	code = below->xOpen(below, name, w->real, flags, ret_flags);
	if (code != SQLITE_OK)
		return code;
	w->bytes = xmalloc(GATHER_BYTES);
	w->base.pMethods = &methods;
	return SQLITE_OK;
}

static void make(void)
{
	below = sqlite3_vfs_find(NULL);
	gather = *below;
	gather.pNext = NULL;
	gather.zName = VFS_NAME;
	gather.szOsFile = below->szOsFile + (int)sizeof(struct wal_file);
	gather.xOpen = vfs_open;
	if (sqlite3_vfs_register(&gather, 0) != SQLITE_OK)
		die("database: cannot register its file layer");
}

const char *wal_file_vfs(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, make);
	return VFS_NAME;
}
