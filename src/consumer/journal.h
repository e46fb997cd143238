/*
 * journal: which bundles have been extracted, so that none is twice: not after a crash between extracting and deleting, not
 * when bundles are kept in the bucket. A text file in the folder pulled to, one line a bundle, each line fsynced before
 * journal_add returns; a line torn by a crash was not promised and is dropped.
 *
 * A bundle is (key, time, ETag) as the listing gives them: replayed from the archive it has another time, and is extracted
 * again. The time of its first arrival stays what orders it among others.
 *
 * INVARIANT: a bundle is in the journal only when all its files, and the folders they are in, are on disk.
 *
 * Bounded: what is in the bucket, and of the rest, which may come back by a replay, the last bundles: as many as keep says, or
 * up to twice that between two trims. One forgotten, and replayed, is extracted again, and counts as published then. Thread-safe.
 */
#ifndef BALER_CONSUMER_JOURNAL_H
#define BALER_CONSUMER_JOURNAL_H

#include "port/object_store.h"

#define JOURNAL_KEEP 100000u

struct journal;

/* path: the file; made when it is not there. RC_FATAL, RC_AGAIN. */
enum rc journal_open(const char *path, size_t keep, struct journal **ret_journal, struct err *err);
bool journal_has(struct journal *j, const struct os_object *bundle);
/* When the bundle of this key was first published, as far as known; else this one's time. It counts as seen in this listing. */
uint64_t journal_first_ms(struct journal *j, const struct os_object *bundle);
/* Durable with RC_OK; else as if it had not been called. */
enum rc journal_add(struct journal *j, const struct os_object *bundle, struct err *err);
/* Around a listing of the whole bucket: what is not seen between these two may be forgotten. */
void journal_begin_listing(struct journal *j);
/* Makes file and memory small again, if it is worth it. Another code than RC_OK: nothing is forgotten, and all goes on. */
enum rc journal_trim(struct journal *j, struct err *err);
void journal_close(struct journal *j);

#endif
