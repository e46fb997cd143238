/*
 * baseline: what is usual for a rate, learned from the rate itself, and whether the latest value
 * is far from it.
 *
 * An exponentially weighted mean and variance over about BASELINE_MEMORY samples: a new normal
 * is accepted within hours. Silent until BASELINE_LEARNING samples are in. Pure; all memory is
 * in the struct, {0} to begin with.
 */
#ifndef BALER_OBS_BASELINE_H
#define BALER_OBS_BASELINE_H

#include <stdbool.h>

#define BASELINE_MEMORY 360  /* samples; a minute each: six hours */
#define BASELINE_LEARNING 60 /* samples before the first judgement */

struct baseline {
	double mean, variance;
	unsigned n; /* samples so far, at most BASELINE_MEMORY */
};

/* Judges value against what came before it, then learns it. True: further from the mean than
 * four standard deviations, than half of the mean, and than floor, so that neither a steady nor
 * a tiny rate raises anything by its noise. */
bool baseline_is_unusual(struct baseline *b, double value, double floor);

#endif
