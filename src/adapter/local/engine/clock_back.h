/*
 * clock_back: separates order from time. The sequence (committer_next_seq) tells in which order
 * things were written; the wall time that is stored beside it tells when.
 *
 * While the wall clock is right, the upper bits of a number are the wall time, and a time can be
 * converted into a number. A clock that was ahead once leaves numbers that are ahead of the time,
 * and they go on ascending when the clock is put right. When the difference is more than
 * CLOCK_BACK_MS, that moment is kept in the table meta: the first number after it, and the wall
 * time. Something that was written before that moment, with a time in the future, counts as old as
 * that moment.
 *
 * A clock that falls behind by mistake looks the same. Then no harm is done: only times in the
 * future are replaced, and they are true again when the clock is put right.
 */
#ifndef BALER_ADAPTER_LOCAL_ENGINE_CLOCK_BACK_H
#define BALER_ADAPTER_LOCAL_ENGINE_CLOCK_BACK_H

#include "adapter/local/engine/db.h"

#define CLOCK_BACK_MS (24 * UINT64_C(3600000))

/* Zeros: it never happened. */
struct clock_back {
	uint64_t seq, wall_ms;
};

enum rc clock_back_read(struct db_conn *conn, struct clock_back *ret_back, struct err *err);
/* Inside a transaction of the committer's. */
enum rc clock_back_save(
	struct db_conn *conn, const struct clock_back *back, struct err *err);
/* Whether the last number is so far ahead of the clock that the moment must be kept, and is not
 * kept yet. */
bool clock_back_is_new(const struct clock_back *back, uint64_t seq, uint64_t now_wall_ms);

/* When something was written, in wall ms; written: the time that is written beside seq. */
uint64_t clock_back_time(const struct clock_back *back, uint64_t seq, uint64_t written_wall_ms,
	uint64_t now_wall_ms);
/* A number above all numbers that were written before that time. It bounds a scan; clock_back_time
 * must still judge each row. */
uint64_t clock_back_bound(const struct clock_back *back, uint64_t wall_ms);

/* The first number that was written at or after a time, found by a binary search: sql gives seq and
 * wall time of the first row with seq ≥ ?2, and its ?1 is `owner`. A row with a time in the future
 * counts as written before. One above the last number when nothing was written since. */
enum rc clock_back_find(struct db_conn *conn, const char *sql, uint64_t owner, uint64_t from_wall_ms,
	uint64_t now_wall_ms, uint64_t *ret_seq, struct err *err);

#endif
