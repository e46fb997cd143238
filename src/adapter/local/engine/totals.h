/*
 * totals: the number of messages and dead letters, and of objects that wait in a bucket. They are
 * updated with every change instead of being counted.
 *
 * Triggers update them in the same transaction, so they are right whatever changes a row, and after
 * a crash. Counting a million rows took a third of a second each time. An older folder gets them
 * when it is opened; then they are counted once.
 */
#ifndef BALER_ADAPTER_LOCAL_ENGINE_TOTALS_H
#define BALER_ADAPTER_LOCAL_ENGINE_TOTALS_H

#include "adapter/local/engine/db.h"

struct committer;

/* Makes the tables and triggers if there are none. On the writer's connection, before the
 * committer has it. */
enum rc totals_open(struct db_conn *conn, struct err *err);

enum rc totals_messages(struct db_conn *conn, uint64_t *ret_n, struct err *err);
enum rc totals_dead_letters(struct db_conn *conn, uint64_t *ret_n, struct err *err);

/* Keys of a bucket whose newest version is no delete marker, and the bytes of those versions.
 * *ret_kept false: this bucket has no totals yet, and nothing is given; totals_keep_waiting starts
 * them. */
struct waiting_total {
	uint64_t objects, bytes;
};
enum rc totals_waiting(struct db_conn *conn, uint64_t bucket, bool *ret_kept,
	struct waiting_total *ret_total, struct err *err);
/* Counts the bucket once, in a transaction. Blocks. */
enum rc totals_keep_waiting(struct committer *committer, uint64_t bucket, struct err *err);

#endif
