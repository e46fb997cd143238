#include "consumer/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/table.h"
#include "wire/uri.h"

#define LINE_MAX_BYTES 4096
#define ETAG_MAX 64
#define REWRITE_MAX ((size_t)JOURNAL_KEEP * LINE_MAX_BYTES)

struct entry {
	char *key;
	uint64_t first_ms, last_ms;
	char etag[ETAG_MAX];
};

struct journal {
	pthread_mutex_t lock;
	char *path;
	int fd;
	struct entry **entries; /* in the order of their first line */
	size_t n, cap;
	struct table by_key;
	bool needs_rewrite; /* found so when it was opened */
};

/* As a word of a line; foreign stores may have any text there. */
static void etag_word(struct slice etag, char out[ETAG_MAX])
{
	size_t n = etag.n < ETAG_MAX - 1 ? etag.n : ETAG_MAX - 1;

	for (size_t i = 0; i < n; i++)
		out[i] = (char)(etag.p[i] <= ' ' || etag.p[i] == 0x7f ? '_' : etag.p[i]);
	out[n] = '\0';
	if (n == 0)
		strcpy(out, "-");
}

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
	etag_word(etag, e->etag);
	return e;
}

static struct slice field(struct slice *rest)
{
	const unsigned char *space = rest->n ? memchr(rest->p, ' ', rest->n) : NULL;
	struct slice f = slice_of(rest->p, space ? (size_t)(space - rest->p) : rest->n);
	size_t skip = f.n + (space ? 1 : 0);

	*rest = slice_of(rest->p + skip, rest->n - skip);
	return f;
}

/* "<first ms> <last ms> <etag> <key, percent-encoded>" */
static bool take_line(struct journal *j, struct slice line)
{
	uint64_t first_ms, last_ms;
	struct slice etag;
	struct buf key;
	bool ok = slice_to_u64(field(&line), &first_ms) && slice_to_u64(field(&line), &last_ms);

	etag = field(&line);
	buf_init(&key, OBJECT_KEY_MAX);
	ok = ok && line.n && uri_decode_path(&key, line, NULL) == RC_OK &&
	     !memchr(key.p, '\0', key.n);
	if (ok) {
		note(j, buf_slice(&key), first_ms, etag);
		note(j, buf_slice(&key), last_ms, etag);
	}
	buf_release(&key);
	return ok;
}

static bool add_line(struct buf *out, const struct entry *e)
{
	buf_addf(out, "%llu %llu %s ", (unsigned long long)e->first_ms,
		(unsigned long long)e->last_ms, e->etag);
	uri_encode(out, slice_str(e->key), true);
	buf_add_char(out, '\n');
	return !out->overflow;
}

static enum rc load(struct journal *j, struct err *err)
{
	FILE *in = fopen(j->path, "re");
	char *line = NULL;
	size_t cap = 0, lines = 0;
	ssize_t n;

	if (!in)
		return errno == ENOENT ? RC_OK : err_errno(err, errno, "open '%s'", j->path);
	while ((n = getline(&line, &cap, in)) > 0) {
		bool whole = line[n - 1] == '\n';

		if (!whole || n > LINE_MAX_BYTES || !take_line(j, slice_of(line, (size_t)n - 1)))
			j->needs_rewrite = true;
		lines++;
	}
	free(line);
	if (lines > j->n + JOURNAL_KEEP || j->n > JOURNAL_KEEP)
		j->needs_rewrite = true;
	n = ferror(in);
	fclose(in);
	return n ? err_errno(err, EIO, "read '%s'", j->path) : RC_OK;
}

/* One line a bundle, the last JOURNAL_KEEP of them. */
static enum rc rewrite(struct journal *j, struct err *err)
{
	size_t from = j->n > JOURNAL_KEEP ? j->n - JOURNAL_KEEP : 0;
	struct buf out;
	enum rc rc;

	buf_init(&out, REWRITE_MAX);
	for (size_t i = from; i < j->n; i++)
		add_line(&out, j->entries[i]);
	rc = file_replace(j->path, buf_slice(&out), 0600, err);
	buf_release(&out);
	return rc;
}

enum rc journal_open(const char *path, struct journal **ret_journal, struct err *err)
{
	struct journal *j = xcalloc(1, sizeof(*j));
	enum rc rc;

	pthread_mutex_init(&j->lock, NULL);
	j->path = xstrdup(path);
	j->fd = -1;
	rc = load(j, err);
	if (rc == RC_OK && (j->needs_rewrite || access(path, F_OK) != 0))
		rc = rewrite(j, err);
	if (rc == RC_OK) {
		j->fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
		if (j->fd < 0)
			rc = err_errno(err, errno, "open '%s'", path);
	}
	if (rc != RC_OK) {
		journal_close(j);
		return err_ctx(err, rc, "journal");
	}
	*ret_journal = j;
	return RC_OK;
}

bool journal_has(struct journal *j, const struct os_object *bundle)
{
	char etag[ETAG_MAX];
	const struct entry *e;
	bool has;

	etag_word(bundle->etag, etag);
	pthread_mutex_lock(&j->lock);
	e = table_get(&j->by_key, bundle->key);
	has = e && e->last_ms == bundle->modified_wall_ms && strcmp(etag, e->etag) == 0;
	pthread_mutex_unlock(&j->lock);
	return has;
}

uint64_t journal_first_ms(struct journal *j, const struct os_object *bundle)
{
	uint64_t ms = bundle->modified_wall_ms;
	const struct entry *e;

	pthread_mutex_lock(&j->lock);
	e = table_get(&j->by_key, bundle->key);
	if (e && e->first_ms < ms)
		ms = e->first_ms;
	pthread_mutex_unlock(&j->lock);
	return ms;
}

enum rc journal_add(struct journal *j, const struct os_object *bundle, struct err *err)
{
	struct entry *e;
	struct buf line;
	off_t end;
	enum rc rc;

	buf_init(&line, LINE_MAX_BYTES);
	pthread_mutex_lock(&j->lock);
	e = note(j, bundle->key, bundle->modified_wall_ms, bundle->etag);
	add_line(&line, e);
	end = lseek(j->fd, 0, SEEK_END);
	rc = file_write_all(j->fd, line.p, line.n, err);
	if (rc == RC_OK && fdatasync(j->fd) != 0)
		rc = err_errno(err, errno, "fsync");
	if (rc != RC_OK) {
		/* Half a line would join the next one; and it must not be believed here either. */
		if (end >= 0 && ftruncate(j->fd, end) != 0)
			rc = RC_FATAL;
		e->last_ms = 0;
		err_ctx(err, rc, "journal '%s'", j->path);
	}
	pthread_mutex_unlock(&j->lock);
	buf_release(&line);
	return rc;
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
