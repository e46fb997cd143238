/*
 * watch: a thread that reads the state of a running server every few seconds and updates the
 * alarms (obs/alarm.h).
 */
#ifndef BALER_SERVE_WATCH_H
#define BALER_SERVE_WATCH_H

#include "core/pipeline.h"
#include "obs/alarm.h"
#include "port/operator.h"

#define WATCH_INTERVAL_MS 5000

struct watch;

/* All three are borrowed until watch_stop. */
struct watch *watch_start(
	struct op_port *op, const struct pipeline *pipeline, struct alarms *alarms);
/* Waits until a reading in progress has ended. NULL is allowed. */
void watch_stop(struct watch *w);

#endif
