#include "core/round_internal.h"
#include "obs/log.h"

static void send_back(struct round *r, struct unit *u, const struct verdict *v)
{
	log_event(EV_MESSAGE_RETURNED, LF_SLICE(key, u->object.key),
		LF_U64(delay_ms, v->delay_ms), LF_STR(cause, u->why));
	hand_decide(r->c->hand, u, v);
}

static void decide_retry(struct round *r, struct unit *u, uint64_t delay_ms)
{
	const struct verdict v = {.kind = VERDICT_RETRY, .delay_ms = delay_ms};

	send_back(r, u, &v);
}

/* A store that denies an object is often being given a new policy by people. Therefore all tries
 * together must last minutes. With the defaults the waits are 12 s, then four times as long each
 * time: about a quarter of an hour. */
static uint64_t denied_delay_ms(const struct pipeline_config *cfg, uint32_t n)
{
	uint64_t delay_ms = cfg->visibility_ms / 16;

	for (uint32_t i = 1; i < n && delay_ms < 4 * cfg->visibility_ms; i++)
		delay_ms *= 4;
	return delay_ms / 2 + prng_below(cfg->ports.prng, delay_ms / 2 + 1);
}

/* A quarter of the time that the object has waited: soon at first, and rarely when the disk stays
 * full, because each try costs a plan in the ledger. */
static uint64_t no_room_delay_ms(const struct pipeline_config *cfg, const struct unit *u)
{
	uint64_t now = clock_wall_ms(cfg->ports.clock), delay_ms = cfg->retry_max_ms;

	if (u->event_wall_ms && u->event_wall_ms <= now)
		delay_ms = (now - u->event_wall_ms) / 4;
	if (delay_ms < cfg->retry_base_ms)
		delay_ms = cfg->retry_base_ms;
	return delay_ms < cfg->retry_max_ms ? delay_ms : cfg->retry_max_ms;
}

/* The object's own fault: held against the message, which becomes a dead letter with it in the
 * end. */
static void decide_fault(struct round *r, struct unit *u)
{
	const struct verdict v = {.kind = VERDICT_RETRY,
		.code = unit_failure(u),
		.reason = u->why,
		.delay_ms = u->fetch == FETCH_DENIED ? denied_delay_ms(r->c->cfg, u->receive_count)
						     : retry_delay_ms(r->c->cfg, u->receive_count),
		.counted = true};

	send_back(r, u, &v);
}

/* The objects are not at fault: all units that are still ours to decide are tried again later. */
void round_retry_all(struct round *r, bool at_once)
{
	uint64_t delay_ms = at_once ? 0 : retry_delay_ms(r->c->cfg, r->c->n_failures + 1);

	for (size_t i = 0; i < r->n; i++)
		decide_retry(r, r->units[i], delay_ms);
	r->n = 0;
}

static void decide_mine(struct round *r, struct unit *u);

/* Back to the batcher, which takes it for a plan of its own or for a smaller one. */
static void batch_again(struct round *r, struct unit *u)
{
	u->is_alone = u->is_alone || u->fetch == FETCH_ALONE;
	pthread_mutex_lock(r->c->batcher_lock);
	batcher_add(r->c->batcher, u);
	pthread_mutex_unlock(r->c->batcher_lock);
}

/* Objects that spoilt a bundle must not spoil the next one. They wait longer than the other units
 * of that bundle, which are tried again at once. Returns how many there are. */
size_t round_put_aside(struct round *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++) {
		struct unit *u = r->units[i];

		if (round_is_mine(u) && u->code[0] && u->is_recorded)
			decide_mine(r, u);
		else if (round_is_mine(u) && u->fetch == FETCH_MISMATCH)
			decide_fault(r, u);
		else if (round_is_mine(u) && u->fetch == FETCH_TRANSIENT)
			decide_retry(r, u, r->c->cfg->retry_max_ms);
		else if (round_is_mine(u) && u->fetch == FETCH_ALONE)
			batch_again(r, u);
		else
			r->units[n++] = u;
	}
	n = r->n - n;
	r->n -= n;
	return n;
}

