#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "adapter/mem/mem.h"

enum message_state { READY, IN_FLIGHT, GONE, DEAD };

struct message {
	size_t index; /* in all */
	enum message_state state;
	unsigned char *body;
	size_t body_n;
	uint64_t sent_wall_ms;
	uint64_t visible_boot_ms; /* when a message in flight becomes ready again */
	uint64_t delivery;        /* of the newest receipt */
	uint32_t receive_count;
	bool uncounted; /* this delivery is not counted in receive_count */
	char *code;     /* of a dead letter */
	struct message *next;
};

struct fifo {
	struct message *first, **last;
};

/* INVARIANT: a READY message is in the list ready, an IN_FLIGHT message in the list flight, and
 * any other message in neither. The list all is in the order of sending. */
struct mem_queue {
	struct event_queue port;
	struct clock *clock;
	uint32_t max_receives;
	pthread_mutex_t lock;
	struct message **all;
	size_t n, cap;
	struct fifo ready, flight;
	uint64_t n_ready, n_flight, n_dead;
	struct message **dead; /* in order of death */
	size_t dead_cap;
};

/* The fields of a receipt. */
struct receipt {
	uint64_t index, delivery;
};

static struct mem_queue *self(struct event_queue *q)
{
	return (struct mem_queue *)q;
}

static void fifo_init(struct fifo *f)
{
	f->first = NULL;
	f->last = &f->first;
}

static void fifo_push(struct fifo *f, struct message *m)
{
	m->next = NULL;
	*f->last = m;
	f->last = &m->next;
}

/* Moves messages that are visible again to ready, and drops messages that have left the queue.
 * The cost is linear in the messages in flight. */
static void wake_locked(struct mem_queue *q)
{
	uint64_t now = clock_boot_ms(q->clock);
	struct message *m = q->flight.first, *next;

	fifo_init(&q->flight);
	for (; m; m = next) {
		next = m->next;
		if (m->state != IN_FLIGHT)
			continue;
		if (m->visible_boot_ms > now) {
			fifo_push(&q->flight, m);
			continue;
		}
		m->state = READY;
		q->n_flight--;
		q->n_ready++;
		fifo_push(&q->ready, m);
	}
}

static void bury_locked(struct mem_queue *q, struct message *m, struct slice code)
{
	if (q->n_dead == q->dead_cap) {
		q->dead_cap = q->dead_cap ? q->dead_cap * 2 : 16;
		q->dead = xrealloc(q->dead, q->dead_cap * sizeof(struct message *));
	}
	m->state = DEAD;
	m->code = slice_dup(code);
	q->dead[q->n_dead++] = m;
}

static void deliver_locked(struct mem_queue *q, struct arena *a, struct message *m,
	uint64_t visibility_ms, struct eq_message *out)
{
	struct receipt r = {.index = m->index, .delivery = ++m->delivery};

	m->state = IN_FLIGHT;
	m->visible_boot_ms = clock_boot_ms(q->clock) + visibility_ms;
	m->receive_count++;
	m->uncounted = false;
	fifo_push(&q->flight, m);
	q->n_ready--;
	q->n_flight++;
	*out = (struct eq_message){.id = slice_str(arena_printf(a, "mem-%zu", m->index)),
		.receipt = arena_slice(a, slice_of(&r, sizeof(r))),
		.body = arena_slice(a, slice_of(m->body, m->body_n)),
		.receive_count = m->receive_count,
		.sent_wall_ms = m->sent_wall_ms};
}

static size_t take_locked(struct mem_queue *q, struct arena *a, size_t max, uint64_t visibility_ms,
	struct eq_message **ret_messages)
{
	struct eq_message *out;
	size_t n = 0;

