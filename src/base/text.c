#include "base/text.h"

size_t text_sequence(struct slice s, uint32_t *ret_code_point)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned char lead = s.p[0];
	size_t n = lead < 0x80		? 1
		   : (lead >> 5) == 0x6	 ? 2
		   : (lead >> 4) == 0xe	 ? 3
		   : (lead >> 3) == 0x1e ? 4
					 : 0;
	uint32_t c = n > 1 ? lead & (0xffu >> (n + 1)) : lead;

	if (n > s.n)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((s.p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s.p[i] & 0x3f);
	}
	if (c < smallest[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*ret_code_point = c;
	return n;
}

bool text_is_hidden(uint32_t c)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {
		{0x00, 0x1f},     /* C0: ESC, BEL, CR, LF … */
		{0x7f, 0x9f},     /* DEL and C1: U+009B begins what ESC [ does */
		{0x061c, 0x061c}, /* Arabic letter mark */
		{0x200e, 0x200f}, /* left-to-right and right-to-left mark */
		{0x2028, 0x202e}, /* line and paragraph separator; embeddings and overrides */
		{0x2066, 0x2069}, /* isolates */
		{0xfeff, 0xfeff}, /* byte order mark */
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (c >= ranges[i].first && c <= ranges[i].last)
			return true;
	return false;
}

void text_printable(struct slice s, char *out, size_t max)
{
	size_t i = 0;

	while (i < s.n && i < max - 1) {
		uint32_t c;
		size_t n = text_sequence(slice_of(s.p + i, s.n - i), &c);

		if (n > max - 1 - i)
			break;
		if (n && !text_is_hidden(c))
			memcpy(out + i, s.p + i, n);
		else
			memset(out + i, '?', n ? n : 1);
		i += n ? n : 1;
	}
	out[i] = '\0';
}
