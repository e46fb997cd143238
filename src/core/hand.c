#include "core/hand.h"

#include <assert.h>
#include <stdlib.h>

void hand_init(struct hand *h, uint32_t max_receives, struct budget *memory)
{
	*h = (struct hand){.max_receives = max_receives, .memory = memory};
}

/* Of a chunk for what comes later: reasons, links to units of other messages. */
#define LATER_BYTES 256

static void count(struct hand *h, struct delivery *d, size_t n)
{
	d->bytes += n;
	h->bytes += n;
	budget_add(h->memory, n);
}

static void drop(struct hand *h, struct delivery *d)
{
	struct arena a = d->arena; /* it holds the delivery too */

	h->n--;
	h->bytes -= d->bytes;
	budget_give(h->memory, d->bytes);
	arena_release(&a);
}

void hand_release(struct hand *h)
{
	struct delivery *lists[] = {h->open, h->decided}, *next;

	for (size_t i = 0; i < 2; i++) {
		for (struct delivery *d = lists[i]; d; d = next) {
			next = d->next;
			drop(h, d);
		}
	}
	hand_init(h, h->max_receives, h->memory);
}

struct delivery *hand_take(
	struct hand *h, const struct eq_message *m, size_t n_records, size_t keep_bytes)
{
	struct arena a = ARENA_OF(sizeof(struct delivery) + m->receipt.n + 32 + keep_bytes);
	struct delivery *d = arena_alloc(&a, sizeof(*d));

	a.chunk_bytes = LATER_BYTES;
	d->receipt = arena_slice(&a, m->receipt);
	d->arena = a;
	count(h, d, a.held_bytes + n_records * HAND_PLAN_BYTES);
	d->receive_count = m->receive_count;
	d->n_open = n_records ? n_records : 1;
	d->next = h->open;
	if (h->open)
		h->open->prev = d;
	h->open = d;
	h->n++;
	return d;
}

void *hand_alloc(struct hand *h, struct delivery *d, size_t n)
{
	size_t before = d->arena.held_bytes;
	void *p = arena_alloc(&d->arena, n);

	count(h, d, d->arena.held_bytes - before);
	return p;
}

/* Its last chance is over, by its own fault: the queue would bury it without knowing why. */
static void bury_the_last(const struct hand *h, struct delivery *d)
{
	struct verdict *v = &d->verdict;

	if (v->kind == VERDICT_RETRY && v->counted && v->code && h->max_receives &&
		d->receive_count >= h->max_receives)
		v->kind = VERDICT_DEAD;
}

static void move_to_decided(struct hand *h, struct delivery *d)
{
	bury_the_last(h, d);
	if (d->prev)
		d->prev->next = d->next;
	else
		h->open = d->next;
	if (d->next)
		d->next->prev = d->prev;
	d->prev = NULL;
	d->next = h->decided;
	h->decided = d;
}

static const char *keep(struct hand *h, struct delivery *d, const char *text)
{
	size_t n = strlen(text) + 1;

	return memcpy(hand_alloc(h, d, n), text, n);
}

static void take_reason(struct hand *h, struct delivery *d, const struct verdict *v)
{
	d->verdict.code = v->code ? keep(h, d, v->code) : NULL;
	d->verdict.reason = v->reason ? keep(h, d, v->reason) : NULL;
}

static void merge(struct hand *h, struct delivery *d, const struct verdict *v)
{
	struct verdict *mine = &d->verdict;

	if (v->kind == VERDICT_RETRY && mine->kind == VERDICT_RETRY) {
		if (v->counted && !mine->counted)
			take_reason(h, d, v);
		mine->counted = mine->counted || v->counted;
		if (v->delay_ms < mine->delay_ms)
			mine->delay_ms = v->delay_ms;
	} else if (v->kind > mine->kind) {
		*mine = *v;
		take_reason(h, d, v);
	}
}

void delivery_decide(struct hand *h, struct delivery *d, const struct verdict *v)
{
	assert(d->n_open > 0);
	merge(h, d, v);
	if (--d->n_open == 0)
		move_to_decided(h, d);
}

void hand_decide(struct hand *h, struct unit *u, const struct verdict *v)
{
	struct unit_link *next;

	for (struct unit_link *l = u->links; l; l = next) {
		next = l->next;
		delivery_decide(h, l->delivery, v);
	}
}

void hand_back(struct hand *h)
{
	static const struct verdict back = {.kind = VERDICT_RETRY};

	while (h->open) {
		struct delivery *d = h->open;

		d->n_open = 0;
		merge(h, d, &back);
		d->verdict.delay_ms = 0;
		move_to_decided(h, d);
	}
}

/* The decided of one kind, as an array in a. */
static size_t of_kind(
	const struct hand *h, struct arena *a, enum verdict_kind kind, struct delivery ***ret)
{
	struct delivery **out;
	size_t n = 0;

	for (struct delivery *d = h->decided; d; d = d->next)
		n += d->verdict.kind == kind;
	out = arena_array(a, n, sizeof(struct delivery *));
	*ret = out;
	for (struct delivery *d = h->decided; d; d = d->next) {
		if (d->verdict.kind == kind)
			*out++ = d;
	}
	return n;
}

