/*
 * manifest: the content of a bundle as JSON, for `baler where`, for a replay, and for a ledger that
 * was lost.
 *
 * {"version":1,"plan":"<32
 * hex>","bucket":"…","bundle":"2026/…/bundle-….tar.gz","created":"2026-…Z","members":[
 * {"name":"…","bucket":"…","key":"…","versionId":"…","size":9,"sha256":"…","offset":512},
 * …],"size":9,"sha256":"…"}
 *
 * "direct":true follows created when a direct invocation made the bundle: no ledger has its plan.
 * Each member has one line. name: in the archive. bucket, key, versionId: of the source. sha256: of
 * the member's bytes. offset: of the member's first byte in the uncompressed tar. size and sha256
 * at the end: of the bundle. In a bucket without versions, versionId is what the ledger has
 * ("null", "seq:…"). The bundle's own figures come last because the manifest is written while the
 * bundle is made: one piece at a time, with MANIFEST_PIECE_BYTES of memory for any number of
 * members.
 */
#ifndef BALER_CORE_MANIFEST_H
#define BALER_CORE_MANIFEST_H

#include "base/digest.h"
#include "core/plan.h"
#include "model/object_id.h"

#define MANIFEST_PREFIX "manifests/"
#define MANIFEST_PIECE_BYTES (64u << 10)

struct manifest_member {
	struct slice name;
	struct object_id object;
	uint64_t size_bytes;
	uint64_t offset_bytes;
	unsigned char sha256[SHA256_BYTES];
};

/* "manifests/<bundle key>.json", in a. */
struct slice manifest_key(struct arena *a, struct slice bundle_key);

/* Pieces of the document, appended to out. */
void manifest_begin(struct buf *out, const struct lg_plan *plan, bool is_direct);
void manifest_add(struct buf *out, const struct manifest_member *m, bool is_first);
void manifest_end(struct buf *out, uint64_t size_bytes, const unsigned char sha256[SHA256_BYTES]);

#endif
