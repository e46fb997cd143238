#include "obs/baseline.h"

#include <math.h>

#define DEVIATIONS 4.0
/* an unusual value weighs this much less, so that a new normal is accepted after hours, not
 * minutes */
#define RELUCTANCE 8

static bool is_far(const struct baseline *b, double value, double floor)
{
	double distance = fabs(value - b->mean);

	return distance > DEVIATIONS * sqrt(b->variance) && distance > b->mean / 2 &&
	       distance > floor;
}

/* The first samples weigh the same; from BASELINE_MEMORY on the oldest fade. */
static void learn(struct baseline *b, double value, bool unusual)
{
	double weight, delta = value - b->mean;

	if (b->n < BASELINE_MEMORY)
		b->n++;
	weight = 1.0 / b->n / (unusual ? RELUCTANCE : 1);
	b->mean += weight * delta;
	b->variance = (1 - weight) * (b->variance + weight * delta * delta);
}

bool baseline_is_unusual(struct baseline *b, double value, double floor)
{
	bool unusual = b->n >= BASELINE_LEARNING && is_far(b, value, floor);

	learn(b, value, unusual);
	return unusual;
}
