#include "core/lease.h"

#include <stdlib.h>

struct lease_sight {
	struct plan_id id;
	enum plan_state state;
	uint64_t heartbeat;
	uint64_t first_boot_ms; /* when this state and heartbeat were first seen */
	uint64_t last_boot_ms;
	struct lease_sight *next;
};

void lease_init(struct lease_table *t)
{
	*t = (struct lease_table){0};
	pthread_mutex_init(&t->lock, NULL);
}

void lease_release(struct lease_table *t)
{
	lease_prune(t, UINT64_MAX);
	table_release(&t->by_plan);
	pthread_mutex_destroy(&t->lock);
}

static struct lease_sight *sight_locked(struct lease_table *t, const struct plan_id *id)
{
	struct lease_sight *s = table_get(&t->by_plan, slice_of(id->bytes, PLAN_ID_BYTES));

	if (s)
		return s;
	s = xcalloc(1, sizeof(*s));
	s->id = *id;
	s->next = t->all;
	t->all = s;
	table_put(&t->by_plan, slice_of(s->id.bytes, PLAN_ID_BYTES), s);
	return s;
}

uint64_t lease_observe(struct lease_table *t, const struct lg_plan *plan, uint64_t now_boot_ms)
{
	struct lease_sight *s;
	uint64_t still_ms;

	pthread_mutex_lock(&t->lock);
	s = sight_locked(t, &plan->id);
	if (s->state != plan->state || s->heartbeat != plan->heartbeat) {
		s->state = plan->state;
		s->heartbeat = plan->heartbeat;
		s->first_boot_ms = now_boot_ms;
	}
	s->last_boot_ms = now_boot_ms;
	still_ms = now_boot_ms - s->first_boot_ms;
	pthread_mutex_unlock(&t->lock);
	return still_ms;
}

void lease_keep(struct lease_table *t, const struct plan_id *id, uint64_t now_boot_ms)
{
	struct lease_sight *s;

	pthread_mutex_lock(&t->lock);
	s = table_get(&t->by_plan, slice_of(id->bytes, PLAN_ID_BYTES));
	if (s)
		s->last_boot_ms = now_boot_ms;
	pthread_mutex_unlock(&t->lock);
}

void lease_prune(struct lease_table *t, uint64_t before_boot_ms)
{
	struct lease_sight **at = &t->all;

	pthread_mutex_lock(&t->lock);
	while (*at) {
		struct lease_sight *s = *at;

		if (s->last_boot_ms >= before_boot_ms) {
			at = &s->next;
			continue;
		}
		*at = s->next;
		table_remove(&t->by_plan, slice_of(s->id.bytes, PLAN_ID_BYTES));
		free(s);
	}
	pthread_mutex_unlock(&t->lock);
}
