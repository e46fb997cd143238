/*
 * sim_strike: one run with some of everything, repeated with each kind of fault at port call 1, 2,
 * 3 … until no call is left; with one worker (which knows that it is alone) and with two.
 */
#include <stdio.h>

#include "obs/log.h"
#include "sim.h"

#define CALLS_MAX 2000
#define STORM_STEPS 60

static void fill(struct sim *s)
{
	static const char *const keys[] = {"data/a", "data/a", "data/b", "data/../../evil",
		"data/gone", "data/c", "data//c", "data/d", "data/e"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		world_announce(&s->w, world_put(&s->w, keys[i], 700 * i));
	world_announce(&s->w, 2);
	world_remove(&s->w, 4);
	world_send(&s->w, "not json");
}

/* false: the oracle objects. *ret_struck: whether the run had that many calls. */
static bool run(
	size_t n_workers, uint64_t call, enum fault_action action, bool *ret_struck, char *why)
{
	struct sim s;
	bool ok;

	sim_open(&s, 7, n_workers);
	s.strike_call = call;
	s.strike = action;
	fill(&s);
	for (size_t i = 0; i < STORM_STEPS && !s.why[0]; i++)
		sim_step(&s, &s.workers[i % n_workers]);
	ok = !s.why[0] && sim_settle(&s) && oracle_final(&s.w, false, s.why);
	snprintf(why, ORACLE_WHY_MAX, "%s", s.why);
	*ret_struck = s.struck;
	sim_close(&s);
	return ok;
}

int main(void)
{
	unsigned runs = 0, failed = 0;
	char why[ORACLE_WHY_MAX];

	log_configure(LOG_CRITICAL + 1, LOG_FORMAT_JSON);
	for (size_t n_workers = 1; n_workers <= 2; n_workers++) {
		for (int action = FAULT_AGAIN; action < FAULT_ACTIONS; action++) {
			bool struck = true;

			for (uint64_t call = 1; call < CALLS_MAX && struck && failed < 10;
				call++, runs++) {
				if (run(n_workers, call, (enum fault_action)action, &struck, why))
					continue;
				printf("%zu workers, fault %d at call %llu: %s\n", n_workers,
					action, (unsigned long long)call, why);
				failed++;
			}
			if (struck && failed < 10) {
				printf("more than %d calls\n", CALLS_MAX);
				failed++;
			}
		}
	}
	printf("%u runs, %u failed\n", runs, failed);
	return failed ? 1 : 0;
}
