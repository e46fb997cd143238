#include "wire/checksum.h"

#include <stdio.h>
#include <stdlib.h>

const enum digest_alg checksum_algs[6] = {
	DIGEST_CRC32, DIGEST_CRC32C, DIGEST_CRC64NVME, DIGEST_SHA1, DIGEST_SHA256, 0};

enum { FULL = 1 << CHECKSUM_FULL_OBJECT, COMP = 1 << CHECKSUM_COMPOSITE };

/* Which types an algorithm may have: S3 user guide, "Checking object integrity". */
static const struct known {
	enum digest_alg alg;
	const char *name, *header, *element;
	unsigned types;
} known[] = {
	{DIGEST_CRC32, "CRC32", "x-amz-checksum-crc32", "ChecksumCRC32", FULL | COMP},
	{DIGEST_CRC32C, "CRC32C", "x-amz-checksum-crc32c", "ChecksumCRC32C", FULL | COMP},
	{DIGEST_CRC64NVME, "CRC64NVME", "x-amz-checksum-crc64nvme", "ChecksumCRC64NVME", FULL},
	{DIGEST_SHA1, "SHA1", "x-amz-checksum-sha1", "ChecksumSHA1", COMP},
	{DIGEST_SHA256, "SHA256", "x-amz-checksum-sha256", "ChecksumSHA256", COMP},
};

#define N_KNOWN (sizeof(known) / sizeof(known[0]))

static const struct known *known_of(enum digest_alg alg)
{
	for (size_t i = 0; i < N_KNOWN; i++)
		if (known[i].alg == alg)
			return &known[i];
	return NULL;
}

const char *checksum_name(enum digest_alg alg)
{
	const struct known *k = known_of(alg);

	return k ? k->name : NULL;
}

const char *checksum_header(enum digest_alg alg)
{
	const struct known *k = known_of(alg);

	return k ? k->header : NULL;
}

const char *checksum_element(enum digest_alg alg)
{
	const struct known *k = known_of(alg);

	return k ? k->element : NULL;
}

enum digest_alg checksum_from_name(struct slice name)
{
	for (size_t i = 0; i < N_KNOWN; i++)
		if (slice_eq_nocase(name, slice_str(known[i].name)))
			return known[i].alg;
	return 0;
}

enum digest_alg checksum_from_header(struct slice header)
{
	for (size_t i = 0; i < N_KNOWN; i++)
		if (slice_eq_nocase(header, slice_str(known[i].header)))
			return known[i].alg;
	return 0;
}

enum digest_alg checksum_from_element(struct slice element)
{
	for (size_t i = 0; i < N_KNOWN; i++)
		if (slice_eq_str(element, known[i].element))
			return known[i].alg;
	return 0;
}

const char *checksum_type_name(enum checksum_type type)
{
	return type == CHECKSUM_COMPOSITE ? "COMPOSITE" : "FULL_OBJECT";
}

bool checksum_type_parse(struct slice text, enum checksum_type *ret_type)
{
	if (slice_eq_str(text, "FULL_OBJECT"))
		*ret_type = CHECKSUM_FULL_OBJECT;
	else if (slice_eq_str(text, "COMPOSITE"))
		*ret_type = CHECKSUM_COMPOSITE;
	else
		return false;
	return true;
}

bool checksum_type_allowed(enum digest_alg alg, enum checksum_type type)
{
	const struct known *k = known_of(alg);

	return k && (k->types & 1u << type);
}

enum checksum_type checksum_type_default(enum digest_alg alg)
{
	return checksum_type_allowed(alg, CHECKSUM_COMPOSITE) ? CHECKSUM_COMPOSITE
							      : CHECKSUM_FULL_OBJECT;
}

static enum rc value_bad(struct err *err, enum digest_alg alg)
{
	return err_code(err, RC_REFUSED, "InvalidRequest", "the value of '%s' is not valid",
		checksum_header(alg) ? checksum_header(alg) : "x-amz-checksum");
}

