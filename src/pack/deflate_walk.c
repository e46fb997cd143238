#include "pack/deflate_walk.h"

#include <endian.h>

/* Bits of code looked at in one step, often two or three literals. Measured: 9 to 11 walk long
 * blocks at one speed; in short ones (libdeflate makes 60 a MiB of some data) filling tables of
 * 11 costs more than they save. */
#define FAST_BITS 10
#define FAST_SIZE (1u << FAST_BITS)
#define MAX_CODE_BITS 15
#define MAX_LITLENS 288
#define MAX_DISTANCES 32
#define END_OF_BLOCK 256

/* A Huffman code. An entry is symbol << 4 | bits of its code; 0 is none. */
struct code {
	uint16_t fast[FAST_SIZE]; /* by the next bits; 0 also when the code is longer */
	uint16_t n_of_length[MAX_CODE_BITS + 1];
	uint16_t symbols[MAX_LITLENS]; /* in the order of their codes */
};

/* What the next bits of a block mean: how many bits are used, extra bits included, and the next
 * step. */
enum step {
	STEP_LITERALS = 0 << 6, /* one or more; go on */
	STEP_LENGTH = 1 << 6,   /* perhaps some literals, then a length: a distance follows */
	STEP_END = 2 << 6,      /* perhaps some literals, then the end of the block */
	STEP_LOOK = 3 << 6,     /* look into the code itself */
};
#define STEP_BITS_MASK 63

struct walk {
	const unsigned char *p;
	size_t n, at, limit;          /* bytes; bits read; 8 * n */
	bool fixed;                   /* the tables are those of fixed blocks */
	uint8_t steps[FAST_SIZE];     /* enum step | bits */
	uint8_t distances[FAST_SIZE]; /* bits of code and extra; 0: look into the code */
	struct code litlens, dists;
};

/* At least 57 bits from at on, zeros behind the end. */
static inline uint64_t peek(const struct walk *w, size_t at)
{
	size_t byte = at >> 3, left = byte < w->n ? w->n - byte : 0;
	uint64_t bits = 0;

	if (left >= sizeof(bits))
		memcpy(&bits, w->p + byte, sizeof(bits));
	else if (left > 0)
		memcpy(&bits, w->p + byte, left);
	return le64toh(bits) >> (at & 7);
}

/* n ≤ 16. Bits behind the end read as 0 and make at > limit, which ends the walk. */
static unsigned take(struct walk *w, unsigned n)
{
	unsigned value = (unsigned)peek(w, w->at) & ((1u << n) - 1);

	w->at += n;
	return value;
}

static unsigned reversed(unsigned code, unsigned n_bits)
{
	unsigned out = 0;

	for (; n_bits > 0; n_bits--, code >>= 1)
		out = out << 1 | (code & 1);
	return out;
}

/* RFC 1951, 3.2.2: no code is a prefix of another, and together they use all bits; except, as
 * in zlib, for none at all, and where partial for one symbol of one bit. */
static bool count_lengths(struct code *c, const uint8_t *lengths, unsigned n, bool partial)
{
	int left = 1;

	memset(c->n_of_length, 0, sizeof(c->n_of_length));
	for (unsigned i = 0; i < n; i++)
		c->n_of_length[lengths[i]]++;
	for (unsigned bits = 1; bits <= MAX_CODE_BITS; bits++) {
		left = 2 * left - c->n_of_length[bits];
		if (left < 0)
			return false;
	}
	if (left == 0 || c->n_of_length[0] == n)
		return true;
	return partial && c->n_of_length[0] == n - 1 && c->n_of_length[1] == 1;
}

static bool code_init(struct code *c, const uint8_t *lengths, unsigned n, bool partial)
{
	unsigned next[MAX_CODE_BITS + 1], place[MAX_CODE_BITS + 1], code = 0, index = 0;

	if (!count_lengths(c, lengths, n, partial))
		return false;
	for (unsigned bits = 1; bits <= MAX_CODE_BITS; bits++) {
		next[bits] = code;
		place[bits] = index;
		index += c->n_of_length[bits];
		code = (code + c->n_of_length[bits]) << 1;
	}
	memset(c->fast, 0, sizeof(c->fast));
	for (unsigned i = 0; i < n; i++) {
		unsigned bits = lengths[i], at;

		if (bits == 0)
			continue;
		c->symbols[place[bits]++] = (uint16_t)i;
		at = reversed(next[bits]++, bits);
		for (; bits <= FAST_BITS && at < FAST_SIZE; at += 1u << bits)
			c->fast[at] = (uint16_t)(i << 4 | bits);
	}
	return true;
}

