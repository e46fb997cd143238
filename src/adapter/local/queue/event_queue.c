/*
 * Deliveries: receive, and the end of a visibility timeout.
 *
 * DESIGN. A message is a row. That it is delivered and not yet settled is known in memory only
 * (flight.h). So receiving writes nothing: it reads the rows behind a cursor, and acknowledging is
 * the only write in a message's life after its insert. Queues on SQL usually have an indexed column
 * visible_at. Each delivery would then rewrite the row (with its body) and move an index entry,
 * which is three times the log for the same message; and a deadline on disk must be wall time,
 * which jumps. Deadlines here are boot time. After a crash every message that was not acknowledged
 * is visible at once, which [EQ-10] allows and which makes a restart quick; the delay of a hide
 * ends with the process too.
 *
 * receive_count in the row counts deliveries that have ended: by hide (written before hide returns)
 * or by timeout. A timeout ends when its count is durable: queue_settle_locked writes the counts of
 * all deliveries whose time is over, and only then makes them due. So no delivery is repeated with
 * a count that a crash could take back [EQ-11]. The keeper thread does this when nobody receives.
 * Deliveries that a crash cut off do not count, because a machine that is killed five times would
 * otherwise make dead letters of healthy messages. (An object that kills its worker is found by the
 * attempts of its claim, docs/protocol.md section 4.)
 *
 * CURSOR. The committer gives ids in commit order, so a row never appears behind the cursor.
 * INVARIANT: every row at or below the cursor has a flight. Messages that are hidden or whose
 * timeout is over are found there (the heap of due ones, by id), and never by reading rows again.
 */
#include "adapter/local/engine/clock_back.h"
#include "adapter/local/queue/event_queue.h"

#include <stdlib.h>
#include <time.h>

#include "adapter/local/engine/totals.h"
#include "adapter/local/queue/queue_internal.h"
#include "base/prng.h"

#define SETTLE_MAX 1000      /* deliveries ended in one transaction */
#define SETTLE_AGAIN_MS 1000 /* after a transaction that failed */
/* No thread sleeps longer, because boot time counts a suspend and a condition variable's clock does
 * not. */
#define LOOK_MS 1000

static struct local_queue *of(struct event_queue *base)
{
	return (struct local_queue *)base;
}

void queue_wait_locked(struct local_queue *q, pthread_cond_t *cond, uint64_t until_boot_ms)
{
	uint64_t now = clock_boot_ms(q->local->clock);
	uint64_t ms = until_boot_ms > now ? until_boot_ms - now : 0;
	struct timespec until;

	if (ms > LOOK_MS)
		ms = LOOK_MS;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)(ms * 1000000);
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_cond_timedwait(cond, &q->lock, &until);
}

uint64_t queue_next_end_locked(struct local_queue *q)
{
	const struct flight *f = flight_first(&q->flights, FLIGHT_AWAY);

	return f ? f->visible_boot_ms : UINT64_MAX;
}

void queue_alarm_locked(struct local_queue *q)
{
	if (queue_next_end_locked(q) < q->keeper_boot_ms)
		pthread_cond_signal(&q->alarm);
}

/* Takes deliveries that have ended. Those whose count is in the row already are due at once. */
static size_t take_ended_locked(struct local_queue *q, struct queue_change *changes)
{
	uint64_t now = clock_boot_ms(q->local->clock);
	struct flight *f;
	size_t n = 0;

	while (n < SETTLE_MAX && queue_next_end_locked(q) <= now) {
		f = flight_first(&q->flights, FLIGHT_AWAY);
		if (!f->is_damaged && flight_count(f) < q->local->max_receives &&
			flight_count(f) == f->stored_count) {
			flight_move(&q->flights, f, FLIGHT_DUE);
			continue;
		}
		changes[n++] = (struct queue_change){
			.kind = f->is_damaged || flight_count(f) >= q->local->max_receives
					? CHANGE_BURY
					: CHANGE_COUNT,
			.id = f->id,
			.count = flight_count(f),
			.code = slice_str(f->is_damaged ? "message-damaged" : "max-receives"),
			.reason = slice_str(f->is_damaged ? QUEUE_DAMAGED
							  : "received too often without being acknowledged"),
		};
		flight_move(&q->flights, f, FLIGHT_NOWHERE);
	}
	return n;
}

