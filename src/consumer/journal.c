#include "consumer/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/table.h"
#include "consumer/journal_line.h"


struct entry {
	char *key;
	uint64_t first_ms, last_ms;
	uint64_t listing; /* the last in which it was seen */
	char etag[JOURNAL_ETAG_MAX];
};

struct journal {
	pthread_mutex_t lock;
	char *path;
	int fd;
	size_t keep;
	struct entry **entries; /* in the order of their first line */
	size_t n, cap;
	size_t lines; /* of the file */
	uint64_t listing;
	struct table by_key;
	bool needs_rewrite; /* found so when it was opened */
};

static struct entry *note(struct journal *j, struct slice key, uint64_t ms, struct slice etag)
{
	struct entry *e = table_get(&j->by_key, key);

	if (!e) {
		e = xcalloc(1, sizeof(*e));
		e->key = slice_dup(key);
		e->first_ms = ms;
		if (j->n == j->cap) {
			j->cap = j->cap ? 2 * j->cap : 256;
			j->entries = xrealloc(j->entries, j->cap * sizeof(*j->entries));
		}
		j->entries[j->n++] = e;
		table_put(&j->by_key, slice_str(e->key), e);
	}
	if (ms < e->first_ms)
		e->first_ms = ms;
	e->last_ms = ms;
	e->listing = j->listing;
	journal_line_etag(etag, e->etag);
	return e;
}

static bool take_line(struct journal *j, struct slice text)
{
	struct journal_line line;
	struct buf key;
	bool ok;

	buf_init(&key, OBJECT_KEY_MAX);
	ok = journal_line_read(text, &key, &line);
	if (ok) {
		note(j, line.key, line.first_ms, line.etag);
		note(j, line.key, line.last_ms, line.etag);
	}
	buf_release(&key);
	return ok;
}

static bool add_line(struct buf *out, const struct entry *e)
{
	return journal_line_write(out, &(struct journal_line){e->first_ms, e->last_ms,
					       slice_str(e->etag), slice_str(e->key)});
}

static enum rc load(struct journal *j, struct err *err)
{
	FILE *in = fopen(j->path, "re");
	char line[JOURNAL_LINE_MAX + 1];
	bool is_begin = true; /* line begins a line of the file; a longer line comes in pieces */
	int failed;

	if (!in)
		return errno == ENOENT ? RC_OK : err_errno(err, errno, "open '%s'", j->path);
	while (fgets(line, sizeof(line), in)) {
		size_t n = strlen(line);
		bool is_end = n && line[n - 1] == '\n';

		if (!is_begin || !is_end || !take_line(j, slice_of(line, n - 1)))
			j->needs_rewrite = true;
		is_begin = is_end;
		j->lines++;
	}
	failed = ferror(in);
	fclose(in);
	return failed ? err_errno(err, EIO, "read '%s'", j->path) : RC_OK;
}

/* Opens the file for adding lines; an open file stays open. */
static enum rc open_end(struct journal *j, struct err *err)
{
	if (j->fd < 0)
		j->fd = open(j->path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
	return j->fd < 0 ? err_errno(err, errno, "open '%s'", j->path) : RC_OK;
}

/* Replaces the file by one with these bundles, one line each. */
static enum rc rewrite(struct journal *j, struct entry **entries, size_t n, struct err *err)
{
	struct buf out;
	enum rc rc;

	buf_init(&out, (n + 1) * JOURNAL_LINE_MAX);
	for (size_t i = 0; i < n; i++)
		add_line(&out, entries[i]);
	rc = file_replace(j->path, buf_slice(&out), 0600, err);
	buf_release(&out);
	/* Also when it failed at its last step, because another file may have the name by then. */
	if (j->fd >= 0)
		close(j->fd);
	j->fd = -1;
	if (rc != RC_OK)
		return rc;
	j->lines = n;
	return open_end(j, err);
}

enum rc journal_open(const char *path, size_t keep, struct journal **ret_journal, struct err *err)
{
	struct journal *j = xcalloc(1, sizeof(*j));
	enum rc rc;

