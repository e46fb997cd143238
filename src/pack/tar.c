#include "pack/tar.h"

#include <assert.h>
#include <stdio.h>

/* IEEE 1003.1, "pax": the ustar header block. Numbers are octal digits with a NUL behind them.
 */
struct ustar {
	char name[100];
	char mode[8];
	char uid[8];
	char gid[8];
	char size[12];
	char mtime[12];
	char checksum[8];
	char typeflag;
	char linkname[100];
	char magic[6];
	char version[2];
	char uname[32];
	char gname[32];
	char devmajor[8];
	char devminor[8];
	char prefix[155];
	char unused[12];
};

_Static_assert(sizeof(struct ustar) == TAR_BLOCK_BYTES, "a header is one block");

#define USTAR_SIZE_MAX ((UINT64_C(1) << 33) - 1) /* 11 octal digits */
#define PAX_HEADER_NAME "PaxHeaders/member"      /* shown only by readers older than 2001 */

static void put_octal(char *field, size_t width, uint64_t value)
{
	field[width - 1] = '\0';
	for (size_t i = width - 1; i-- > 0; value >>= 3)
		field[i] = (char)('0' + (value & 7));
	assert(value == 0);
}

/* The sum of the header's bytes, its own field taken as spaces; six digits, NUL, space. */
static void put_checksum(struct ustar *h)
{
	const unsigned char *p = (const unsigned char *)h;
	unsigned sum = 0;

	memset(h->checksum, ' ', sizeof(h->checksum));
	for (size_t i = 0; i < sizeof(*h); i++)
		sum += p[i];
	put_octal(h->checksum, sizeof(h->checksum) - 1, sum);
}

static bool add_header(
	struct buf *out, struct slice prefix, struct slice name, uint64_t size, char type)
{
	struct ustar h = {.typeflag = type,
		.magic = "ustar",
		.version = {'0', '0'},
		.uname = "root",
		.gname = "root"};

	assert(name.n <= sizeof(h.name) && prefix.n <= sizeof(h.prefix));
	memcpy(h.name, name.p, name.n);
	if (prefix.n > 0)
		memcpy(h.prefix, prefix.p, prefix.n);
	put_octal(h.mode, sizeof(h.mode), 0644);
	put_octal(h.uid, sizeof(h.uid), 0);
	put_octal(h.gid, sizeof(h.gid), 0);
	put_octal(h.size, sizeof(h.size), size);
	put_octal(h.mtime, sizeof(h.mtime), 0);
	put_octal(h.devmajor, sizeof(h.devmajor), 0);
	put_octal(h.devminor, sizeof(h.devminor), 0);
	put_checksum(&h);
	return buf_add(out, &h, sizeof(h));
}

static bool is_ascii(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] >= 0x80)
			return false;
	return true;
}

/* Splits at the first slash that leaves at most 100 bytes behind it; the slash itself is not
 * stored. false when the part in front does not fit the prefix, or when the name needs a pax record
 * anyway. */
static bool split_name(struct slice full, struct slice *ret_prefix, struct slice *ret_name)
{
	struct ustar h;

	if (!is_ascii(full))
		return false;
	*ret_prefix = slice_of(NULL, 0);
	*ret_name = full;
	if (full.n <= sizeof(h.name))
		return true;
	for (size_t i = full.n - sizeof(h.name) - 1; i <= sizeof(h.prefix) && i < full.n - 1; i++) {
		if (full.p[i] != '/')
			continue;
		*ret_prefix = slice_of(full.p, i);
		*ret_name = slice_of(full.p + i + 1, full.n - i - 1);
		return true;
	}
	return false;
}

