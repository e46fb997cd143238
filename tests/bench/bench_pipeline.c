/*
 * bench_pipeline: what the core itself costs: objects a second from event to published bundle, over
 * the ports in memory.
 *
 *	bench_pipeline [objects [bytes [mode]]]	defaults: 40000 1024 balanced; one thread, no pool
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "obs/log.h"
#include "world.h"

static double seconds(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	size_t n = argc > 1 ? strtoul(argv[1], NULL, 10) : 40000;
	size_t bytes = argc > 2 ? strtoul(argv[2], NULL, 10) : 1024;
	struct prng prng = prng_seeded(1);
	struct pipeline_config cfg;
	struct pipeline_stats st;
	struct pipeline *p;
	struct world w;
	double wall, cpu;
	char key[80];

	log_configure(LOG_CRITICAL, LOG_FORMAT_JSON);
	world_open(&w, 1);
	for (size_t i = 0; i < n; i++) {
		snprintf(
			key, sizeof(key), "data/site-%zu/2026/11/23/reading-%08zu.json", i % 50, i);
		world_announce(&w, world_put(&w, key, bytes));
	}
	cfg = world_config(&w, &prng);
	if (argc > 3 && !gzip_mode_parse(slice_str(argv[3]), &cfg.compression))
		return 2;
	if (argc <= 3)
		cfg.compression = GZIP_BALANCED;
	p = pipeline_new(&cfg);
	wall = seconds(CLOCK_MONOTONIC);
	cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
	if (!world_run(&w, p, 1000000))
		return 1;
	wall = seconds(CLOCK_MONOTONIC) - wall;
	cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	st = pipeline_stats(p);
	printf("%llu objects of %zu bytes in %llu bundles: %.0f objects/s, %.1f us of CPU each "
	       "(%s)\n",
		(unsigned long long)st.objects, bytes, (unsigned long long)st.bundles,
		(double)st.objects / wall, cpu / (double)st.objects * 1e6,
		gzip_mode_name(cfg.compression));
	pipeline_free(p);
	world_close(&w);
	return st.objects == n ? 0 : 1;
}
