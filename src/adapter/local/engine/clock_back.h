/*
 * clock_back: order and time are two things. The sequence (committer_next_seq) tells in which order
 * things were written, the wall time that is written beside it tells when.
 *
 * As long as the wall clock is right, the upper bits of a number are the wall time, and a time can
 * be turned into a number. A clock that was ahead once leaves numbers ahead of it that go on
 * ascending when the clock is put right. That moment is kept in the table meta when it is more than
 * CLOCK_BACK_MS: the first number after it, and the wall time. What was written before it, with a
 * time that has not come yet, is as old as that moment.
 *
 * A clock that falls behind by mistake looks just the same. No harm is done then: only times that
 * have not come yet are replaced, and those come true when the clock is put right.
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
/* Whether the last number given out is so far ahead of the clock that the moment is to be kept, and
 * was not kept already. */
bool clock_back_is_new(const struct clock_back *back, uint64_t seq, uint64_t now_wall_ms);

/* When something was written, in wall ms; written: the time that is written beside seq. */
uint64_t clock_back_time(const struct clock_back *back, uint64_t seq, uint64_t written_wall_ms,
	uint64_t now_wall_ms);
/* A number that nothing reaches which was written before that time. It bounds a scan; what it lets
 * through is still to be judged by clock_back_time. */
uint64_t clock_back_bound(const struct clock_back *back, uint64_t wall_ms);

/* The first number of what was written from a time on, found by halving: sql gives seq and wall
 * time of the first row with seq ≥ ?2, whose ?1 is `owner`. What has a time that has not come
 * yet was written before. One above the last number when nothing was written since. */
enum rc clock_back_find(struct db_conn *conn, const char *sql, uint64_t owner, uint64_t from_wall_ms,
	uint64_t now_wall_ms, uint64_t *ret_seq, struct err *err);

#endif