enum rc checksum_parse(
	enum digest_alg alg, struct slice text, struct checksum *ret_checksum, struct err *err)
{
	const unsigned char *dash = text.n ? memchr(text.p, '-', text.n) : NULL;
	struct checksum c = {.alg = alg, .type = CHECKSUM_FULL_OBJECT};
	size_t n = 0;

	if (!known_of(alg))
		return value_bad(err, alg);
	if (dash) {
		size_t at = (size_t)(dash - text.p);
		uint64_t n_parts;

		if (!slice_to_u64(slice_of(dash + 1, text.n - at - 1), &n_parts) || n_parts < 1 ||
			n_parts > 10000)
			return value_bad(err, alg);
		c.type = CHECKSUM_COMPOSITE;
		c.n_parts = (unsigned)n_parts;
		text.n = at;
	}
	if (!base64_decode(text, c.value, digest_size(alg), &n) || n != digest_size(alg))
		return value_bad(err, alg);
	*ret_checksum = c;
	return RC_OK;
}

void checksum_format(const struct checksum *c, char out[CHECKSUM_TEXT_MAX])
{
	struct buf text;

	buf_init(&text, CHECKSUM_TEXT_MAX);
	base64_encode(&text, slice_of(c->value, digest_size(c->alg)));
	if (c->type == CHECKSUM_COMPOSITE)
		snprintf(out, CHECKSUM_TEXT_MAX, "%s-%u", buf_cstr(&text), c->n_parts);
	else
		snprintf(out, CHECKSUM_TEXT_MAX, "%s", buf_cstr(&text));
	buf_release(&text);
}

struct checksum checksum_of_digest(struct digest *d, enum digest_alg alg)
{
	struct checksum c = {.alg = alg, .type = CHECKSUM_FULL_OBJECT};

	digest_final(d, alg, c.value);
	return c;
}

bool checksum_eq(const struct checksum *a, const struct checksum *b)
{
	return a->alg == b->alg && a->type == b->type && a->n_parts == b->n_parts &&
	       memcmp(a->value, b->value, digest_size(a->alg)) == 0;
}

void checksum_composite(const struct checksum *parts, size_t n, struct checksum *ret_checksum)
{
	enum digest_alg alg = parts[0].alg;
	struct digest *d = digest_new(alg);

	for (size_t i = 0; i < n; i++)
		digest_update(d, slice_of(parts[i].value, digest_size(alg)));
	*ret_checksum = checksum_of_digest(d, alg);
	ret_checksum->type = CHECKSUM_COMPOSITE;
	ret_checksum->n_parts = (unsigned)n;
	digest_free(d);
}

static uint64_t get_be(const unsigned char *p, size_t n)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++)
		v = v << 8 | p[i];
	return v;
}

void checksum_combine(const struct checksum *parts, const uint64_t *sizes_bytes, size_t n,
	struct checksum *ret_checksum)
{
	enum digest_alg alg = parts[0].alg;
	size_t width = digest_size(alg);
	uint64_t crc = get_be(parts[0].value, width);
	struct checksum c = {.alg = alg, .type = CHECKSUM_FULL_OBJECT};

	for (size_t i = 1; i < n; i++)
		crc = crc_combine(alg, crc, get_be(parts[i].value, width), sizes_bytes[i]);
	for (size_t i = 0; i < width; i++)
		c.value[i] = (unsigned char)(crc >> 8 * (width - 1 - i));
	*ret_checksum = c;
}

void etag_multipart(const unsigned char (*part_md5s)[16], size_t n, char out[ETAG_TEXT_MAX])
{
	unsigned char sum[16];
	char hex[33];

	md5(slice_of(part_md5s, 16 * n), sum);
	hex_encode(sum, sizeof(sum), hex);
	snprintf(out, ETAG_TEXT_MAX, "%s-%u", hex, (unsigned)(n % 100000));
}

struct slice etag_unquote(struct slice etag)
{
	if (etag.n >= 2 && etag.p[0] == 'W' && etag.p[1] == '/')
		etag = slice_of(etag.p + 2, etag.n - 2);
	if (etag.n >= 2 && etag.p[0] == '"' && etag.p[etag.n - 1] == '"')
		etag = slice_of(etag.p + 1, etag.n - 2);
	return etag;
}
