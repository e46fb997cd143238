#include "fault_gate.h"

#include <stdlib.h>

/* Calls that are no batch have no half. */
static enum fault_action simplify(enum fault_action action, size_t n, bool writes)
{
	if (n < 2 && action == FAULT_HALF)
		action = FAULT_LOST;
	if (n < 2 && action == FAULT_CRASH_HALF)
		action = FAULT_CRASH_BEFORE;
	if (!writes && (action == FAULT_LOST || action == FAULT_APPLIED || action == FAULT_LATER))
		action = FAULT_AGAIN;
	return action;
}

struct fault_gate fault_enter_on(struct fault *f, const char *verb, struct slice bucket,
	struct slice key, bool writes)
{
	f->bucket = bucket;
	f->key = key;
	return fault_enter(f, verb, 1, writes);
}

struct fault_gate fault_enter(struct fault *f, const char *verb, size_t n, bool writes)
{
	struct fault_gate g = {.n_apply = n};

	if (f->dead) {
		g.answer = RC_FATAL;
		return g;
	}
	f->n_calls++;
	g.action = simplify(f->decide(f->arg, verb), n, writes);
	f->bucket = f->key = (struct slice){0};
	switch (g.action) {
	case FAULT_PASS:
	case FAULT_OBJECT:
	case FAULT_DENY:
		g.apply = true;
		break;
	case FAULT_AGAIN:
		g.answer = RC_AGAIN;
		break;
	case FAULT_REFUSE:
		g.answer = RC_REFUSED;
		break;
	case FAULT_LATER:
		g.later = true;
		g.answer = RC_UNKNOWN;
		break;
	case FAULT_LOST:
		g.answer = RC_UNKNOWN;
		break;
	case FAULT_APPLIED:
		g.apply = true;
		g.answer = RC_UNKNOWN;
		break;
	case FAULT_HALF:
		g.apply = true;
		g.n_apply = n / 2;
		break;
	case FAULT_CRASH_BEFORE:
		g.answer = RC_FATAL;
		f->dead = true;
		break;
	case FAULT_CRASH_AFTER:
	case FAULT_CRASH_HALF:
		g.apply = true;
		g.n_apply = g.action == FAULT_CRASH_HALF ? n / 2 : n;
		g.answer = RC_FATAL;
		f->dead = true;
		break;
	}
	return g;
}

enum rc fault_leave(const struct fault_gate *g, enum rc rc, struct err *err)
{
	if (g->answer == RC_OK)
		return rc;
	return err_set(err, g->answer, "a fault on purpose");
}

struct fault_late *fault_keep(
	struct fault *f, void (*land)(struct fault_late *late), void *inner, size_t n)
{
	struct fault_late *late = xcalloc(1, sizeof(*late)), **at = &f->late;

	late->land = land;
	late->inner = inner;
	late->args = arena_alloc(&late->arena, n);
	while (*at)
		at = &(*at)->next;
	*at = late;
	return late;
}

static void drop_first(struct fault *f)
{
	struct fault_late *late = f->late;

	f->late = late->next;
	arena_release(&late->arena);
	free(late);
}

bool fault_land(struct fault *f)
{
	if (!f->late)
		return false;
	f->late->land(f->late);
	drop_first(f);
	return true;
}

void fault_release(struct fault *f)
{
	while (f->late)
		drop_first(f);
}

struct slice fault_copy(struct fault_late *late, struct slice s)
{
	return arena_slice(&late->arena, s);
}

struct object_id fault_copy_id(struct fault_late *late, const struct object_id *id)
{
	return object_id_copy(&late->arena, id);
}
