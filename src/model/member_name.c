#include "model/member_name.h"

#include <stdlib.h>
#include <strings.h>
#include <utf8proc.h>

#define DECODE_ROUNDS 5
/* A key longer than this cannot become a legal name: five rounds shrink a byte to 1/3^5 at best,
 * and NFKC expands. S3 keys have at most 1,024 bytes, but other engines allow more, so a bound is
 * needed. */
#define KEY_BYTES_MAX (16 * 1024)

static int hex_digit(unsigned char c)
{
	unsigned char v;

	return hex_decode(slice_of((unsigned char[]){'0', c}, 2), &v, 1) ? v : -1;
}

/* Decodes once, in place. Returns whether anything was decoded. */
static bool percent_decode(unsigned char *s, size_t *n)
{
	size_t to = 0;
	bool changed = false;

	for (size_t i = 0; i < *n; i++) {
		int hi = i + 2 < *n && s[i] == '%' ? hex_digit(s[i + 1]) : -1;
		int lo = hi >= 0 ? hex_digit(s[i + 2]) : -1;

		if (lo >= 0) {
			s[to++] = (unsigned char)(hi << 4 | lo);
			i += 2;
			changed = true;
		} else {
			s[to++] = s[i];
		}
	}
	*n = to;
	return changed;
}

/* C0 controls, DEL, and format characters: zero-width, bidi overrides, BOM. */
static bool is_bad_code_point(utf8proc_int32_t c)
{
	return c < 0x20 || c == 0x7f || utf8proc_category(c) == UTF8PROC_CATEGORY_CF;
}

static bool is_white_space(utf8proc_int32_t c)
{
	utf8proc_category_t category = utf8proc_category(c);

	return (c >= 9 && c <= 13) || c == 0x85 || category == UTF8PROC_CATEGORY_ZS ||
	       category == UTF8PROC_CATEGORY_ZL || category == UTF8PROC_CATEGORY_ZP;
}

static enum rc check_characters(struct slice s, struct err *err)
{
	size_t i = 0;

	while (i < s.n) {
		utf8proc_int32_t c;
		utf8proc_ssize_t n = utf8proc_iterate(s.p + i, (utf8proc_ssize_t)(s.n - i), &c);

		if (n <= 0)
			return err_code(err, RC_REFUSED, "INVALID_S3_KEY_UNICODE",
				"the key is not UTF-8 at byte %zu", i);
		if (is_bad_code_point(c))
			return err_code(err, RC_REFUSED, "INVALID_S3_KEY_CHARACTER",
				"the key has the control or format character U+%04X", (unsigned)c);
		i += (size_t)n;
	}
	return RC_OK;
}

static bool starts_with_space(struct slice s)
{
	utf8proc_int32_t c;

	return utf8proc_iterate(s.p, (utf8proc_ssize_t)s.n, &c) > 0 && is_white_space(c);
}

static bool ends_with_space(struct slice s)
{
	size_t i = s.n;
	utf8proc_int32_t c;

	do {
		i--;
	} while (i > 0 && (s.p[i] & 0xc0) == 0x80);
	return utf8proc_iterate(s.p + i, (utf8proc_ssize_t)(s.n - i), &c) > 0 && is_white_space(c);
}

/* CON, PRN, AUX, NUL, COM1-9, LPT1-9, any case, with or without an extension (Microsoft,
 * "Naming Files, Paths, and Namespaces"). */
static bool is_device_name(struct slice s)
{
	static const char *const names[] = {"CON", "PRN", "AUX", "NUL"};
	const unsigned char *dot = memchr(s.p, '.', s.n);
	size_t n = dot ? (size_t)(dot - s.p) : s.n;
	const char *p = (const char *)s.p;

	while (n && p[n - 1] == ' ') /* "CON .txt" opens the console too */
		n--;
	if (n == 3)
		for (size_t i = 0; i < 4; i++)
			if (strncasecmp(p, names[i], 3) == 0)
				return true;
	return n == 4 && (strncasecmp(p, "COM", 3) == 0 || strncasecmp(p, "LPT", 3) == 0) &&
	       p[3] >= '1' && p[3] <= '9';
}

static enum rc check_component(struct slice s, struct err *err)
{
	if (slice_eq_str(s, ".."))
		return err_code(
			err, RC_REFUSED, "UNSAFE_S3_KEY_PATH", "the key has a component '..'");
	if (is_device_name(s))
		return err_code(err, RC_REFUSED, "UNSAFE_S3_KEY_PATH",
			"the key has the Windows device name '" SLICE_FMT "'", SLICE_ARG(s));
	if (starts_with_space(s) || ends_with_space(s))
		return err_code(err, RC_REFUSED, "INVALID_S3_KEY_FORMAT",
			"the key has a component that starts or ends with white space");
	return RC_OK;
}

static bool has_drive_letter(struct slice s)
{
	return s.n >= 2 && s.p[1] == ':' &&
	       ((s.p[0] >= 'a' && s.p[0] <= 'z') || (s.p[0] >= 'A' && s.p[0] <= 'Z'));
}

