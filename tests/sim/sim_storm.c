/*
 * sim_storm: seeds 1 … SIM_SEEDS (500): some workers, some objects, every kind of trouble, then
 * calm; then the oracle.
 *
 *	SIM_SEEDS=100000 sim_storm	more of them
 *	SIM_SEED=4711 sim_storm		one of them; SIM_TRACE=1 shows its port calls
 */
#include <stdio.h>
#include <stdlib.h>

#include "obs/log.h"
#include "sim.h"

#define EVENTS 120
#define OBJECTS 24

/* Few names, so that versions and canonical names collide; some are refused. */
static const char *const keys[] = {"data/a", "data/a", "data/b", "data//b", "data/%61", "data/c d",
	"data/c+d", "data/e=", "data/../../evil", "data/\xe2\x80\xaetxt", "data/f", "data/g",
	"data/h", "data/i", "data/j", "data/k"};

/* Draws are statements of their own: the order in which arguments are evaluated is the compiler's
 * choice. */
static void put_one(struct sim *s)
{
	size_t key = prng_below(&s->r, sizeof(keys) / sizeof(*keys));
	size_t bytes = prng_below(&s->r, 4000), i;

	if (s->w.n_objects >= OBJECTS)
		return;
	i = world_put(&s->w, keys[key], bytes);
	world_announce(&s->w, i);
	if (prng_below(&s->r, 8) == 0)
		world_announce(&s->w, i);
}

/* A lifecycle rule takes a staged upload away, sealed or not. */
static void take_stage_away(struct sim *s)
{
	struct lg_plan plan;
	bool discarded;
	size_t n = 0;

	while (mem_ledger_plan(s->w.ledger, n, &plan, &discarded))
		n++;
	if (!n || !mem_ledger_plan(
			  s->w.ledger, n - 1 - prng_below(&s->r, n < 3 ? n : 3), &plan, &discarded))
		return;
	if (prng_below(&s->r, 2))
		os_discard(s->w.store, plan.bucket, plan.key, NULL);
	else
		os_discard(s->w.store, slice_str(WORLD_ARCHIVE), plan.key, NULL);
}

static void something_happens(struct sim *s)
{
	struct sim_worker *worker = &s->workers[prng_below(&s->r, s->n_workers)];

	switch (prng_below(&s->r, 24)) {
	case 0:
	case 1:
	case 2:
	case 3:
		put_one(s);
		break;
	case 4:
		if (s->w.n_objects)
			world_announce(&s->w, prng_below(&s->r, s->w.n_objects));
		break;
	case 5:
		if (s->w.n_objects && prng_below(&s->r, 3) == 0)
			world_remove(&s->w, prng_below(&s->r, s->w.n_objects));
		break;
	case 6:
		world_consume(&s->w);
		break;
	case 7:
		fault_land(&worker->fault);
		break;
	case 8:
		clock_sleep_ms(&s->w.clock.port, prng_below(&s->r, 4000));
		break;
	case 9:
		if (prng_below(&s->r, 4) == 0)
			clock_sleep_ms(&s->w.clock.port, prng_below(&s->r, 40000));
		break;
	case 10:
		if (prng_below(&s->r, 4) == 0)
			sim_restart(s, worker);
		break;
	case 11:
		if (s->watch.voids_allowed && prng_below(&s->r, 3) == 0)
			take_stage_away(s);
		break;
	default:
		sim_step(s, worker);
		break;
	}
}

struct totals {
	uint64_t calls, crashes, plans, bundles;
};

static bool run_seed(uint64_t seed, struct totals *t, char *why)
{
	struct sim s;
	struct lg_plan plan;
	bool discarded, ok;

	sim_open(&s, seed, 1 + seed % SIM_WORKERS_MAX);
	s.fault_permille = (unsigned)prng_below(&s.r, 80);
	s.stall_permille = (unsigned)prng_below(&s.r, 60);
	s.watch.voids_allowed = seed % 5 == 0;
	for (size_t i = 0; i < EVENTS && !s.why[0]; i++)
		something_happens(&s);
	ok = !s.why[0] && sim_settle(&s) && oracle_final(&s.w, s.n_workers > 1, s.why);
	snprintf(why, ORACLE_WHY_MAX, "%s", s.why);
	t->calls += s.n_calls;
	t->crashes += s.n_crashes;
	t->bundles += s.w.n_bundles;
	for (size_t i = 0; mem_ledger_plan(s.w.ledger, i, &plan, &discarded); i++)
		t->plans++;
	sim_close(&s);
	return ok;
}

int main(void)
{
	const char *one = getenv("SIM_SEED"), *many = getenv("SIM_SEEDS");
	uint64_t first = one ? strtoull(one, NULL, 10) : 1;
	uint64_t last = one ? first : many ? strtoull(many, NULL, 10) : 500;
	struct totals t = {0};
	char why[ORACLE_WHY_MAX];
	int failed = 0;

	log_configure(getenv("SIM_LOG") ? LOG_DEBUG : LOG_CRITICAL + 1, LOG_FORMAT_JSON);
	for (uint64_t seed = first; seed <= last && failed < 10; seed++) {
		if (run_seed(seed, &t, why))
			continue;
		printf("SIM_SEED=%llu: %s\n", (unsigned long long)seed, why);
		failed++;
	}
	printf("seeds %llu to %llu: %d failed; %llu port calls, %llu crashes, %llu plans, %llu "
	       "bundles\n",
		(unsigned long long)first, (unsigned long long)last, failed,
		(unsigned long long)t.calls, (unsigned long long)t.crashes,
		(unsigned long long)t.plans, (unsigned long long)t.bundles);
	return failed ? 1 : 0;
}
