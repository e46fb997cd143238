/*
 * s3: port/object_store.h over any S3 endpoint: AWS, the gateway of baler itself, MinIO, Ceph.
 *
 * This module retries nothing; adapter/wrap/retry does. What a response means to the caller (Amazon
 * S3 API reference, "Error responses"): 404 is RC_ABSENT, 403 is RC_REFUSED, 412 is RC_CONFLICT.
 * Throttling, 503 and a request that was never sent whole are RC_AGAIN. 500, 502, 504 and a broken
 * connection are RC_AGAIN for a read and RC_UNKNOWN for a write.
 *
 * A body of up to S3_BODY_IN_MEMORY bytes is sent with its SHA-256 signed. A longer body is
 * streamed once, unsigned, with a CRC32 trailer. A GET checks the bytes against the object's
 * checksum when the server sends it, else against the ETag where that is an MD5. A listing without
 * versions has no versionIds, because S3 does not send them there.
 *
 * Memory: a put needs S3_BODY_IN_MEMORY bytes, get_many S3_GET_WINDOW times S3_GET_SLOT_BYTES and
 * S3_GET_BUFFER, or what s3_limit_memory leaves of that; a listing S3_ANSWER_MAX. A stage is
 * spooled to an unnamed file in TMPDIR. Threads: any number of threads may call; each call takes
 * its own lane of connections.
 */
#ifndef BALER_ADAPTER_AWS_S3_S3_H
#define BALER_ADAPTER_AWS_S3_S3_H

#include "adapter/aws/identity/credentials.h"
#include "base/budget.h"
#include "port/object_store.h"

#define S3_BODY_IN_MEMORY (1u << 20)
#define S3_GET_WINDOW 32           /* objects in flight in one get_many */
#define S3_GET_BUFFER (256u << 10) /* bytes kept of each object whose turn has not come */
#define S3_GET_SLOT_BYTES (64u << 10) /* of a request in flight, about, with TLS */
#define S3_ANSWER_MAX (8u << 20)   /* 1,000 keys of 1,024 bytes, percent-encoded, with their tags */

/* Copies settings. os_close frees the store. RC_REFUSED: the endpoint or the access key cannot
 * be used. */
enum rc s3_open(
	const struct aws_settings *settings, struct object_store **ret_store, struct err *err);

/* What get_many holds counts in memory, which is borrowed. Where there is no room fewer objects are
 * in flight (one always is), and they are paused earlier. Before the first call. */
void s3_limit_memory(struct object_store *store, struct budget *memory);

#endif
