#include "verify/bundle_read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/sync.h"

/* The download writes into a pipe whose other end untar reads; untar reads to the end, always, so
 * the pipe is never broken. */
struct download {
	struct work work;
	struct object_store *store;
	struct object_id object;
	int pipe_fd;
	struct digest *digest;
	struct bundle_facts facts;
	struct bundle_progress *progress;
	enum rc rc;
	struct err err;
};

/* The lines "name:value\n" of model/object_headers.h. */
static struct slice header_value(struct slice headers, const char *name)
{
	size_t n = strlen(name);

	while (headers.n) {
		const unsigned char *end = memchr(headers.p, '\n', headers.n);
		size_t line = end ? (size_t)(end - headers.p) : headers.n;

		if (line > n && memcmp(headers.p, name, n) == 0 && headers.p[n] == ':')
			return slice_of(headers.p + n + 1, line - n - 1);
		line += end ? 1 : 0;
		headers = slice_of(headers.p + line, headers.n - line);
	}
	return (struct slice){0};
}

static enum rc on_begin(void *arg, size_t i, const struct os_object *info, struct err *err)
{
	struct download *d = arg;
	struct slice declared = header_value(info->headers, "x-amz-meta-content-sha256");
	struct slice type = header_value(info->headers, "content-type");

	(void)i;
	(void)err;
	snprintf(d->facts.declared, sizeof(d->facts.declared), SLICE_FMT, SLICE_ARG(declared));
	snprintf(d->facts.content_type, sizeof(d->facts.content_type), SLICE_FMT, SLICE_ARG(type));
	snprintf(d->facts.version, sizeof(d->facts.version), SLICE_FMT, SLICE_ARG(info->version));
	atomic_store(&d->progress->all_bytes, info->size);
	d->facts.has_content_encoding = header_value(info->headers, "content-encoding").n > 0;
	return RC_OK;
}

static enum rc on_data(void *arg, size_t i, struct slice bytes, struct err *err)
{
	struct download *d = arg;

	(void)i;
	digest_update(d->digest, bytes);
	d->facts.bytes += bytes.n;
	atomic_store(&d->progress->done_bytes, d->facts.bytes);
	return file_write_all(d->pipe_fd, bytes.p, bytes.n, err);
}

static enum rc on_end(void *arg, size_t i, enum rc outcome, const struct err *why, struct err *err)
{
	struct download *d = arg;

	(void)i;
	(void)err;
	d->rc = outcome;
	if (outcome != RC_OK)
		d->err = *why;
	return RC_OK;
}

static void run_download(struct work *w)
{
	struct download *d = (struct download *)w;
	struct os_sink sink = {on_begin, on_data, on_end, d};
	enum rc rc = os_get_many(d->store, &d->object, 1, &sink, &d->err);

	if (rc != RC_OK)
		d->rc = rc;
	close(d->pipe_fd);
}

enum rc bundle_read(struct object_store *store, struct slice bucket, struct slice key,
	const struct untar_sink *sink, struct bundle_facts *ret_facts, struct err *err)
{
	struct bundle_progress unwatched = {0};

	return bundle_read_watched(store, bucket, key, sink, &unwatched, ret_facts, err);
}

enum rc bundle_read_watched(struct object_store *store, struct slice bucket, struct slice key,
	const struct untar_sink *sink, struct bundle_progress *progress,
	struct bundle_facts *ret_facts, struct err *err)
{
	struct download d = {.work.run = run_download,
		.store = store,
		.object = {bucket, key, {0}},
		.progress = progress,
		.rc = RC_AGAIN};
	struct work_pool *pool;
	struct err untar_err = {0};
	int fds[2];
	enum rc rc;

	if (pipe2(fds, O_CLOEXEC) != 0)
		return err_errno(err, errno, "make a pipe");
	d.pipe_fd = fds[1];
	d.digest = digest_new(DIGEST_SHA256);
	pool = work_pool_new(1, "bundle");
	work_pool_submit(pool, &d.work);
	rc = untar_fd(fds[0], sink, &untar_err);
	work_pool_free(pool); /* waits */
	close(fds[0]);
	digest_final(d.digest, DIGEST_SHA256, d.facts.sha256);
	digest_free(d.digest);
	*ret_facts = d.facts;
	/* The result of the download comes first, because half a bundle is no tar.gz either. */
	if (err)
		*err = d.rc != RC_OK ? d.err : untar_err;
	rc = d.rc != RC_OK ? d.rc : rc;
	return rc == RC_OK ? rc : err_ctx(err, rc, "bundle '" SLICE_FMT "'", SLICE_ARG(key));
}
