#include "verify/tar_walk.h"

#define END_MARK_BYTES ((uint64_t)2 * TAR_BLOCK_BYTES)
#define SIZE_AT 124
#define SIZE_BYTES 12
#define CHECKSUM_AT 148
#define CHECKSUM_BYTES 8
#define KIND_AT 156
#define MAGIC_AT 257
#define PREFIX_AT 345
static const char magic[] = "ustar"; /* with its NUL */

void tar_walk_init(struct tar_walk *w)
{
	*w = (struct tar_walk){0};
	buf_init(&w->pax, TAR_PAX_MAX);
}

void tar_walk_release(struct tar_walk *w)
{
	buf_release(&w->pax);
}

static enum rc refuse(struct err *err, const char *why)
{
	return err_set(err, RC_CORRUPT, "not a whole tar: %s", why);
}

/* Numbers. */

/* Octal digits, spaces before and behind them, NULs behind. */
static bool read_octal(const unsigned char *p, size_t n, uint64_t *ret)
{
	uint64_t v = 0;
	size_t i = 0;

	while (i < n && p[i] == ' ')
		i++;
	for (; i < n && p[i] >= '0' && p[i] <= '7'; i++) {
		if (v >> 61)
			return false;
		v = v << 3 | (uint64_t)(p[i] - '0');
	}
	while (i < n && (p[i] == ' ' || p[i] == '\0'))
		i++;
	*ret = v;
	return i == n;
}

/* GNU's form beyond 8 GiB: the first bit is set, then follows the number itself, big-endian. */
static bool read_base_256(const unsigned char *p, size_t n, uint64_t *ret)
{
	uint64_t v = p[0] & 0x7f;

	for (size_t i = 1; i < n; i++) {
		if (v >> 55)
			return false;
		v = v << 8 | p[i];
	}
	*ret = v;
	return true;
}

static bool read_number(const unsigned char *p, size_t n, uint64_t *ret)
{
	return p[0] & 0x80 ? read_base_256(p, n, ret) : read_octal(p, n, ret);
}

/* The sum of the header's bytes, its own field taken as spaces; some writers summed them as
 * signed. */
static bool is_checksum_right(const unsigned char *block)
{
	int64_t plain = 0, as_signed = 0;
	uint64_t told;

	for (size_t i = 0; i < TAR_BLOCK_BYTES; i++) {
		bool is_own = i >= CHECKSUM_AT && i < CHECKSUM_AT + CHECKSUM_BYTES;
		unsigned char c = is_own ? ' ' : block[i];

		plain += c;
		as_signed += c < 128 ? c : c - 256;
	}
	return read_octal(block + CHECKSUM_AT, CHECKSUM_BYTES, &told) &&
	       ((int64_t)told == plain || (int64_t)told == as_signed);
}

/* The records of a pax header: "LEN KEY=VALUE\n"; LEN counts the whole record. */

static bool next_record(struct slice *rest, struct slice *ret_key, struct slice *ret_value)
{
	const unsigned char *space = memchr(rest->p, ' ', rest->n < 20 ? rest->n : 20), *equals;
	struct slice text;
	uint64_t n;

	if (!space || !slice_to_u64(slice_of(rest->p, (size_t)(space - rest->p)), &n) ||
		n > rest->n || n < (uint64_t)(space - rest->p) + 3 || rest->p[n - 1] != '\n')
		return false;
	text = slice_of(space + 1, (size_t)(rest->p + n - 1 - (space + 1)));
	equals = memchr(text.p, '=', text.n);
	if (!equals)
		return false;
	*ret_key = slice_of(text.p, (size_t)(equals - text.p));
	*ret_value = slice_of(equals + 1, text.n - ret_key->n - 1);
	*rest = slice_of(rest->p + n, rest->n - (size_t)n);
	return true;
}

/* An empty one some readers take for no name, and some for none in the header; some end it at a
 * NUL. */
static bool is_bad_name(struct slice key, struct slice value)
{
	return (slice_eq_str(key, "path") || slice_eq_str(key, "linkpath")) &&
	       (value.n == 0 || memchr(value.p, '\0', value.n));
}

static enum rc take_pax(struct tar_walk *w, struct err *err)
{
	struct slice rest = buf_slice(&w->pax), key, value;

	while (rest.n) {
		if (!next_record(&rest, &key, &value))
			return refuse(err, "a damaged pax header");
		if (slice_has_prefix(key, slice_str("GNU.sparse.")))
			return refuse(err, "a sparse file");
		if (is_bad_name(key, value))
			return refuse(err, "a pax header with a bad name");
		if (!slice_eq_str(key, "size"))
			continue;
		if (w->has_pax_size || !slice_to_u64(value, &w->pax_size))
			return refuse(err, "a pax header with a bad size");
		w->has_pax_size = true;
	}
	return RC_OK;
}

/* Headers. */

static bool is_zero(const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i])
			return false;
	return true;
}

