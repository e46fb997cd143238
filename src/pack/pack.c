#include "pack/pack.h"

#include <assert.h>
#include <stdlib.h>

struct pack {
	struct gzip *gzip;
	struct digest *sha256;
	gzip_write_fn write;
	void *arg;
	uint64_t written_bytes; /* compressed, given to write */
	uint64_t tar_bytes;
	struct buf frame;                /* the tar header or padding of the moment */
	/* bytes of the open member that were declared and have not come yet */
	uint64_t size_bytes, left_bytes;
	bool in_member, finished;
	enum rc failed;
	struct err why;
};

/* Stands between gzip and the owner's write: the bytes that are written are the bytes that were
 * hashed and counted. */
static enum rc count_and_write(void *arg, struct slice bytes, struct err *err)
{
	struct pack *p = arg;

	digest_update(p->sha256, bytes);
	p->written_bytes += bytes.n;
	return p->write(p->arg, bytes, err);
}

struct pack *pack_new(enum gzip_mode mode, struct work_pool *pool, struct budget *memory,
	gzip_write_fn write, void *arg)
{
	struct pack *p = xcalloc(1, sizeof(*p));

	p->gzip = gzip_new(mode, pool, memory, count_and_write, p);
	p->sha256 = digest_new(DIGEST_SHA256);
	p->write = write;
	p->arg = arg;
	buf_init(&p->frame, TAR_HEADER_MAX_BYTES);
	return p;
}

static enum rc report(const struct pack *p, struct err *err)
{
	if (p->failed != RC_OK && err)
		*err = p->why;
	return p->failed;
}

static enum rc add_bytes(struct pack *p, struct slice bytes, struct err *err)
{
	p->failed = gzip_write(p->gzip, bytes, &p->why);
	if (p->failed == RC_OK)
		p->tar_bytes += bytes.n;
	return report(p, err);
}

enum rc pack_member_begin(struct pack *p, struct slice name, uint64_t size_bytes, struct err *err)
{
	enum rc rc;

	assert(!p->in_member && !p->finished);
	if (p->failed != RC_OK)
		return report(p, err);
	buf_reset(&p->frame);
	rc = tar_member_header(&p->frame, name, size_bytes, err);
	if (rc != RC_OK)
		return rc;
	p->in_member = true;
	p->size_bytes = p->left_bytes = size_bytes;
	return add_bytes(p, buf_slice(&p->frame), err);
}

enum rc pack_data(struct pack *p, struct slice bytes, struct err *err)
{
	if (p->failed != RC_OK)
		return report(p, err);
	assert(p->in_member);
	if (bytes.n > p->left_bytes) {
		p->failed =
			err_set(&p->why, RC_CORRUPT, "member has more than the %llu bytes declared",
				(unsigned long long)p->size_bytes);
		return report(p, err);
	}
	p->left_bytes -= bytes.n;
	return add_bytes(p, bytes, err);
}

enum rc pack_member_end(struct pack *p, struct err *err)
{
	if (p->failed != RC_OK)
		return report(p, err);
	assert(p->in_member);
	if (p->left_bytes > 0) {
		p->failed =
			err_set(&p->why, RC_CORRUPT, "member has %llu of the %llu bytes declared",
				(unsigned long long)(p->size_bytes - p->left_bytes),
				(unsigned long long)p->size_bytes);
		return report(p, err);
	}
	p->in_member = false;
	buf_reset(&p->frame);
	(void)tar_member_pad(&p->frame, p->size_bytes);
	return add_bytes(p, buf_slice(&p->frame), err);
}

enum rc pack_finish(struct pack *p, uint64_t *ret_size_bytes,
	unsigned char ret_sha256[SHA256_BYTES], struct err *err)
{
	assert(!p->finished);
	p->finished = true;
	if (p->failed != RC_OK)
		return report(p, err);
	assert(!p->in_member);
	buf_reset(&p->frame);
	(void)tar_end(&p->frame);
	if (add_bytes(p, buf_slice(&p->frame), err) != RC_OK)
		return p->failed;
	p->failed = gzip_finish(p->gzip, &p->why);
	if (p->failed != RC_OK)
		return report(p, err);
	*ret_size_bytes = p->written_bytes;
	(void)digest_final(p->sha256, DIGEST_SHA256, ret_sha256);
	return RC_OK;
}

uint64_t pack_tar_bytes(const struct pack *p)
{
	return p->tar_bytes;
}

void pack_free(struct pack *p)
{
	if (!p)
		return;
	gzip_free(p->gzip);
	digest_free(p->sha256);
	buf_release(&p->frame);
	free(p);
}
