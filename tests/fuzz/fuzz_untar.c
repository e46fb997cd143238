/* Whatever comes, a bundle is taken or refused, and what is taken is plain: harmless names, no byte
 * that is not in the archive, the same for bytes that come one by one, and nothing may follow. The
 * input is a tar (its headers' checksums are put right, or hardly anything would get beyond them),
 * and, as it stands, a gzip file. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "fuzz.h"
#include "verify/tar_walk.h"
#include "verify/untar.h"

struct seen {
	uint64_t members, bytes;
};

static enum rc note(void *arg, const struct untar_member *m, struct err *err)
{
	struct seen *seen = arg;

	(void)err;
	MUST(m->name.n > 0 && m->name.p[0] != '/' && m->name.p[m->name.n - 1] != '/');
	MUST(!memmem(m->name.p, m->name.n, "/../", 4) &&
		!slice_has_prefix(m->name, slice_str("../")));
	seen->members++;
	seen->bytes += m->size;
	return RC_OK;
}

static enum rc untar(struct slice file, struct seen *seen)
{
	struct untar_sink sink = {.member = note, .arg = seen};
	int fd = memfd_create("bundle", MFD_CLOEXEC);
	enum rc rc;

	*seen = (struct seen){0};
	MUST(fd >= 0 && pwrite(fd, file.p, file.n, 0) == (ssize_t)file.n);
	rc = untar_fd(fd, &sink, NULL);
	MUST(rc == RC_OK || rc == RC_CORRUPT);
	close(fd);
	return rc;
}

static void put_checksums_right(unsigned char *tar, size_t n)
{
	for (size_t at = 0; at + TAR_BLOCK_BYTES <= n; at += TAR_BLOCK_BYTES) {
		unsigned char *block = tar + at;
		char text[16];
		unsigned sum = 0;

		if (memcmp(block + 257, "ustar", 5) != 0)
			continue;
		memset(block + 148, ' ', 8);
		for (size_t i = 0; i < TAR_BLOCK_BYTES; i++)
			sum += block[i];
		snprintf(text, sizeof(text), "%06o", sum);
		memcpy(block + 148, text, 7);
	}
}

static enum rc walk(struct slice tar, size_t step)
{
	struct tar_walk w;
	enum rc rc = RC_OK;

	tar_walk_init(&w);
	for (size_t at = 0; at < tar.n && rc == RC_OK; at += step)
		rc = tar_walk_take(
			&w, slice_of(tar.p + at, tar.n - at < step ? tar.n - at : step), NULL);
	if (rc == RC_OK)
		rc = tar_walk_end(&w, NULL);
	tar_walk_release(&w);
	return rc;
}

/* A gzip file of it, with one byte of room behind. */
static unsigned char *gzip_of(struct slice tar, size_t *ret_n)
{
	z_stream z = {0};
	unsigned char *out;
	size_t room;

	MUST(deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
	room = deflateBound(&z, tar.n) + 1;
	out = xmalloc(room);
	z.next_in = (unsigned char *)(uintptr_t)tar.p;
	z.avail_in = (unsigned)tar.n;
	z.next_out = out;
	z.avail_out = (unsigned)room;
	MUST(deflate(&z, Z_FINISH) == Z_STREAM_END && z.avail_out > 0);
	*ret_n = room - z.avail_out;
	deflateEnd(&z);
	return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char *tar = xmalloc(size + 1), *file;
	struct seen seen, again;
	size_t n;

	untar(slice_of(data, size), &seen);
	if (size)
		memcpy(tar, data, size);
	put_checksums_right(tar, size);
	MUST(walk(slice_of(tar, size), 1) == walk(slice_of(tar, size), size + 1));
	file = gzip_of(slice_of(tar, size), &n);
	if (untar(slice_of(file, n), &seen) == RC_OK) {
		MUST(seen.bytes + TAR_BLOCK_BYTES * seen.members <= size);
		MUST(walk(slice_of(tar, size), 7) == RC_OK);
		file[n] = 0;
		MUST(untar(slice_of(file, n + 1), &again) == RC_CORRUPT);
	}
	free(file);
	free(tar);
	return 0;
}
