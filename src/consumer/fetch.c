#include "consumer/fetch.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "model/object_headers.h"

#define DECLARED "x-amz-meta-content-sha256"

struct download {
	const struct fetch *f;
	struct digest *digest;
	struct arena arena;
	struct slice declared;
	uint64_t bytes;
	enum rc outcome;
	struct err why;
};

static enum rc on_begin(void *arg, size_t i, const struct os_object *info, struct err *err)
{
	struct download *d = arg;

	(void)i;
	(void)err;
	if (d->f->ret_version && info->version.n <= VERSION_ID_MAX)
		snprintf(d->f->ret_version, VERSION_ID_MAX + 1, SLICE_FMT, SLICE_ARG(info->version));
	d->declared = arena_slice(&d->arena, object_headers_get(info->headers, DECLARED));
	return RC_OK;
}

static enum rc on_data(void *arg, size_t i, struct slice bytes, struct err *err)
{
	struct download *d = arg;

	(void)i;
	if (d->f->stopping && atomic_load(d->f->stopping))
		return err_code(err, RC_AGAIN, "ECANCELED", "stopped");
	digest_update(d->digest, bytes);
	d->bytes += bytes.n;
	if (d->f->progress)
		atomic_fetch_add(d->f->progress, bytes.n);
	return file_write_all(d->f->fd, bytes.p, bytes.n, err);
}

static enum rc on_end(void *arg, size_t i, enum rc outcome, const struct err *why, struct err *err)
{
	struct download *d = arg;

	(void)i;
	(void)err;
	d->outcome = outcome;
	if (outcome != RC_OK)
		d->why = *why;
	return RC_OK;
}

enum rc fetch_check_hash(
	struct slice declared, const unsigned char hash[SHA256_BYTES], struct err *err)
{
	unsigned char expected[SHA256_BYTES];
	char hex[2 * SHA256_BYTES + 1];

	if (declared.n == 0)
		return err_set(err, RC_CORRUPT, "it has no metadata content-sha256");
	if (!hex_decode(declared, expected, SHA256_BYTES))
		return err_set(err, RC_CORRUPT, "its content-sha256 is not a SHA-256");
	if (memcmp(hash, expected, SHA256_BYTES) == 0)
		return RC_OK;
	hex_encode(hash, SHA256_BYTES, hex);
	return err_set(err, RC_CORRUPT, "its SHA-256 is %s, its content-sha256 says " SLICE_FMT,
		hex, SLICE_ARG(declared));
}

/* *ret_breaks: the transfer broke off, and another try may succeed. */
static enum rc download(
	const struct fetch *f, uint64_t *ret_bytes, bool *ret_breaks, struct err *err)
{
	struct download d = {.f = f, .digest = digest_new(DIGEST_SHA256), .outcome = RC_AGAIN};
	struct os_sink sink = {on_begin, on_data, on_end, &d};
	unsigned char hash[SHA256_BYTES];
	enum rc rc = os_get_many(f->store, &f->bundle, 1, &sink, err);

	*ret_breaks = rc == RC_OK && (d.outcome == RC_AGAIN || d.outcome == RC_CORRUPT);
	if (rc == RC_OK && d.outcome != RC_OK) {
		rc = d.outcome;
		if (err)
			*err = d.why;
	}
	digest_final(d.digest, DIGEST_SHA256, hash);
	digest_free(d.digest);
	if (rc == RC_OK)
		rc = fetch_check_hash(d.declared, hash, err);
	if (rc != RC_OK && f->progress)
		atomic_fetch_sub(f->progress, d.bytes);
	*ret_bytes = d.bytes;
	arena_release(&d.arena);
	return rc;
}

enum rc fetch_bundle(const struct fetch *f, uint64_t *ret_bytes, struct err *err)
{
	bool breaks;
	enum rc rc;

	for (int i = 1;; i++) {
		rc = download(f, ret_bytes, &breaks, err);
		if (rc == RC_OK || !breaks || i == FETCH_TRIES)
			return rc;
		if (ftruncate(f->fd, 0) != 0 || lseek(f->fd, 0, SEEK_SET) != 0)
			return err_errno(err, errno, "begin the download again");
	}
}
