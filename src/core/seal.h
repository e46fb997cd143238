/* seal: step 6, the commit point: the record that is fixed for ever, and the rejections that are
 * recorded just before it. */
#ifndef BALER_CORE_SEAL_H
#define BALER_CORE_SEAL_H

#include "core/bundle.h"
#include "core/plan.h"

/* The seal of a bundle: every slot that was not packed is excluded. In a; staged is borrowed
 * from the bundle. */
struct lg_seal seal_record(
	struct arena *a, const struct bundle *b, struct unit *const *units, size_t n);

/*
 * Makes the units' claims terminal with their codes. After RC_OK each unit is CLAIM_MINE (it is
 * rejected, and that is on record) or CLAIM_LOST (its claim was taken, or no answer came). RC_FATAL
 * and other codes: the caller must give the plan up.
 */
enum rc reject_units(struct ledger *lg, struct clock *clock, const struct lg_plan *plan,
	struct unit *const *units, size_t n, struct err *err);

#endif
