/*
 * sigv4: AWS Signature Version 4, both ends. One builder of the canonical request serves the
 * signer and the verifier; foreign clients and AWS's published examples are its referees
 * (tests/unit).
 *
 * Server, in two steps so that the caller can look in between:
 *     sigv4_parse(&req, &auth, &err)          who claims to ask, from header or query, once
 *     sigv4_verify(&req, &auth, &policy, …)   is it so
 * Nothing in auth is to be trusted before sigv4_verify said RC_OK. The payload's hash is *not*
 * checked here: auth.payload says which check the body needs (security rule: the mode selects
 * the body check and nothing else).
 *
 * Thread-safe except where a struct is shared; sigv4_keys carries its own lock. No allocation
 * on the way but the canonical request (one buf, bounded). Every refusal sets err->code to S3's
 * code. Source: AWS General Reference, "Signature Version 4 signing process"; S3 API reference,
 * "Authenticating Requests (AWS Signature Version 4)".
 */
#ifndef BALER_WIRE_SIGV4_H
#define BALER_WIRE_SIGV4_H

#include <pthread.h>

#include "base/buf.h"
#include "base/date.h"
#include "base/digest.h"
#include "base/err.h"
#include "wire/header.h"

#define SIGV4_ACCESS_KEY_MAX_BYTES 128
#define SIGV4_SECRET_MAX_BYTES 128
#define SIGV4_REGION_MAX_BYTES 63
#define SIGV4_SERVICE_MAX_BYTES 31
#define SIGV4_SIGNED_HEADERS_MAX_BYTES 2047 /* the list as text */
#define SIGV4_MAX_HEADERS 128               /* of one request; a request with more is refused */
#define SIGV4_MAX_PARAMS 128                /* of one query */
#define SIGV4_CANONICAL_MAX_BYTES (128 * 1024)
#define SIGV4_SKEW_MS (15 * 60 * 1000)
#define SIGV4_EXPIRES_MAX_S 604800 /* of a presigned URL: a week */

/* A request as it goes over the wire: raw, nothing decoded. */
struct sigv4_request {
	struct slice method;
	struct slice path;  /* percent-encoded as sent */
	struct slice query; /* without '?' */
	const struct header *headers;
	size_t n_headers;
};

/* The meaning of x-amz-content-sha256. This is a closed set: handle every member, and refuse by
 * default. */
enum sigv4_payload {
	SIGV4_PAYLOAD_SHA256 = 1,              /* the body's hash, in payload_sha256 */
	SIGV4_PAYLOAD_UNSIGNED,                /* UNSIGNED-PAYLOAD */
	SIGV4_PAYLOAD_STREAM_SIGNED,           /* STREAMING-AWS4-HMAC-SHA256-PAYLOAD */
	SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER,   /* …-TRAILER */
	SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER, /* STREAMING-UNSIGNED-PAYLOAD-TRAILER */
	/* no header, as services other than S3 allow: sigv4_payload_state first */
	SIGV4_PAYLOAD_UNSTATED,
};

/* RC_REFUSED: InvalidArgument, or NotImplemented for the ECDSA forms. sha256 is written for a
 * hash. */
enum rc sigv4_payload_parse(struct slice text, enum sigv4_payload *ret_payload,
	unsigned char ret_sha256[SHA256_BYTES], struct err *err);
/* The header's text; NULL for SIGV4_PAYLOAD_SHA256. */
const char *sigv4_payload_name(enum sigv4_payload payload);
/* Whether the body is aws-chunked. */
bool sigv4_payload_is_stream(enum sigv4_payload payload);

/* Signing keys already derived, so that four of the five HMACs are spared: one struct for any
 * number of threads. Zeroed by sigv4_keys_release. */
#define SIGV4_KEYS_SLOTS 16
struct sigv4_key_slot {
	char date[9];
	char region[SIGV4_REGION_MAX_BYTES + 1];
	char service[SIGV4_SERVICE_MAX_BYTES + 1];
	size_t secret_bytes;
	unsigned char secret[SIGV4_SECRET_MAX_BYTES];
	unsigned char key[SHA256_BYTES];
};
struct sigv4_keys {
	pthread_mutex_t lock; /* guards what follows */
	unsigned next;        /* the slot to give up next */
	struct sigv4_key_slot slots[SIGV4_KEYS_SLOTS];
};
void sigv4_keys_init(struct sigv4_keys *keys);
void sigv4_keys_release(struct sigv4_keys *keys);
/* keys may be NULL: then they are derived each time. The texts are C strings within their
 * bounds. */
void sigv4_key(struct sigv4_keys *keys, struct slice secret, const char *date, const char *region,
	const char *service, unsigned char out[SHA256_BYTES]);

enum sigv4_carrier {
	SIGV4_HEADER = 1, /* Authorization */
	SIGV4_QUERY,      /* a presigned URL */
};

/* The claim of a request. It owns its texts, so it may be copied and outlive the request; only
 * token does not. */
struct sigv4_auth {
	enum sigv4_carrier carrier;
	char access_key[SIGV4_ACCESS_KEY_MAX_BYTES + 1];
	char date[9]; /* the scope's day */
	char region[SIGV4_REGION_MAX_BYTES + 1];
	char service[SIGV4_SERVICE_MAX_BYTES + 1];
	char amz_date[DATE_BASIC_BYTES]; /* when it was signed */
	uint64_t signed_wall_ms;
	uint32_t expires_s; /* SIGV4_QUERY only */
	char signed_headers[SIGV4_SIGNED_HEADERS_MAX_BYTES + 1];
	unsigned char signature[SHA256_BYTES];
	char payload_text[80]; /* the canonical request's last line */
	enum sigv4_payload payload;
	unsigned char payload_sha256[SHA256_BYTES];
	struct slice token; /* x-amz-security-token, raw, borrowed; empty when absent */
};

