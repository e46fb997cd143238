/*
 * manifest: the files a run has put in: key, size and SHA-256 of each, recorded before the upload.
 * Entries are in byte order of keys; their hashes are filled in by any threads, one entry each.
 */
#ifndef BALER_VERIFY_MANIFEST_H
#define BALER_VERIFY_MANIFEST_H

#include "base/arena.h"
#include "base/digest.h"
#include "verify/generator.h"

struct manifest_entry {
	struct slice key; /* terminated */
	uint64_t size;    /* bytes */
	unsigned char sha256[SHA256_BYTES];
};

struct manifest {
	struct slice prefix; /* of every key, for this run alone */
	struct manifest_entry *entries;
	size_t n;
	struct arena arena;
};

struct manifest_plan {
	const char *root; /* of the prefix; NULL: "data" */
	size_t n;
	uint64_t size;
	const char *const *names; /* n, in byte order; NULL: "source_file_0001.bin" … */
	bool has_marker;          /* one more file, MANIFEST_MARKER, as the last entry */
};

#define MANIFEST_MARKER "zz_marker.bin"

/* Under "ROOT/e2e-test-<8 hex>/". */
void manifest_init_plan(struct manifest *m, const struct manifest_plan *plan);
/* n files under "data/e2e-test-<8 hex>/", "source_file_0001.bin" … all of one size. The hex digits
 * are random. Hashes are not computed yet. */
void manifest_init(struct manifest *m, size_t n, uint64_t size);
/* The hash of entry i; any thread. */
void manifest_hash(struct manifest *m, size_t i, enum generator_kind kind);
/* The entry of this key, or NULL. */
const struct manifest_entry *manifest_find(const struct manifest *m, struct slice key);
void manifest_release(struct manifest *m);

#endif
