/*
 * extract: extracts one bundle, which is on disk and has the right hash, into the folder of a
 * pull.
 *
 * The bundle is read twice. The first pass checks all of it: gzip, tar, every member a regular
 * file with a safe name, no name used twice. If the bundle is not sound, nothing is written.
 * The second pass writes each member to a work file, fsyncs it, and places it (place.h). At the
 * end every folder on the way to a member is fsynced.
 *
 * Extracting the same bundle again, or half of it, changes nothing. Memory: one hash for each
 * member's name, of at most EXTRACT_MEMBERS_MAX members, to find names that are used twice.
 */
#ifndef BALER_CONSUMER_EXTRACT_H
#define BALER_CONSUMER_EXTRACT_H

#include <stdatomic.h>

#include "consumer/place.h"

#define EXTRACT_MEMBERS_MAX 1000000u

struct extract_counts {
	uint64_t members, bytes;
	uint64_t placed[PLACED_KINDS];
};

struct extraction {
	struct destination *destination;
	int bundle_fd;      /* seekable */
	const char *bundle; /* its key */
	uint64_t published_wall_ms;
	const char *work_name;       /* of the work file; unique among running extractions */
	const atomic_bool *stopping; /* may be NULL; true: stop soon */
};

/* RC_OK: every file is durable. RC_CORRUPT: the bundle is not sound, and nothing was written.
 * RC_CONFLICT: a member could not be placed (place.h); the members before it are placed. RC_AGAIN:
 * the disk is full, or stopping became true (code "ECANCELED"). RC_REFUSED, RC_FATAL: as place.h
 * says. */
enum rc extract_bundle(
	const struct extraction *x, struct extract_counts *ret_counts, struct err *err);

#endif
