/*
 * bundle: steps 4 and 5: fetch the exact versions, pack them in plan order, stage the result
 * where no consumer can see it.
 *
 * An object that is large (alone_bytes) or slow does not belong in a bundle with others, which
 * would wait for it: FETCH_ALONE.
 *
 * What differs in size or ETag from what was announced is never packed. An object of at most
 * BUNDLE_HELD_BYTES goes into the archive when all its bytes are there and were checked: one that
 * breaks off, or comes slowly, is left out, and nothing else changes. A larger object that breaks
 * off in the middle spoils the archive: it is left out and the stage is made again,
 * BUNDLE_RESTARTS times at most (one that is slow does not count as a restart). A stage that is
 * made again is discarded first by its owner, which is safe because nobody has asked for its seal
 * yet.
 */
#ifndef BALER_CORE_BUNDLE_H
#define BALER_CORE_BUNDLE_H

#include "core/stages.h"
#include "core/unit.h"
#include "pack/pack.h"
#include "port/ledger.h"
#include "port/object_store.h"

#define BUNDLE_RESTARTS 3
/* An object is slow when it has kept the bundle waiting for so long with fewer bytes than that:
 * below 64 KiB/s, or silent. */
#define BUNDLE_SLOW_MS 1000
#define BUNDLE_SLOW_BYTES (64 * 1024)
/* Memory of each bundle in the making, for one object at a time. */
#define BUNDLE_HELD_BYTES (64 * 1024)
/* objects set aside in one plan; if there are more it is the store that is slow */
#define BUNDLE_SLOW_MAX 8

struct bundle_job {
	struct object_store *landing, *distribution;
	const struct lg_plan *plan;
	struct slice archive_bucket; /* where a copy and a manifest go; empty: nowhere */
	enum gzip_mode compression;
	struct work_pool *pool;
	struct budget *memory; /* for compressing; NULL: no limit */
	uint64_t max_bytes;     /* for objects whose size was not announced */
	/* larger objects and slow objects go in a bundle of their own; 0: none does */
	uint64_t alone_bytes;
	struct clock *clock;
	/* from this time on no further object is begun (FETCH_OVER); 0: no limit */
	uint64_t close_boot_ms;
	/* Called often while bytes flow; anything but RC_OK stops the bundle with that code. */
	enum rc (*tick)(void *arg, struct err *err);
	void *tick_arg;
	bool is_direct; /* in no ledger: the bundle says so (stages.h) */
	uint64_t object_max_bytes; /* a larger one is too-large; 0: no limit */
};

struct bundle {
	struct buf staged; /* core/staged.h; bundle_release frees it */
	uint64_t size_bytes;
	unsigned char sha256[SHA256_BYTES];
	size_t n_members;
	uint64_t member_bytes;
	bool closed_by_time;
};

void bundle_release(struct bundle *b);

/*
 * Sets fetch of each unit, and fetches the units in their order. RC_OK: everything that was packed
 * is staged; when n_members is 0, nothing is staged. Any other code: nothing usable is staged, and
 * the caller must give the plan up: RC_AGAIN, RC_CONFLICT (from tick: the plan was fenced),
 * RC_FATAL …
 */
enum rc bundle_make(const struct bundle_job *job, struct unit **units, size_t n,
	struct bundle *ret_bundle, struct err *err);

#endif
