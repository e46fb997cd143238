/*
 * measure: fills the metrics of a running server from its parts.
 */
#ifndef BALER_SERVE_MEASURE_H
#define BALER_SERVE_MEASURE_H

#include "core/pipeline.h"
#include "obs/metrics.h"
#include "port/operator.h"

/* Fills every metric except those of the gateway and the process. pipeline NULL: bundling has
 * not begun. */
enum rc measure(
	struct op_port *op, const struct pipeline *pipeline, struct metrics *m, struct err *err);

#endif
