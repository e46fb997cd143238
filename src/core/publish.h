/* publish: steps 7 and 8 for a sealed plan: by its owner, a helper or the scanner, any number of
 * times. */
#ifndef BALER_CORE_PUBLISH_H
#define BALER_CORE_PUBLISH_H

#include "core/plan.h"

/*
 * Publishes a sealed plan: the archive's copy, the manifest, and then the bundle, so that no
 * consumer sees a bundle that is not archived. Then marks the plan done. plan is sealed or done
 * (then nothing is left to do), and is moved on. RC_OK: done (I5: published before). RC_ABSENT: the
 * store says that the bundle was never published and never can be: the caller may void the plan
 * after a wait. RC_CONFLICT: another worker has voided it. Any other code: the plan stays sealed
 * and must be tried again. Never makes the bundle again: when the store has no such object, the
 * consumer may already have taken it.
 */
enum rc publish_plan(struct object_store *os, struct ledger *lg, struct clock *clock,
	struct lg_plan *plan, struct err *err);

/* Only the part that concerns the stores, and nothing in the ledger. The codes are the same. */
enum rc publish_stages(struct object_store *os, const struct lg_plan *plan, struct err *err);

/* The bundle alone, and nothing in the ledger: RC_ABSENT proves that it was never published;
 * after a discard, RC_OK that it was. */
enum rc publish_bundle(struct object_store *os, const struct lg_plan *plan, struct err *err);

#endif
