/*
 * s3: port/object_store.h over any S3 endpoint: AWS, the gateway of baler itself, MinIO, Ceph.
 *
 * Nothing is retried here: adapter/wrap/retry does that. What the answers mean to the caller
 * (facts/wire.md section 4.6): 404 RC_ABSENT, 403 RC_REFUSED, 412 RC_CONFLICT; throttling, 503 and
 * what was never sent whole RC_AGAIN; 500, 502, 504 and a broken connection RC_AGAIN for a read and
 * RC_UNKNOWN for a write.
 *
 * Bodies up to S3_BODY_IN_MEMORY bytes are sent with their SHA-256 signed; longer ones stream once,
 * unsigned, with a CRC32 trailer. A get checks the object's checksum when the server tells it.
 * A list without versions has no versionIds: S3 does not give them there.
 *
 * Memory: a put S3_BODY_IN_MEMORY; get_many S3_GET_WINDOW objects of S3_GET_BUFFER; a listing
 * S3_ANSWER_MAX. A stage spools to a file without a name in TMPDIR.
 * Threads: any number; each call takes a lane of connections of its own.
 */
#ifndef BALER_ADAPTER_AWS_S3_S3_H
#define BALER_ADAPTER_AWS_S3_S3_H

#include "adapter/aws/identity/credentials.h"
#include "port/object_store.h"

#define S3_BODY_IN_MEMORY (1u << 20)
#define S3_GET_WINDOW 32           /* objects in flight in one get_many */
#define S3_GET_BUFFER (256u << 10) /* bytes kept of each that is not yet its turn */
#define S3_ANSWER_MAX (8u << 20)   /* 1,000 keys of 1,024 bytes, percent-encoded, and their tags */

/* settings are copied. os_close frees it. RC_REFUSED: an endpoint or key that cannot be used. */
enum rc s3_open(
	const struct aws_settings *settings, struct object_store **ret_store, struct err *err);

#endif