static enum rc ack_some(
	struct event_queue *q, struct arena *a, struct delivery **d, size_t n, enum rc *results, struct err *err)
{
	struct slice *receipts = arena_array(a, n, sizeof(*receipts));

	for (size_t i = 0; i < n; i++)
		receipts[i] = d[i]->receipt;
	return eq_ack(q, receipts, n, results, err);
}

static enum rc bury_some(
	struct event_queue *q, struct arena *a, struct delivery **d, size_t n, enum rc *results, struct err *err)
{
	struct eq_dead *dead = arena_array(a, n, sizeof(*dead));

	for (size_t i = 0; i < n; i++) {
		const struct verdict *v = &d[i]->verdict;

		dead[i] = (struct eq_dead){d[i]->receipt, slice_str(v->code), slice_str(v->reason)};
	}
	return eq_dead_letter(q, dead, n, results, err);
}

static enum rc hide_some(
	struct event_queue *q, struct arena *a, struct delivery **d, size_t n, enum rc *results, struct err *err)
{
	struct eq_hide *hides = arena_array(a, n, sizeof(*hides));

	for (size_t i = 0; i < n; i++) {
		const struct verdict *v = &d[i]->verdict;

		hides[i] = (struct eq_hide){d[i]->receipt, v->delay_ms, !v->counted};
	}
	return eq_hide(q, hides, n, results, err);
}

/* results: of each delivery, when the call is RC_OK. */
typedef enum rc (*settle_fn)(struct event_queue *q, struct arena *a, struct delivery **d, size_t n,
	enum rc *results, struct err *err);

/* *ret_n: those that the queue accepted. The others come back by themselves, and are counted when they are accepted. */
static enum rc settle_kind(struct hand *h, struct event_queue *q, enum verdict_kind kind,
	settle_fn fn, size_t *ret_n, struct err *err)
{
	struct arena a = ARENA_INIT;
	struct delivery **d;
	size_t n = of_kind(h, &a, kind, &d);
	enum rc *results = arena_array(&a, n, sizeof(*results)), rc = RC_OK;

	*ret_n = 0;
	for (size_t at = 0, part; at < n && rc != RC_FATAL; at += part) {
		part = n - at < EQ_BATCH_MAX ? n - at : EQ_BATCH_MAX;
		rc = fn(q, &a, d + at, part, results + at, err);
		for (size_t i = 0; rc == RC_OK && i < part; i++)
			*ret_n += results[at + i] == RC_OK;
	}
	arena_release(&a);
	return rc == RC_FATAL ? rc : RC_OK;
}

static void drop_decided(struct hand *h)
{
	struct delivery *next;

	for (struct delivery *d = h->decided; d; d = next) {
		next = d->next;
		drop(h, d);
	}
	h->decided = NULL;
}

enum rc hand_settle(struct hand *h, struct event_queue *q, struct err *err)
{
	size_t n_acked, n_dead, n_retried;
	enum rc rc;

	if (!h->decided)
		return RC_OK;
	rc = settle_kind(h, q, VERDICT_ACK, ack_some, &n_acked, err);
	if (rc == RC_OK)
		rc = settle_kind(h, q, VERDICT_DEAD, bury_some, &n_dead, err);
	if (rc == RC_OK)
		rc = settle_kind(h, q, VERDICT_RETRY, hide_some, &n_retried, err);
	if (rc != RC_OK)
		return rc;
	h->n_dead += n_dead;
	h->n_retried += n_retried;
	drop_decided(h);
	return RC_OK;
}

enum rc hand_extend(struct hand *h, struct event_queue *q, struct clock *clock,
	uint64_t visibility_ms, struct err *err)
{
	uint64_t now = clock_boot_ms(clock);
	struct arena a = ARENA_INIT;
	struct eq_hide *hides;
	enum rc *results, rc = RC_OK;
	size_t n = 0;

	if (h->n == 0) {
		h->extended_boot_ms = now;
		return RC_OK;
	}
	if (now - h->extended_boot_ms < visibility_ms / 3)
		return RC_OK;
	hides = arena_array(&a, h->n, sizeof(*hides));
	results = arena_array(&a, h->n, sizeof(*results));
	for (struct delivery *d = h->open; d; d = d->next)
		hides[n++] = (struct eq_hide){d->receipt, visibility_ms, true};
	for (size_t at = 0; at < n && rc != RC_FATAL; at += EQ_BATCH_MAX)
		rc = eq_hide(
			q, hides + at, n - at < EQ_BATCH_MAX ? n - at : EQ_BATCH_MAX, results, err);
	h->extended_boot_ms = now;
	arena_release(&a);
	return rc == RC_FATAL ? rc : RC_OK;
}
