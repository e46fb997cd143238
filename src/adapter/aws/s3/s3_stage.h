/*
 * s3_stage: the description of a staged bundle, and its record in the ledger. Only adapter/aws
 * includes it.
 *
 * A stage is a multipart upload. S3 takes the metadata of an upload when the upload is created,
 * but the hash of a bundle is known only at its end. Therefore the bytes wait in an unnamed
 * file, and the whole upload happens in stage_finish. The record is JSON:
 *   {"upload":"…","size":9,"parts":[{"number":1,"size":9,"etag":"…","crc32":"…","echoed":true}]}
 */
#ifndef BALER_ADAPTER_AWS_S3_S3_STAGE_H
#define BALER_ADAPTER_AWS_S3_S3_STAGE_H

#include "base/arena.h"
#include "base/err.h"
#include "wire/checksum.h"

#define STAGE_PART_BYTES (16u << 20)
#define STAGE_RECORD_MAX (4u << 20) /* bytes; 10,000 parts */
/* bytes of a record but for its parts; an upload id of S3 has some 150 */
#define STAGE_RECORD_FIXED 1280
#define STAGE_RECORD_PART 112   /* bytes of one part in a record, with an ETag of 32 digits */
#define STAGE_PARTS_MAX 10000       /* S3 user guide, "Multipart upload limits" */

struct stage_part {
	unsigned number;
	uint64_t offset, size; /* bytes, in the spool file */
	unsigned char sha256[SHA256_BYTES];
	struct checksum crc32;
	bool is_echoed; /* the store confirmed the checksum, so Complete must name the checksum */
	char etag[ETAG_TEXT_MAX + 1];
};

struct staged {
	struct slice upload_id;
	uint64_t size; /* bytes */
	struct stage_part *parts;
	size_t n_parts;
};

/* The size of a part grows with its number, so that 10,000 parts hold 8 TiB: 16 MiB for the first
 * thousand parts, twice as much for each further thousand, at most 4 GiB. */
uint64_t stage_part_bytes(unsigned number);

bool staged_write(struct buf *out, const struct staged *staged);
/* RC_CORRUPT: text is not such a record. */
enum rc staged_read(struct slice text, struct arena *a, struct staged *ret_staged, struct err *err);

#endif