static void put_ended_locked(
	struct local_queue *q, const struct queue_change *changes, size_t n, enum rc rc)
{
	uint64_t again = clock_boot_ms(q->local->clock) + SETTLE_AGAIN_MS;

	for (size_t i = 0; i < n; i++) {
		struct flight *f = flight_find(&q->flights, changes[i].id);

		if (rc != RC_OK) {
			f->visible_boot_ms = again;
			flight_move(&q->flights, f, FLIGHT_AWAY);
		} else if (changes[i].kind == CHANGE_BURY || !changes[i].found) {
			flight_remove(&q->flights, f);
		} else {
			f->stored_count = changes[i].count;
			flight_move(&q->flights, f, FLIGHT_DUE);
		}
	}
}

void queue_settle_locked(struct local_queue *q)
{
	struct queue_change *changes;
	enum rc rc = RC_OK;
	struct err err;
	size_t n;

	if (!q->settling && queue_next_end_locked(q) > clock_boot_ms(q->local->clock))
		return;
	queue_turn_begin_locked(q);
	q->settling = true;
	changes = xcalloc(SETTLE_MAX, sizeof(*changes));
	while (rc == RC_OK && (n = take_ended_locked(q, changes)) > 0) {
		pthread_mutex_unlock(&q->lock);
		rc = queue_write(
			q, changes, n, &err); /* the committer's failures are its to report */
		pthread_mutex_lock(&q->lock);
		put_ended_locked(q, changes, n, rc);
	}
	free(changes);
	q->settling = false;
	queue_turn_end_locked(q);
}

static void *keeper(void *arg)
{
	struct local_queue *q = arg;

	pthread_mutex_lock(&q->lock);
	while (!q->closing) {
		uint64_t end = queue_next_end_locked(q);

		if (end <= clock_boot_ms(q->local->clock)) {
			queue_settle_locked(q);
			continue;
		}
		q->keeper_boot_ms = end;
		if (end == UINT64_MAX)
			pthread_cond_wait(&q->alarm, &q->lock);
		else
			queue_wait_locked(q, &q->alarm, end);
		q->keeper_boot_ms = 0; /* awake: no need to call */
	}
	pthread_mutex_unlock(&q->lock);
	return NULL;
}

struct counts {
	uint64_t messages, dead, oldest_age_ms;
};

static enum rc read_counts(struct local_queue *q, struct counts *ret_counts, struct err *err)
{
	struct db_conn *conn = db_reader(q->local->db);
	sqlite3_stmt *st = db_stmt(conn, "SELECT id, sent FROM message ORDER BY id LIMIT 1");
	uint64_t now = clock_wall_ms(q->local->clock), oldest;
	struct clock_back back;
	bool row;
	enum rc rc;

	db_read_begin(conn);
	rc = totals_messages(conn, &ret_counts->messages, err);
	if (rc == RC_OK)
		rc = totals_dead_letters(conn, &ret_counts->dead, err);
	if (rc == RC_OK)
		rc = clock_back_read(conn, &back, err);
	if (rc == RC_OK)
		rc = db_step(st, &row, err);
	if (rc == RC_OK) {
		oldest = row ? clock_back_time(
				       &back, db_column_u64(st, 0), db_column_u64(st, 1), now)
			     : now;
		ret_counts->oldest_age_ms = oldest < now ? now - oldest : 0;
	}
	db_done(st);
	db_read_end(conn);
	db_reader_return(q->local->db, conn);
	return rc;
}

/* Nobody takes or removes rows meanwhile, so the row of every flight is among those counted. */
static enum rc queue_stat(struct event_queue *base, struct eq_stat *ret_stat, struct err *err)
{
	struct local_queue *q = of(base);
	struct counts counts;
	uint64_t away;
	enum rc rc;

