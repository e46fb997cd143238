/*
 * journal: the list of the bundles that were extracted. With it no bundle is extracted twice,
 * neither after a crash between extracting and deleting, nor when bundles are kept in the
 * bucket. The journal is a text file in the folder of the pull, with one line for each bundle.
 * Each line is fsynced before journal_add returns. A line that a crash cut off was never
 * promised, so it is dropped.
 *
 * A bundle is identified by (key, time, ETag) as the listing gives them. A bundle that was
 * replayed from the archive has another time, so it is extracted again. The time of its first
 * arrival still decides its order among other bundles.
 *
 * INVARIANT: a bundle is in the journal only when all its files, and the folders that contain
 * them, are on disk.
 *
 * Size: all bundles that are in the bucket, and of the others, which a replay may bring back,
 * the last `keep` ones (up to twice as many between two trims). A bundle that was forgotten and
 * is replayed is extracted again, and counts as published at that time. Thread-safe.
 */
#ifndef BALER_CONSUMER_JOURNAL_H
#define BALER_CONSUMER_JOURNAL_H

#include "port/object_store.h"

#define JOURNAL_KEEP 100000u

struct journal;

/* path: the file, which is made if it does not exist. RC_FATAL: it cannot be read or written.
 * RC_AGAIN: the disk is full. */
enum rc journal_open(const char *path, size_t keep, struct journal **ret_journal, struct err *err);
bool journal_has(struct journal *j, const struct os_object *bundle);
/* Returns when a bundle of this key was first published; if the journal does not know, the time of
 * this bundle. The key counts as seen in the current listing. */
uint64_t journal_first_ms(struct journal *j, const struct os_object *bundle);
/* RC_OK: the line is durable. Any other code: the journal is unchanged. */
enum rc journal_add(struct journal *j, const struct os_object *bundle, struct err *err);
/* Call this before a listing of the whole bucket, and journal_trim after it. Bundles that were not
 * seen in between may be forgotten. */
void journal_begin_listing(struct journal *j);
/* Makes the file and the memory smaller, if enough can be forgotten. Any other code than RC_OK:
 * nothing is forgotten, and the journal can be used as before. */
enum rc journal_trim(struct journal *j, struct err *err);
void journal_close(struct journal *j);

#endif
