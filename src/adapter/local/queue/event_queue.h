/*
 * event_queue over the data folder (table message). Contract: port/event_queue.h; design:
 * event_queue.c.
 *
 * One process holds the folder, so there is only one struct event_queue for it. At most FLIGHTS_MAX
 * messages are in flight; beyond that receive gives only messages that have become visible again.
 * One receive gives at most QUEUE_RECEIVE_BYTES of bodies (and at least one message).
 */
#ifndef BALER_ADAPTER_LOCAL_QUEUE_EVENT_QUEUE_H
#define BALER_ADAPTER_LOCAL_QUEUE_EVENT_QUEUE_H

#include "adapter/local/local_internal.h"
#include "port/event_queue.h"

#define QUEUE_RECEIVE_BYTES (4u << 20)
/* bytes; longer is RC_REFUSED. SQS's limit for long; an S3 event is below 4 KiB */
#define QUEUE_BODY_MAX (256u << 10)

/* Part of local_open, before anything can be put: sets local->event_queue and ->queue_wake.
 * RC_AGAIN: no room. */
enum rc local_queue_open(struct local *local, struct err *err);

#endif
