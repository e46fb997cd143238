/*
 * The verbs that end or change deliveries: ack, hide, dead_letter. A batch is one transaction.
 *
 * Ack, hide, dead_letter and settling take turns. So a flight that is in no heap belongs to the
 * thread that has the turn, and no two threads decide about one message at the same time. This
 * costs nothing, because batches are large and a commit takes about a millisecond.
 */
#include <stdlib.h>

#include "adapter/local/queue/queue_internal.h"

#define HIDE_MAX_MS 43200000u /* 12 h, SQS's limit */
#define CODE_MAX 64

void queue_turn_begin_locked(struct local_queue *q)
{
	while (q->writing)
		pthread_cond_wait(&q->news, &q->lock);
	q->writing = true;
}

void queue_turn_end_locked(struct local_queue *q)
{
	q->writing = false;
	pthread_cond_broadcast(&q->news);
}

void queue_reading_begin_locked(struct local_queue *q)
{
	while (q->reading)
		pthread_cond_wait(&q->news, &q->lock);
	q->reading = true;
}

void queue_reading_end_locked(struct local_queue *q)
{
	q->reading = false;
	pthread_cond_broadcast(&q->news);
}

enum rc queue_check_batch(size_t n, struct err *err)
{
	if (n > EQ_BATCH_MAX)
		return err_set(
			err, RC_REFUSED, "%zu messages in one call, at most %d", n, EQ_BATCH_MAX);
	return RC_OK;
}

/* Notes a change when the receipt is valid; else the result is RC_CONFLICT. */
static bool change_for(struct local_queue *q, struct slice receipt, size_t index, enum rc *results,
	struct queue_change *ret_change)
{
	struct queue_receipt r;

	results[index] = RC_CONFLICT;
	if (!queue_receipt_read(q->key, receipt, &r))
		return false;
	*ret_change = (struct queue_change){.id = r.id, .serial = r.serial, .index = index};
	return true;
}

/*
 * Takes the flights of deletions and dead letters out of reach, and drops the entries that a later
 * delivery has replaced. A message without a flight is gone, or its delivery was before a restart
 * and no other followed; in both cases the row decides. false: there is such a message. Its row may
 * be behind the cursor, so nobody may read rows meanwhile.
 */
static bool claim_flights_locked(struct local_queue *q, struct queue_change *changes, size_t n)
{
	bool all = true;

	for (size_t i = 0; i < n; i++) {
		struct flight *f = flight_find(&q->flights, changes[i].id);

		if (f && f->serial != changes[i].serial) {
			changes[i].kind = CHANGE_NOTHING;
		} else if (f) {
			changes[i].count = f->count_before + 1;
			flight_move(&q->flights, f, FLIGHT_NOWHERE);
		} else {
			all = false;
		}
	}
	return all;
}

/* After the commit, or its failure: the flights end, or go on until the time they had. */
static void end_flights_locked(
	struct local_queue *q, const struct queue_change *changes, size_t n, enum rc rc)
{
	for (size_t i = 0; i < n; i++) {
		struct flight *f = flight_find(&q->flights, changes[i].id);

		if (changes[i].kind == CHANGE_NOTHING || !f)
			continue;
		if (rc == RC_OK)
			flight_remove(&q->flights, f);
		else
			flight_move(&q->flights, f, FLIGHT_AWAY);
	}
	queue_alarm_locked(q);
}

static enum rc remove_messages(struct local_queue *q, struct queue_change *changes, size_t n,
	enum rc *results, struct err *err)
{
	bool all;
	enum rc rc;

	pthread_mutex_lock(&q->lock);
	queue_turn_begin_locked(q);
	all = claim_flights_locked(q, changes, n);
	if (!all) {
		queue_reading_begin_locked(q);
		claim_flights_locked(
			/* a message may have been delivered while this thread waited for the
			 * turn */
			q, changes, n);
	}
	pthread_mutex_unlock(&q->lock);
	rc = queue_write(q, changes, n, err);
	pthread_mutex_lock(&q->lock);
	end_flights_locked(q, changes, n, rc);
	if (!all)
		queue_reading_end_locked(q);
	queue_turn_end_locked(q);
	pthread_mutex_unlock(&q->lock);
	for (size_t i = 0; i < n; i++) {
		const struct queue_change *c = &changes[i];

		if (c->kind == CHANGE_NOTHING)
			continue;
		results[c->index] = rc;
		if (rc == RC_OK && c->kind == CHANGE_BURY && !c->found)
			results[c->index] = RC_CONFLICT; /* acknowledged before */
	}
	return rc;
}

enum rc queue_ack(struct event_queue *base, const struct slice *receipts, size_t n,
	enum rc *results, struct err *err)
{
	struct local_queue *q = (struct local_queue *)base;
	struct queue_change *changes;
	size_t n_changes = 0;
	enum rc rc = queue_check_batch(n, err);

