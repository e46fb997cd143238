/* The suites over adapter/local. */
#include "contract.h"

#include "unit/local_fixture.h"

static void show(struct contract_world *w)
{
	struct local_fixture *f = w->own;

	w->queue = local_event_queue(f->local);
	w->ledger = local_ledger(f->local);
	w->store = local_object_store(f->local);
}

static void crash(struct contract_world *w)
{
	fixture_crash(w->own);
	show(w);
}

static void advance(struct contract_world *w, uint64_t ms)
{
	fixture_pass(&((struct local_fixture *)w->own)->clock, ms);
}

static void open_local(struct contract_world *w)
{
	struct local_fixture *f = xcalloc(1, sizeof(*f));

	fixture_init(f, CONTRACT_MAX_RECEIVES);
	fixture_bucket(f, CONTRACT_BUCKET, BS_ENABLED);
	fixture_bucket(f, CONTRACT_PLAIN, BS_UNVERSIONED);
	w->own = f;
	w->advance_ms = advance;
	w->crash = crash;
	show(w);
}

static void close_local(struct contract_world *w)
{
	fixture_release(w->own);
	free(w->own);
}

int main(void)
{
	static const struct contract_factory local = {"local", open_local, close_local};

	return contract_object_store(&local) + contract_event_queue(&local) +
	       contract_ledger(&local);
}