static enum rc begin_pax(struct tar_walk *w, uint64_t size, struct err *err)
{
	if (w->has_pax)
		return refuse(err, "two pax headers for one member");
	if (w->has_long_name || w->has_long_link)
		return refuse(err, "a long name and a pax header for one member");
	if (size > TAR_PAX_MAX)
		return refuse(err, "a pax header too large");
	w->has_pax = true;
	w->pax_left = size;
	return RC_OK;
}

/* GNU's long names: a body, then the member. Of two some readers take the first and some the
 * last. */
static enum rc begin_long(struct tar_walk *w, bool *has, struct err *err)
{
	if (w->has_pax)
		return refuse(err, "a long name and a pax header for one member");
	if (*has)
		return refuse(err, "two long names for one member");
	*has = true;
	return RC_OK;
}

static enum rc begin_member(struct tar_walk *w, uint64_t *size)
{
	if (w->has_pax_size)
		*size = w->pax_size;
	w->has_pax = w->has_pax_size = w->has_long_name = w->has_long_link = false;
	w->members++;
	w->member_bytes += *size;
	return RC_OK;
}

static enum rc take_kind(struct tar_walk *w, unsigned char kind, uint64_t *size, struct err *err)
{
	switch (kind) {
	case '0':
	case '\0':
		return begin_member(w, size);
	case 'x':
		return begin_pax(w, *size, err);
	case 'K':
		return begin_long(w, &w->has_long_link, err);
	case 'L':
		return begin_long(w, &w->has_long_name, err);
	case 'g':
		return refuse(err, "a global header");
	case 'S':
		return refuse(err, "a sparse file");
	default:
		break;
	}
	if (kind < '1' || kind > '7')
		return err_set(err, RC_CORRUPT, "not a whole tar: an unknown kind of header, '%c'",
			kind > ' ' && kind < 0x7f ? kind : '?');
	w->is_judged = true;
	return RC_OK;
}

static enum rc take_header(struct tar_walk *w, struct err *err)
{
	uint64_t size;
	enum rc rc;

	if (is_zero(w->block, TAR_BLOCK_BYTES)) {
		w->is_at_end = true;
		w->end_bytes = TAR_BLOCK_BYTES;
		if (w->has_long_name || w->has_long_link)
			return refuse(err, "a long name without a member");
		return w->has_pax ? refuse(err, "a pax header without a member") : RC_OK;
	}
	if (!is_checksum_right(w->block) || !read_number(w->block + SIZE_AT, SIZE_BYTES, &size))
		return refuse(err, "a damaged header");
	if (memcmp(w->block + MAGIC_AT, magic, sizeof(magic)) != 0 && w->block[PREFIX_AT])
		return refuse(err, "a prefix in a header that is not ustar's");
	rc = take_kind(w, w->block[KIND_AT], &size, err);
	if (rc == RC_OK && size > INT64_MAX - TAR_BLOCK_BYTES)
		rc = refuse(err, "a damaged header");
	w->left = (size + TAR_BLOCK_BYTES - 1) / TAR_BLOCK_BYTES * TAR_BLOCK_BYTES;
	return rc;
}

/* Each takes from the front of *bytes. */

static enum rc take_body(struct tar_walk *w, struct slice *bytes, struct err *err)
{
	size_t n = bytes->n < w->left ? bytes->n : (size_t)w->left;
	size_t kept = n < w->pax_left ? n : (size_t)w->pax_left;
	bool is_pax = w->pax_left > 0;

	buf_add(&w->pax, bytes->p, kept);
	w->pax_left -= kept;
	w->left -= n;
	*bytes = slice_of(bytes->p + n, bytes->n - n);
	if (!is_pax || w->pax_left)
		return RC_OK;
	if (take_pax(w, err) != RC_OK)
		return RC_CORRUPT;
	buf_reset(&w->pax);
	return RC_OK;
}

static enum rc take_block(struct tar_walk *w, struct slice *bytes, struct err *err)
{
	size_t room = sizeof(w->block) - w->n_block, n = bytes->n < room ? bytes->n : room;

	memcpy(w->block + w->n_block, bytes->p, n);
	w->n_block += n;
	*bytes = slice_of(bytes->p + n, bytes->n - n);
	if (w->n_block < sizeof(w->block))
		return RC_OK;
	w->n_block = 0;
	return take_header(w, err);
}

enum rc tar_walk_take(struct tar_walk *w, struct slice bytes, struct err *err)
{
	enum rc rc = RC_OK;

	while (bytes.n && rc == RC_OK && !w->is_judged) {
		if (w->is_at_end) {
			if (!is_zero(bytes.p, bytes.n))
				return refuse(err, "something behind its end mark");
			w->end_bytes += bytes.n;
			return RC_OK;
		}
		rc = w->left ? take_body(w, &bytes, err) : take_block(w, &bytes, err);
	}
	return rc;
}

enum rc tar_walk_end(const struct tar_walk *w, struct err *err)
{
	if (w->is_judged)
		return RC_OK;
	if (w->left || (w->n_block && !w->is_at_end))
		return refuse(err, "cut off");
	if (w->end_bytes < END_MARK_BYTES)
		return refuse(err, "no end mark");
	if (w->end_bytes % TAR_BLOCK_BYTES)
		return refuse(err, "not of whole blocks");
	return RC_OK;
}