	if (rc != RC_OK)
		return rc;
	changes = xcalloc(n + 1, sizeof(*changes));
	for (size_t i = 0; i < n; i++)
		if (change_for(q, receipts[i], i, results, &changes[n_changes]))
			changes[n_changes++].kind = CHANGE_DELETE;
	rc = remove_messages(q, changes, n_changes, results, err);
	free(changes);
	return rc;
}

static struct slice cut(struct slice text, size_t max)
{
	return slice_of(text.n ? text.p : (const unsigned char *)"", text.n > max ? max : text.n);
}

enum rc queue_dead_letter(struct event_queue *base, const struct eq_dead *dead, size_t n,
	enum rc *results, struct err *err)
{
	struct local_queue *q = (struct local_queue *)base;
	struct queue_change *changes;
	size_t n_changes = 0;
	enum rc rc = queue_check_batch(n, err);

	if (rc != RC_OK)
		return rc;
	changes = xcalloc(n + 1, sizeof(*changes));
	for (size_t i = 0; i < n; i++) {
		struct queue_change *c = &changes[n_changes];

		if (!change_for(q, dead[i].receipt, i, results, c))
			continue;
		c->kind = CHANGE_BURY;
		c->code = cut(dead[i].code, CODE_MAX);
		c->reason = cut(dead[i].reason, EQ_REASON_MAX);
		n_changes++;
	}
	rc = remove_messages(q, changes, n_changes, results, err);
	free(changes);
	return rc;
}

/* Only a delivery of this process can be hidden, because one from before a restart has ended.
 * Returns how many are left. */
static size_t hide_begin_locked(
	struct local_queue *q, const struct eq_hide *hides, struct queue_change *changes, size_t n)
{
	size_t n_left = 0;

	for (size_t i = 0; i < n; i++) {
		struct queue_change *c = &changes[i];
		struct flight *f = flight_find(&q->flights, c->id);

		/* Nowhere: the same receipt stands twice in this call; the first counts. */
		if (!f || f->serial != c->serial || f->place == FLIGHT_NOWHERE)
			continue;
		c->was_counted = f->counted;
		c->delay_ms = hides[c->index].delay_ms;
		f->counted = !hides[c->index].uncounted;
		c->count = flight_count(f);
		c->kind = c->count == f->stored_count ? CHANGE_NOTHING : CHANGE_COUNT;
		flight_move(&q->flights, f, FLIGHT_NOWHERE);
		changes[n_left++] = *c;
	}
	return n_left;
}

static void hide_end_locked(
	struct local_queue *q, const struct queue_change *changes, size_t n, enum rc rc)
{
	uint64_t now = clock_boot_ms(q->local->clock);

	for (size_t i = 0; i < n; i++) {
		const struct queue_change *c = &changes[i];
		struct flight *f = flight_find(&q->flights, c->id);

		if (!f)
			continue;
		if (rc == RC_OK && c->kind == CHANGE_COUNT && !c->found) {
			flight_remove(&q->flights, f);
			continue;
		}
		if (rc == RC_OK) {
			f->stored_count = c->kind == CHANGE_COUNT ? c->count : f->stored_count;
			f->visible_boot_ms = now + c->delay_ms;
		} else {
			f->counted = c->was_counted;
		}
		flight_move(&q->flights, f, FLIGHT_AWAY);
	}
	queue_alarm_locked(q);
}

static size_t hide_changes(struct local_queue *q, const struct eq_hide *hides, size_t n,
	enum rc *results, struct queue_change *changes)
{
	size_t n_changes = 0;

	for (size_t i = 0; i < n; i++) {
		if (!change_for(q, hides[i].receipt, i, results, &changes[n_changes]))
			continue;
		if (hides[i].delay_ms > HIDE_MAX_MS)
			results[i] = RC_REFUSED;
		else
			n_changes++;
	}
	return n_changes;
}

enum rc queue_hide(struct event_queue *base, const struct eq_hide *hides, size_t n,
	enum rc *results, struct err *err)
{
	struct local_queue *q = (struct local_queue *)base;
	struct queue_change *changes;
	enum rc rc = queue_check_batch(n, err);
	size_t n_changes;

	if (rc != RC_OK)
		return rc;
	changes = xcalloc(n + 1, sizeof(*changes));
	n_changes = hide_changes(q, hides, n, results, changes);
	pthread_mutex_lock(&q->lock);
	queue_turn_begin_locked(q);
	n_changes = hide_begin_locked(q, hides, changes, n_changes);
	pthread_mutex_unlock(&q->lock);
	rc = queue_write(q, changes, n_changes, err);
	pthread_mutex_lock(&q->lock);
	hide_end_locked(q, changes, n_changes, rc);
	queue_turn_end_locked(q);
	queue_settle_locked(q); /* messages without a delay are visible when hide returns */
	pthread_mutex_unlock(&q->lock);
	for (size_t i = 0; i < n_changes; i++)
		results[changes[i].index] = rc;
	free(changes);
	return rc;
}
