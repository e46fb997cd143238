#include "verify/gunzip.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

#define PIECE_BYTES 65536
#define GZIP_FIRST_BYTE 0x1f
#define GZIP_ONLY (15 + 16) /* inflateInit2: the largest window, and a gzip header, no zlib's */

struct gunzip {
	int fd;
	z_stream z;
	bool has_begun;
	bool has_ended; /* the member; what may follow is the end of the file */
	bool is_over;
	enum rc rc; /* once broken, for ever */
	struct err err;
	unsigned char in[PIECE_BYTES], out[PIECE_BYTES];
};

struct gunzip *gunzip_new(int fd)
{
	struct gunzip *g = xcalloc(1, sizeof(*g));

	g->fd = fd;
	if (inflateInit2(&g->z, GZIP_ONLY) != Z_OK)
		die("no memory to inflate");
	return g;
}

void gunzip_free(struct gunzip *g)
{
	if (!g)
		return;
	inflateEnd(&g->z);
	free(g);
}

static enum rc broken(struct gunzip *g, const char *why)
{
	g->rc = err_set(&g->err, RC_CORRUPT, "not a whole gzip file: %s", why);
	return g->rc;
}

/* More input; the end of the file is only right behind the member. */
static enum rc fill(struct gunzip *g)
{
	ssize_t n;

	do
		n = read(g->fd, g->in, sizeof(g->in));
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		g->rc = err_errno(&g->err, errno, "read the bundle");
		return g->rc;
	}
	if (n == 0) {
		g->is_over = g->has_ended;
		return g->is_over ? RC_OK : broken(g, g->has_begun ? "cut off" : "empty");
	}
	g->z.next_in = g->in;
	g->z.avail_in = (unsigned)n;
	return RC_OK;
}

static enum rc inflate_some(struct gunzip *g, size_t *ret_n)
{
	int r;

	if (g->has_ended)
		return broken(g, g->z.next_in[0] == GZIP_FIRST_BYTE
					 ? "a second gzip member behind the first"
					 : "something behind it");
	g->has_begun = true;
	g->z.next_out = g->out;
	g->z.avail_out = sizeof(g->out);
	r = inflate(&g->z, Z_NO_FLUSH);
	if (r == Z_MEM_ERROR)
		die("no memory to inflate");
	if (r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR)
		return broken(g, g->z.msg ? g->z.msg : "unreadable");
	g->has_ended = r == Z_STREAM_END;
	*ret_n = sizeof(g->out) - g->z.avail_out;
	return RC_OK;
}

enum rc gunzip_read(struct gunzip *g, struct slice *ret_bytes, struct err *err)
{
	size_t n = 0;

	while (n == 0 && g->rc == RC_OK && !g->is_over) {
		if (g->z.avail_in == 0 && fill(g) != RC_OK)
			break;
		if (!g->is_over)
			inflate_some(g, &n);
	}
	if (g->rc != RC_OK) {
		if (err)
			*err = g->err;
		return g->rc;
	}
	*ret_bytes = slice_of(g->out, n);
	return RC_OK;
}
