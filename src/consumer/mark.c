#include "consumer/mark.h"

#include <errno.h>
#include <sys/xattr.h>

#include "base/big_endian.h"
#include "model/bundle_key.h"

#define ATTRIBUTE "user.baler.pull"
#define FORM 1 /* the first byte */
#define MARK_BYTES (1 + 8 + MARK_HASH_BYTES + MARK_BUNDLE_BYTES)
#define TEXT_MAX 64 /* in base64 */

struct mark mark_of(const char *bundle_key, uint64_t published_wall_ms,
	const unsigned char content[SHA256_BYTES])
{
	struct mark m = {.published_wall_ms = published_wall_ms};
	unsigned char hash[SHA256_BYTES];
	struct plan_id plan;

	_Static_assert(MARK_BUNDLE_BYTES == PLAN_ID_BYTES, "an id is a plan's");
	memcpy(m.hash, content, MARK_HASH_BYTES);
	if (bundle_key_parse(slice_str(bundle_key), &plan)) {
		memcpy(m.bundle, plan.bytes, MARK_BUNDLE_BYTES);
	} else {
		sha256(slice_str(bundle_key), hash);
		memcpy(m.bundle, hash, MARK_BUNDLE_BYTES);
	}
	return m;
}

bool mark_is_of(const struct mark *mark, const unsigned char content[SHA256_BYTES])
{
	return memcmp(mark->hash, content, MARK_HASH_BYTES) == 0;
}

/* base64 of: form, time (big-endian), hash, bundle */
enum rc mark_write(int fd, const struct mark *mark, struct err *err)
{
	unsigned char bytes[MARK_BYTES] = {FORM};
	struct buf text;
	enum rc rc = RC_OK;

	big_endian_store(bytes + 1, mark->published_wall_ms);
	memcpy(bytes + 9, mark->hash, MARK_HASH_BYTES);
	memcpy(bytes + 9 + MARK_HASH_BYTES, mark->bundle, MARK_BUNDLE_BYTES);
	buf_init(&text, TEXT_MAX);
	base64_encode(&text, slice_of(bytes, sizeof(bytes)));
	if (fsetxattr(fd, ATTRIBUTE, text.p, text.n, 0) != 0 && errno != ENOTSUP)
		rc = err_errno(err, errno, "set attribute '" ATTRIBUTE "'");
	buf_release(&text);
	return rc;
}

bool mark_read(int fd, struct mark *ret_mark)
{
	unsigned char bytes[MARK_BYTES];
	char text[TEXT_MAX];
	ssize_t n = fgetxattr(fd, ATTRIBUTE, text, sizeof(text));
	size_t n_bytes;

	if (n <= 0 || !base64_decode(slice_of(text, (size_t)n), bytes, sizeof(bytes), &n_bytes) ||
		n_bytes != MARK_BYTES || bytes[0] != FORM)
		return false;
	*ret_mark = (struct mark){.published_wall_ms = big_endian_load(bytes + 1)};
	memcpy(ret_mark->hash, bytes + 9, MARK_HASH_BYTES);
	memcpy(ret_mark->bundle, bytes + 9 + MARK_HASH_BYTES, MARK_BUNDLE_BYTES);
	return true;
}

int mark_cmp(const struct mark *a, const struct mark *b)
{
	int order = memcmp(a->bundle, b->bundle, MARK_BUNDLE_BYTES);

	if (order && a->published_wall_ms != b->published_wall_ms)
		return a->published_wall_ms < b->published_wall_ms ? -1 : 1;
	return order;
}
