/*
 * s3_stage: what is known of a staged bundle, and its record. Inside adapter/aws only.
 *
 * A stage is a multipart upload; its metadata must be given when it is created, but the bundle's
 * hash is known only at its end: so the bytes wait in a file without a name, and all of the upload
 * happens in stage_finish. The record is JSON:
 *   {"upload":"…","size":9,"parts":[{"number":1,"size":9,"etag":"…","crc32":"…","echoed":true}]}
 */
#ifndef BALER_ADAPTER_AWS_S3_S3_STAGE_H
#define BALER_ADAPTER_AWS_S3_S3_STAGE_H

#include "base/arena.h"
#include "base/err.h"
#include "wire/checksum.h"

#define STAGE_PART_BYTES (16u << 20)
#define STAGE_RECORD_MAX (4u << 20) /* bytes; 10,000 parts */
#define STAGE_PARTS_MAX 10000       /* S3 user guide, "Multipart upload limits" */

struct stage_part {
	unsigned number;
	uint64_t offset, size; /* bytes, in the spool */
	unsigned char sha256[SHA256_BYTES];
	struct checksum crc32;
	bool is_echoed; /* the store confirmed the checksum: Complete must name it */
	char etag[ETAG_TEXT_MAX + 1];
};

struct staged {
	struct slice upload_id;
	uint64_t size; /* bytes */
	struct stage_part *parts;
	size_t n_parts;
};

/* Part sizes grow with their number, so that 10,000 parts hold 8 TiB: 16 MiB for the first
 * thousand, doubled for each thousand after, at most 4 GiB. */
uint64_t stage_part_bytes(unsigned number);

bool staged_write(struct buf *out, const struct staged *staged);
/* RC_CORRUPT: not such a record. */
enum rc staged_read(struct slice text, struct arena *a, struct staged *ret_staged, struct err *err);

#endif
