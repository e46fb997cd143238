/*
 * body: the payload of one request as it arrives: decoded, counted and hashed in one pass, and kept
 * in memory (documents) or given to the store (objects). Nothing may be committed before
 * body_finish has answered RC_OK: only body_finish knows that length, hash, Content-MD5, checksums
 * and chunk signatures are right.
 */
#ifndef BALER_GATEWAY_HTTP_BODY_H
#define BALER_GATEWAY_HTTP_BODY_H

#include "gateway/http/exchange.h"

#define BODY_NONE_MAX_BYTES 65536

/* Reads the headers that describe the body; the request is authenticated. RC_REFUSED
 * MissingContentLength, EntityTooLarge, InvalidDigest, InvalidRequest, …
 */
enum rc body_prepare(struct request *r, enum body_kind kind, struct err *err);
/* Starts hashing; of an object, r->body.put must be there. */
enum rc body_start(struct request *r, struct err *err);
enum rc body_feed(struct request *r, struct slice bytes, struct err *err);
enum rc body_finish(struct request *r, struct err *err);
void body_release(struct request *r);

#endif
