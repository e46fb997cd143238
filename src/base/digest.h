/*
 * digest: hashes and checksums, streaming, several in one pass over the bytes.
 *
 * SHA-1, SHA-256, MD5 and HMAC come from libcrypto, CRC32 and CRC32C from ISA-L; CRC64NVME is
 * ours (ISA-L 2.30 has no table for it). CRCs are given in network byte order, as S3's headers
 * carry them.
 */
#ifndef BALER_BASE_DIGEST_H
#define BALER_BASE_DIGEST_H

#include "base/buf.h"

enum digest_alg {
	DIGEST_MD5 = 1 << 0,       /* 16 bytes */
	DIGEST_SHA1 = 1 << 1,      /* 20 */
	DIGEST_SHA256 = 1 << 2,    /* 32 */
	DIGEST_CRC32 = 1 << 3,     /* 4 */
	DIGEST_CRC32C = 1 << 4,    /* 4 */
	DIGEST_CRC64NVME = 1 << 5, /* 8 */
};

#define DIGEST_MAX_BYTES 32
#define SHA256_BYTES 32

struct digest; /* one stream, any set of algorithms */

/* algs: an OR of enum digest_alg. */
struct digest *digest_new(unsigned algs);
void digest_reset(struct digest *d, unsigned algs);
void digest_update(struct digest *d, struct slice bytes);
/* The value so far of one algorithm of the set; may be called once for each, no update after the
 * first call. Returns its size in bytes. */
size_t digest_final(struct digest *d, enum digest_alg alg, unsigned char out[DIGEST_MAX_BYTES]);
void digest_free(struct digest *d);

size_t digest_size(enum digest_alg alg);

/* In one call. */
void sha256(struct slice bytes, unsigned char out[SHA256_BYTES]);
void md5(struct slice bytes, unsigned char out[16]);
void hmac_sha256(struct slice key, struct slice bytes, unsigned char out[SHA256_BYTES]);

/* CRCs as integers, incremental: crc is 0 at first, then the last result. */
uint32_t crc32_update(uint32_t crc, struct slice bytes);    /* IEEE 802.3, as gzip has it */
uint32_t crc32c_update(uint32_t crc, struct slice bytes);   /* Castagnoli, as iSCSI has it */
uint64_t crc64nvme_update(uint64_t crc, struct slice bytes);

/* The CRC of A followed by B, from crc(A), crc(B) and B's length. alg: one of the three CRCs. */
uint64_t crc_combine(enum digest_alg alg, uint64_t crc_a, uint64_t crc_b, uint64_t length_b_bytes);

/* Constant time. */
bool bytes_equal_ct(const void *a, const void *b, size_t n);

/* RFC 4648 section 4, with padding. */
bool base64_encode(struct buf *out, struct slice bytes);
/* Strict: no white space, padding required. false on bad input or when more than max bytes would
 * come out. */
bool base64_decode(struct slice text, unsigned char *out, size_t max, size_t *ret_n);

#endif