	wake_locked(q);
	if (max > q->n_ready)
		max = q->n_ready;
	out = arena_array(a, max, sizeof(*out));
	while (n < max && q->ready.first) {
		struct message *m = q->ready.first;

		q->ready.first = m->next;
		if (!m->next)
			q->ready.last = &q->ready.first;
		if (m->state != READY)
			continue;
		if (q->max_receives && m->receive_count >= q->max_receives) {
			q->n_ready--;
			bury_locked(q, m, slice_str("max-receives"));
			continue;
		}
		deliver_locked(q, a, m, visibility_ms, &out[n++]);
	}
	*ret_messages = out;
	return n;
}

static enum rc queue_receive(struct event_queue *port, struct arena *a, size_t max,
	uint64_t wait_ms, uint64_t visibility_ms, struct eq_message **ret_messages, size_t *ret_n,
	struct err *err)
{
	struct mem_queue *q = self(port);
	uint64_t until = clock_boot_ms(q->clock) + wait_ms, now;

	(void)err;
	assert(max >= 1);
	for (;;) {
		pthread_mutex_lock(&q->lock);
		*ret_n = take_locked(
			q, a, max < EQ_BATCH_MAX ? max : EQ_BATCH_MAX, visibility_ms, ret_messages);
		pthread_mutex_unlock(&q->lock);
		now = clock_boot_ms(q->clock);
		if (*ret_n || now >= until)
			return RC_OK;
		clock_sleep_ms(q->clock, until - now < 10 ? until - now : 10);
	}
}

/* Finds the message in flight that the receipt is good for. RC_ABSENT: the message is gone.
 * RC_CONFLICT: a newer delivery has replaced the receipt. */
static enum rc find_locked(struct mem_queue *q, struct slice receipt, struct message **ret_message)
{
	struct receipt r;
	struct message *m;

	if (receipt.n != sizeof(r))
		return RC_REFUSED;
	memcpy(&r, receipt.p, sizeof(r));
	if (r.index >= q->n)
		return RC_REFUSED;
	m = q->all[r.index];
	if (m->state == GONE || m->state == DEAD)
		return r.delivery == m->delivery ? RC_ABSENT : RC_CONFLICT;
	if (m->delivery != r.delivery)
		return RC_CONFLICT;
	*ret_message = m;
	return RC_OK;
}

static void leave_locked(struct mem_queue *q, const struct message *m)
{
	if (m->state == READY)
		q->n_ready--;
	else
		q->n_flight--;
}

/* Takes the message of the receipt out of the lists. *ret_message is NULL when there is nothing
 * to do, because the message was settled before. */
static enum rc settle_locked(
	struct mem_queue *q, struct slice receipt, struct message **ret_message)
{
	enum rc rc;

	*ret_message = NULL;
	rc = find_locked(q, receipt, ret_message);
	if (rc == RC_OK)
		leave_locked(q, *ret_message);
	return rc == RC_ABSENT ? RC_OK : rc;
}

static enum rc queue_ack(struct event_queue *port, const struct slice *receipts, size_t n,
	enum rc *results, struct err *err)
{
	struct mem_queue *q = self(port);

	(void)err;
	pthread_mutex_lock(&q->lock);
	for (size_t i = 0; i < n; i++) {
		struct message *m;

		results[i] = settle_locked(q, receipts[i], &m);
		if (m)
			m->state = GONE;
	}
	pthread_mutex_unlock(&q->lock);
	return RC_OK;
}

static enum rc queue_hide(struct event_queue *port, const struct eq_hide *hides, size_t n,
	enum rc *results, struct err *err)
{
	struct mem_queue *q = self(port);

	(void)err;
	pthread_mutex_lock(&q->lock);
	for (size_t i = 0; i < n; i++) {
		struct message *m = NULL;

		results[i] = find_locked(q, hides[i].receipt, &m);
		if (results[i] == RC_ABSENT)
			results[i] = RC_CONFLICT;
		if (results[i] != RC_OK)
			continue;
		/* the timeout has ended, but no other worker has received the message yet */
		if (m->state != IN_FLIGHT) {
			results[i] = RC_CONFLICT;
			continue;
		}
		m->visible_boot_ms = clock_boot_ms(q->clock) + hides[i].delay_ms;
		m->receive_count += m->uncounted;
		m->uncounted = hides[i].uncounted;
		m->receive_count -= m->uncounted;
	}
	pthread_mutex_unlock(&q->lock);
	return RC_OK;
}

