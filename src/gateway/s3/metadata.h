/*
 * metadata: the request headers that are kept with an object, and the headers of answers that are
 * made of them. The stored form is that of model/object_headers.h. Only names of a closed list are
 * read or written, so no header of a request can change anything that the gateway keeps for itself.
 */
#ifndef BALER_GATEWAY_S3_METADATA_H
#define BALER_GATEWAY_S3_METADATA_H

#include "gateway/http/request.h"
#include "model/object_headers.h"

/* Every x-amz-* header of the request must be one we know, with a value we can honour.
 * RC_REFUSED NotImplemented, InvalidStorageClass, AccessDenied (another expected owner). */
enum rc metadata_check_headers(struct request *r, struct err *err);

/* Appends what the request gives: Content-Type (default binary/octet-stream) and its like,
 * x-amz-meta-*. out must be initialised. RC_REFUSED MetadataTooLarge, InvalidRequest. */
enum rc metadata_read(struct request *r, struct buf *out, struct err *err);
/* Appends "x-amz-checksum-…" and its type; nothing when alg is 0. */
void metadata_add_checksum(struct buf *out, const struct checksum *c);
/* The object's own, alg 0 when it has none. */
struct checksum metadata_checksum(struct slice headers);
/* The same headers without the checksum's: a copy gets its own. */
void metadata_copy(struct buf *out, struct slice headers);

/* Puts stored headers into the reply; the checksum only when asked. */
void metadata_reply(struct request *r, struct slice headers, bool with_checksum);
/* x-amz-checksum-… and its type into the reply; nothing when alg is 0. */
void metadata_reply_checksum(struct request *r, const struct checksum *c);

#endif