/* The symbol at the front of bits, however long its code: one bit after the other. Seldom: a
 * code of more than FAST_BITS is seen once in 2^FAST_BITS symbols. */
static unsigned look(const struct code *c, uint64_t bits)
{
	unsigned code = 0, first = 0, index = 0;

	for (unsigned n = 1; n <= MAX_CODE_BITS; n++, bits >>= 1) {
		unsigned n_codes = c->n_of_length[n];

		code |= (unsigned)(bits & 1);
		if (code < first + n_codes)
			return (unsigned)c->symbols[index + code - first] << 4 | n;
		index += n_codes;
		first = (first + n_codes) << 1;
		code <<= 1;
	}
	return 0;
}

/* enum step | bits for an entry of a code; STEP_LOOK where there is none. */
static unsigned step_of(unsigned entry)
{
	unsigned symbol = entry >> 4, bits = entry & 15;

	if (entry == 0 || symbol > 285)
		return STEP_LOOK;
	if (symbol < END_OF_BLOCK)
		return STEP_LITERALS | bits;
	if (symbol == END_OF_BLOCK)
		return STEP_END | bits;
	if (symbol < 265 || symbol == 285)
		return STEP_LENGTH | bits;
	return STEP_LENGTH | (bits + (symbol - 261) / 4);
}

/* 0 where there is none. */
static unsigned distance_bits(unsigned entry)
{
	unsigned symbol = entry >> 4, bits = entry & 15;

	if (entry == 0 || symbol > 29)
		return 0;
	return symbol < 4 ? bits : bits + symbol / 2 - 1;
}

/* As many symbols as the index holds whole. */
static unsigned steps_of(const struct code *c, unsigned index)
{
	unsigned used = 0, entry = c->fast[index], step;

	while (entry && entry >> 4 < END_OF_BLOCK) {
		used += entry & 15;
		entry = c->fast[index >> used];
		if (entry == 0 || used + (entry & 15) > FAST_BITS)
			return STEP_LITERALS | used;
	}
	step = step_of(entry);
	if (step == STEP_LOOK)
		return used > 0 ? STEP_LITERALS | used : STEP_LOOK;
	return step + used;
}

static bool make_tables(
	struct walk *w, const uint8_t *lengths, unsigned n_litlens, unsigned n_dists)
{
	if (!code_init(&w->litlens, lengths, n_litlens, true) ||
		!code_init(&w->dists, lengths + n_litlens, n_dists, true))
		return false;
	for (unsigned i = 0; i < FAST_SIZE; i++) {
		w->steps[i] = (uint8_t)steps_of(&w->litlens, i);
		w->distances[i] = (uint8_t)distance_bits(w->dists.fast[i]);
	}
	return true;
}

/* RFC 1951, 3.2.6. */
static bool fixed_tables(struct walk *w)
{
	uint8_t lengths[MAX_LITLENS + MAX_DISTANCES];

	if (w->fixed)
		return true;
	memset(lengths, 8, 144);
	memset(lengths + 144, 9, 112);
	memset(lengths + 256, 7, 24);
	memset(lengths + 280, 8, 8);
	memset(lengths + MAX_LITLENS, 5, MAX_DISTANCES);
	w->fixed = true;
	return make_tables(w, lengths, MAX_LITLENS, MAX_DISTANCES);
}