	pthread_mutex_init(&j->lock, NULL);
	j->path = xstrdup(path);
	j->fd = -1;
	j->keep = keep;
	rc = load(j, err);
	if (rc == RC_OK && (j->needs_rewrite || access(path, F_OK) != 0))
		rc = rewrite(j, j->entries, j->n, err);
	else if (rc == RC_OK)
		rc = open_end(j, err);
	if (rc != RC_OK) {
		journal_close(j);
		return err_ctx(err, rc, "journal");
	}
	*ret_journal = j;
	return RC_OK;
}

bool journal_has(struct journal *j, const struct os_object *bundle)
{
	char etag[JOURNAL_ETAG_MAX];
	const struct entry *e;
	bool has;

	journal_line_etag(bundle->etag, etag);
	pthread_mutex_lock(&j->lock);
	e = table_get(&j->by_key, bundle->key);
	has = e && e->last_ms == bundle->modified_wall_ms && strcmp(etag, e->etag) == 0;
	pthread_mutex_unlock(&j->lock);
	return has;
}

uint64_t journal_first_ms(struct journal *j, const struct os_object *bundle)
{
	uint64_t ms = bundle->modified_wall_ms;
	struct entry *e;

	pthread_mutex_lock(&j->lock);
	e = table_get(&j->by_key, bundle->key);
	if (e)
		e->listing = j->listing;
	if (e && e->first_ms < ms)
		ms = e->first_ms;
	pthread_mutex_unlock(&j->lock);
	return ms;
}

static void free_entry(struct journal *j, struct entry *e)
{
	table_remove(&j->by_key, slice_str(e->key));
	free(e->key);
	free(e);
}

/* A bundle that is not in the file must not count as extracted, and must not be written when the
 * file is made anew. */
static void take_back(struct journal *j, struct entry *e, const struct entry *before)
{
	if (before->key) {
		*e = *before;
	} else {
		j->n--; /* it was the last */
		free_entry(j, e);
	}
}

static enum rc append(struct journal *j, struct slice line, struct err *err)
{
	off_t end;
	enum rc rc = open_end(j, err);

	if (rc != RC_OK)
		return rc;
	end = lseek(j->fd, 0, SEEK_END);
	rc = file_write_all(j->fd, line.p, line.n, err);
	if (rc == RC_OK && fdatasync(j->fd) != 0)
		rc = err_errno(err, errno, "fsync");
	/* Half a line would join the next one. */
	if (rc != RC_OK && end >= 0 && ftruncate(j->fd, end) != 0)
		rc = RC_FATAL;
	return rc;
}

enum rc journal_add(struct journal *j, const struct os_object *bundle, struct err *err)
{
	struct entry *e, before = {0};
	struct buf line;
	enum rc rc;

	buf_init(&line, JOURNAL_LINE_MAX);
	pthread_mutex_lock(&j->lock);
	e = table_get(&j->by_key, bundle->key);
	if (e)
		before = *e;
	e = note(j, bundle->key, bundle->modified_wall_ms, bundle->etag);
	add_line(&line, e);
	rc = append(j, buf_slice(&line), err);
	if (rc == RC_OK)
		j->lines++;
	else
		take_back(j, e, &before);
	pthread_mutex_unlock(&j->lock);
	buf_release(&line);
	return rc == RC_OK ? rc : err_ctx(err, rc, "journal '%s'", j->path);
}

void journal_begin_listing(struct journal *j)
{
	pthread_mutex_lock(&j->lock);
	j->listing++;
	pthread_mutex_unlock(&j->lock);
}

/* Puts the bundles that are kept first, in order: all that were seen, and the youngest of the
 * others. The bundles that are forgotten follow. */
static size_t sort_out(const struct journal *j, size_t n_unseen, struct entry **sorted)
{
	size_t n_kept = 0, n_gone = 0, n_leave = n_unseen > j->keep ? n_unseen - j->keep : 0;

	for (size_t i = 0; i < j->n; i++) {
		struct entry *e = j->entries[i];

		if (e->listing != j->listing && n_gone < n_leave)
			sorted[j->n - ++n_gone] = e;
		else
			sorted[n_kept++] = e;
	}
	return n_kept;
}

enum rc journal_trim(struct journal *j, struct err *err)
{
	struct entry **sorted;
	size_t n_unseen = 0, n_kept;
	enum rc rc = RC_OK;

	pthread_mutex_lock(&j->lock);
	for (size_t i = 0; i < j->n; i++)
		n_unseen += j->entries[i]->listing != j->listing;
	if (n_unseen > 2 * j->keep || j->lines > j->n + j->keep) {
		sorted = xcalloc(j->n + 1, sizeof(*sorted));
		n_kept = sort_out(j, n_unseen, sorted);
		rc = rewrite(j, sorted, n_kept, err);
		for (size_t i = n_kept; rc == RC_OK && i < j->n; i++)
			free_entry(j, sorted[i]);
		if (rc == RC_OK) {
			memcpy(j->entries, sorted, n_kept * sizeof(*sorted));
			j->n = n_kept;
		}
		free(sorted);
	}
	pthread_mutex_unlock(&j->lock);
	return rc == RC_OK ? rc : err_ctx(err, rc, "journal '%s'", j->path);
}

void journal_close(struct journal *j)
{
	if (!j)
		return;
	for (size_t i = 0; i < j->n; i++) {
		free(j->entries[i]->key);
		free(j->entries[i]);
	}
	free(j->entries);
	table_release(&j->by_key);
	if (j->fd >= 0)
		close(j->fd);
	free(j->path);
	pthread_mutex_destroy(&j->lock);
	free(j);
}
