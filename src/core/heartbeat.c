#include "core/heartbeat.h"

#include <assert.h>
#include <stdlib.h>

#include "core/plan.h"
#include "obs/log.h"

#define BEATS_IN_A_LEASE 6 /* five may be lost */

/* A plan whose next beat is due, marked as calling; NULL when there is none. */
static struct beat *next_due(struct heartbeat *hb, bool *ret_is_overdue)
{
	uint64_t now = clock_boot_ms(hb->cfg.clock);
	struct beat *b;

	pthread_mutex_lock(&hb->lock);
	for (b = hb->beats; b; b = b->next) {
		if (!b->is_calling && !b->is_leaving && !b->is_fenced && !b->is_overdue &&
			now >= b->next_boot_ms)
			break;
	}
	if (b) {
		b->is_calling = true;
		b->number++;
		b->next_boot_ms = now + hb->cfg.lease_ms / BEATS_IN_A_LEASE;
		*ret_is_overdue = now - b->opened_boot_ms >= hb->cfg.max_open_ms;
	}
	pthread_mutex_unlock(&hb->lock);
	return b;
}

/* The pause between two looks for a plan whose beat is due. */
static uint64_t pause_ms(const struct heartbeat *hb)
{
	uint64_t ms = hb->cfg.lease_ms / BEATS_IN_A_LEASE / 2;

	return ms ? ms : 1;
}

static void call_ended(struct heartbeat *hb, struct beat *b, bool is_fenced, bool is_overdue)
{
	uint64_t soonest = clock_boot_ms(hb->cfg.clock) + pause_ms(hb);

	pthread_mutex_lock(&hb->lock);
	b->is_calling = false;
	/* A slow ledger is not asked again at once. */
	if (b->next_boot_ms < soonest)
		b->next_boot_ms = soonest;
	b->is_fenced = b->is_fenced || is_fenced;
	b->is_overdue = is_overdue;
	pthread_cond_broadcast(&hb->idle);
	pthread_mutex_unlock(&hb->lock);
}

/* The round has used all its time: the plan ends here, even if the round still waits for an answer.
 * When the write fails, the next beat tries it again. */
static enum rc end_overdue(struct heartbeat *hb, struct beat *b)
{
	const struct lg_plan *plan = b->plan;
	char id[2 * PLAN_ID_BYTES + 1];
	enum plan_state found;
	struct err err = {0};
	enum rc rc;

	plan_id_text(&plan->id, id);
	lg_plan_beat(hb->cfg.ledger, &plan->id, plan->nonce, LG_GIVEN_UP, &err);
	rc = plan_move(hb->cfg.ledger, hb->cfg.clock, plan, PLAN_ABORTED, NULL, LG_ANY_HEARTBEAT,
		&found, &err);
	if (rc != RC_OK)
		return rc;
	log_event(EV_PLAN_OVERDUE, LF_SLICE(bundle, plan->key), LF_STR(plan, id),
		LF_STR(cause, "the bundle was not ready within the time that a plan may stay open"));
	b->on_overdue(b->arg);
	return RC_OK;
}

static void beat_one(struct heartbeat *hb, struct beat *b, bool is_overdue)
{
	struct err err = {0};
	enum rc rc = is_overdue ? end_overdue(hb, b)
				: lg_plan_beat(hb->cfg.ledger, &b->plan->id, b->plan->nonce,
					  b->number, &err);

	if (rc == RC_FATAL)
		atomic_store(&hb->has_failed, true);
	/* A beat that was lost does no harm: the next one has another number. */
	call_ended(hb, b, rc == RC_CONFLICT, is_overdue && rc == RC_OK);
}

static uint64_t extend(void *arg)
{
	struct heartbeat *hb = arg;
	uint64_t ms = hb->cfg.visibility_ms / 12;
	struct err err = {0};

	if (hand_extend(hb->cfg.hand, hb->cfg.queue, hb->cfg.clock, hb->cfg.visibility_ms, &err) ==
		RC_FATAL)
		atomic_store(&hb->has_failed, true);
	return ms ? ms : 1;
}

static uint64_t beat_all_due(void *arg)
{
	struct heartbeat *hb = arg;
	bool is_overdue = false;
	struct beat *b;

	while ((b = next_due(hb, &is_overdue)))
		beat_one(hb, b, is_overdue);
	return pause_ms(hb);
}

void heartbeat_start(struct heartbeat *hb, const struct heartbeat_config *cfg)
{
	*hb = (struct heartbeat){.cfg = *cfg};
	pthread_mutex_init(&hb->lock, NULL);
	pthread_cond_init(&hb->idle, NULL);
	/* sets the time of the last hide; no message is in hand yet */
	hand_extend(cfg->hand, cfg->queue, cfg->clock, cfg->visibility_ms, NULL);
	hb->extender = ticker_start(cfg->clock, "visibility", 1, extend, hb);
	hb->beaters = xcalloc(cfg->n_plans, sizeof(*hb->beaters));
	for (unsigned i = 0; i < cfg->n_plans; i++)
		hb->beaters[i] = ticker_start(cfg->clock, "heartbeat", 1, beat_all_due, hb);
}

void heartbeat_stop(struct heartbeat *hb)
{
	assert(!hb->beats);
	ticker_stop(hb->extender);
	for (unsigned i = 0; i < hb->cfg.n_plans; i++)
		ticker_stop(hb->beaters[i]);
	free(hb->beaters);
	pthread_cond_destroy(&hb->idle);
	pthread_mutex_destroy(&hb->lock);
}

void heartbeat_add(struct heartbeat *hb, struct beat *b)
{
	uint64_t now = clock_boot_ms(hb->cfg.clock);

	pthread_mutex_lock(&hb->lock);
	b->number = 0;
	b->opened_boot_ms = now;
	b->next_boot_ms = now + hb->cfg.lease_ms / BEATS_IN_A_LEASE;
	b->is_calling = b->is_leaving = b->is_fenced = b->is_overdue = false;
	b->next = hb->beats;
	hb->beats = b;
	pthread_mutex_unlock(&hb->lock);
}

enum rc heartbeat_check(struct heartbeat *hb, const struct beat *b, struct err *err)
{
	bool is_fenced, is_overdue;

	if (atomic_load(&hb->has_failed))
		return err_set(err, RC_FATAL, "the heartbeat could not go on");
	pthread_mutex_lock(&hb->lock);
	is_fenced = b->is_fenced;
	is_overdue = b->is_overdue;
	pthread_mutex_unlock(&hb->lock);
	if (is_overdue)
		return err_set(err, RC_CONFLICT, "the plan was open for too long");
	return is_fenced ? err_set(err, RC_CONFLICT, "another worker has aborted the plan") : RC_OK;
}

void heartbeat_remove(struct heartbeat *hb, struct beat *b)
{
	struct beat **at = &hb->beats;

	pthread_mutex_lock(&hb->lock);
	b->is_leaving = true;
	while (b->is_calling)
		pthread_cond_wait(&hb->idle, &hb->lock);
	while (*at && *at != b)
		at = &(*at)->next;
	if (*at)
		*at = b->next;
	pthread_mutex_unlock(&hb->lock);
}
