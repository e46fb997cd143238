/*
 * ledger: the records that decide. docs/protocol.md section 1 says what they mean; here is what
 * an adapter promises.
 *
 * [LG-1] Every write is conditional and atomic per record: RC_OK applied, RC_CONFLICT certainly
 *        not applied because the condition was false, RC_AGAIN certainly not applied, RC_UNKNOWN
 *        perhaps applied now or later.
 * [LG-2] Reads see every write that was answered RC_OK before they began.
 * [LG-3] A write answered RC_OK is there after a crash.
 * [LG-4] plan_open creates a plan once: a second with the same id is RC_CONFLICT, whatever the
 *        first has become.
 * [LG-5] A plan moves only open→sealed→done, open→aborted, sealed→aborted (void); any other move
 *        is RC_CONFLICT.
 * [LG-6] plan_beat and plan_seal succeed only on an open plan with this nonce; plan_abort only
 *        on an open plan whose heartbeat is the one given (LG_ANY_HEARTBEAT: whatever it is).
 * [LG-7] claim puts a record if there is none (RC_OK, attempts 1); else it changes nothing,
 *        gives RC_CONFLICT and the record.
 * [LG-8] swap moves a claim from plan Q to plan P and slot, adding one to attempts (uncounted:
 *        none), only if the record is claimed by Q.
 * [LG-9] reject makes a claim of plan P terminal, only if the record is claimed by P. Terminal
 *        records never change.
 * [LG-10] No call deletes an object record.
 * [LG-11] scan gives every plan in the states asked for that was there before the scan began;
 *         others may be missing or not.
 * [LG-12] plan_discarded marks an aborted plan whose stage is gone; scan does not give it again.
 * [LG-13] Batches: each entry has a result of its own; the call's own code is RC_OK unless
 *         nothing could be tried.
 * [LG-14] plan_seal refuses (RC_REFUSED) a staged record of more than LG_STAGED_MAX bytes and a
 *         bitmap that does not fit n_slots.
 *
 * Calls block and may be made from any thread.
 */
#ifndef BALER_PORT_LEDGER_H
#define BALER_PORT_LEDGER_H

#include "base/arena.h"
#include "base/err.h"
#include "model/bundle_key.h"
#include "model/object_id.h"

#define LG_NONCE_BYTES 16
#define LG_SHA256_BYTES 32
#define LG_STAGED_MAX (256 * 1024) /* bytes of the store's record of a staged upload */
#define LG_OWNER_MAX 64            /* bytes of the owner's name */
#define LG_REASON_MAX 64           /* bytes of a rejection's code */
#define LG_ANY_HEARTBEAT UINT64_MAX
/* the heartbeat that an owner writes on a plan before it aborts that plan itself */
#define LG_GIVEN_UP ((uint64_t)INT64_MAX)
#define LG_BATCH_MAX 100000

enum plan_state { PLAN_OPEN = 1, PLAN_SEALED = 2, PLAN_DONE = 4, PLAN_ABORTED = 8 };

/* As logs and errors show it. */
static inline const char *plan_state_name(enum plan_state state)
{
	switch (state) {
	case PLAN_OPEN:
		return "open";
	case PLAN_SEALED:
		return "sealed";
	case PLAN_DONE:
		return "done";
	case PLAN_ABORTED:
		return "aborted";
	}
	return "in no known state";
}

/*
 * The fields that sealing fixes for ever. Membership is slot < n_slots and slot not in excluded.
 *
 * excluded is a bitmap: slot s is bit s % 8 (1 << s % 8) of byte s / 8, and 1 means that the slot
 * is no member. It has LG_BITMAP_BYTES(n_slots) bytes, at most 12,500, or none when all slots are
 * members. Bits at and above n_slots are 0. Every adapter keeps it in this form.
 */
struct lg_seal {
	struct slice staged; /* the object store's own record of the upload and its parts */
	uint64_t size_bytes;
	unsigned char sha256[LG_SHA256_BYTES];
	uint32_t n_slots;
	struct slice excluded;
};

#define LG_BITMAP_BYTES(n_slots) (((size_t)(n_slots) + 7) / 8)

static inline bool lg_is_excluded(struct slice excluded, uint64_t slot)
{
	return slot / 8 < excluded.n && excluded.p[slot / 8] >> slot % 8 & 1;
}

static inline uint32_t lg_count_excluded(struct slice excluded)
{
	uint32_t n = 0;

	for (size_t i = 0; i < excluded.n; i++)
		n += (uint32_t)__builtin_popcount(excluded.p[i]);
	return n;
}

/* Whether the bytes can be the bitmap of n_slots slots. */
static inline bool lg_excluded_fits(struct slice excluded, uint64_t n_slots)
{
	if (excluded.n == 0)
		return true;
	return excluded.n == LG_BITMAP_BYTES(n_slots) &&
	       (n_slots % 8 == 0 || excluded.p[excluded.n - 1] >> n_slots % 8 == 0);
}

