#include "core/claim.h"

#include "core/publish.h"

/* The next write for one unit. */
enum need { NEED_NOTHING, NEED_CLAIM, NEED_SWAP };

struct work_item {
	struct unit *unit;
	enum need need;
	struct plan_id from;
	/* the owner of plan `from` gave that plan up alive, so no attempt is counted against the
	 * object */
	bool uncounted;
};

/* What this round knows about another plan. */
struct view {
	struct lg_plan plan;
	enum rc rc;       /* of reading it */
	enum rc helped;   /* the result of publishing that plan; RC_UNKNOWN: not tried yet */
	uint64_t wait_ms; /* open: until it can be judged */
	bool is_undecided; /* open and dead, but the ledger does not let it be aborted now */
};

struct claim_run {
	struct claim_context *c;
	const struct lg_plan *plan;
	struct work_item *items;
	size_t n;
	struct arena arena;     /* of the whole run */
	struct table views;     /* plan id → struct view; emptied each round */
	struct lg_claim *batch; /* n entries */
	size_t *index;          /* of batch entries in items */
	enum rc fatal;          /* RC_OK while it can go on */
	struct err *err;
};

static void settle(struct work_item *item, enum unit_claim claim)
{
	item->unit->claim = claim;
	item->need = NEED_NOTHING;
}

static void settle_wait(struct work_item *item, uint64_t wait_ms)
{
	item->unit->wait_ms = wait_ms;
	settle(item, CLAIM_WAIT);
}

/* Judges an open plan: fences it when its lease is over (3f). */
static void judge_open(struct claim_run *run, struct view *v)
{
	struct claim_context *c = run->c;
	uint64_t still_ms = lease_observe(c->leases, &v->plan, clock_boot_ms(c->clock));
	enum plan_state found;

	v->wait_ms = still_ms < c->lease_ms ? c->lease_ms - still_ms : 0;
	if (v->wait_ms)
		return;
	v->rc = plan_move(c->ledger, c->clock, &v->plan, PLAN_ABORTED, NULL, v->plan.heartbeat,
		&found, run->err);
	if (v->rc == RC_OK) {
		plan_moved(&v->plan, PLAN_ABORTED);
		c->n_aborted++;
	} else if (v->rc == RC_CONFLICT) {
		/* The plan has a new heartbeat, or it was sealed: the next round reads it again. */
		v->rc = RC_AGAIN;
	} else if (v->rc == RC_AGAIN || v->rc == RC_UNKNOWN || v->rc == RC_REFUSED) {
		/* plan_move has already repeated the write, and the other units of this batch are
		 * waiting. */
		v->is_undecided = true;
	}
}

static struct view *view_of(struct claim_run *run, const struct plan_id *id)
{
	struct slice key = slice_of(id->bytes, PLAN_ID_BYTES);
	struct view *v = table_get(&run->views, key);

	if (v)
		return v;
	v = arena_alloc(&run->arena, sizeof(*v));
	v->helped = RC_UNKNOWN;
	v->rc = lg_plan_get(run->c->ledger, &run->arena, id, &v->plan, run->err);
	v->plan.id = *id;
	table_put(&run->views, slice_of(v->plan.id.bytes, PLAN_ID_BYTES), v);
	if (v->rc == RC_OK && v->plan.state == PLAN_OPEN)
		judge_open(run, v);
	if (v->rc == RC_FATAL)
		run->fatal = RC_FATAL;
	return v;
}

static void want_swap(struct claim_run *run, struct work_item *item, const struct lg_object *rec,
	const struct lg_plan *from)
{
	item->unit->attempts = rec->attempts;
	item->unit->is_known = rec->attempts > 1;
	if (rec->attempts >= BATCHER_SUSPECT_ATTEMPTS &&
		run->n > batcher_company(run->c->batcher, rec->attempts)) {
		settle(item, CLAIM_SUSPECT);
		return;
	}
	item->need = NEED_SWAP;
	item->from = rec->plan;
	item->uncounted = from->state != PLAN_ABORTED || from->heartbeat == LG_GIVEN_UP;
}

static enum rc try_to_publish(struct claim_context *c, struct lg_plan *plan, struct err *err)
{
	enum rc rc;

	if (!unfinished_may_try(c->unfinished, &plan->id, clock_boot_ms(c->clock)))
		return RC_AGAIN;
	rc = publish_plan(c->distribution, c->ledger, c->clock, plan, err);
	if (rc == RC_OK) {
		c->n_helped++;
		unfinished_done(c->unfinished, &plan->id);
	} else if (rc != RC_FATAL) {
		unfinished_failed(c->unfinished, plan, rc, err, clock_boot_ms(c->clock),
			clock_wall_ms(c->clock));
	}
	return rc == RC_UNKNOWN ? RC_AGAIN : rc;
}

/* The object is a member of a sealed plan: publish that plan, whether its lease is over or not
 * (3d). */
static void help(struct claim_run *run, struct work_item *item, struct view *v)
{
	struct claim_context *c = run->c;

	if (v->helped == RC_UNKNOWN)
		v->helped = try_to_publish(c, &v->plan, run->err);
	if (v->helped == RC_FATAL)
		run->fatal = RC_FATAL;
	else if (v->helped == RC_OK)
		settle(item, CLAIM_SHIPPED);
	else
		settle_wait(item, run->c->lease_ms); /* only the scanner may void the plan */
}

