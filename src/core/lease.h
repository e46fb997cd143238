/*
 * lease: how long the plans of others have stood still, as seen from here.
 *
 * A plan is judged by its heartbeat not changing for a whole lease on this process's own boot
 * clock; clocks of two machines are never compared. So a plan is never judged at first sight.
 */
#ifndef BALER_CORE_LEASE_H
#define BALER_CORE_LEASE_H

#include <pthread.h>

#include "base/table.h"
#include "port/ledger.h"

struct lease_sight;

/* Any thread. */
struct lease_table {
	pthread_mutex_t lock;
	struct table by_plan;
	struct lease_sight *all;
};

void lease_init(struct lease_table *t);
void lease_release(struct lease_table *t);

/* Notes the plan's state and heartbeat as they were just read. Returns for how many ms both have
 * been unchanged. */
uint64_t lease_observe(struct lease_table *t, const struct lg_plan *plan, uint64_t now_boot_ms);
/* Keeps the entry of a plan that exists but was not read in this pass, so that lease_prune does not
 * remove it. */
void lease_keep(struct lease_table *t, const struct plan_id *id, uint64_t now_boot_ms);
/* Forgets plans not looked at since then. */
void lease_prune(struct lease_table *t, uint64_t before_boot_ms);

#endif
