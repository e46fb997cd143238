#include "core/batcher.h"

#include "model/name_set.h"

static void list_init(struct unit_list *l)
{
	*l = (struct unit_list){.last = &l->first, .due_boot_ms = UINT64_MAX};
}

static void list_push(struct unit_list *l, struct unit *u)
{
	u->next = NULL;
	*l->last = u;
	l->last = &u->next;
	l->n++;
	l->rounded_bytes += unit_rounded_bytes(u);
	if (u->due_boot_ms < l->due_boot_ms)
		l->due_boot_ms = u->due_boot_ms;
}

void batcher_init(struct batcher *b, size_t max_objects, uint64_t max_bytes)
{
	*b = (struct batcher){.max_objects = max_objects, .max_bytes = max_bytes};
	list_init(&b->waiting);
	list_init(&b->suspects);
	list_init(&b->alone);
	list_init(&b->contested);
}

void batcher_release(struct batcher *b)
{
	table_release(&b->by_identity);
}

struct unit *batcher_find(const struct batcher *b, struct slice identity)
{
	return table_get(&b->by_identity, identity);
}

void batcher_add(struct batcher *b, struct unit *u)
{
	list_push(u->is_alone                                ? &b->alone
		  : u->attempts >= BATCHER_SUSPECT_ATTEMPTS ? &b->suspects
		  : u->is_contested                         ? &b->contested
							    : &b->waiting,
		u);
	table_put(&b->by_identity, u->identity, u);
}

void batcher_clear(struct batcher *b)
{
	list_init(&b->waiting);
	list_init(&b->suspects);
	list_init(&b->alone);
	list_init(&b->contested);
	table_clear(&b->by_identity);
}

bool batcher_full(const struct batcher *b)
{
	return b->waiting.n >= b->max_objects || b->waiting.rounded_bytes >= b->max_bytes ||
	       b->suspects.n > 0;
}

size_t batcher_n(const struct batcher *b)
{
	return b->waiting.n + b->suspects.n;
}

uint64_t batcher_due_boot_ms(const struct batcher *b)
{
	return b->suspects.n ? 0 : b->waiting.due_boot_ms;
}

size_t batcher_company(const struct batcher *b, uint32_t attempts)
{
	size_t company = attempts < BATCHER_SUSPECT_ATTEMPTS        ? b->max_objects
			 : attempts == BATCHER_SUSPECT_ATTEMPTS     ? 100
			 : attempts == BATCHER_SUSPECT_ATTEMPTS + 1 ? 10
								    : 1;

	return company < b->max_objects ? company : b->max_objects;
}

struct take {
	struct name_set names;
	size_t max;
	uint64_t bytes;
	struct unit **units;
	size_t n;
	bool by_bytes;
};

/* Returns false when the walk must end at u and leave the rest of the list unchanged. */
static bool closes(struct take *t, const struct unit *u, uint64_t max_bytes)
{
	if (t->n >= t->max)
		return true;
	t->by_bytes = t->n > 0 && t->bytes + unit_rounded_bytes(u) > max_bytes;
	return t->by_bytes;
}

static void take_from(struct batcher *b, struct unit_list *list, struct take *t)
{
	struct unit *u = list->first, *next;

	list_init(list);
	for (; u && !closes(t, u, b->max_bytes); u = next) {
		next = u->next;
		if (u->name.n && !name_set_add(&t->names, u->name)) {
			list_push(list, u);
			continue;
		}
		table_remove(&b->by_identity, u->identity);
		t->bytes += unit_rounded_bytes(u);
		t->units[t->n++] = u;
	}
	for (; u; u = next) {
		next = u->next;
		list_push(list, u);
	}
}

static size_t take_list(struct batcher *b, struct unit_list *list, size_t max, struct arena *a,
	struct unit ***ret_units, bool *ret_by_bytes)
{
	struct take t = {.max = max};

	if (!list->n)
		return 0;
	t.units = arena_array(a, list->n < t.max ? list->n : t.max, sizeof(struct unit *));
	take_from(b, list, &t);
	name_set_release(&t.names);
	*ret_units = t.units;
	*ret_by_bytes = t.by_bytes;
	return t.n;
}

size_t batcher_take(
	struct batcher *b, struct arena *a, struct unit ***ret_units, bool *ret_by_bytes)
{
	if (b->suspects.n)
		return take_list(b, &b->suspects, batcher_company(b, b->suspects.first->attempts), a,
			ret_units, ret_by_bytes);
	return take_list(b, &b->waiting, b->max_objects, a, ret_units, ret_by_bytes);
}

bool batcher_has_contested(const struct batcher *b)
{
	return b->contested.n > 0;
}

size_t batcher_take_contested(
	struct batcher *b, struct arena *a, struct unit ***ret_units, bool *ret_by_bytes)
{
	return take_list(b, &b->contested, b->max_objects, a, ret_units, ret_by_bytes);
}

bool batcher_has_alone(const struct batcher *b)
{
	return b->alone.n > 0;
}

size_t batcher_take_alone(struct batcher *b, struct arena *a, struct unit ***ret_units)
{
	struct unit *u = b->alone.first;

	if (!u)
		return 0;
	b->alone.first = u->next;
	if (!u->next)
		b->alone.last = &b->alone.first;
	b->alone.n--;
	b->alone.rounded_bytes -= unit_rounded_bytes(u);
	table_remove(&b->by_identity, u->identity);
	*ret_units = arena_array(a, 1, sizeof(struct unit *));
	**ret_units = u;
	return 1;
}
