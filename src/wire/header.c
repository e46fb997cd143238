#include "wire/header.h"

static bool is_blank(unsigned char c)
{
	return c == ' ' || c == '\t';
}

struct slice header_trim(struct slice s)
{
	while (s.n && is_blank(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

size_t header_find(
	const struct header *headers, size_t n, const char *name, struct slice *ret_value)
{
	struct slice wanted = slice_str(name);
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		if (headers[i].name.n != wanted.n || !slice_eq_nocase(headers[i].name, wanted))
			continue;
		if (count++ == 0 && ret_value)
			*ret_value = header_trim(headers[i].value);
	}
	return count;
}

struct slice header_value(const struct header *headers, size_t n, const char *name)
{
	struct slice value = {0};

	header_find(headers, n, name, &value);
	return value;
}
