/*
 * s3xml: S3's documents. The one door to expat.
 *
 * Reading is bounded: no DTD (hence no entities but the five of XML), depth, number of
 * elements, length of a text, and the whole document by the caller, who hands it over complete.
 * Namespaces are ignored: names are compared without prefix. Bad documents are RC_REFUSED
 * MalformedXML; RC_AGAIN SlowDown means that memory ran out, which says nothing about the
 * document. Strings read go to the caller's arena, terminated. Writing goes to a struct
 * buf, whose maximum bounds it; check out->overflow once at the end. Pure, thread-safe (a
 * parser lives for one call).
 */
#ifndef BALER_WIRE_S3XML_H
#define BALER_WIRE_S3XML_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "wire/checksum.h"

#define S3XML_MAX_DEPTH 16
#define S3XML_PATH_MAX_BYTES 512
#define S3XML_TEXT_MAX_BYTES 8192      /* of one element */
#define S3XML_MAX_ELEMENTS 200000      /* 10,000 parts of 7 elements, and room */
#define S3XML_BODY_MAX_BYTES (2 << 20) /* bytes of a request's body; the caller enforces it */

/* --- events --- */

/* path: local names from the root, "Delete/Object/Key". Any rc but RC_OK ends the parse with
 * it. */
struct s3xml_handler {
	enum rc (*start)(void *arg, const char *path, struct err *err); /* may be NULL */
	/* text: all character data directly inside, valid until return. */
	enum rc (*end)(void *arg, const char *path, struct slice text, struct err *err);
	void *arg;
};
/* White space before the declaration is skipped (S3 keeps connections alive with it). */
enum rc s3xml_parse(struct slice document, const struct s3xml_handler *handler, struct err *err);

/* --- what a server reads --- */

#define S3XML_MAX_PARTS 10000
#define S3XML_MAX_DELETES 1000

struct s3xml_part {
	unsigned number;          /* 1 to 10,000 */
	struct slice etag;        /* without quotes */
	struct checksum checksum; /* alg 0: none given */
};
struct s3xml_complete {
	struct s3xml_part *parts; /* strictly ascending by number */
	size_t n_parts;           /* 1 to 10,000 */
};
/* CompleteMultipartUpload. Also RC_REFUSED InvalidPartOrder, InvalidRequest (a bad checksum).
 */
enum rc s3xml_read_complete(
	struct slice document, struct arena *arena, struct s3xml_complete *ret, struct err *err);

struct s3xml_delete_object {
	struct slice key, version_id; /* version_id.p == NULL: none given */
	struct slice etag;            /* a condition, "*" or without quotes; .p == NULL: none */
};
struct s3xml_delete {
	struct s3xml_delete_object *objects;
	size_t n_objects; /* 1 to 1,000 */
	bool quiet;
};
/* Delete. */
enum rc s3xml_read_delete(
	struct slice document, struct arena *arena, struct s3xml_delete *ret, struct err *err);

enum s3xml_versioning {
	S3XML_VERSIONING_NONE, /* no Status element */
	S3XML_VERSIONING_ENABLED,
	S3XML_VERSIONING_SUSPENDED,
};
/* VersioningConfiguration; also what a client gets. MfaDelete Enabled is RC_REFUSED
 * NotImplemented. */
enum rc s3xml_read_versioning(
	struct slice document, enum s3xml_versioning *ret_versioning, struct err *err);

/* CreateBucketConfiguration; an empty document is legal. *ret_region empty: none given. Other
 * elements are ignored. */
enum rc s3xml_read_create_bucket(
	struct slice document, struct arena *arena, struct slice *ret_region, struct err *err);

/* --- writing --- */

/* The XML declaration. */
void s3xml_begin(struct buf *out);
/* <name xmlns="http://s3.amazonaws.com/doc/2006-03-01/">; a document's root. */
void s3xml_open_root(struct buf *out, const char *name);
void s3xml_open(struct buf *out, const char *name);
void s3xml_close(struct buf *out, const char *name);
/* <name>text</name>. What XML 1.0 cannot hold (control characters, invalid UTF-8) becomes
 * U+FFFD; CR, LF and TAB become references, so that they survive. */
void s3xml_text(struct buf *out, const char *name, struct slice text);
void s3xml_str(struct buf *out, const char *name, const char *text);
void s3xml_u64(struct buf *out, const char *name, uint64_t value);
void s3xml_bool(struct buf *out, const char *name, bool value);
/* "2009-10-12T17:50:30.000Z" */
void s3xml_date(struct buf *out, const char *name, uint64_t wall_ms);
/* In quotes. */
void s3xml_etag(struct buf *out, const char *name, struct slice etag);
/* A key, prefix or delimiter in a listing: percent-encoded ('/' stays) when encoding-type=url
 * was asked. */
void s3xml_key(struct buf *out, const char *name, struct slice key, bool url_encode);
/* <ChecksumCRC32>…</ChecksumCRC32>; nothing when alg is 0. */
void s3xml_checksum(struct buf *out, const struct checksum *c);
/* Character data without an element. */
void s3xml_escape(struct buf *out, struct slice text);

/* An additional element of an error document ("Key", "BucketName", …). */
struct s3xml_extra {
	const char *name;
	struct slice text;
};
/* The whole error document: declaration, Code, Message, extras, RequestId, HostId. */
void s3xml_error(struct buf *out, const char *code, const char *message,
	const struct s3xml_extra *extras, size_t n_extras, const char *request_id,
	const char *host_id);

#endif