/* Reads the claim, from exactly one place.
 * RC_ABSENT AccessDenied: no credentials at all. RC_REFUSED: InvalidArgument (header and query
 * mixed, two Authorization headers, bad x-amz-content-sha256), InvalidRequest (SigV2;
 * x-amz-content-sha256 missing; a header that must be single is doubled),
 * AuthorizationHeaderMalformed, AuthorizationQueryParametersError, AccessDenied (no usable
 * date), NotImplemented. */
enum rc sigv4_parse(const struct sigv4_request *req, struct sigv4_auth *ret_auth, struct err *err);

/* For SIGV4_PAYLOAD_UNSTATED: sets the hash of the body. Call it before sigv4_verify, which then
 * checks the signature over it. */
void sigv4_payload_state(struct sigv4_auth *auth, struct slice body);

/* What the server expects. */
struct sigv4_policy {
	const char *service; /* "s3" */
	const char *region;  /* NULL: any (s3cmd signs ListBuckets with "US") */
	uint64_t now_wall_ms;
	struct sigv4_keys *keys; /* may be NULL */
	/* The secret of an access key, or an empty slice when it is unknown. Must stay valid
	 * until sigv4_verify returns. */
	struct slice (*secret)(void *arg, const char *access_key);
	void *arg;
};

/* Where a chain of chunk signatures starts: what aws_chunked needs. */
struct sigv4_seed {
	unsigned char key[SHA256_BYTES];
	char amz_date[DATE_BASIC_BYTES];
	char scope[9 + SIGV4_REGION_MAX_BYTES + 1 + SIGV4_SERVICE_MAX_BYTES + 1 + 13];
	char signature[2 * SHA256_BYTES + 1]; /* hex, the previous one */
};

/* For the error document of SignatureDoesNotMatch; both texts appended. */
struct sigv4_detail {
	struct buf canonical_request, string_to_sign;
};

/* In this order: service and scope date (AuthorizationHeaderMalformed or
 * AuthorizationQueryParametersError; also a foreign region), time (RequestTimeTooSkewed; of a
 * presigned URL AccessDenied "Request has expired", "Request is not valid yet"), what must be
 * signed: host, the date's header, every x-amz-* header (AccessDenied), the key
 * (InvalidAccessKeyId; InvalidToken when a session token came with it), the signature, in
 * constant time (SignatureDoesNotMatch). All RC_REFUSED. ret_seed and detail may be NULL;
 * detail is filled on SignatureDoesNotMatch only. */
enum rc sigv4_verify(const struct sigv4_request *req, const struct sigv4_auth *auth,
	const struct sigv4_policy *policy, struct sigv4_seed *ret_seed, struct sigv4_detail *detail,
	struct err *err);

/* The client's side. */
struct sigv4_signer {
	struct slice access_key, secret, token; /* token empty: none */
	const char *region, *service;           /* service "s3": path once encoded; others: twice */
	uint64_t now_wall_ms;
	struct sigv4_keys *keys; /* may be NULL */
};

/* The headers to add to the request. Empty ones ("") are not sent. */
struct sigv4_headers {
	char amz_date[DATE_BASIC_BYTES]; /* x-amz-date */
	char content_sha256[80];        /* x-amz-content-sha256; S3 only */
	struct buf authorization;       /* authorization */
	struct sigv4_seed seed;         /* for signed chunks */
};

/* Signs all of req's headers but those no client signs (user-agent, expect, connection,
 * transfer-encoding …), plus the ones it returns and x-amz-security-token, which the caller
 * sends when signer->token is not empty. req->headers must include host, and none of
 * x-amz-date, x-amz-content-sha256, x-amz-security-token, authorization. payload_hash: hex
 * SHA-256 of the body, "UNSIGNED-PAYLOAD" or a STREAMING- name. ret_headers->authorization is
 * initialised here and released by the caller (sigv4_headers_release). RC_REFUSED: no host, or
 * a bound is passed. */
enum rc sigv4_sign(const struct sigv4_request *req, const struct sigv4_signer *signer,
	const char *payload_hash, struct sigv4_headers *ret_headers, struct err *err);
void sigv4_headers_release(struct sigv4_headers *h);

/* Appends the whole query of a presigned URL (req's own parameters, then X-Amz-*) to out. Only
 * req's headers are signed; one of them must be host. */
enum rc sigv4_presign(const struct sigv4_request *req, const struct sigv4_signer *signer,
	uint32_t expires_s, struct buf *out, struct err *err);

/* For tests and the two ends: appends the canonical request. signed_headers: lower-case names
 * joined by
 * ';'. The query is decoded and encoded again strictly, sorted by name, then value;
 * X-Amz-Signature is left out when is_presigned. RC_REFUSED InvalidURI, InvalidRequest. */
enum rc sigv4_canonical_request(struct buf *out, const struct sigv4_request *req,
	bool path_encoded_once, const char *signed_headers, const char *payload_text,
	bool is_presigned, struct err *err);

#endif