static void reject_verdict(struct round *r, struct unit *u)
{
	const struct verdict v = {.kind = VERDICT_DEAD, .code = u->code, .reason = u->why};

	hand_decide(r->c->hand, u, &v);
}

static void decide_mine(struct round *r, struct unit *u)
{
	static const struct verdict shipped = {.kind = VERDICT_ACK};
	const struct pipeline_config *cfg = r->c->cfg;

	if (u->code[0]) {
		r->c->stats->rejected++;
		log_event(EV_OBJECT_REJECTED, LF_SLICE(key, u->object.key),
			LF_STR(code, u->code), LF_STR(cause, u->why));
		reject_verdict(r, u);
	} else if (u->fetch == FETCH_PACKED && r->published) {
		hand_decide(r->c->hand, u, &shipped);
	} else if (u->fetch == FETCH_MISMATCH || u->fetch == FETCH_DENIED) {
		decide_fault(r, u);
	} else if (u->fetch == FETCH_ALONE) {
		batch_again(r, u);
	} else if (u->fetch == FETCH_OVER) {
		decide_retry(r, u, 0);
	} else if (u->fetch == FETCH_NO_ROOM) {
		decide_retry(r, u, no_room_delay_ms(cfg, u));
	} else if (u->fetch == FETCH_PACKED) {
		/* Sealed and not published: nothing can be known sooner. */
		decide_retry(r, u, cfg->lease_ms);
	} else {
		decide_retry(r, u, retry_delay_ms(cfg, r->c->n_failures + 1));
	}
}

static void decide(struct round *r, struct unit *u)
{
	static const struct verdict shipped = {.kind = VERDICT_ACK};
	static const struct verdict damaged = {.kind = VERDICT_DEAD,
		.code = "record-damaged",
		.reason = "the ledger's record of the object is damaged: whether it was bundled "
			  "cannot be told"};

	switch (u->claim) {
	case CLAIM_MINE:
		decide_mine(r, u);
		break;
	case CLAIM_SHIPPED:
		r->c->stats->duplicates++;
		hand_decide(r->c->hand, u, &shipped);
		break;
	case CLAIM_REJECTED:
		/* Perhaps the worker that rejected it died before it could send the message to
		 * the dead letters. */
		r->c->stats->duplicates++;
		reject_verdict(r, u);
		break;
	case CLAIM_WAIT:
		decide_retry(r, u, u->wait_ms);
		break;
	case CLAIM_SUSPECT:
	case CLAIM_CONTESTED:
		batch_again(r, u);
		break;
	case CLAIM_DAMAGED:
		hand_decide(r->c->hand, u, &damaged);
		break;
	case CLAIM_LOST:
	case CLAIM_NONE:
		decide_retry(r, u, retry_delay_ms(r->c->cfg, 1));
		break;
	}
}

/* Says once a round what could not be read: the store may be down, and thousands may wait for
 * it. */
static void log_unread(const struct round *r)
{
	const struct unit *first = NULL;
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++) {
		const struct unit *u = r->units[i];

		if (u->claim != CLAIM_MINE || u->code[0] ||
			(u->fetch != FETCH_MISMATCH && u->fetch != FETCH_DENIED &&
				u->fetch != FETCH_TRANSIENT))
			continue;
		if (!first)
			first = u;
		n++;
	}
	if (first)
		log_event(EV_OBJECTS_UNREAD, LF_U64(objects, n),
			LF_SLICE(key, first->object.key), LF_STR(cause, first->why));
}

void round_decide_all(struct round *r)
{
	log_unread(r);
	for (size_t i = 0; i < r->n; i++)
		decide(r, r->units[i]);
	r->n = 0;
}
