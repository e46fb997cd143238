/*
 * metrics: numbers for a monitoring system, in Prometheus' text format 0.0.4.
 *
 * A metrics struct is a snapshot: the caller fills it with what it knows and writes it out; nothing
 * is counted here. Every metric is declared in obs/metric_list.h. No metric has a key or a bucket
 * name.
 */
#ifndef BALER_OBS_METRICS_H
#define BALER_OBS_METRICS_H

#include "base/budget.h"
#include "base/buf.h"
#include "obs/alarm.h"

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum metric_id {
#define X(id, family, labels, type, help) id,
#include "obs/metric_list.h"
#undef X
	METRIC_COUNT
};

/* Metrics whose name here ends in _MS are given in milliseconds and written as seconds. */
struct metrics {
	uint64_t values[METRIC_COUNT];
};

/* Sets the metrics of the process itself: METRIC_BUILD and process_…. */
void metrics_read_process(struct metrics *m);
void metrics_write(struct buf *out, const struct metrics *m);
/* baler_memory_…{share}: bytes used, at most used and allowed of each share, and how often
 * something was not granted. */
void metrics_write_memory(struct buf *out, const struct budget *shares, size_t n);
/* The process's resident memory, now and at most since its start: VmRSS and VmHWM of
 * /proc/self/status; 0: not known. */
void metrics_read_resident(uint64_t *ret_bytes, uint64_t *ret_peak_bytes);
/* baler_alarm{name,severity}: 1 while raised, else 0. */
void metrics_write_alarms(struct buf *out, struct alarms *alarms);

#endif
