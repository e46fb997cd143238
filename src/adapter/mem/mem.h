/*
 * mem: the three ports in memory, for tests and the simulator. Nothing survives the process.
 * Everything else is as the ports promise, and the contract suites prove it. Each port has one
 * mutex, which is never held during a callback.
 */
#ifndef BALER_ADAPTER_MEM_MEM_H
#define BALER_ADAPTER_MEM_MEM_H

#include "base/clock.h"
#include "port/event_queue.h"
#include "port/ledger.h"
#include "port/object_store.h"

/* clock is borrowed. The close function of each port frees it. No constructor returns NULL. */
struct object_store *mem_object_store_new(struct clock *clock);
void mem_object_store_add_bucket(struct object_store *os, const char *name, bool versioned);
/* The number of stages that are neither published nor discarded. */
size_t mem_object_store_n_stages(struct object_store *os);
/* The key of the i-th such stage; false when there are no more. The key lives until the store is
 * closed. */
bool mem_object_store_stage(struct object_store *os, size_t i, struct slice *ret_key);

/* max_receives 0: no limit. While receive waits, it calls clock_sleep_ms for short times. */
struct event_queue *mem_event_queue_new(struct clock *clock, uint32_t max_receives);
/* The i-th dead letter in order of death; false when there are no more. Slices live until the
 * queue is closed. */
bool mem_event_queue_dead(
	struct event_queue *q, size_t i, struct slice *ret_body, struct slice *ret_code);

struct ledger *mem_ledger_new(void);
/* Shows the i-th plan in order of opening; false when there are no more. Slices live until the
 * ledger is closed. */
bool mem_ledger_plan(struct ledger *lg, size_t i, struct lg_plan *ret_plan, bool *ret_discarded);

#endif
