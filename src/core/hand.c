#include "core/hand.h"

#include <assert.h>
#include <stdlib.h>

void hand_init(struct hand *h, uint32_t max_receives, struct budget *memory)
{
	*h = (struct hand){.max_receives = max_receives, .memory = memory};
	pthread_mutex_init(&h->lock, NULL);
}

/* The part of an arena chunk that later allocations need: reasons, and links to units of other
 * messages. */
#define LATER_BYTES 256

static void count_locked(struct hand *h, struct delivery *d, size_t n)
{
	d->bytes += n;
	h->bytes += n;
	budget_add(h->memory, n);
}

static void drop_locked(struct hand *h, struct delivery *d)
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
			drop_locked(h, d);
		}
	}
	pthread_mutex_destroy(&h->lock);
	*h = (struct hand){0};
}

struct delivery *hand_take(
	struct hand *h, const struct eq_message *m, size_t n_records, size_t keep_bytes)
{
	struct arena a = ARENA_OF(sizeof(struct delivery) + m->receipt.n + 32 + keep_bytes);
	struct delivery *d = arena_alloc(&a, sizeof(*d));

	a.chunk_bytes = LATER_BYTES;
	d->receipt = arena_slice(&a, m->receipt);
	d->arena = a;
	d->receive_count = m->receive_count;
	d->n_open = n_records ? n_records : 1;
	pthread_mutex_lock(&h->lock);
	count_locked(h, d, a.held_bytes + n_records * HAND_PLAN_BYTES);
	d->next = h->open;
	if (h->open)
		h->open->prev = d;
	h->open = d;
	h->n++;
	pthread_mutex_unlock(&h->lock);
	return d;
}

static void *alloc_locked(struct hand *h, struct delivery *d, size_t n)
{
	size_t before = d->arena.held_bytes;
	void *p = arena_alloc(&d->arena, n);

	count_locked(h, d, d->arena.held_bytes - before);
	return p;
}

void *hand_alloc(struct hand *h, struct delivery *d, size_t n)
{
	void *p;

	pthread_mutex_lock(&h->lock);
	p = alloc_locked(h, d, n);
	pthread_mutex_unlock(&h->lock);
	return p;
}

/* This was the last allowed delivery, and the failure is the message's own: the queue would make a
 * dead letter of it without knowing the reason. */
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

	return memcpy(alloc_locked(h, d, n), text, n);
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

static void decide_locked(struct hand *h, struct delivery *d, const struct verdict *v)
{
	assert(d->n_open > 0);
	merge(h, d, v);
	if (--d->n_open == 0)
		move_to_decided(h, d);
}

void delivery_decide(struct hand *h, struct delivery *d, const struct verdict *v)
{
	pthread_mutex_lock(&h->lock);
	decide_locked(h, d, v);
	pthread_mutex_unlock(&h->lock);
}

void hand_decide(struct hand *h, struct unit *u, const struct verdict *v)
{
	struct unit_link *next;

	pthread_mutex_lock(&h->lock);
	for (struct unit_link *l = u->links; l; l = next) {
		next = l->next;
		decide_locked(h, l->delivery, v);
	}
	pthread_mutex_unlock(&h->lock);
}

void hand_let_go(struct hand *h, const struct unit *u)
{
	pthread_mutex_lock(&h->lock);
	for (struct unit_link *l = u->links; l; l = l->next)
		l->delivery->is_let_go = true;
	pthread_mutex_unlock(&h->lock);
}

void hand_back(struct hand *h)
{
	static const struct verdict back = {.kind = VERDICT_RETRY};

	pthread_mutex_lock(&h->lock);
	while (h->open) {
		struct delivery *d = h->open;

		d->n_open = 0;
		merge(h, d, &back);
		d->verdict.delay_ms = 0;
		move_to_decided(h, d);
	}
	pthread_mutex_unlock(&h->lock);
}

/* The decided of one kind, as an array in a. */
static size_t of_kind(
	struct delivery *decided, struct arena *a, enum verdict_kind kind, struct delivery ***ret)
{
	struct delivery **out;
	size_t n = 0;

