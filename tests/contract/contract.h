/*
 * contract: one suite per port, run over every adapter. A test's name begins with the clause it
 * proves (os3_… proves [OS-3]).
 *
 * An adapter's test program gives a factory and calls the suites of the ports it has; each returns
 * the number of failed tests.
 */
#ifndef BALER_TESTS_CONTRACT_H
#define BALER_TESTS_CONTRACT_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "port/event_queue.h"
#include "port/ledger.h"
#include "port/object_store.h"

#define CONTRACT_BUCKET "contract-versioned" /* exists, empty, versioned */
#define CONTRACT_PLAIN "contract-plain" /* exists, empty, never versioned; unless no_plain_bucket */
#define CONTRACT_MAX_RECEIVES 5         /* the queue's */

/* One fresh, empty set of ports; made anew for each test. Ports an adapter has not are NULL. */
struct contract_world {
	struct object_store *store;
	struct event_queue *queue;
	struct ledger *ledger;
	bool no_plain_bucket;
	/* Lets that much boot and wall time pass for the adapter: a virtual clock moves, or the
	 * caller sleeps. */
	void (*advance_ms)(struct contract_world *w, uint64_t ms);
	/* Kills the adapter as kill -9 would and opens it again on the same data, with new ports in
	 * w. NULL: it survives nothing. */
	void (*crash)(struct contract_world *w);
	void *own; /* the factory's */
};

struct contract_factory {
	const char *name;
	void (*open)(struct contract_world *w);
	void (*close)(struct contract_world *w);
};

int contract_object_store(const struct contract_factory *f);
int contract_event_queue(const struct contract_factory *f);
int contract_ledger(const struct contract_factory *f);

/* For the suites: sets up and tears down one world per test. */
void contract_use(const struct contract_factory *f);
int contract_setup(void **state);
int contract_teardown(void **state);
#define CONTRACT_TEST(fn) cmocka_unit_test_setup_teardown(fn, contract_setup, contract_teardown)

#endif
