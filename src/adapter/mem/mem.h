/*
 * mem: the three ports in memory, for tests and the simulator. Nothing survives the process; everything else is as the
 * ports say, and the contract suites prove it. Thread-safe: one mutex each, never held across a callback.
 */
#ifndef BALER_ADAPTER_MEM_MEM_H
#define BALER_ADAPTER_MEM_MEM_H

#include "base/clock.h"
#include "port/event_queue.h"
#include "port/ledger.h"
#include "port/object_store.h"

/* clock is borrowed. Closing frees. None returns NULL. */
struct object_store *mem_object_store_new(struct clock *clock);
void mem_object_store_add_bucket(struct object_store *os, const char *name, bool versioned);
/* Stages neither published nor discarded. */
size_t mem_object_store_n_stages(struct object_store *os);
/* The key of the i-th of them; false when there are no more. Lives until the store is closed. */
bool mem_object_store_stage(struct object_store *os, size_t i, struct slice *ret_key);

/* max_receives 0: no limit. Waiting in receive is clock_sleep_ms in small pieces. */
struct event_queue *mem_event_queue_new(struct clock *clock, uint32_t max_receives);
/* The i-th dead letter in order of death; false when there are no more. Slices live until the queue is closed. */
bool mem_event_queue_dead(
	struct event_queue *q, size_t i, struct slice *ret_body, struct slice *ret_code);

struct ledger *mem_ledger_new(void);
/* The i-th plan in order of opening, to look at: false when there are no more. Slices live until the ledger is closed. */
bool mem_ledger_plan(struct ledger *lg, size_t i, struct lg_plan *ret_plan, bool *ret_discarded);

#endif
