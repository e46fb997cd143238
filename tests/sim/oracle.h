/*
 * oracle: what must be true of a world once it is quiet, and what must be true at every moment.
 * Knows the promise, the ledger's records and the bundles' bytes; nothing of core/.
 */
#ifndef BALER_TESTS_SIM_ORACLE_H
#define BALER_TESTS_SIM_ORACLE_H

#include "world.h"

#define ORACLE_WHY_MAX 512

/* All objects of the world were announced, all faults are over, the queue has been worked off.
 * Harvests. false: why says which invariant is broken. zombies: workers may have been overtaken,
 * and have died after. */
bool oracle_final(struct world *w, bool zombies, char why[ORACLE_WHY_MAX]);

/* The archive of a harvested world: exactly the published bundles, each with its manifest. Part of
 * oracle_final. */
bool oracle_archive(struct world *w, char why[ORACLE_WHY_MAX]);
/* Whether a plan's bundle is in the archive with its manifest, if a consumer can see it. Part of
 * oracle_look. */
bool oracle_archived(struct world *w, const struct lg_plan *plan);

/* Whether there is no message, and no plan that is not at its end. */
bool oracle_is_quiet(struct world *w);

/* The state of plans and records when last looked at. */
struct oracle_watch {
	struct arena arena;
	enum plan_state *plans;
	size_t n_plans, cap_plans;
	struct lg_object *records; /* by object; state 0: none yet */
	size_t n_records, cap_records;
	bool voids_allowed; /* somebody takes sealed stages away */
};

/* Looks again: I6, I7, I9, I10. */
bool oracle_look(struct oracle_watch *o, struct world *w, char why[ORACLE_WHY_MAX]);
void oracle_watch_release(struct oracle_watch *o);

#endif
