/*
 * operator: what a person may ask of a running baler, and the few things that person may change.
 *
 * [OP-1] status is one moment's view; its numbers are read, not estimated, and cost no scan that
 *        grows with the objects, messages, dead letters or bundles there are: it is asked every
 *        few seconds.
 * [OP-2] dead_list gives dead letters in ascending order of id, at most max a page, and none
 *        beyond the one that brings their messages to OP_PAGE_BYTES; going on behind the last id
 *        of a page loses and repeats nothing that was there all along. dead_get gives one with
 *        its original bytes.
 * [OP-3] redrive puts the original bytes of a dead letter back into the queue as a new message,
 *        takes the dead letter away and makes each rejected object that it names claimable
 *        again, all in one transaction, with a row in the audit for each change.
 * [OP-4] redrive and drop are safe to repeat: what an earlier one has done is OP_ALREADY and
 *        changes nothing.
 * [OP-5] redrive never opens an object again that is a member of a bundle: the entry is
 *        OP_REFUSED and changes nothing.
 * [OP-6] drop takes a dead letter away for good; its objects' records stay as they are.
 * [OP-7] where answers for each object exactly one of enum op_place, the first that holds in
 *        their order there.
 * [OP-8] unknown answers for each of many versions whether nothing here knows of it: no record
 *        in the ledger, and no message or dead letter that names it. It costs one look at each
 *        message and dead letter, however many versions are asked about.
 *
 * Calls block and may be made from any thread. Ids are 16 lower-case hex digits, ascending in time.
 */
#ifndef BALER_PORT_OPERATOR_H
#define BALER_PORT_OPERATOR_H

#include "base/arena.h"
#include "base/big_endian.h"
#include "base/err.h"
#include "model/bundle_key.h"
#include "model/object_id.h"

#define OP_ID_BYTES 17    /* with the terminator */
#define OP_PAGE_MAX 1000  /* dead letters in one page */
#define OP_PAGE_BYTES (2u << 20) /* of their messages */
#define OP_BATCH_MAX 500  /* ids in one redrive or drop */
#define OP_DAMAGE_MAX 20
#define OP_WHO_MAX 128    /* bytes of who asks: an access key's name */
#define OP_RATE_MS 60000u /* the time that rates are counted over */

/* Something stored that is damaged or cannot be read. */
struct op_damage {
	/* "object", "stage", "message", "dead-letter", "database" */
	const char *kind;
	uint64_t id;                       /* of a message or dead letter: op_id_format */
	struct slice bucket, key, version; /* as far as they are known */
	struct slice what;                 /* a sentence */
	uint64_t found_wall_ms;
};

struct op_status {
	const char *version; /* of baler */
	uint64_t now_wall_ms, uptime_ms;
	uint64_t queue_visible, queue_in_flight, dead_letters; /* messages */
	/* age of the oldest not acknowledged */
	uint64_t queue_oldest_ms;
	uint64_t plans_open, plans_sealed;
	const char *landing_bucket, *distribution_bucket;
	/* false: objects and bytes of the landing bucket are not known */
	bool is_landing_local;
	uint64_t landing_objects, landing_bytes;  /* versions kept, and their bytes */
	/* in distribution, not yet deleted by the consumer */
	uint64_t waiting_bundles, waiting_bytes;
	/* within the last OP_RATE_MS: objects, members of bundles, bundles */
	uint64_t received, bundled, bundles;
	/* Damaged things that were neither deleted nor replaced since: how many, and the first
	 * OP_DAMAGE_MAX of them. */
	uint64_t n_damaged;
	struct op_damage *damage;
	size_t n_damage;
	/* The wall clock is found so far behind the newest thing that is stored, within the last
	 * day; 0: it is not. */
	uint64_t clock_behind_ms;
	/* The disk of the data folder; free: for objects and bundles. */
	uint64_t disk_free_bytes, disk_total_bytes;
	bool is_disk_refusing;     /* a write found no room within the last minute */
	struct slice disk_waiting; /* the bundle that waits for room on it; empty: none */
	/* bytes that the bundle needs, and bytes that were free */
	uint64_t disk_needed_bytes, disk_had_bytes;
	bool is_filling;   /* a folder of an older baler: checksums of its bodies are being taken */
	uint64_t n_filled; /* so many, since the start */
	/* The last line of level ERROR or CRITICAL since the start. */
	bool has_error;
	uint64_t error_wall_ms;
	struct slice error_event, error_text;
};

struct op_dead {
	char id[OP_ID_BYTES];
	struct slice code, reason;
	struct slice message; /* the original bytes, unless: */
	bool is_damaged;      /* the store did not keep them; it cannot be redriven */
	uint32_t attempts;
	uint64_t sent_wall_ms, died_wall_ms;
};

struct op_dead_page {
	struct op_dead *dead;
	size_t n;
	bool truncated;         /* there are more dead letters after the last one */
	char last[OP_ID_BYTES]; /* the newest id of all dead letters; "" when there is none */
};

enum op_outcome { OP_DONE, OP_ALREADY, OP_NOT_THERE, OP_REFUSED };

