/*
 * checksum: the x-amz-checksum-* family, and the checksums of multipart uploads.
 *
 * Algorithms: CRC32, CRC32C, CRC64NVME, SHA1, SHA256 (enum digest_alg; MD5 is not one of them: the
 * ETag uses it). Values are sent as base64, CRCs in network byte order. A multipart object has a
 * checksum of type FULL_OBJECT (over all bytes) or COMPOSITE (over the parts' values, written
 * "base64-N"). Pure, thread-safe.
 */
#ifndef BALER_WIRE_CHECKSUM_H
#define BALER_WIRE_CHECKSUM_H

#include "base/digest.h"
#include "base/err.h"

#define CHECKSUM_TEXT_MAX 52 /* 44 base64 characters, "-10000", NUL */
#define ETAG_TEXT_MAX 40     /* 32 hex digits, "-10000", NUL */

enum checksum_type {
	CHECKSUM_FULL_OBJECT,
	CHECKSUM_COMPOSITE,
};

struct checksum {
	enum digest_alg alg; /* 0: none */
	enum checksum_type type;
	unsigned n_parts; /* of a COMPOSITE, else 0 */
	unsigned char value[DIGEST_MAX_BYTES];
};

/* All five, in a fixed order, and 0 at the end; for loops. */
extern const enum digest_alg checksum_algs[6];

/* "CRC32", as x-amz-checksum-algorithm and the XML have it; NULL for MD5. */
const char *checksum_name(enum digest_alg alg);
/* Case ignored; 0 when unknown. */
enum digest_alg checksum_from_name(struct slice name);
/* "x-amz-checksum-crc32". */
const char *checksum_header(enum digest_alg alg);
/* Case ignored; 0 when it is not the header of a value we know (also for …-type, …-mode,
 * …-algorithm). */
enum digest_alg checksum_from_header(struct slice header);
/* "ChecksumCRC32", the XML element. */
const char *checksum_element(enum digest_alg alg);
enum digest_alg checksum_from_element(struct slice element);

/* "FULL_OBJECT", "COMPOSITE". */
const char *checksum_type_name(enum checksum_type type);
bool checksum_type_parse(struct slice text, enum checksum_type *ret_type);
/* CRC64NVME only FULL_OBJECT, SHA1 and SHA256 only COMPOSITE, the other CRCs both. For
 * multipart objects: an object put whole is always FULL_OBJECT. */
bool checksum_type_allowed(enum digest_alg alg, enum checksum_type type);
/* The type that CreateMultipartUpload assumes when none is given. */
enum checksum_type checksum_type_default(enum digest_alg alg);

/* A header's or element's value: base64 of the right size, with "-N" (1 to 10,000) a COMPOSITE.
 * RC_REFUSED InvalidRequest. */
enum rc checksum_parse(
	enum digest_alg alg, struct slice text, struct checksum *ret_checksum, struct err *err);
void checksum_format(const struct checksum *c, char out[CHECKSUM_TEXT_MAX]);
/* The finished digest of a whole object or part. */
struct checksum checksum_of_digest(struct digest *d, enum digest_alg alg);
bool checksum_eq(const struct checksum *a, const struct checksum *b);

/* COMPOSITE of n ≥ 1 parts' values, all of one algorithm. */
void checksum_composite(const struct checksum *parts, size_t n, struct checksum *ret_checksum);
/* The FULL_OBJECT CRC of n ≥ 1 parts in a row, from their CRCs, without reading them again. alg
 * must be one of the three CRCs. */
void checksum_combine(const struct checksum *parts, const uint64_t *sizes_bytes, size_t n,
	struct checksum *ret_checksum);

/* The multipart ETag: md5 of the parts' raw MD5s, "-N"; without quotes. */
void etag_multipart(const unsigned char (*part_md5s)[16], size_t n, char out[ETAG_TEXT_MAX]);
/* The ETag without the quotes (and W/) some clients put around it. */
struct slice etag_unquote(struct slice etag);

#endif
