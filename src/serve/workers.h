/*
 * workers: the threads of a pipeline in a long-running process: one receives, one scans, and
 * several make bundles, so that a large or slow object, or a plan that hangs, holds up no other.
 *
 * Memory: each maker compresses one bundle within the share "bundles" (serve/memory.h) and reads
 * from another store within the window of adapter/aws/s3; the messages that all of them hold are
 * the share "messages".
 */
#ifndef BALER_SERVE_WORKERS_H
#define BALER_SERVE_WORKERS_H

#include <stdatomic.h>

#include "core/pipeline.h"

/* bundles at once: at least two for ordinary batches, and two for large or slow objects */
#define WORKERS_MAKERS 4

struct workers;

/* p is borrowed until workers_join. *is_recovered becomes true when the first look at what a
 * dead process left is over. When the pipeline cannot go on, *has_failed becomes true and the
 * process gets SIGTERM. */
struct workers *workers_start(struct pipeline *p, unsigned n_makers, atomic_bool *is_recovered, atomic_bool *has_failed);
/* Call after pipeline_stop: waits until everything has been handed back, and frees. NULL is
 * allowed. */
void workers_join(struct workers *w);

#endif