	for (struct delivery *d = decided; d; d = d->next)
		n += d->verdict.kind == kind;
	out = arena_array(a, n, sizeof(struct delivery *));
	*ret = out;
	for (struct delivery *d = decided; d; d = d->next) {
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

/* *ret_n: the number of dead letters that the queue accepted. The other messages are delivered
 * again, and are counted when they are accepted. */
static enum rc settle_kind(struct delivery *decided, struct event_queue *q, enum verdict_kind kind,
	settle_fn fn, size_t *ret_n, struct err *err)
{
	struct arena a = ARENA_INIT;
	struct delivery **d;
	size_t n = of_kind(decided, &a, kind, &d);
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

/* Takes the decided out, or none while messages are being hidden. */
static struct delivery *take_decided(struct hand *h)
{
	struct delivery *decided = NULL;

	pthread_mutex_lock(&h->lock);
	if (!h->is_extending) {
		decided = h->decided;
		h->decided = NULL;
	}
	pthread_mutex_unlock(&h->lock);
	return decided;
}

static void drop_list(struct hand *h, struct delivery *d, size_t n_dead, size_t n_retried)
{
	struct delivery *next;

	pthread_mutex_lock(&h->lock);
	h->n_dead += n_dead;
	h->n_retried += n_retried;
	for (; d; d = next) {
		next = d->next;
		drop_locked(h, d);
	}
	pthread_mutex_unlock(&h->lock);
}

enum rc hand_settle(struct hand *h, struct event_queue *q, struct err *err)
{
	struct delivery *decided = take_decided(h);
	size_t n_acked, n_dead = 0, n_retried = 0;
	enum rc rc;

	if (!decided)
		return RC_OK;
	rc = settle_kind(decided, q, VERDICT_ACK, ack_some, &n_acked, err);
	if (rc == RC_OK)
		rc = settle_kind(decided, q, VERDICT_DEAD, bury_some, &n_dead, err);
	if (rc == RC_OK)
		rc = settle_kind(decided, q, VERDICT_RETRY, hide_some, &n_retried, err);
	drop_list(h, decided, n_dead, n_retried);
	return rc;
}

/* Copies the receipts of all open messages, because a message may be settled while the receipts are
 * in use. 0: nothing needs to be hidden now. */
static size_t open_receipts(struct hand *h, struct arena *a, uint64_t now, uint64_t visibility_ms,
	struct eq_hide **ret_hides)
{
	size_t n = 0;

	pthread_mutex_lock(&h->lock);
	if (h->n == 0)
		h->extended_boot_ms = now;
	if (h->n && !h->is_extending && now - h->extended_boot_ms >= visibility_ms / 3) {
		*ret_hides = arena_array(a, h->n, sizeof(**ret_hides));
		for (struct delivery *d = h->open; d; d = d->next) {
			if (!d->is_let_go)
				(*ret_hides)[n++] = (struct eq_hide){
					arena_slice(a, d->receipt), visibility_ms, true};
		}
		h->extended_boot_ms = now;
		h->is_extending = n > 0;
	}
	pthread_mutex_unlock(&h->lock);
	return n;
}

enum rc hand_extend(struct hand *h, struct event_queue *q, struct clock *clock,
	uint64_t visibility_ms, struct err *err)
{
	struct arena a = ARENA_INIT;
	struct eq_hide *hides = NULL;
	size_t n = open_receipts(h, &a, clock_boot_ms(clock), visibility_ms, &hides);
	enum rc *results = arena_array(&a, n, sizeof(*results)), rc = RC_OK;

	for (size_t at = 0; at < n && rc != RC_FATAL; at += EQ_BATCH_MAX)
		rc = eq_hide(
			q, hides + at, n - at < EQ_BATCH_MAX ? n - at : EQ_BATCH_MAX, results, err);
	pthread_mutex_lock(&h->lock);
	if (n)
		h->is_extending = false;
	pthread_mutex_unlock(&h->lock);
	arena_release(&a);
	return rc == RC_FATAL ? rc : RC_OK;
}

struct hand_level hand_level(struct hand *h)
{
	struct hand_level level;

	pthread_mutex_lock(&h->lock);
	level = (struct hand_level){h->n, h->bytes, h->n_dead, h->n_retried};
	pthread_mutex_unlock(&h->lock);
	return level;
}
