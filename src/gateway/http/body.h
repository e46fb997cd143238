/*
 * body: the payload of one request on its way in: decoded, counted, hashed in one pass, kept in
 * memory (documents) or given to the store (objects). Nothing may be committed before
 * body_finish has said RC_OK: it is the one place that knows length, hash, Content-MD5,
 * checksums and chunk signatures to be right.
 */
#ifndef BALER_GATEWAY_HTTP_BODY_H
#define BALER_GATEWAY_HTTP_BODY_H

#include "base/buf.h"
#include "base/digest.h"
#include "base/err.h"
#include "port/bucket_store.h"
#include "wire/checksum.h"

struct request;
struct aws_chunked;

enum body_kind {
	BODY_NONE,     /* none expected; a small one is read, checked and dropped */
	BODY_DOCUMENT, /* XML, kept whole */
	BODY_PARTS,    /* the same, of CompleteMultipartUpload: checksums are the object's */
	BODY_PAYLOAD,  /* of an invocation: JSON, kept whole */
	BODY_OBJECT,   /* to the store; the only kind that may be aws-chunked */
};

#define BODY_NONE_MAX_BYTES 65536

struct body {
	enum body_kind kind;
	bool has_length;      /* the size of the decoded body was declared */
	uint64_t length;      /* decoded bytes declared */
	uint64_t wire_length; /* Content-Length; 0 with Transfer-Encoding */
	uint64_t got;         /* decoded bytes so far */
	unsigned algs;
	struct digest *digest;
	struct checksum declared; /* x-amz-checksum-*; alg 0: none */
	enum digest_alg trailer;  /* announced; 0: none */
	enum digest_alg extra;    /* to be computed though nobody declared it; 0: none */
	struct checksum computed; /* after body_finish: of declared, trailer or extra */
	bool has_md5;
	unsigned char md5_declared[16];
	char etag[33]; /* after body_finish of an object: hex MD5 */
	struct aws_chunked *chunked;
	struct buf document;
	struct bs_put *put;
};

/* HTTP's framing, before anything else: RC_REFUSED InvalidRequest for Content-Length with
 * Transfer-Encoding, either twice, a coding other than chunked. */
enum rc body_check_framing(struct request *r, struct err *err);
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
