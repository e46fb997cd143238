#include "core/unfinished.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/plan.h"
#include "obs/log.h"

#define CAUSE_MAX 512 /* as long as the text of struct err */
#define BUCKET_MAX 64

struct unfinished_plan {
	struct plan_id id;
	enum plan_state state;
	char bucket[BUCKET_MAX];
	char key[BUNDLE_KEY_MAX];
	char cause[CAUSE_MAX]; /* of the last failure */
	bool is_final;         /* the last failure will not go away by waiting */
	bool is_told;          /* the log has said that it is stuck */
	unsigned n_failures;
	uint64_t since_boot_ms, since_wall_ms; /* the first failure */
	uint64_t next_boot_ms, seen_boot_ms;
	struct unfinished_plan *next;
};

void unfinished_init(struct unfinished *u, uint64_t base_ms, uint64_t max_ms)
{
	*u = (struct unfinished){.base_ms = base_ms, .max_ms = max_ms};
	pthread_mutex_init(&u->lock, NULL);
}

void unfinished_release(struct unfinished *u)
{
	unfinished_prune(u, UINT64_MAX);
	table_release(&u->by_plan);
	pthread_mutex_destroy(&u->lock);
}

static struct unfinished_plan *find_locked(struct unfinished *u, const struct plan_id *id)
{
	return table_get(&u->by_plan, slice_of(id->bytes, PLAN_ID_BYTES));
}

bool unfinished_may_try(struct unfinished *u, const struct plan_id *id, uint64_t now_boot_ms)
{
	struct unfinished_plan *e;
	bool may;

	pthread_mutex_lock(&u->lock);
	e = find_locked(u, id);
	if (e)
		e->seen_boot_ms = now_boot_ms;
	if (e || u->n < UNFINISHED_MAX) {
		may = !e || now_boot_ms >= e->next_boot_ms;
	} else {
		may = now_boot_ms >= u->rest_next_boot_ms;
	}
	pthread_mutex_unlock(&u->lock);
	return may;
}

bool unfinished_has(struct unfinished *u, const struct plan_id *id)
{
	bool has;

	pthread_mutex_lock(&u->lock);
	has = find_locked(u, id) != NULL;
	pthread_mutex_unlock(&u->lock);
	return has;
}

static uint64_t delay_ms(const struct unfinished *u, unsigned n_failures)
{
	uint64_t ms = u->base_ms;

	for (unsigned i = 1; i < n_failures && ms < u->max_ms; i++)
		ms *= 2;
	return ms < u->max_ms ? ms : u->max_ms;
}

static struct unfinished_plan *add_locked(
	struct unfinished *u, const struct lg_plan *plan, uint64_t now_boot_ms, uint64_t now_wall_ms)
{
	struct unfinished_plan *e = xcalloc(1, sizeof(*e));

	e->id = plan->id;
	snprintf(e->bucket, sizeof(e->bucket), SLICE_FMT, SLICE_ARG(plan->bucket));
	snprintf(e->key, sizeof(e->key), SLICE_FMT, SLICE_ARG(plan->key));
	e->since_boot_ms = now_boot_ms;
	e->since_wall_ms = now_wall_ms;
	e->next = u->all;
	u->all = e;
	u->n++;
	table_put(&u->by_plan, slice_of(e->id.bytes, PLAN_ID_BYTES), e);
	return e;
}

static bool is_stuck(const struct unfinished_plan *e, uint64_t now_boot_ms)
{
	return e->state == PLAN_SEALED &&
	       (e->is_final || now_boot_ms - e->since_boot_ms >= UNFINISHED_STUCK_MS);
}

static void log_failure(struct unfinished_plan *e, uint64_t now_boot_ms)
{
	bool doubled = (e->n_failures & (e->n_failures - 1)) == 0;
	char id[2 * PLAN_ID_BYTES + 1];

	plan_id_text(&e->id, id);
	if (is_stuck(e, now_boot_ms) && (doubled || !e->is_told)) {
		e->is_told = true;
		log_event(EV_PLAN_STUCK, LF_STR(bundle, e->key), LF_STR(bucket, e->bucket),
			LF_STR(plan, id), LF_U64(failures, e->n_failures), LF_STR(cause, e->cause));
	} else if (doubled && e->state == PLAN_SEALED) {
		log_event(EV_PUBLISH_FAILED, LF_STR(bundle, e->key), LF_STR(plan, id),
			LF_U64(failures, e->n_failures), LF_STR(cause, e->cause));
	} else if (doubled) {
		log_event(EV_UNDO_FAILED, LF_STR(bundle, e->key), LF_STR(plan, id),
			LF_U64(failures, e->n_failures), LF_STR(cause, e->cause));
	}
}