struct lg_plan {
	struct plan_id id;
	enum plan_state state;
	uint64_t heartbeat; /* counts up; only its changing means anything */
	unsigned char nonce[LG_NONCE_BYTES];
	struct slice owner;  /* a name for people */
	struct slice bucket; /* where the bundle goes */
	struct slice key;
	uint64_t opened_wall_ms;
	struct lg_seal seal; /* when sealed or done */
};

enum lg_object_state { LG_CLAIMED = 1, LG_REJECTED = 2 };

struct lg_object {
	enum lg_object_state state;
	struct plan_id plan; /* claimed by, or rejected in */
	uint32_t slot;
	uint32_t attempts;   /* plans that have claimed it, this one included */
	struct slice reason; /* rejected: the code */
};

struct lg_claim {
	struct object_id object;
	uint32_t slot;
	/* swap only: the plan that must hold the claim now */
	struct plan_id from;
	bool uncounted; /* attempts stays: Q did not die of this object */
	/* results */
	enum rc result;
	struct lg_object record; /* after RC_OK: as written; after RC_CONFLICT: as found */
};

struct lg_reject {
	struct object_id object;
	struct slice reason;
	enum rc result;
};

struct ledger;

struct ledger_ops {
	/* state must be PLAN_OPEN; seal is not looked at. */
	enum rc (*plan_open)(struct ledger *lg, const struct lg_plan *plan, struct err *err);
	/* RC_ABSENT. All memory from a. */
	enum rc (*plan_get)(struct ledger *lg, struct arena *a, const struct plan_id *id,
		struct lg_plan *ret_plan, struct err *err);
	/* Sets the heartbeat. */
	enum rc (*plan_beat)(struct ledger *lg, const struct plan_id *id,
		const unsigned char nonce[LG_NONCE_BYTES], uint64_t heartbeat, struct err *err);
	enum rc (*plan_seal)(struct ledger *lg, const struct plan_id *id,
		const unsigned char nonce[LG_NONCE_BYTES], const struct lg_seal *seal, struct err *err);
	enum rc (*plan_abort)(struct ledger *lg, const struct plan_id *id, uint64_t heartbeat,
		struct err *err);
	/* sealed→aborted */
	enum rc (*plan_void)(struct ledger *lg, const struct plan_id *id, struct err *err);
	/* sealed→done */
	enum rc (*plan_done)(struct ledger *lg, const struct plan_id *id, struct err *err);
	enum rc (*plan_discarded)(struct ledger *lg, const struct plan_id *id, struct err *err);
	/* states: an OR of enum plan_state. after: NULL or the last id of the page before; order
	 * is the adapter's own. */
	enum rc (*scan)(struct ledger *lg, struct arena *a, unsigned states, const struct plan_id *after,
		size_t max, struct lg_plan **ret_plans, size_t *ret_n, struct err *err);
	/* Records found are in a. */
	enum rc (*claim)(struct ledger *lg, struct arena *a, const struct plan_id *plan,
		struct lg_claim *claims, size_t n, struct err *err);
	enum rc (*swap)(struct ledger *lg, struct arena *a, const struct plan_id *plan,
		struct lg_claim *claims, size_t n, struct err *err);
	enum rc (*reject)(struct ledger *lg, const struct plan_id *plan, struct lg_reject *rejects, size_t n,
		struct err *err);
	/* RC_ABSENT. */
	enum rc (*object_get)(struct ledger *lg, struct arena *a, const struct object_id *object,
		struct lg_object *ret_record, struct err *err);
	void (*close)(struct ledger *lg);
};

struct ledger {
	const struct ledger_ops *ops;
};

/* One-line dispatch: lg_plan_open(lg, …) is lg->ops->plan_open(lg, …), and so on. */
#define lg_plan_open(lg, ...) ((lg)->ops->plan_open((lg), __VA_ARGS__))
#define lg_plan_get(lg, ...) ((lg)->ops->plan_get((lg), __VA_ARGS__))
#define lg_plan_beat(lg, ...) ((lg)->ops->plan_beat((lg), __VA_ARGS__))
#define lg_plan_seal(lg, ...) ((lg)->ops->plan_seal((lg), __VA_ARGS__))
#define lg_plan_abort(lg, ...) ((lg)->ops->plan_abort((lg), __VA_ARGS__))
#define lg_plan_void(lg, ...) ((lg)->ops->plan_void((lg), __VA_ARGS__))
#define lg_plan_done(lg, ...) ((lg)->ops->plan_done((lg), __VA_ARGS__))
#define lg_plan_discarded(lg, ...) ((lg)->ops->plan_discarded((lg), __VA_ARGS__))
#define lg_scan(lg, ...) ((lg)->ops->scan((lg), __VA_ARGS__))
#define lg_claim_many(lg, ...) ((lg)->ops->claim((lg), __VA_ARGS__))
#define lg_swap_many(lg, ...) ((lg)->ops->swap((lg), __VA_ARGS__))
#define lg_reject_many(lg, ...) ((lg)->ops->reject((lg), __VA_ARGS__))
#define lg_object_get(lg, ...) ((lg)->ops->object_get((lg), __VA_ARGS__))

static inline void lg_close(struct ledger *lg)
{
	if (lg)
		lg->ops->close(lg);
}

#endif