struct op_change {
	char id[OP_ID_BYTES]; /* asked for */
	/* results */
	enum op_outcome outcome;
	char message_id[OP_ID_BYTES]; /* redriven, now or before: the message it became */
	uint32_t n_reopened;          /* objects made claimable again */
	char why[160];                /* for OP_ALREADY and OP_REFUSED */
};

enum op_place {
	/* not in the landing bucket, or not below the event prefix: it is not bundled */
	OP_NOT_WATCHED,
	OP_MEMBER,       /* member of a sealed or published bundle */
	OP_CLAIMED,      /* by a plan that is open */
	OP_REJECTED,     /* never to be bundled, unless it is redriven */
	/* its message is in the queue, or its plan was given up and it will be claimed again */
	OP_WAITING,
	OP_DEAD,         /* its message is a dead letter */
	/* it is stored, but nothing will bundle it: there is no record and no message */
	OP_NO_MESSAGE,
	OP_NOT_FOUND,    /* no such key, or no such version of it */
};

struct op_where {
	enum op_place place;
	/* version is filled in when the question had none: the newest version that is no delete
	 * marker, else the one that the ledger had last. */
	struct object_id object;
	/* the version is not in the landing bucket any more; never set for an object of another
	 * store */
	bool is_gone;
	struct slice bundle_bucket, bundle_key; /* member, claimed */
	bool is_published;                      /* member: else sealed */
	uint64_t bundle_bytes;                  /* member */
	/* published, and not in its bucket any more, because a consumer or retention removed it */
	bool is_taken;
	bool is_archived;                       /* the archive has it */
	/* the dead letter of a rejected or dead one, or "" */
	char dead_id[OP_ID_BYTES];
	uint32_t attempts;                      /* plans that have claimed it */
	/* a sentence; for a rejected one the code is in code */
	struct slice why;
	struct slice code;
};

struct op_port;

struct op_port_ops {
	/* All memory is from a, here and below. */
	enum rc (*status)(struct op_port *op, struct arena *a, struct op_status *ret_status, struct err *err);
	/* after: "" or an id. max: 1 … OP_PAGE_MAX. */
	enum rc (*dead_list)(struct op_port *op, struct arena *a, const char *after, size_t max,
		struct op_dead_page *ret_page, struct err *err);
	/* RC_ABSENT. */
	enum rc (*dead_get)(struct op_port *op, struct arena *a, const char *id, struct op_dead *ret_dead,
		struct err *err);
	/* n ≤ OP_BATCH_MAX. Each entry has its outcome when the call is RC_OK; nothing was
	 * changed otherwise. */
	enum rc (*redrive)(struct op_port *op, const char *who, struct op_change *changes, size_t n,
		struct err *err);
	enum rc (*drop)(struct op_port *op, const char *who, struct op_change *changes, size_t n,
		struct err *err);
	/* version empty: the newest. */
	enum rc (*where)(struct op_port *op, struct arena *a, const struct object_id *object,
		struct op_where *ret_where, struct err *err);
	/* [OP-8] */
	enum rc (*unknown)(struct op_port *op, const struct object_id *objects, size_t n, bool *ret_unknown,
		struct err *err);
	void (*close)(struct op_port *op);
};

struct op_port {
	const struct op_port_ops *ops;
};

/* One-line dispatch. */
#define op_status_get(op, ...) ((op)->ops->status((op), __VA_ARGS__))
#define op_dead_list(op, ...) ((op)->ops->dead_list((op), __VA_ARGS__))
#define op_dead_get(op, ...) ((op)->ops->dead_get((op), __VA_ARGS__))
#define op_redrive(op, ...) ((op)->ops->redrive((op), __VA_ARGS__))
#define op_drop(op, ...) ((op)->ops->drop((op), __VA_ARGS__))
#define op_unknown(op, ...) ((op)->ops->unknown((op), __VA_ARGS__))
#define op_where_is(op, ...) ((op)->ops->where((op), __VA_ARGS__))

static inline void op_close(struct op_port *op)
{
	if (op)
		op->ops->close(op);
}

/* An id from a number and back; false unless text is exactly such an id. */
static inline void op_id_format(uint64_t number, char out[OP_ID_BYTES])
{
	for (int i = 0; i < 16; i++)
		out[i] = "0123456789abcdef"[number >> (60 - 4 * i) & 15];
	out[16] = '\0';
}

static inline bool op_id_parse(struct slice text, uint64_t *ret_number)
{
	unsigned char bytes[8];

	if (!hex_decode(text, bytes, sizeof(bytes)))
		return false;
	*ret_number = big_endian_load(bytes);
	return true;
}

/* As the API and the command line show them. */
static inline const char *op_place_name(enum op_place place)
{
	static const char *const names[] = {"not-watched", "member", "claimed", "rejected",
		"waiting", "dead-letter", "no-message", "not-found"};

	return names[place];
}

static inline const char *op_outcome_name(enum op_outcome outcome)
{
	static const char *const names[] = {"done", "already", "not-there", "refused"};

	return names[outcome];
}

#endif
