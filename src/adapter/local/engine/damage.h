/*
 * damage: findings of damaged bytes, as readers report them. A finding is logged once, and
 * remembered in the folder until its thing is gone.
 *
 * The table damage holds at most DAMAGE_MAX findings, each of one thing. A finding whose thing was
 * deleted or replaced does not count any more. When the table cannot be written (the disk is full,
 * the database itself is damaged) the finding is kept in memory until the process ends. Threads:
 * damage_note may be called from any and does not block; the others as stated.
 */
#ifndef BALER_ADAPTER_LOCAL_ENGINE_DAMAGE_H
#define BALER_ADAPTER_LOCAL_ENGINE_DAMAGE_H

#include "adapter/local/engine/committer.h"

#define DAMAGE_MAX 10000
#define DAMAGE_WHAT_MAX 256

/* The numbers are the table's. */
enum damage_kind {
	DAMAGE_OBJECT = 1,      /* owner: the version's seq */
	DAMAGE_STAGE = 2,       /* the stage's id */
	DAMAGE_MESSAGE = 3,     /* the message's id, which is that of the dead letter it becomes */
	DAMAGE_DEAD_LETTER = 4, /* its id */
	DAMAGE_RECORD = 6,      /* an object's in the ledger; a number made of its name */
	DAMAGE_PLAN = 7,        /* its seq */
	DAMAGE_DATABASE = 5,    /* 0: pages of the database file */
};

struct damage_found {
	enum damage_kind kind;
	uint64_t owner;
	struct slice bucket, key, version; /* as far as they are known */
	struct slice what;                 /* a sentence */
	uint64_t found_wall_ms;            /* of damage_read */
};

struct damage;

/* All three are borrowed until damage_free. */
struct damage *damage_new(struct committer *committer, struct db *db, struct clock *clock);
/* After the committer has ended. */
void damage_free(struct damage *d);

void damage_note(struct damage *d, const struct damage_found *found);
/* The same for what a person reads in err: nothing unless rc is RC_CORRUPT; when it is SQLite
 * that says so, it is about the database. err NULL: nothing. */
void damage_note_err(
	struct damage *d, enum rc rc, const struct err *err, const struct damage_found *found);

/* At most max of the findings whose thing still exists, in a, the oldest first; *ret_total: how
 * many there are. */
enum rc damage_read(struct damage *d, struct db_conn *conn, struct arena *a, size_t max,
	struct damage_found **ret_found, size_t *ret_n, uint64_t *ret_total, struct err *err);

/* "object", "stage", … */
const char *damage_kind_name(enum damage_kind kind);

#endif