/* "LENGTH key=value\n", where LENGTH counts itself. */
static bool add_record(struct buf *out, const char *key, struct slice value)
{
	size_t rest = strlen(key) + value.n + 3; /* space, '=', newline */
	size_t length = rest + 1;

	for (size_t limit = 10; length >= limit; limit *= 10)
		length = rest + (size_t)snprintf(NULL, 0, "%zu", length);
	return buf_addf(out, "%zu %s=", length, key) && buf_add_slice(out, value) &&
	       buf_add_char(out, '\n');
}

/* The records of what the ustar header cannot say, in a member of their own. */
static bool add_pax(struct buf *out, const struct slice *path, const uint64_t *size)
{
	struct buf records;
	char digits[24];
	bool ok = true;

	buf_init(&records, 3 * TAR_BLOCK_BYTES);
	if (path)
		ok = ok && add_record(&records, "path", *path);
	if (size) {
		snprintf(digits, sizeof(digits), "%llu", (unsigned long long)*size);
		ok = ok && add_record(&records, "size", slice_str(digits));
	}
	ok = ok && add_header(out, slice_str(NULL), slice_str(PAX_HEADER_NAME), records.n, 'x') &&
	     buf_add_slice(out, buf_slice(&records)) && tar_member_pad(out, records.n);
	buf_release(&records);
	return ok;
}

static bool is_safe_component(struct slice c)
{
	return c.n > 0 && !slice_eq_str(c, ".") && !slice_eq_str(c, "..");
}

static bool is_safe_name(struct slice name)
{
	const unsigned char *p = name.p, *end = name.p + name.n, *slash;

	if (name.n == 0 || memchr(name.p, '\0', name.n))
		return false;
	while ((slash = memchr(p, '/', (size_t)(end - p)))) {
		if (!is_safe_component(slice_of(p, (size_t)(slash - p))))
			return false;
		p = slash + 1;
	}
	return is_safe_component(slice_of(p, (size_t)(end - p)));
}

static enum rc check_member(struct slice name, uint64_t size_bytes, struct err *err)
{
	if (name.n > TAR_NAME_MAX_BYTES)
		return err_set(err, RC_REFUSED, "member name has %zu bytes, more than %d", name.n,
			TAR_NAME_MAX_BYTES);
	if (!is_safe_name(name))
		return err_set(err, RC_REFUSED,
			"member name '" SLICE_FMT "' is not safe to extract", SLICE_ARG(name));
	if (size_bytes > TAR_MEMBER_MAX_BYTES)
		return err_set(
			err, RC_REFUSED, "member '" SLICE_FMT "' is too large", SLICE_ARG(name));
	return RC_OK;
}

enum rc tar_member_header(struct buf *out, struct slice name, uint64_t size_bytes, struct err *err)
{
	struct slice prefix, last;
	enum rc rc = check_member(name, size_bytes, err);
	bool fits, small = size_bytes <= USTAR_SIZE_MAX;

	if (rc != RC_OK)
		return rc;
	if (out->max - out->n < TAR_HEADER_MAX_BYTES)
		return err_set(err, RC_REFUSED, "no room for a tar header");
	fits = split_name(name, &prefix, &last);
	if (!fits || !small)
		(void)add_pax(out, fits ? NULL : &name, small ? NULL : &size_bytes);
	if (!fits) {
		prefix = slice_str(NULL);
		last = slice_str(PAX_HEADER_NAME);
	}
	(void)add_header(out, prefix, last, small ? size_bytes : 0, '0');
	assert(!out->overflow);
	return RC_OK;
}

size_t tar_pad_bytes(uint64_t size_bytes)
{
	return (size_t)(-size_bytes % TAR_BLOCK_BYTES);
}

static bool add_zeros(struct buf *out, size_t n)
{
	static const unsigned char zeros[TAR_END_BYTES];

	return buf_add(out, zeros, n);
}

bool tar_member_pad(struct buf *out, uint64_t size_bytes)
{
	return add_zeros(out, tar_pad_bytes(size_bytes));
}

bool tar_end(struct buf *out)
{
	return add_zeros(out, TAR_END_BYTES);
}
