/* object_id: the identity of a unit of work: (bucket, key as in the bucket, versionId). */
#ifndef BALER_MODEL_OBJECT_ID_H
#define BALER_MODEL_OBJECT_ID_H

#include "base/arena.h"

#define BUCKET_NAME_MAX 63
#define OBJECT_KEY_MAX 1024 /* bytes of UTF-8; the S3 user guide, "Naming objects" */
/* bytes; S3 promises "at most 1,024", every engine known stays below this */
#define VERSION_ID_MAX 128
/* bytes: what a JSON integer and a column of a database hold. Sizes from elsewhere beyond this
 * are refused where they are read. */
#define OBJECT_SIZE_MAX ((uint64_t)INT64_MAX)

struct object_id {
	struct slice bucket;
	struct slice key;
	/* The versionId; "null" and "seq:<sequencer>" stand for a source without versions. */
	struct slice version;
};

bool object_id_eq(const struct object_id *a, const struct object_id *b);
/* Bucket, key, version, in byte order. */
int object_id_cmp(const struct object_id *a, const struct object_id *b);
/* for hash tables in memory; not stable across releases */
uint64_t object_id_hash(const struct object_id *id);
struct object_id object_id_copy(struct arena *a, const struct object_id *id);

#endif
