/* Damage on purpose: bits of a data folder's files, and where they are. */
#ifndef BALER_TESTS_UNIT_DAMAGE_HELP_H
#define BALER_TESTS_UNIT_DAMAGE_HELP_H

#include "check.h"

#include <dirent.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

/* No block is like another. */
static inline unsigned char *make_bytes(size_t n)
{
	unsigned char *p = xmalloc(n + 1);
	uint32_t x = 1;

	for (size_t i = 0; i < n; i++) {
		x = x * 1664525 + 1013904223;
		p[i] = (unsigned char)(x >> 24);
	}
	return p;
}

/* Calls visit for each file below blobs/. */
static inline void each_blob(
	const char *folder, void (*visit)(void *arg, const char *path), void *arg)
{
	for (int i = 0; i < 256; i++) {
		struct dirent *entry;
		char path[256], file[600];
		DIR *dir;

		snprintf(path, sizeof(path), "%s/blobs/%02x", folder, i);
		dir = opendir(path);
		assert_non_null(dir);
		while ((entry = readdir(dir))) {
			if (entry->d_name[0] == '.')
				continue;
			snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
			visit(arg, file);
		}
		closedir(dir);
	}
}

static inline void flip_byte(const char *path, off_t at)
{
	unsigned char byte;
	int fd = open(path, O_RDWR);

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 0x10;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

/* Where the bytes stand in the database file, while nobody has it open. */
static inline off_t find_in_database(const char *path, const unsigned char *needle, size_t n)
{
	struct buf file;
	const unsigned char *found;
	off_t at;

	buf_init(&file, 64 << 20);
	assert_int_equal(file_read(path, &file, NULL), RC_OK);
	found = memmem(file.p, file.n, needle, n);
	assert_non_null(found);
	at = found - file.p;
	buf_release(&file);
	return at;
}

/* From another connection, as a program beside the server. */
static inline void run_sql(const char *folder, const char *sql)
{
	char path[512], *why = NULL;
	sqlite3 *handle;

	snprintf(path, sizeof(path), "%s/baler.db", folder);
	assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
	sqlite3_busy_timeout(handle, 5000);
	if (sqlite3_exec(handle, sql, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", sql, why);
	assert_int_equal(sqlite3_close(handle), SQLITE_OK);
}

#endif
