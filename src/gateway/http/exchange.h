/*
 * exchange: one request and its answer as data: what was sent, how far it is, and what will be sent
 * back. It has no functions, so that body, reply and request can each work on it without knowing
 * one another.
 *
 * One thread at a time works on an exchange. Its memory is r->arena's.
 */
#ifndef BALER_GATEWAY_HTTP_EXCHANGE_H
#define BALER_GATEWAY_HTTP_EXCHANGE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/sync.h"
#include "gateway/http/service.h"
#include "port/bucket_store.h"
#include "port/key_store.h"
#include "wire/checksum.h"
#include "wire/header.h"
#include "wire/sigv4.h"
#include "wire/uri.h"

struct request;
struct aws_chunked;
struct connection;
struct dialect;

/* --- the body that a request brings --- */

enum body_kind {
	BODY_NONE,     /* no body is expected; a small one is read, checked and dropped */
	BODY_DOCUMENT, /* XML, kept whole */
	BODY_PARTS,    /* the same, of CompleteMultipartUpload: checksums are the object's */
	BODY_PAYLOAD,  /* of an invocation: JSON, kept whole */
	BODY_OBJECT,   /* goes to the store; the only kind that may be aws-chunked */
};

struct body {
	enum body_kind kind;
	bool has_length;      /* the size of the decoded body was declared */
	uint64_t length;      /* decoded bytes declared */
	uint64_t wire_length; /* Content-Length; 0 with Transfer-Encoding */
	bool is_chunked;      /* Transfer-Encoding: chunked */
	uint64_t got;         /* decoded bytes so far */
	unsigned algs;
	struct digest *digest;
	struct checksum declared; /* x-amz-checksum-*; alg 0: none */
	enum digest_alg trailer;  /* announced; 0: none */
	enum digest_alg extra;    /* a checksum to compute although nobody declared it; 0: none */
	struct checksum computed; /* after body_finish: of declared, trailer or extra */
	bool has_md5;
	unsigned char md5_declared[16];
	char etag[33]; /* after body_finish of an object: hex MD5 */
	struct aws_chunked *chunked;
	struct buf document;
	struct bs_put *put;
};

/* --- the answer --- */

#define REPLY_DOCUMENT_MAX_BYTES (8u << 20) /* 1,000 keys of 1,024 bytes, escaped sixfold, fit */
#define REPLY_EXTRAS_MAX 6

struct reply_header {
	struct reply_header *next;
	const char *name, *value; /* terminated; static or the arena's */
};

struct reply {
	unsigned status;
	struct reply_header *headers, **tail; /* in order */
	struct buf document;                  /* owned; the body of most answers */
	struct slice bytes;                   /* the body when document is empty */
	struct bs_reader *reader;             /* owned; the body when has_stream */
	bool has_stream;                      /* length bytes of reader from offset */
	uint64_t offset, length;
	size_t block; /* has_stream: bytes read at a time; charge.h chose it */
	bool close; /* the connection cannot be used again */
	struct {
		const char *name;
		struct slice text;
	} extras[REPLY_EXTRAS_MAX]; /* of an error document */
	size_t n_extras;
};

/* --- the request --- */

enum method { METHOD_OTHER, METHOD_GET, METHOD_HEAD, METHOD_PUT, METHOD_POST, METHOD_DELETE };

enum request_phase {
	PHASE_BODY,  /* wants its body, then request_end */
	PHASE_WAIT,  /* suspended until the store has answered; then request_resumed */
	PHASE_REPLY, /* the reply is ready; the rest of the body is dropped */
};

/* The operation that a dialect has found for a request. */
struct operation {
	enum body_kind body;
	/* Called before the body, and before 100 Continue; may be NULL. begin must not reply: it
	 * may only refuse. */
	enum rc (*begin)(struct request *r, struct err *err);
	/* Called when the body is there and right. end replies, waits or refuses. */
	enum rc (*end)(struct request *r, struct err *err);
};

struct request {
	struct service *service;
	const struct dialect *dialect; /* set before anything can be refused */

	/* The server's own. */
	void *connection;        /* of the HTTP library */
	struct connection *peer; /* its socket: connections.h */
	bool has_begun;          /* service.begin was called */
	uint64_t taken;          /* bytes of the body as they came */
	/* the request is refused, and the rest of its body is read and dropped */
	bool drains;
	uint64_t drained_from;   /* taken when that began */
	const char *body_floor;  /* no byte of the body was read to a place before this one */
	uint64_t chunk_left;     /* of the current chunk: framing.h */
	struct header *trailer;  /* the fields behind the last chunk */
	size_t n_trailer;

	enum request_phase phase;
	struct arena arena;
	struct arena page; /* the page that a listing's store gave, until it is written out */
	uint64_t charged; /* bytes taken from the share of all requests: charge.h */
	char id[REQUEST_ID_BYTES + 1];
	uint64_t now_wall_ms; /* when it began */

	/* As sent; borrowed from the server until the reply is sent. */
	struct slice target, path, query;
	struct slice method_text;
	enum method method;
	struct header *headers;
	size_t n_headers;
	bool is_http_1_0;
	bool is_malformed; /* the head is not as RFC 9112 has it: framing.h */
	/* the connection is a spare: only health checks and the admin API are served
	 * (connections.h) */
	bool is_spare;

	struct sigv4_auth auth; /* trusted once is_authenticated */
	struct sigv4_seed seed; /* of signed chunks */
	bool names_key; /* its access key exists; nothing else is checked before its body is read */
	bool is_authenticated;
	bool by_token; /* one of the two tokens was right: admin/admin_token.h */
	enum key_role role; /* ROLE_NONE until then */
	struct uri_target name;   /* bucket and key */
	struct slice bucket, key; /* the same */
	bool has_slot;            /* lambda/invoke.h: one of the invocations at a time */
	uint64_t payload_bytes;   /* lambda/invoke.h: of the share of messages */
	const struct operation *operation; /* NULL until the dialect has found it */
	struct body body;
	void *op; /* the operation's own state */

	/* While waiting. */
	enum rc (*after)(struct request *r, struct err *err);
	struct bs_result result; /* its slices are gone */
	struct work work;
	enum rc (*job)(struct request *r, struct err *err);
	bool only_reads; /* job submits no write: the request goes on when job has returned */

	struct reply reply;
};

#endif
