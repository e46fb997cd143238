#include "consumer/mark.h"

#include <errno.h>
#include <stdio.h>
#include <sys/xattr.h>

#define ATTRIBUTE "user.baler.pull"
#define MARK_MAX (OBJECT_KEY_MAX + 128)
#define VERSION "1 "

/* "1 <ms> <sha256> <key>" */
enum rc mark_write(int fd, const struct mark *mark, struct err *err)
{
	char text[MARK_MAX], hash[2 * SHA256_BYTES + 1];
	int n;

	hex_encode(mark->sha256, SHA256_BYTES, hash);
	n = snprintf(text, sizeof(text), VERSION "%llu %s %s",
		(unsigned long long)mark->published_wall_ms, hash, mark->bundle);
	if (fsetxattr(fd, ATTRIBUTE, text, (size_t)n, 0) == 0 || errno == ENOTSUP ||
		errno == E2BIG || errno == ERANGE)
		return RC_OK;
	return err_errno(err, errno, "set attribute '" ATTRIBUTE "'");
}

static struct slice word(struct slice *rest)
{
	const unsigned char *space = rest->n ? memchr(rest->p, ' ', rest->n) : NULL;
	struct slice w = slice_of(rest->p, space ? (size_t)(space - rest->p) : rest->n);
	size_t skip = w.n + (space ? 1 : 0);

	*rest = slice_of(rest->p + skip, rest->n - skip);
	return w;
}

bool mark_read(int fd, struct mark *ret_mark)
{
	char text[MARK_MAX];
	ssize_t n = fgetxattr(fd, ATTRIBUTE, text, sizeof(text));
	struct slice rest = slice_of(text, n > 0 ? (size_t)n : 0);

	if (n <= 0 || !slice_eq_str(word(&rest), "1") ||
		!slice_to_u64(word(&rest), &ret_mark->published_wall_ms) ||
		!hex_decode(word(&rest), ret_mark->sha256, SHA256_BYTES) || rest.n == 0 ||
		rest.n > OBJECT_KEY_MAX)
		return false;
	memcpy(ret_mark->bundle, rest.p, rest.n);
	ret_mark->bundle[rest.n] = '\0';
	return true;
}

int mark_cmp(const struct mark *a, const struct mark *b)
{
	if (strcmp(a->bundle, b->bundle) == 0)
		return 0;
	if (a->published_wall_ms != b->published_wall_ms)
		return a->published_wall_ms < b->published_wall_ms ? -1 : 1;
	return strcmp(a->bundle, b->bundle);
}
