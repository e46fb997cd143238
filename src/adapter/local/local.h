/*
 * local: the embedded default. One data folder is the bucket store, the event queue, the ledger and
 * the aggregator's object store: a put and its event, claims, seal and publish share SQLite's
 * transactions (docs/decisions: durability by group commit).
 *
 * Threads: one committer writes, one or two blob threads fsync and unlink files; reads use the
 * callers' threads. The stores belong to struct local and live as long as it does; their close does
 * nothing. Any thread may call them.
 *
 * Memory: database_bytes for SQLite (without a limit 16 MiB of the writer's cache and 1 MiB of each
 * of at most 32 readers); the budget of bodies; and for each put that is under way its key and
 * headers, a few KiB.
 */
#ifndef BALER_ADAPTER_LOCAL_LOCAL_H
#define BALER_ADAPTER_LOCAL_LOCAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"

struct budget;
struct bucket_store;
struct object_store;
struct event_queue;
struct key_store;
struct ledger;
struct op_port;
struct local;

/* A put of a key below one of the prefixes in this bucket makes an event [BS-2]. No bucket: no
 * events. */
struct local_notify {
	const char *bucket;
	const char *const *prefixes; /* "" is every key */
	size_t n_prefixes;
};

struct local_config {
	const char *folder;
	struct clock *clock;
	const char *region; /* in events, and bucket_region's answer */
	struct local_notify notify;
	uint32_t max_receives; /* [EQ-7]; ≥ 1 */
	/* Budget of bodies until they are in their row. When it is used up, bodies go to files.
	 * NULL: no limit. */
	struct budget *bodies;
	/* Bytes for SQLite in the whole process; with less, pages are read again instead of kept.
	 * 0: no limit. */
	uint64_t database_bytes;
};

/* Opens or makes the folder; everything in cfg is copied but the clock. Sweeps what a crash
 * left. What else the program keeps in the folder (keys) it writes after this. RC_REFUSED: as
 * db_open; RC_FATAL. */
enum rc local_open(const struct local_config *cfg, struct local **ret_local, struct err *err);
/* Discards stages under keys that no plan of the ledger may still publish. They come from a direct
 * invocation, which has no plan, or from a plan's owner that went on staging after it was given up,
 * and then died. Call it only before any other work of the folder's one owner. *ret_n: how many
 * stages. */
enum rc local_sweep_stages(struct local *local, size_t *ret_n, struct err *err);
/* After every done and every call. */
void local_close(struct local *local);

struct bucket_store *local_bucket_store(struct local *local);
struct object_store *local_object_store(struct local *local);
struct event_queue *local_event_queue(struct local *local);
struct ledger *local_ledger(struct local *local);

/* The operator's questions and changes (port/operator.h). All strings are copied. */
struct local_operator_config {
	const char *version; /* of baler */
	const char *landing_bucket, *event_prefix, *distribution_bucket;
	bool is_landing_local; /* false: the landing bucket is in another store */
	const char *archive_bucket; /* NULL: none */
};
/* The caller's to close, before local_close. */
struct op_port *local_operator_new(struct local *local, const struct local_operator_config *cfg);

/* Access keys (port/key_store.h). Their secrets are sealed with FOLDER/master-key, made (mode
 * 0600) with the first key. Closed by the caller, before local_close. RC_REFUSED: others may
 * read the master key; RC_CORRUPT: it is missing or does not fit; RC_FATAL. */
enum rc local_keys_open(struct local *local, struct key_store **ret_keys, struct err *err);

/* SQLite's memory in this process, now and at most since its start. */
void local_database_bytes(uint64_t *ret_used, uint64_t *ret_peak);

/* Since start, for metrics and benches. */
struct local_stat {
	uint64_t commits, operations;
};
struct local_stat local_stat(struct local *local);

#endif
