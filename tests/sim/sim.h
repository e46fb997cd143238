/*
 * sim: workers over one world, in one thread, on one virtual clock, with faults at chosen port
 * calls.
 *
 * Before each port call of a worker the watch looks at the ledger, other workers may be stepped in
 * between (so a worker can be overtaken in the middle of a plan: a zombie), and a fault may be
 * chosen. All from one seed.
 */
#ifndef BALER_TESTS_SIM_SIM_H
#define BALER_TESTS_SIM_SIM_H

#include "fault.h"
#include "oracle.h"

#define SIM_WORKERS_MAX 3

struct sim;

struct sim_clock {
	struct clock port;
	struct world_clock *base;
	uint64_t boot_offset_ms; /* each machine booted at another time */
	int64_t wall_skew_ms;
};

struct sim_worker {
	struct sim *sim;
	struct sim_clock clock;
	struct prng prng;
	struct fault fault;
	struct object_store *store;
	struct event_queue *queue;
	struct ledger *ledger;
	struct pipeline *pipeline;
	bool is_frozen; /* stands still as a whole: its tickers too */
	bool busy; /* in the middle of a step */
};

struct sim {
	struct world w;
	struct oracle_watch watch;
	struct prng r;
	struct sim_worker workers[SIM_WORKERS_MAX];
	size_t n_workers;
	unsigned depth;          /* of steps inside steps */
	unsigned fault_permille; /* of port calls; 0: none */
	unsigned stall_permille; /* of port calls that others are stepped in front of */
	uint64_t burst_until;    /* n_calls until which most calls fail: an outage */
	uint64_t n_calls;
	uint64_t strike_call;     /* at exactly this call … */
	enum fault_action strike; /* … this happens */
	bool struck;
	uint64_t n_crashes;
	char why[ORACLE_WHY_MAX]; /* set: an invariant is broken */
};

void sim_open(struct sim *s, uint64_t seed, size_t n_workers);
void sim_close(struct sim *s);
/* One step; a worker that dies is replaced. */
void sim_step(struct sim *s, struct sim_worker *worker);
/* No more faults: lands what is late, steps everybody until all is quiet. false when it does not
 * become so. */
bool sim_settle(struct sim *s);
/* A graceful stop, and a new worker in its place. */
void sim_restart(struct sim *s, struct sim_worker *worker);

#endif
