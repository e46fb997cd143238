#include "fibers.h"

#include <stdlib.h>
#include <ucontext.h>

#include "base/err.h"
#include "base/ticker.h"

#define STACK_BYTES ((size_t)256 * 1024)

struct fiber {
	struct fibers *all;
	ucontext_t context;
	void *stack;
	void (*run)(void *arg);
	void *arg;
	struct ticker *ticker; /* NULL: none, or it has been removed */
	bool is_ticker, is_held, has_ended;
	uint64_t wake_boot_ms;
	uint64_t turn; /* of those that wake at the same time, the lower goes first */
};

struct fibers {
	struct clock port;
	struct world_clock *clock;
	ucontext_t scheduler;
	struct fiber fibers[FIBERS_MAX];
	size_t n;
	struct fiber *current;
	uint64_t turns;
};

static uint64_t wall_ms(struct clock *c)
{
	return ((struct fibers *)c)->clock->wall_ms;
}

static uint64_t boot_ms(struct clock *c)
{
	return ((struct fibers *)c)->clock->boot_ms;
}

static void sleep_ms(struct clock *c, uint64_t ms)
{
	struct fibers *f = (struct fibers *)c;
	struct fiber *me = f->current;

	if (!me)
		die("only a fiber may sleep on the clock of fibers");
	me->wake_boot_ms = f->clock->boot_ms + ms;
	me->turn = f->turns++;
	swapcontext(&me->context, &f->scheduler);
}

/* makecontext passes only ints portably: the fiber is taken from its scheduler instead. */
static struct fibers *starting;

static void enter(void)
{
	struct fiber *me = starting->current;

	me->run(me->arg);
	me->has_ended = true;
	swapcontext(&me->context, &me->all->scheduler);
}

struct fiber *fibers_start(struct fibers *f, void (*run)(void *arg), void *arg)
{
	struct fiber *fiber = &f->fibers[f->n];

	if (f->n == FIBERS_MAX)
		die("more than %d fibers", FIBERS_MAX);
	f->n++;
	*fiber = (struct fiber){.all = f, .run = run, .arg = arg, .stack = xmalloc(STACK_BYTES)};
	fiber->wake_boot_ms = f->clock->boot_ms;
	fiber->turn = f->turns++;
	getcontext(&fiber->context);
	fiber->context.uc_stack.ss_sp = fiber->stack;
	fiber->context.uc_stack.ss_size = STACK_BYTES;
	makecontext(&fiber->context, enter, 0);
	return fiber;
}

static void run_ticker(void *arg)
{
	struct fiber *me = arg;

	while (me->ticker) {
		uint64_t now = me->all->clock->boot_ms, due = ticker_due_boot_ms(me->ticker);

		if (due <= now)
			ticker_run_due(me->ticker, now);
		else
			sleep_ms(&me->all->port, due - now);
	}
}

static void tickers_add(struct clock *c, struct ticker *t)
{
	struct fiber *fiber = fibers_start((struct fibers *)c, run_ticker, NULL);

	fiber->arg = fiber;
	fiber->ticker = t;
	fiber->is_ticker = true;
}

/* ticker_stop frees the ticker next, so its fiber must not be in the middle of a run. */
static void tickers_remove(struct clock *c, struct ticker *t)
{
	struct fibers *f = (struct fibers *)c;

	if (ticker_due_boot_ms(t) == UINT64_MAX)
		die("a ticker is stopped while it runs");
	for (size_t i = 0; i < f->n; i++) {
		if (f->fibers[i].ticker != t)
			continue;
		f->fibers[i].ticker = NULL;
		f->fibers[i].has_ended = true;
	}
}

struct fibers *fibers_new(struct world_clock *clock)
{
	struct fibers *f = xcalloc(1, sizeof(*f));

	f->port = (struct clock){wall_ms, boot_ms, sleep_ms, tickers_add, tickers_remove};
	f->clock = clock;
	return f;
}

void fibers_free(struct fibers *f)
{
	for (size_t i = 0; i < f->n; i++) {
		if (!f->fibers[i].has_ended && !f->fibers[i].is_ticker)
			die("a fiber has not come to its end");
		free(f->fibers[i].stack);
	}
	free(f);
}

struct clock *fibers_clock(struct fibers *f)
{
	return &f->port;
}

struct fiber *fibers_current(const struct fibers *f)
{
	return f->current;
}

bool fiber_is_ticker(const struct fiber *fiber)
{
	return fiber->is_ticker;
}

void fiber_hold(struct fiber *fiber, bool is_held)
{
	fiber->is_held = is_held;
}

static struct fiber *next(struct fibers *f)
{
	struct fiber *first = NULL;

	for (size_t i = 0; i < f->n; i++) {
		struct fiber *fiber = &f->fibers[i];

		if (fiber->has_ended || fiber->is_held)
			continue;
		if (!first || fiber->wake_boot_ms < first->wake_boot_ms ||
			(fiber->wake_boot_ms == first->wake_boot_ms && fiber->turn < first->turn))
			first = fiber;
	}
	return first;
}

static void move_to(struct world_clock *clock, uint64_t boot_ms)
{
	if (boot_ms <= clock->boot_ms)
		return;
	clock->wall_ms += boot_ms - clock->boot_ms;
	clock->boot_ms = boot_ms;
}

void fibers_run(struct fibers *f, uint64_t until_boot_ms)
{
	struct fiber *fiber;

	while ((fiber = next(f)) && fiber->wake_boot_ms <= until_boot_ms) {
		move_to(f->clock, fiber->wake_boot_ms);
		f->current = fiber;
		starting = f;
		swapcontext(&f->scheduler, &fiber->context);
		f->current = NULL;
	}
	move_to(f->clock, until_boot_ms);
}

bool fibers_have_ended(const struct fibers *f)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct fiber *fiber = &f->fibers[i];

		if (!fiber->is_ticker && !fiber->has_ended)
			return false;
		if (fiber->ticker && ticker_due_boot_ms(fiber->ticker) == UINT64_MAX)
			return false;
	}
	return true;
}
