/*
 * direct: makes one bundle of given records at once, in their order, without queue or ledger. A
 * direct invocation asks for this. It claims no object and leaves no record, so an object that is
 * bundled twice is in two bundles. It is for tests and development, and must not run beside a
 * consumer. The bundle, its archive copy and its manifest say that they come from a direct
 * invocation (stages.h), so that an audit knows why no ledger has them.
 *
 * A record that does not fit any more closes the bundle, and so does the end of the time; the
 * records after it are left. A single object larger than the limit ships alone. A record whose
 * canonical name is already in the bundle is left too. Objects that are gone, denied, refused, or
 * not as announced count as failed.
 */
#ifndef BALER_CORE_DIRECT_H
#define BALER_CORE_DIRECT_H

#include <stdatomic.h>

#include "core/pipeline.h"
#include "model/bundle_key.h"
#include "model/s3_event.h"

#define DIRECT_RECORDS_MAX 100000

struct direct_job {
	/* ports without queue and ledger; buckets, owner, compression and batch_max_bytes */
	const struct pipeline_config *cfg;
	const struct s3_event_record *records;
	size_t n;                    /* at most DIRECT_RECORDS_MAX */
	uint64_t close_boot_ms;      /* from this time on no further object is begun; 0: no limit */
	const atomic_bool *stopping; /* gives the bundle up */
};

struct direct_result {
	size_t n_processed; /* in the bundle */
	size_t n_failed;
	size_t n_left;
	bool by_bytes, by_time;   /* the limit that closed the bundle, if one did */
	char key[BUNDLE_KEY_MAX]; /* of the bundle; empty: there was nothing to bundle */
	uint64_t bundle_bytes;
};

/* RC_OK also when every record failed. Any other code: nothing was published, because a port failed
 * or the caller stopped it. Logs the result. */
enum rc direct_run(const struct direct_job *job, struct direct_result *ret, struct err *err);

#endif
