/* The suites over adapter/mem, on a clock that only moves when it is told to. */
#include "contract.h"

#include <stdlib.h>

#include "adapter/mem/mem.h"

struct virtual_clock {
	struct clock port;
	uint64_t now_ms;
};

static uint64_t now(struct clock *c)
{
	return ((struct virtual_clock *)c)->now_ms;
}

static void pass(struct clock *c, uint64_t ms)
{
	((struct virtual_clock *)c)->now_ms += ms;
}

static void advance(struct contract_world *w, uint64_t ms)
{
	pass(w->own, ms);
}

static void open_mem(struct contract_world *w)
{
	struct virtual_clock *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	*c = (struct virtual_clock){{now, now, pass}, 1700000000000};
	w->own = c;
	w->advance_ms = advance;
	w->store = mem_object_store_new(&c->port);
	mem_object_store_add_bucket(w->store, CONTRACT_BUCKET, true);
	mem_object_store_add_bucket(w->store, CONTRACT_PLAIN, false);
	w->queue = mem_event_queue_new(&c->port, CONTRACT_MAX_RECEIVES);
	w->ledger = mem_ledger_new();
}

static void close_mem(struct contract_world *w)
{
	os_close(w->store);
	eq_close(w->queue);
	lg_close(w->ledger);
	free(w->own);
}

int main(void)
{
	static const struct contract_factory mem = {"mem", open_mem, close_mem};

	return contract_object_store(&mem) + contract_event_queue(&mem) + contract_ledger(&mem);
}
