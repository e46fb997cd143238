/*
 * flight: the messages of the queue that do not simply wait: they are delivered and not yet
 * settled, or due for another delivery. In memory only; event_queue.c says why that is enough. Not
 * thread-safe: the queue's lock guards it.
 *
 * INVARIANT: a flight is in at most one of two heaps: away (by visible_boot_ms) or due (by id). A
 * flight in neither belongs to the caller that took it out, who puts it back or removes it.
 */
#ifndef BALER_ADAPTER_LOCAL_QUEUE_FLIGHT_H
#define BALER_ADAPTER_LOCAL_QUEUE_FLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* SQS's limit of messages in flight on a standard queue. 9 MiB at most, touched only as it
 * fills. */
#define FLIGHTS_MAX 120000

enum flight_place { FLIGHT_NOWHERE, FLIGHT_AWAY, FLIGHT_DUE };

struct flight {
	uint64_t id;              /* the message's row */
	uint64_t serial;          /* number of the newest delivery; never used twice */
	uint64_t visible_boot_ms; /* when it may be delivered again */
	uint32_t count_before;    /* counted deliveries before the newest */
	uint32_t stored_count;    /* receive_count of the row */
	bool is_damaged;          /* its row is damaged: it ends as a dead letter */
	bool counted;             /* the newest delivery counts too */
	/* the table's own */
	unsigned char place;
	uint32_t at; /* position in its heap; next free one when unused */
};

struct flight_heap {
	uint32_t *flights; /* indices */
	uint32_t n;
};

struct flight_table {
	struct flight *flights;
	uint32_t *slots; /* open addressing: index + 1, 0 is empty */
	uint32_t n, n_used, free_list;
	struct flight_heap heaps[2];
};

/* Deliveries that count so far. */
static inline uint32_t flight_count(const struct flight *f)
{
	return f->count_before + (f->counted ? 1 : 0);
}

void flight_table_init(struct flight_table *t);
void flight_table_release(struct flight_table *t);

/* NULL when there is none. Pointers stay good until the flight is removed. */
struct flight *flight_find(struct flight_table *t, uint64_t id);
/* A new flight, zero except for the id, in no heap. The id must be new and the table not full. */
struct flight *flight_add(struct flight_table *t, uint64_t id);
void flight_remove(struct flight_table *t, struct flight *f);
/* Set visible_boot_ms first. */
void flight_move(struct flight_table *t, struct flight *f, enum flight_place place);

/* The first to become visible; the due one with the lowest id. NULL when there is none. */
struct flight *flight_first(struct flight_table *t, enum flight_place place);
size_t flight_n(const struct flight_table *t, enum flight_place place);

#endif
