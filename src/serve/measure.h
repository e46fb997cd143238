/*
 * measure: the metrics of a running server, from what its parts know.
 */
#ifndef BALER_SERVE_MEASURE_H
#define BALER_SERVE_MEASURE_H

#include "core/pipeline.h"
#include "obs/metrics.h"
#include "port/operator.h"

/* All but what the gateway and the process know of themselves. pipeline NULL: it has not begun. */
enum rc measure(
	struct op_port *op, const struct pipeline *pipeline, struct metrics *m, struct err *err);

#endif
