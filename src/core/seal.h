/* seal: step 6, the commit point: what is fixed for ever, and what is put on record just before
 * it. */
#ifndef BALER_CORE_SEAL_H
#define BALER_CORE_SEAL_H

#include "core/bundle.h"
#include "core/plan.h"

/* The seal of a bundle: every slot that was not packed is excluded. In a; staged is borrowed
 * from the bundle. */
struct lg_seal seal_record(
	struct arena *a, const struct bundle *b, struct unit *const *units, size_t n);

/*
 * Makes the units' claims terminal with their codes. After RC_OK each unit is CLAIM_MINE
 * (rejected, on record) or CLAIM_LOST (its claim was taken, or no answer came). RC_FATAL and the
 * like: the plan is to be given up.
 */
enum rc reject_units(struct ledger *lg, struct clock *clock, const struct lg_plan *plan,
	struct unit *const *units, size_t n, struct err *err);

#endif
