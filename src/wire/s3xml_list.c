#include "wire/s3xml_internal.h"

void s3xml_list_add(struct s3xml_list *list, struct arena *arena, const void *item)
{
	if (list->n == list->cap) {
		size_t cap = list->cap ? 2 * list->cap : 16;
		void *items = arena_array(arena, cap, list->size);

		if (list->n)
			memcpy(items, list->items, list->n * list->size);
		list->items = items;
		list->cap = cap;
	}
	memcpy((char *)list->items + list->n++ * list->size, item, list->size);
}

const void *s3xml_list_last(const struct s3xml_list *list)
{
	return list->n ? (const char *)list->items + (list->n - 1) * list->size : NULL;
}

static bool is_white(unsigned char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct slice s3xml_trim(struct slice s)
{
	while (s.n && is_white(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n && is_white(s.p[s.n - 1]))
		s.n--;
	return s;
}

bool s3xml_to_bool(struct slice s, bool *ret_value)
{
	s = s3xml_trim(s);
	*ret_value = slice_eq_nocase(s, slice_str("true"));
	return *ret_value || slice_eq_nocase(s, slice_str("false"));
}
