/*
 * committer: the one thread that writes. Operations that arrive together share one transaction
 * and one fsync.
 *
 * INVARIANTS: apply runs on the committer's thread inside a transaction; done runs on the same
 * thread after COMMIT has made it durable, or after the operation was rolled back alone; done
 * exactly once per submit, apply perhaps a dozen times: a group that fails is halved until the
 * operation that fails is alone, so that one that does not fit cannot take the others with it.
 */
#ifndef BALER_ADAPTER_LOCAL_ENGINE_COMMITTER_H
#define BALER_ADAPTER_LOCAL_ENGINE_COMMITTER_H

#include "adapter/local/engine/db.h"
#include "base/clock.h"

struct commit_op {
	/* Decides first, writes then: when it returns anything but RC_OK it must have written
	 * nothing, unless the code is RC_AGAIN or RC_FATAL from db_run, which undo the group.
	 * Must be repeatable. */
	enum rc (*apply)(struct commit_op *op, struct db_conn *conn, struct err *err);
	/* Must not block. rc and err are apply's, or the commit's when that failed. op may be
	 * freed here. */
	void (*done)(struct commit_op *op, enum rc rc, const struct err *err);
	size_t bytes; /* about how much it writes, for the group's bound */
	/* it adds bytes for a user, so it is the first to be refused when the disk gets full:
	 * RC_AGAIN ENOSPC */
	bool grows;
	/* the committer's own */
	struct commit_op *next;
	enum rc rc;
	struct err err;
};

struct committer;

/* clock: where the sequence's milliseconds come from. */
struct committer *committer_new(struct db *db, struct clock *clock);
/* Runs the submitted operations, makes a checkpoint, ends the thread. */
void committer_free(struct committer *c);

/* Never blocks. op is the committer's until done. */
void committer_submit(struct committer *c, struct commit_op *op);
/* Submits and waits; op->done is not looked at. Not from the committer's thread. */
enum rc committer_run(struct committer *c, struct commit_op *op, struct err *err);

/* The next number of the store's one sequence (versions, messages): ascending, never repeated,
 * also over restarts. Only from inside apply. It tells the order. It is wall_ms <<
 * COMMITTER_SEQ_SHIFT or a little more while the wall clock is right, and further ahead after
 * the clock was: see clock_back.h before you read a time from it. */
#define COMMITTER_SEQ_SHIFT 20 /* a million numbers a millisecond */
uint64_t committer_next_seq(struct committer *c);

struct committer_stat {
	uint64_t commits, operations; /* since start */
	/* How far the wall clock was behind the newest number when that was found out
	 * (clock_back.h), if that was within the last day; 0: it was not. */
	uint64_t clock_behind_ms;
};
struct committer_stat committer_stat(struct committer *c);

#endif
