/*
 * direct: one bundle of given records, at once, in their order, without queue or ledger: what a
 * direct invocation asks for. It claims nothing and leaves no record: the same object bundled
 * twice is in two bundles. For tests and for development, never beside a consumer. The bundle,
 * its copy in the archive and its manifest say that they are of a direct invocation (stages.h),
 * so that an auditor knows why no ledger has them.
 *
 * A record whose rounded size does not fit any more closes the bundle, and so does time running
 * out; what comes after is left. One larger object alone ships alone. A record whose canonical
 * name is taken is left too. Gone, denied, refused or not as announced: failed.
 */
#ifndef BALER_CORE_DIRECT_H
#define BALER_CORE_DIRECT_H

#include <stdatomic.h>

#include "core/pipeline.h"
#include "model/bundle_key.h"
#include "model/s3_event.h"

#define DIRECT_RECORDS_MAX 100000

struct direct_job {
	/* its ports but queue and ledger, buckets, owner, compression, batch_max_bytes */
	const struct pipeline_config *cfg;
	const struct s3_event_record *records;
	size_t n;                    /* at most DIRECT_RECORDS_MAX */
	uint64_t close_boot_ms;      /* from then on no further object is begun; 0: never */
	const atomic_bool *stopping; /* gives the bundle up */
};

struct direct_result {
	size_t n_processed; /* in the bundle */
	size_t n_failed;
	size_t n_left;
	bool by_bytes, by_time;   /* what closed it, if anything did */
	char key[BUNDLE_KEY_MAX]; /* of the bundle; empty: nothing was there to bundle */
	uint64_t bundle_bytes;
};

/* RC_OK, also when every record failed. Else nothing was published: a port failed, or it was
 * stopped. Logs what it did. */
enum rc direct_run(const struct direct_job *job, struct direct_result *ret, struct err *err);

#endif
