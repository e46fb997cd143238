/*
 * buf: bytes. A slice is borrowed and read-only; a buf is owned, grows, and is born with its
 * maximum. Neither is a C string; SLICE_FMT prints one.
 */
#ifndef BALER_BASE_BUF_H
#define BALER_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
	const unsigned char *p; /* may be NULL when n is 0 */
	size_t n;               /* bytes */
};

#define SLICE_FMT "%.*s"
#define SLICE_ARG(s) (int)((s).n > 4096 ? 4096 : (s).n), (const char *)(s).p

static inline struct slice slice_of(const void *p, size_t n)
{
	return (struct slice){(const unsigned char *)p, n};
}

/* From a C string; NULL gives the empty slice. */
static inline struct slice slice_str(const char *s)
{
	return slice_of(s, s ? strlen(s) : 0);
}

static inline bool slice_eq(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool slice_eq_str(struct slice a, const char *s)
{
	return slice_eq(a, slice_str(s));
}

static inline bool slice_has_prefix(struct slice s, struct slice prefix)
{
	return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

/* Byte order, the shorter first on a tie: S3's order of keys. <0, 0, >0. */
int slice_cmp(struct slice a, struct slice b);

/* ASCII case ignored. */
bool slice_eq_nocase(struct slice a, struct slice b);

/* Decimal digits only, no sign, no white space, no overflow. */
bool slice_to_u64(struct slice s, uint64_t *ret_value);

/* A terminated copy on the heap; the caller frees. A NUL inside stays inside. */
char *slice_dup(struct slice s);

struct buf {
	unsigned char *p;
	size_t n;   /* bytes used */
	size_t cap; /* bytes allocated */
	size_t max; /* appending beyond this fails */
	bool overflow; /* an append did not fit; stays set until buf_reset */
};

/* max in bytes. Allocates nothing yet. */
void buf_init(struct buf *b, size_t max);
void buf_release(struct buf *b);
void buf_reset(struct buf *b); /* empties, keeps the memory */

/* All append functions return false, append nothing and set overflow when the result would be
 * longer than the maximum. */
bool buf_add(struct buf *b, const void *p, size_t n);
bool buf_add_slice(struct buf *b, struct slice s);
bool buf_add_str(struct buf *b, const char *s);
bool buf_add_char(struct buf *b, char c);
bool buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool buf_add_hex(struct buf *b, const void *p, size_t n); /* lower case */

/* Makes room for n more bytes and returns where they go (then add to b->n), or NULL. */
unsigned char *buf_reserve(struct buf *b, size_t n);

static inline struct slice buf_slice(const struct buf *b)
{
	return slice_of(b->p, b->n);
}

/* Terminates (not counted in n) and returns the text; "" when empty. Valid until the next
 * change. */
const char *buf_cstr(struct buf *b);

/* Lower-case hex; out holds 2n+1 bytes. */
void hex_encode(const void *p, size_t n, char *out);
/* Either case; false unless s is exactly 2n hex digits. */
bool hex_decode(struct slice s, void *out, size_t n);

#endif
