/*
 * ledger over the data folder (tables plan, claim). Contract: port/ledger.h. Every call is one
 * transaction or one read; no outcome is unknown here: a commit that is not reported as done has
 * ended the process or was rolled back.
 */
#ifndef BALER_ADAPTER_LOCAL_LEDGER_LEDGER_H
#define BALER_ADAPTER_LOCAL_LEDGER_LEDGER_H

#include "adapter/local/engine/row_sum.h"
#include "adapter/local/local_internal.h"
#include "port/ledger.h"

/* Part of local_open: sets local->ledger. */
void local_ledger_open(struct local *local);

struct local_ledger {
	struct ledger base;
	struct local *local;
};

/* Reports a damaged record once. */
static inline void ledger_note_record(
	const struct local *local, const struct object_id *o, const struct err *err)
{
	damage_note(local->damage,
		&(struct damage_found){.kind = DAMAGE_RECORD,
			.owner = row_sum_claim(o, 0, o->version, 0, 0, o->key),
			.bucket = o->bucket,
			.key = o->key,
			.version = o->version,
			.what = slice_str(err->text)});
}

/* ledger_read.c */
enum rc ledger_plan_get(struct ledger *lg, struct arena *a, const struct plan_id *id,
	struct lg_plan *ret_plan, struct err *err);
enum rc ledger_plan_scan(struct ledger *lg, struct arena *a, unsigned states,
	const struct plan_id *after, size_t max, struct lg_plan **ret_plans, size_t *ret_n,
	struct err *err);

/* The verbs of ledger_claim.c. */
enum rc ledger_claim(struct ledger *lg, struct arena *a, const struct plan_id *plan,
	struct lg_claim *claims, size_t n, struct err *err);
enum rc ledger_swap(struct ledger *lg, struct arena *a, const struct plan_id *plan,
	struct lg_claim *claims, size_t n, struct err *err);
enum rc ledger_reject(struct ledger *lg, const struct plan_id *plan, struct lg_reject *rejects,
	size_t n, struct err *err);
enum rc ledger_object_get(struct ledger *lg, struct arena *a, const struct object_id *object,
	struct lg_object *ret_record, struct err *err);

#endif
