/*
 * extract: one bundle, on disk and of the right hash, into the folder pulled to.
 *
 * Twice through the bundle: first all of it is looked at (gzip, tar, every member a regular file of a harmless name, no name
 * twice), so that of a bundle that is not sound nothing is written; then each member goes to a work file, is fsynced and placed
 * (place.h). At the end every folder on the way to a member is fsynced.
 *
 * Extracting the same bundle again, also half of it, changes nothing. Memory: a hash of each member's name, of at most
 * EXTRACT_MEMBERS_MAX, to find those that are there twice.
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
	const char *work_name;       /* of its own among those at work at a time */
	const atomic_bool *stopping; /* NULL, or: give up */
};

/* With RC_OK everything is durable. RC_CORRUPT: the bundle is not sound, nothing was written. RC_CONFLICT: place.h; what came
 * before it is placed. RC_AGAIN: no room, or with the code "ECANCELED" stopped. RC_REFUSED, RC_FATAL. */
enum rc extract_bundle(
	const struct extraction *x, struct extract_counts *ret_counts, struct err *err);

#endif
