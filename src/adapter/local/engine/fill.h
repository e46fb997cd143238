/*
 * fill: checksums for the bodies of a folder that an older baler made, taken in the background
 * at its first starts.
 *
 * One thread reads what has none, a megabyte or a file at a time, and then rests ten times as
 * long as that took, so that nobody notices. Rows' bodies go by number, and how far they are is
 * in meta (fill_body); files that are done have sums, and those before them are passed over
 * quickly: so a start goes on where the last one ended. At the end the marks go (fill_body,
 * fill_blob), and with them the thread. What is damaged by then cannot be known to be, and gets
 * the checksums of what is there; a file of another size than its row says gets none.
 */
#ifndef BALER_ADAPTER_LOCAL_ENGINE_FILL_H
#define BALER_ADAPTER_LOCAL_ENGINE_FILL_H

#include "adapter/local/engine/blobs.h"
#include "adapter/local/engine/committer.h"

struct fill;

/* NULL: there is nothing to do. All are borrowed until fill_stop. */
struct fill *fill_start(struct db *db, struct committer *committer, struct blobs *blobs);
/* Waits for the file in hand. NULL is allowed. Before the committer ends. */
void fill_stop(struct fill *f);

struct fill_stat {
	bool is_filling;
	uint64_t n_bodies; /* that got checksums since the start */
};
struct fill_stat fill_stat(struct fill *f);

#endif
