#include "adapter/local/engine/blob_view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK SUMS_BLOCK_BYTES

enum rc blob_view_open(
	struct blob_view *v, int fd, uint64_t size, struct slice sums, struct err *err)
{
	struct stat st;

	*v = (struct blob_view){.fd = fd, .size = size, .sums = sums};
	if (fstat(fd, &st) != 0) {
		enum rc rc = err_errno(err, errno, "look at a body's file");

		blob_view_close(v);
		return rc;
	}
	if ((uint64_t)st.st_size == size)
		return RC_OK;
	blob_view_close(v);
	return err_code(err, RC_CORRUPT, ERR_DAMAGED, "its file has %llu bytes, its row says %llu",
		(unsigned long long)st.st_size, (unsigned long long)size);
}

void blob_view_close(struct blob_view *v)
{
	if (v->fd >= 0)
		close(v->fd);
	free(v->block);
	*v = BLOB_VIEW_CLOSED;
}

/* EIO is what a disk says of a sector that it cannot read: that is damage, and no reason to end
 * the process. */
static enum rc read_failed(int error, uint64_t offset, struct err *err)
{
	if (error == EIO)
		return err_code(err, RC_CORRUPT, ERR_DAMAGED,
			"the disk cannot read its bytes from %llu on",
			(unsigned long long)offset);
	return err_errno(err, error, "read a body's file");
}

static enum rc read_exactly(
	struct blob_view *v, uint64_t offset, void *out, size_t n, struct err *err)
{
	size_t done = 0;

	while (done < n) {
		ssize_t got = pread(
			v->fd, (unsigned char *)out + done, n - done, (off_t)(offset + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return read_failed(errno, offset + done, err);
		if (got == 0)
			return err_code(
				err, RC_CORRUPT, ERR_DAMAGED, "its file was cut while it was read");
		done += (size_t)got;
	}
	return RC_OK;
}

static size_t block_bytes(const struct blob_view *v, uint64_t i)
{
	uint64_t left = v->size - i * BLOCK;

	return left < BLOCK ? (size_t)left : BLOCK;
}

static enum rc check_block(
	const struct blob_view *v, uint64_t i, const void *bytes, struct err *err)
{
	size_t n = block_bytes(v, i);

	if (v->sums.n == 0 || sums_fit(v->sums, i, slice_of(bytes, n)))
		return RC_OK;
	return err_code(err, RC_CORRUPT, ERR_DAMAGED,
		"its bytes %llu to %llu are not those that were stored",
		(unsigned long long)(i * BLOCK), (unsigned long long)(i * BLOCK + n - 1));
}

static void drop_block(struct blob_view *v)
{
	free(v->block);
	v->block = NULL;
}

/* Block i into v->block. */
static enum rc load_block(struct blob_view *v, uint64_t i, struct err *err)
{
	enum rc rc;

	if (v->block && v->block_index == i)
		return RC_OK;
	if (!v->block)
		v->block = xmalloc(BLOCK);
	v->block_index = i;
	rc = read_exactly(v, i * BLOCK, v->block, block_bytes(v, i), err);
	if (rc == RC_OK)
		rc = check_block(v, i, v->block, err);
	if (rc != RC_OK)
		drop_block(v);
	return rc;
}

static enum rc read_piece(struct blob_view *v, uint64_t offset, unsigned char *out, size_t n,
	size_t *ret_n, struct err *err)
{
	uint64_t i = offset / BLOCK;
	size_t at = (size_t)(offset % BLOCK), left = block_bytes(v, i) - at;
	enum rc rc = load_block(v, i, err);

	if (rc != RC_OK)
		return rc;
	*ret_n = n < left ? n : left;
	memcpy(out, v->block + at, *ret_n);
	if (*ret_n == left)
		drop_block(v); /* nobody needs it any more */
	return RC_OK;
}

/* offset is a block's, and n reaches to the end of one. */
static enum rc read_blocks(struct blob_view *v, uint64_t offset, unsigned char *out, size_t n,
	size_t *ret_n, struct err *err)
{
	size_t done = 0;
	enum rc rc = read_exactly(v, offset, out, n, err);

	while (rc == RC_OK && done < n) {
		uint64_t i = (offset + done) / BLOCK;

		rc = check_block(v, i, out + done, err);
		if (rc == RC_OK)
			done += block_bytes(v, i);
	}
	if (done == 0)
		return rc;
	*ret_n = done;
	return RC_OK;
}

enum rc blob_view_read(struct blob_view *v, uint64_t offset, void *out, size_t n, size_t *ret_n,
	struct err *err)
{
	uint64_t i = offset / BLOCK;

	*ret_n = 0;
	if (offset >= v->size || n == 0)
		return RC_OK;
	if (n > v->size - offset)
		n = (size_t)(v->size - offset);
	if (offset % BLOCK || n < block_bytes(v, i) || (v->block && v->block_index == i))
		return read_piece(v, offset, out, n, ret_n, err);
	if (offset + n < v->size)
		n = n / BLOCK * BLOCK;
	return read_blocks(v, offset, out, n, ret_n, err);
}

enum rc blob_view_check(struct blob_view *v, uint64_t offset, struct err *err)
{
	return offset < v->size ? load_block(v, offset / BLOCK, err) : RC_OK;
}

enum rc blob_view_check_all(struct blob_view *v, struct err *err)
{
	enum rc rc = RC_OK;

	for (uint64_t at = 0; at < v->size && rc == RC_OK; at += BLOCK)
		rc = load_block(v, at / BLOCK, err);
	drop_block(v);
	return rc;
}