static enum rc queue_dead_letter(struct event_queue *port, const struct eq_dead *dead, size_t n,
	enum rc *results, struct err *err)
{
	struct mem_queue *q = self(port);

	(void)err;
	pthread_mutex_lock(&q->lock);
	for (size_t i = 0; i < n; i++) {
		struct message *m;

		results[i] = settle_locked(q, dead[i].receipt, &m);
		if (m)
			bury_locked(q, m, dead[i].code);
	}
	pthread_mutex_unlock(&q->lock);
	return RC_OK;
}

static enum rc queue_send(struct event_queue *port, const struct slice *bodies, size_t n,
	enum rc *results, struct err *err)
{
	struct mem_queue *q = self(port);

	(void)err;
	pthread_mutex_lock(&q->lock);
	for (size_t i = 0; i < n; i++) {
		struct message *m = xcalloc(1, sizeof(*m));

		if (q->n == q->cap) {
			q->cap = q->cap ? q->cap * 2 : 64;
			q->all = xrealloc(q->all, q->cap * sizeof(struct message *));
		}
		m->index = q->n;
		m->body = (unsigned char *)slice_dup(bodies[i]);
		m->body_n = bodies[i].n;
		m->sent_wall_ms = clock_wall_ms(q->clock);
		q->all[q->n++] = m;
		fifo_push(&q->ready, m);
		q->n_ready++;
		results[i] = RC_OK;
	}
	pthread_mutex_unlock(&q->lock);
	return RC_OK;
}

static enum rc queue_stat(struct event_queue *port, struct eq_stat *ret_stat, struct err *err)
{
	struct mem_queue *q = self(port);
	uint64_t now = clock_wall_ms(q->clock);

	(void)err;
	pthread_mutex_lock(&q->lock);
	wake_locked(q);
	*ret_stat = (struct eq_stat){
		.visible = q->n_ready, .in_flight = q->n_flight, .dead = q->n_dead};
	for (size_t i = 0; i < q->n; i++) {
		if (q->all[i]->state == READY || q->all[i]->state == IN_FLIGHT) {
			if (now > q->all[i]->sent_wall_ms)
				ret_stat->oldest_age_ms = now - q->all[i]->sent_wall_ms;
			break;
		}
	}
	pthread_mutex_unlock(&q->lock);
	return RC_OK;
}

static void queue_close(struct event_queue *port)
{
	struct mem_queue *q = self(port);

	for (size_t i = 0; i < q->n; i++) {
		free(q->all[i]->body);
		free(q->all[i]->code);
		free(q->all[i]);
	}
	free(q->all);
	free(q->dead);
	pthread_mutex_destroy(&q->lock);
	free(q);
}

bool mem_event_queue_dead(
	struct event_queue *port, size_t i, struct slice *ret_body, struct slice *ret_code)
{
	struct mem_queue *q = self(port);
	bool there;

	pthread_mutex_lock(&q->lock);
	there = i < q->n_dead;
	if (there) {
		*ret_body = slice_of(q->dead[i]->body, q->dead[i]->body_n);
		*ret_code = slice_str(q->dead[i]->code);
	}
	pthread_mutex_unlock(&q->lock);
	return there;
}

struct event_queue *mem_event_queue_new(struct clock *clock, uint32_t max_receives)
{
	static const struct event_queue_ops ops = {queue_receive, queue_ack, queue_hide,
		queue_dead_letter, queue_send, queue_stat, queue_close};
	struct mem_queue *q = xcalloc(1, sizeof(*q));

	q->port = (struct event_queue){.ops = &ops, .can_uncount = true};
	q->clock = clock;
	q->max_receives = max_receives;
	pthread_mutex_init(&q->lock, NULL);
	fifo_init(&q->ready);
	fifo_init(&q->flight);
	return &q->port;
}