void unfinished_failed(struct unfinished *u, const struct lg_plan *plan, enum rc rc,
	const struct err *cause, uint64_t now_boot_ms, uint64_t now_wall_ms)
{
	struct unfinished_plan *e;

	pthread_mutex_lock(&u->lock);
	e = find_locked(u, &plan->id);
	if (!e && u->n == UNFINISHED_MAX) {
		u->rest_next_boot_ms = now_boot_ms + u->max_ms;
		pthread_mutex_unlock(&u->lock);
		return;
	}
	if (!e)
		e = add_locked(u, plan, now_boot_ms, now_wall_ms);
	e->state = plan->state;
	e->is_final = rc == RC_REFUSED || rc == RC_CORRUPT || rc == RC_ABSENT;
	snprintf(e->cause, sizeof(e->cause), "%s", cause->text);
	e->n_failures++;
	e->seen_boot_ms = now_boot_ms;
	e->next_boot_ms = now_boot_ms + delay_ms(u, e->n_failures);
	log_failure(e, now_boot_ms);
	pthread_mutex_unlock(&u->lock);
}

static void remove_locked(struct unfinished *u, struct unfinished_plan **at)
{
	struct unfinished_plan *e = *at;

	*at = e->next;
	table_remove(&u->by_plan, slice_of(e->id.bytes, PLAN_ID_BYTES));
	u->n--;
	free(e);
}

void unfinished_done(struct unfinished *u, const struct plan_id *id)
{
	struct unfinished_plan **at = &u->all, *e;

	pthread_mutex_lock(&u->lock);
	e = find_locked(u, id);
	while (e && *at != e)
		at = &(*at)->next;
	if (e)
		remove_locked(u, at);
	pthread_mutex_unlock(&u->lock);
}

void unfinished_prune(struct unfinished *u, uint64_t before_boot_ms)
{
	struct unfinished_plan **at = &u->all;

	pthread_mutex_lock(&u->lock);
	while (*at) {
		if ((*at)->seen_boot_ms < before_boot_ms)
			remove_locked(u, at);
		else
			at = &(*at)->next;
	}
	pthread_mutex_unlock(&u->lock);
}

static void describe(const struct unfinished_plan *e, size_t n_stuck, char *out)
{
	char id[2 * PLAN_ID_BYTES + 1], others[64] = "";

	plan_id_text(&e->id, id);
	if (n_stuck > 1)
		snprintf(others, sizeof(others), "; %zu more plans are stuck", n_stuck - 1);
	snprintf(out, UNFINISHED_TEXT_MAX,
		"bundle '%s' in bucket '%s' (plan %s) could not be published in %u tries: %s. It stays "
		"sealed and is tried again; nothing of it is lost. Mend the cause (often a permission "
		"on the distribution or archive bucket)%s",
		e->key, e->bucket, id, e->n_failures, e->cause, others);
}

void unfinished_look(struct unfinished *u, uint64_t now_boot_ms, struct unfinished_report *ret)
{
	const struct unfinished_plan *oldest = NULL;

	*ret = (struct unfinished_report){0};
	pthread_mutex_lock(&u->lock);
	for (const struct unfinished_plan *e = u->all; e; e = e->next) {
		if (!is_stuck(e, now_boot_ms))
			continue;
		ret->n_stuck++;
		if (!oldest || e->since_boot_ms < oldest->since_boot_ms)
			oldest = e;
	}
	if (oldest) {
		ret->oldest_ms = now_boot_ms - oldest->since_boot_ms;
		ret->oldest_wall_ms = oldest->since_wall_ms;
		describe(oldest, ret->n_stuck, ret->text);
	}
	pthread_mutex_unlock(&u->lock);
}