/* Decides one unit by the record that was found in its place: protocol.md, 3a … 3g. */
static void judge(struct claim_run *run, struct work_item *item, const struct lg_object *rec)
{
	struct view *v;

	if (rec->state == LG_REJECTED) {
		char *code = arena_strdup(&run->arena, rec->reason);

		unit_refuse_again(item->unit, code);
		settle(item, CLAIM_REJECTED);
		return;
	}
	if (memcmp(&rec->plan, &run->plan->id, sizeof(rec->plan)) == 0) {
		item->unit->attempts = rec->attempts;
		settle(item, rec->slot == item->unit->slot ? CLAIM_MINE : CLAIM_LOST);
		return;
	}
	v = view_of(run, &rec->plan);
	if (v->rc == RC_ABSENT)
		settle(item, CLAIM_LOST); /* I6 broken by someone: never guess */
	else if (v->rc == RC_CORRUPT)
		settle(item, CLAIM_DAMAGED);
	else if (v->is_undecided)
		settle_wait(item, run->c->lease_ms);
	else if (v->rc != RC_OK)
		return; /* the same write again in the next round brings us back here */
	else if (v->plan.state == PLAN_OPEN)
		settle_wait(item, v->wait_ms);
	else if (v->plan.state == PLAN_ABORTED)
		want_swap(run, item, rec, &v->plan);
	else if (!plan_has_slot(&v->plan, rec->slot))
		want_swap(run, item, rec, &v->plan);
	else if (v->plan.state == PLAN_DONE)
		settle(item, CLAIM_SHIPPED);
	else
		help(run, item, v);
}

static void take_result(
	struct claim_run *run, struct work_item *item, const struct lg_claim *result)
{
	switch (result->result) {
	case RC_OK:
		item->unit->attempts = result->record.attempts;
		settle(item, CLAIM_MINE);
		break;
	case RC_CONFLICT:
		judge(run, item, &result->record);
		break;
	case RC_FATAL:
		run->fatal = RC_FATAL;
		break;
	/* the record is damaged, so the object's fate is unknown, and it is not guessed */
	case RC_CORRUPT:
		settle(item, CLAIM_DAMAGED);
		break;
	default: /* the answer is still unknown: repeat the same write */
		break;
	}
}

/* The first claims of a batch have been answered. Units that other plans have claimed leave the
 * batch, unless all of it is claimed, before any call about those plans is made. */
static void set_contested_aside(struct claim_run *run, size_t n)
{
	size_t n_contested = 0;

	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < n; i++) {
			struct work_item *item = &run->items[run->index[i]];
			const struct lg_claim *c = &run->batch[i];

			if (c->result != RC_CONFLICT || c->record.state == LG_REJECTED ||
				item->unit->is_contested || item->unit->is_alone ||
				memcmp(&c->record.plan, &run->plan->id, sizeof(c->record.plan)) == 0)
				continue;
			n_contested++;
			if (pass == 1) {
				item->unit->is_contested = true;
				settle(item, CLAIM_CONTESTED);
			}
		}
		if (n_contested == 0 || n_contested == run->n)
			return;
	}
}

/* Sends one batch for all units that need this kind of write. Returns the number of units. */
static size_t write_round(struct claim_run *run, enum need need)
{
	struct ledger *lg = run->c->ledger;
	size_t n = 0;
	enum rc rc;

	for (size_t i = 0; i < run->n; i++) {
		if (run->items[i].need != need)
			continue;
		run->batch[n] = (struct lg_claim){.object = run->items[i].unit->object,
			.slot = run->items[i].unit->slot,
			.from = run->items[i].from,
			.uncounted = run->items[i].uncounted,
			.result = RC_UNKNOWN};
		run->index[n++] = i;
	}
	if (n == 0)
		return 0;
	rc = need == NEED_CLAIM
		     ? lg_claim_many(lg, &run->arena, &run->plan->id, run->batch, n, run->err)
		     : lg_swap_many(lg, &run->arena, &run->plan->id, run->batch, n, run->err);
	if (rc == RC_FATAL || rc == RC_REFUSED || rc == RC_CORRUPT)
		run->fatal = rc;
	if (rc == RC_OK && need == NEED_CLAIM)
		set_contested_aside(run, n);
	for (size_t i = 0; rc == RC_OK && i < n && run->fatal == RC_OK; i++)
		if (run->items[run->index[i]].need == need)
			take_result(run, &run->items[run->index[i]], &run->batch[i]);
	return n;
}

static void run_rounds(struct claim_run *run)
{
	for (int round = 0; round < CLAIM_ROUNDS && run->fatal == RC_OK; round++) {
		size_t n;

		if (round > 2)
			clock_sleep_ms(
				run->c->clock, (uint64_t)PLAN_SETTLE_PAUSE_MS << (round - 3));
		table_clear(&run->views);
		n = write_round(run, NEED_CLAIM);
		if (run->fatal == RC_OK)
			n += write_round(run, NEED_SWAP);
		if (n == 0)
			return;
	}
}

enum rc claim_units(struct claim_context *c, const struct lg_plan *plan, struct unit **units,
	size_t n, struct err *err)
{
	struct err own = {0};
	struct claim_run run = {.c = c, .plan = plan, .n = n, .err = err ? err : &own};

	run.items = arena_array(&run.arena, n, sizeof(*run.items));
	run.batch = arena_array(&run.arena, n, sizeof(*run.batch));
	run.index = arena_array(&run.arena, n, sizeof(*run.index));
	for (size_t i = 0; i < n; i++) {
		units[i]->slot = (uint32_t)i;
		units[i]->claim = CLAIM_NONE;
		run.items[i] = (struct work_item){.unit = units[i], .need = NEED_CLAIM};
	}
	run_rounds(&run);
	for (size_t i = 0; i < n; i++) {
		if (units[i]->claim == CLAIM_NONE)
			units[i]->claim = CLAIM_LOST;
	}
	table_release(&run.views);
	arena_release(&run.arena);
	return run.fatal == RC_OK ? RC_OK : err_ctx(err, run.fatal, "claim %zu objects", n);
}
