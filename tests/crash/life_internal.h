/* life_internal: what the life (life.c) and its judge (judge.c) share. */
#ifndef BALER_TESTS_CRASH_LIFE_INTERNAL_H
#define BALER_TESTS_CRASH_LIFE_INTERNAL_H

#include "adapter/local/local.h"
#include "base/arena.h"
#include "base/prng.h"
#include "core/pipeline.h"
#include "obs/log.h"
#include "port/bucket_store.h"
#include "life.h"

#define LIFE_LANDING "landing"
#define LIFE_DISTRIBUTION "distribution"
#define LIFE_ARCHIVE "archive"
#define LIFE_MARK_BYTES 16 /* "object 000000042": which one it is */

struct life {
	struct local *local;
	struct object_store *store;
	struct prng prng;
	struct pipeline_config cfg;
	struct pipeline *p;
};

struct life_bundle {
	struct slice key, bytes;
	unsigned char sha256[32];
};

struct slice life_body(struct arena *a, size_t i);
enum rc life_open(struct life *w, const char *folder, struct err *err);
void life_buckets(struct life *w);
/* Every bundle there is, in a. */
enum rc life_bundles(struct life *w, struct arena *a, struct life_bundle **ret, size_t *ret_n);
bool life_is_kept(const char *folder, const struct life_promise *p, size_t when);

#endif
