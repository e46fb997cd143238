/*
 * baseline: learns what is usual for a rate from the rate itself, and tells whether the latest
 * value is far from it.
 *
 * It keeps an exponentially weighted mean and variance over about BASELINE_MEMORY samples, so a new
 * normal is accepted within hours. It reports nothing until it has BASELINE_LEARNING samples. Pure:
 * all memory is in the struct, which is {0} at the start.
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

/* Judges value against the earlier values, then learns it. True: the distance from the mean is more
 * than four standard deviations, more than half of the mean, and more than floor. So the noise of a
 * steady or a tiny rate raises nothing. */
bool baseline_is_unusual(struct baseline *b, double value, double floor);

#endif