	pthread_mutex_lock(&q->lock);
	queue_settle_locked(q);
	queue_turn_begin_locked(q);
	queue_reading_begin_locked(q);
	pthread_mutex_unlock(&q->lock);
	rc = read_counts(q, &counts, err);
	pthread_mutex_lock(&q->lock);
	away = flight_n(&q->flights, FLIGHT_AWAY);
	if (rc == RC_OK)
		*ret_stat = (struct eq_stat){
			.visible = counts.messages > away ? counts.messages - away : 0,
			.in_flight = away,
			.dead = counts.dead,
			.oldest_age_ms = counts.oldest_age_ms,
		};
	queue_reading_end_locked(q);
	queue_turn_end_locked(q);
	pthread_mutex_unlock(&q->lock);
	return rc;
}

static void queue_wake(struct event_queue *base)
{
	struct local_queue *q = of(base);

	pthread_mutex_lock(&q->lock);
	q->arrivals++;
	pthread_cond_broadcast(&q->news);
	pthread_mutex_unlock(&q->lock);
}

static void queue_close(struct event_queue *base)
{
	struct local_queue *q = of(base);

	pthread_mutex_lock(&q->lock);
	q->closing = true;
	pthread_cond_signal(&q->alarm);
	pthread_cond_broadcast(&q->news);
	pthread_mutex_unlock(&q->lock);
	pthread_join(q->keeper, NULL);
	q->local->queue_wake = NULL;
	q->local->event_queue = NULL;
	flight_table_release(&q->flights);
	pthread_cond_destroy(&q->alarm);
	pthread_cond_destroy(&q->news);
	pthread_mutex_destroy(&q->lock);
	free(q);
}

static const struct event_queue_ops ops = {
	.receive = queue_receive,
	.ack = queue_ack,
	.hide = queue_hide,
	.dead_letter = queue_dead_letter,
	.send = queue_send,
	.send_start = queue_send_start,
	.stat = queue_stat,
	.close = queue_close,
};

struct key_op {
	struct commit_op op;
	unsigned char *key;
};

/* The folder's key, made the first time: as two numbers, for that is what table meta holds. */
static enum rc key_apply(struct commit_op *op, struct db_conn *conn, struct err *err)
{
	unsigned char *key = ((struct key_op *)op)->key;
	static const char *const names[] = {"queue_key_1", "queue_key_2"};
	struct prng random = prng_system();
	enum rc rc = RC_OK;

	for (int i = 0; i < 2 && rc == RC_OK; i++) {
		sqlite3_stmt *st = db_stmt(conn, "INSERT INTO meta(name, value) VALUES(?1, ?2) ON "
						 "CONFLICT DO UPDATE SET value = value"
						 " RETURNING value");
		uint64_t half;
		bool row;

		db_bind_text(st, 1, names[i]);
		db_bind_u64(st, 2, prng_u64(&random));
		rc = db_step(st, &row, err);
		if (rc == RC_OK) {
			half = db_column_u64(st, 0);
			memcpy(key + 8 * i, &half, 8);
		}
		db_done(st);
	}
	return rc;
}

static void init_sync(struct local_queue *q)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&q->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&q->news, &attr);
	pthread_cond_init(&q->alarm, &attr);
	pthread_condattr_destroy(&attr);
}

enum rc local_queue_open(struct local *local, struct err *err)
{
	struct local_queue *q = xcalloc(1, sizeof(*q));
	struct key_op key = {.op = {.apply = key_apply}, .key = q->key};
	enum rc rc = committer_run(local->committer, &key.op, err);

	if (rc != RC_OK) {
		free(q);
		return err_ctx(err, rc, "open the queue");
	}
	q->base = (struct event_queue){&ops, true, QUEUE_BODY_MAX};
	q->local = local;
	q->next_serial = prng_u64(&local->prng);
	flight_table_init(&q->flights);
	init_sync(q);
	if (pthread_create(&q->keeper, NULL, keeper, q) != 0)
		die("cannot start the queue's thread");
	pthread_setname_np(q->keeper, "queue");
	local->event_queue = &q->base;
	local->queue_wake = queue_wake;
	return RC_OK;
}

struct event_queue *local_event_queue(struct local *local)
{
	return local->event_queue;
}