/* Joins the components that stay; each is checked. */
static enum rc join_components(struct slice s, struct buf *out, struct err *err)
{
	for (size_t i = 0; i < s.n;) {
		const unsigned char *slash = memchr(s.p + i, '/', s.n - i);
		size_t n = slash ? (size_t)(slash - s.p) - i : s.n - i;
		struct slice part = slice_of(s.p + i, n);
		enum rc rc;

		i += n + 1;
		if (n == 0 || slice_eq_str(part, "."))
			continue;
		rc = check_component(part, err);
		if (rc != RC_OK)
			return rc;
		if (out->n)
			buf_add_char(out, '/');
		buf_add_slice(out, part);
	}
	if (out->n == 0)
		return err_code(
			err, RC_REFUSED, "UNSAFE_S3_KEY_PATH", "nothing is left of the key");
	return RC_OK;
}

/* After something was dropped, the name may begin with a drive letter ("/C:/x", "C:D:x"). Joined to
 * a folder of Windows it would name another drive. Each round drops two bytes. */
static enum rc drop_drive_letters(struct buf *out, struct err *err)
{
	enum rc rc = RC_OK;

	while (rc == RC_OK && has_drive_letter(buf_slice(out))) {
		struct slice name = buf_slice(out);
		char *rest = slice_dup(slice_of(name.p + 2, name.n - 2));

		buf_reset(out);
		rc = join_components(slice_of(rest, name.n - 2), out, err);
		free(rest);
	}
	return rc;
}

static bool is_ascii(struct slice s)
{
	unsigned char all = 0;

	for (size_t i = 0; i < s.n; i++)
		all |= s.p[i];
	return all < 0x80;
}

/* Writes over decoded. */
static enum rc canonicalise(struct slice decoded, struct buf *out, struct err *err)
{
	utf8proc_uint8_t *nfkc = NULL, *p = (unsigned char *)(uintptr_t)decoded.p;
	utf8proc_ssize_t n = (utf8proc_ssize_t)decoded.n;
	struct slice s;
	enum rc rc;

	if (!is_ascii(decoded)) { /* NFKC leaves ASCII as it is, and most names are ASCII */
		n = utf8proc_map(decoded.p, n, &nfkc,
			UTF8PROC_STABLE | UTF8PROC_COMPAT | UTF8PROC_COMPOSE);
		if (n < 0)
			return err_code(
				err, RC_REFUSED, "INVALID_S3_KEY_UNICODE", "the key is not UTF-8");
		p = nfkc;
	}
	for (utf8proc_ssize_t i = 0; i < n; i++)
		if (p[i] == '\\')
			p[i] = '/';
	s = slice_of(p, (size_t)n);
	if (has_drive_letter(s))
		s = slice_of(s.p + 2, s.n - 2);
	rc = check_characters(s, err);
	if (rc == RC_OK)
		rc = join_components(s, out, err);
	if (rc == RC_OK)
		rc = drop_drive_letters(out, err);
	free(nfkc);
	return rc;
}

enum rc member_name_of_key(
	struct arena *a, struct slice key, struct slice *ret_name, struct err *err)
{
	struct slice decoded;
	struct buf out;
	enum rc rc;

	if (key.n == 0)
		return err_code(err, RC_REFUSED, "INVALID_S3_KEY_FORMAT", "the key is empty");
	if (key.n > KEY_BYTES_MAX)
		return err_code(
			err, RC_REFUSED, "INVALID_S3_KEY_LENGTH", "the key has %zu bytes", key.n);
	decoded = arena_slice(a, key);
	for (int round = 0; round < DECODE_ROUNDS; round++)
		if (!percent_decode((unsigned char *)(uintptr_t)decoded.p, &decoded.n))
			break;
	buf_init(&out, 64 * KEY_BYTES_MAX); /* NFKC makes at most 18 code points of one */
	rc = canonicalise(decoded, &out, err);
	if (rc == RC_OK && out.n > MEMBER_NAME_MAX)
		rc = err_code(err, RC_REFUSED, "INVALID_S3_KEY_LENGTH",
			"the name has %zu bytes after canonicalisation, more than %d", out.n,
			MEMBER_NAME_MAX);
	if (rc == RC_OK)
		*ret_name = arena_slice(a, buf_slice(&out));
	buf_release(&out);
	return rc;
}

struct slice member_name_fold(struct arena *a, struct slice name)
{
	struct slice folded = arena_slice(a, name);
	unsigned char *p = (unsigned char *)(uintptr_t)folded.p;
	utf8proc_uint8_t *mapped = NULL;
	utf8proc_ssize_t n;

	if (is_ascii(name)) {
		for (size_t i = 0; i < name.n; i++)
			p[i] = (unsigned char)(p[i] >= 'A' && p[i] <= 'Z' ? p[i] + 32 : p[i]);
		return folded;
	}
	n = utf8proc_map(name.p, (utf8proc_ssize_t)name.n, &mapped,
		UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD);
	if (n >= 0)
		folded = arena_slice(a, slice_of(mapped, (size_t)n));
	free(mapped);
	return folded;
}
