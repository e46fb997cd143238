#include "model/name_set.h"

#include "model/member_name.h"

static struct slice folder_of(struct slice name)
{
	const unsigned char *slash = name.n ? memrchr(name.p, '/', name.n) : NULL;

	return slice_of(name.p, slash ? (size_t)(slash - name.p) : 0);
}

/* Whether an existing name is a file where this name needs a folder. Every parent of a known folder
 * is a folder. */
static bool is_below_a_name(const struct name_set *s, struct slice name)
{
	for (struct slice f = folder_of(name); f.n && !table_get(&s->folders, f); f = folder_of(f))
		if (table_get(&s->names, f))
			return true;
	return false;
}

bool name_set_add(struct name_set *s, struct slice name)
{
	struct slice folded = member_name_fold(&s->arena, name);

	if (table_get(&s->names, folded) || table_get(&s->folders, folded) ||
		is_below_a_name(s, folded))
		return false;
	table_put(&s->names, folded, s);
	for (struct slice f = folder_of(folded); f.n && !table_get(&s->folders, f);
		f = folder_of(f))
		table_put(&s->folders, f, s);
	return true;
}

void name_set_release(struct name_set *s)
{
	table_release(&s->names);
	table_release(&s->folders);
	arena_release(&s->arena);
}