/* RFC 1951, 3.2.7: the lengths of both codes in one row, run-length coded. */
static bool read_lengths(struct walk *w, const struct code *c, uint8_t *lengths, unsigned n)
{
	for (unsigned i = 0; i < n;) {
		/* Codes of lengths have at most 7 bits: none is missing from fast. */
		unsigned entry = c->fast[peek(w, w->at) & (FAST_SIZE - 1)];
		unsigned symbol = entry >> 4, times = 1;
		uint8_t value = (uint8_t)symbol;

		if (entry == 0 || w->at > w->limit)
			return false;
		w->at += entry & 15;
		if (symbol == 16) {
			if (i == 0)
				return false;
			value = lengths[i - 1];
			times = 3 + take(w, 2);
		} else if (symbol > 16) {
			value = 0;
			times = symbol == 17 ? 3 + take(w, 3) : 11 + take(w, 7);
		}
		if (times > n - i)
			return false;
		memset(lengths + i, value, times);
		i += times;
	}
	return true;
}

static bool dynamic_tables(struct walk *w)
{
	static const uint8_t order[19] = {
		16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
	uint8_t lengths[MAX_LITLENS + MAX_DISTANCES] = {0};
	unsigned n_litlens = 257 + take(w, 5), n_dists = 1 + take(w, 5), n = 4 + take(w, 4);

	w->fixed = false;
	if (n_litlens > 286 || n_dists > 30)
		return false;
	for (unsigned i = 0; i < n; i++)
		lengths[order[i]] = (uint8_t)take(w, 3);
	if (!code_init(&w->dists, lengths, 19, false))
		return false;
	memset(lengths, 0, sizeof(lengths));
	if (!read_lengths(w, &w->dists, lengths, n_litlens + n_dists) || lengths[END_OF_BLOCK] == 0)
		return false;
	return make_tables(w, lengths, n_litlens, n_dists);
}

/* Handles a code that the tables do not have: a long code, or an invalid one. bits: the next bits;
 * *ret_bits: how many of them are used. Returns the step; STEP_LOOK means damage. */
static unsigned slow_step(const struct walk *w, uint64_t bits, unsigned *ret_bits)
{
	unsigned step = w->steps[bits & (FAST_SIZE - 1)], used, more;

	if (step >= STEP_LOOK)
		step = step_of(look(&w->litlens, bits));
	used = step & STEP_BITS_MASK;
	*ret_bits = used;
	if (step < STEP_LENGTH || step >= STEP_END)
		return step;
	more = distance_bits(look(&w->dists, bits >> used));
	*ret_bits += more;
	return more > 0 ? step : STEP_LOOK;
}

/* Walks to the end of a block. One turn takes at most 20 bits of literals and length and 28 of a
 * distance, which is one peek. Whether a literal or a length comes next cannot be predicted, so
 * there is no branch on it: the distance is always looked up, and masked. */
static bool skip_codes(struct walk *w)
{
	size_t at = w->at;

	while (at < w->limit) {
		uint64_t bits = peek(w, at);
		unsigned step = w->steps[bits & (FAST_SIZE - 1)], used = step & STEP_BITS_MASK;
		unsigned more = w->distances[(bits >> used) & (FAST_SIZE - 1)];
		unsigned mask = 0u - (step >> 6 & 1); /* all ones for a length */

		if (step < STEP_END && (more | ~mask) != 0) {
			at += used + (more & mask);
			continue;
		}
		step = slow_step(w, bits, &used);
		at += used;
		if (step >= STEP_LOOK)
			return false;
		if (step >= STEP_END) {
			w->at = at;
			return true;
		}
	}
	return false;
}

static bool skip_stored(struct walk *w)
{
	unsigned n;

	w->at = (w->at + 7) & ~(size_t)7;
	n = take(w, 16);
	if ((n ^ take(w, 16)) != 0xffff)
		return false;
	w->at += (size_t)8 * n;
	return true;
}

static bool skip_block(struct walk *w)
{
	switch (take(w, 2)) {
	case 0:
		return skip_stored(w);
	case 1:
		return fixed_tables(w) && skip_codes(w);
	case 2:
		return dynamic_tables(w) && skip_codes(w);
	default:
		return false;
	}
}

bool deflate_walk(struct slice stream, struct deflate_last *ret_last)
{
	struct walk w = {.p = stream.p, .n = stream.n, .limit = 8 * stream.n};
	bool final = false;
	size_t header = 0;

	while (!final) {
		header = w.at;
		final = take(&w, 1);
		if (!skip_block(&w) || w.at > w.limit)
			return false;
	}
	*ret_last = (struct deflate_last){.header_bit = header, .end_bit = w.at};
	return true;
}
