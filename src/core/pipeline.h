/*
 * pipeline: one worker that turns events into bundles, exactly once. docs/protocol.md is its
 * specification.
 *
 * pipeline_step does one unit of work and returns: it waits a short time for messages, or carries
 * one plan from open to acknowledged, or looks after plans that others left. The owner of the
 * thread calls it in a loop, so that a simulator can drive the same code on a virtual clock. This
 * folder has all policy; everything outside is reached through the ports.
 *
 * Threads: one thread at a time uses a pipeline; pipeline_stop and pipeline_stats may be called
 * from any thread (stop also from a signal handler). Any number of pipelines, in one process or
 * many, may share the same ports, because the ledger decides.
 *
 * Memory: the messages in hand, bounded by config.memory (hand.h says what one takes); the bodies
 * of one receive; gzip's window and the store's window. Never a whole object.
 */
#ifndef BALER_CORE_PIPELINE_H
#define BALER_CORE_PIPELINE_H

#include "base/budget.h"
#include "base/clock.h"
#include "base/prng.h"
#include "base/sync.h"
#include "core/unfinished.h"
#include "pack/gzip.h"
#include "port/event_queue.h"
#include "port/ledger.h"
#include "port/object_store.h"

/* All are borrowed, and must outlive the pipeline. */
struct pipeline_ports {
	struct object_store *landing;      /* where objects are read */
	struct object_store *distribution; /* where bundles go; may be the same */
	struct event_queue *queue;
	struct ledger *ledger;
	struct clock *clock;
	struct prng *prng; /* this pipeline's alone */
	/* The pool compresses. NULL: the step compresses. No thread of the pool may run the
	 * pipeline. */
	struct work_pool *pool;
};

struct pipeline_config {
	struct pipeline_ports ports;
	const char *owner; /* a name for people, at most LG_OWNER_MAX bytes */
	const char *landing_bucket;
	const char *distribution_bucket;
	/* a bucket of the same store for a copy and a manifest of every bundle; NULL: none */
	const char *archive_bucket;
	enum gzip_mode compression;

	/* An object of this size or larger goes in a bundle of its own, and so does an object that
	 * the store gives slowly, so that no other object waits for it. 0: never. */
	uint64_t alone_bytes;
	/* Bundles that are made at once, each on its own thread (pipeline_make). At most half of
	 * them hold objects that go alone, at most half hold objects that other plans have
	 * claimed, and one is always free for the rest. */
	unsigned makers;

	size_t batch_max_objects; /* 1 … 100,000 */
	/* sum of sizes, each rounded up to 512; one larger object ships alone */
	uint64_t batch_max_bytes;
	/* the pipeline's own: a larger object is a dead letter, too-large (stages_object_max) */
	uint64_t object_max_bytes;
	uint64_t batch_window_ms; /* counted from when the batch's first message was sent */
	/* Budget of the messages in hand and their plans; may be shared. A batch that fills it
	 * closes early. NULL: no limit. */
	struct budget *memory;
	struct budget *bundle_memory; /* for compressing; may be shared; NULL: no limit */

	uint64_t visibility_ms; /* longer than the window; extended while messages are in hand */
	uint64_t lease_ms; /* a plan whose heartbeat stands still this long is given up for dead */
	/* a plan that is open for longer is given up by its owner: for rounds that hang */
	uint64_t plan_max_open_ms;
	uint64_t scan_interval_ms; /* between looks at the plans of others; jittered by a half */
	/* the longest a step waits for a message: bounds how fast a stop is seen */
	uint64_t receive_wait_ms;
	uint64_t receive_pause_ms; /* between receives while a batch fills slowly */
	uint64_t retry_base_ms;    /* a failed message's first delay; doubles, with jitter */
	uint64_t retry_max_ms;
	/* the queue's limit: a message that fails by its own fault at its last receive becomes a
	 * dead letter at once, with the reason; 0: the queue does that */
	uint32_t max_receives;
	/* of object records; events that are older than this less 15 days are refused; 0: no
	 * limit */
	uint64_t retention_ms;
	/* how long the store must deny a sealed stage before the seal is undone */
	uint64_t void_wait_ms;
	/* after pipeline_stop a bundle may go on this long, then its plan is undone */
	uint64_t stop_grace_ms;

	/* At the first step every open plan in the ledger belongs to a dead process, because nobody
	 * else can use the ledger: abort them at once, without waiting for a lease. At most one
	 * pipeline of a ledger may set this, and no other pipeline may be stepped before its first
	 * step has returned. */
	bool sole_owner;
};

/* The defaults of contract.md; ports, owner and buckets are left NULL. */
void pipeline_config_init(struct pipeline_config *cfg);

enum pipeline_status {
	PIPELINE_WORKED, /* something was done; more may be ready at once */
	PIPELINE_IDLE,   /* waited */
	/* a port failed; logged, undone, and tried again after a pause of the pipeline's own */
	PIPELINE_TROUBLED,
	/* after pipeline_stop: everything in hand is handed back; stepping again does nothing */
	PIPELINE_STOPPED,
	/* this process cannot go on, and err says why; only pipeline_free may follow */
	PIPELINE_FATAL,
};

struct pipeline_stats {
	uint64_t bundles;         /* published by this pipeline */
	uint64_t objects;         /* in them */
	uint64_t object_bytes;    /* their bytes, as fetched */
	uint64_t bundle_bytes;    /* their bytes, as published */
	uint64_t duplicates;      /* messages of objects that had been shipped or rejected before */
	uint64_t rejected;        /* objects rejected by this pipeline */
	uint64_t dead_letters;    /* messages made dead letters */
	uint64_t retries;         /* messages that were handed back to be tried again */
	uint64_t plans_aborted;   /* own plans given up, and plans of the dead undone */
	uint64_t plans_recovered; /* sealed plans of others published */
	uint64_t failures;        /* steps that came out troubled */
	uint64_t in_hand;         /* messages received and not settled; a level, not a count */
	uint64_t in_hand_bytes;   /* memory that they hold; a level */
};

struct pipeline;

/* Copies cfg. Never NULL. */
struct pipeline *pipeline_new(const struct pipeline_config *cfg);
/* Frees the pipeline without handing back the messages in hand; to hand them back, step until
 * PIPELINE_STOPPED. NULL is allowed. */
void pipeline_free(struct pipeline *p);

/* Blocks at most receive_wait_ms when there is nothing to do, else as long as one bundle takes. */
enum pipeline_status pipeline_step(struct pipeline *p, struct err *err);

/* Asks the pipeline to end: the step in progress finishes its work, and the next one hands the rest
 * back and returns PIPELINE_STOPPED. */
void pipeline_stop(struct pipeline *p);

/*
 * The three kinds of work of pipeline_step, for a process that gives each its own threads so that
 * none waits for another: one thread loops around pipeline_intake, one around pipeline_scan, and
 * config.makers threads around pipeline_make. The same functions do the work as in pipeline_step.
 * prng must be the system's then, and err is not NULL.
 *
 * Each returns PIPELINE_STOPPED some time after pipeline_stop. The intake returns it last, when no
 * bundle is being made and the messages in hand are handed back. After one of them has returned
 * PIPELINE_FATAL all return it.
 */
enum pipeline_status pipeline_intake(struct pipeline *p, struct err *err);
enum pipeline_status pipeline_make(struct pipeline *p, struct err *err);
enum pipeline_status pipeline_scan(struct pipeline *p, struct err *err);

struct pipeline_stats pipeline_stats(const struct pipeline *p);
/* Plans that cannot be published. Any thread. */
void pipeline_unfinished(const struct pipeline *p, struct unfinished_report *ret);

#endif
