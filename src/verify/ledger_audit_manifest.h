/*
 * ledger_audit_manifest: an archived bundle's manifest, which is read strictly (core/manifest.h has
 * its form) and compared with the bundle while that streams by: each member's name, size and
 * SHA-256, where its bytes lie in the tar, and which object it comes from. The comparison is
 * independent of pack: libarchive gives the members, and the offsets are checked on the plain tar.
 *
 * Memory: about 300 bytes a member. One thread.
 */
#ifndef BALER_VERIFY_LEDGER_AUDIT_MANIFEST_H
#define BALER_VERIFY_LEDGER_AUDIT_MANIFEST_H

#include "base/arena.h"
#include "base/table.h"
#include "model/object_id.h"
#include "verify/untar.h"

struct audit_member {
	struct slice name;
	struct object_id source;
	uint64_t size_bytes, offset_bytes;
	unsigned char sha256[SHA256_BYTES];
	/* What the bundle has. */
	bool is_seen;
	uint64_t seen_bytes;
	unsigned char seen_sha256[SHA256_BYTES];
	bool is_tried; /* as many bytes as the manifest says were there, behind its offset */
	unsigned char tried_sha256[SHA256_BYTES];
};

struct audit_manifest {
	struct slice plan, bucket, bundle;
	bool is_direct;
	uint64_t size_bytes; /* of the bundle */
	unsigned char sha256[SHA256_BYTES];
	struct audit_member *members; /* as they stand there */
	size_t n;
	/* Its own. */
	size_t cap;
	struct arena arena;
	struct table by_name;
	struct audit_member **by_offset;
	size_t at;        /* in by_offset */
	bool is_inside;   /* the tar's bytes are that one's */
	uint64_t n_left;  /* of them */
	uint64_t n_plain; /* bytes of the tar so far */
	struct digest *digest;
};

/* Reads from fd, which stays the caller's. RC_CORRUPT: it has another form; the text says where.
 * Release m after any code. */
enum rc audit_manifest_read(int fd, struct audit_manifest *m, struct err *err);
/* The tar's next bytes. */
void audit_manifest_plain(struct audit_manifest *m, struct slice bytes);
/* The next member of the bundle; NULL: the manifest does not name it. */
struct audit_member *audit_manifest_seen(
	struct audit_manifest *m, const struct untar_member *member);
void audit_manifest_release(struct audit_manifest *m);

#endif
