/* A fixed set of members that touches every path of the tar writer; for test_pack and
 * test_pack_readers. */
#ifndef BALER_TESTS_UNIT_PACK_SAMPLES_H
#define BALER_TESTS_UNIT_PACK_SAMPLES_H

#include <stdlib.h>

#include "base/prng.h"
#include "pack/pack.h"

struct member {
	struct slice name;
	struct slice data;
};

#define N_NAMES 16
#define N_MEMBERS (N_NAMES + 8)

struct samples {
	char names[N_MEMBERS][TAR_NAME_MAX_BYTES + 1];
	struct member members[N_MEMBERS];
	unsigned char *bytes;
};

/* Exactly n bytes: components of 200 'a'…'z' below folder, so that a file system takes it. */
static inline void name_of_length(char *out, const char *folder, size_t n)
{
	size_t start = strlen(folder);

	memcpy(out, folder, start);
	for (size_t i = start; i < n; i++)
		out[i] = i % 201 == 200 && i != n - 1 ? '/' : (char)('a' + i % 26);
	out[n] = '\0';
}

static inline void samples_init(struct samples *s)
{
	static const char *const names[N_NAMES] = {"data/a.json", "a b+c=d.txt",
		"my-backup..old.txt", "...hidden", "data/\303\274ber/\xe6\x97\xa5\xe6\x9c\xac.json",
		"\xf0\x9f\x9a\x80/rocket", "-rf", "--help", "quote'\"dollar$`back\\slash",
		"star*?[x]", "MANIFEST.json", "manifest.json", "PaxHeaders/member",
		"data/percent%20sign", "data/#hash;semi&amp", "~tilde"};
	static const size_t lengths[N_MEMBERS - N_NAMES] = {
		99, 100, 101, 255, 256, 257, 1023, 1024};
	static const size_t sizes[] = {0, 1, 511, 512, 513, 1024, 40000, 3 << 20};
	struct prng r = prng_seeded(36);

	s->bytes = malloc(4 << 20);
	for (size_t i = 0; i < 4 << 20; i++)
		s->bytes[i] = i % 3 ? (unsigned char)"telemetry"[i % 9]
				    : (unsigned char)prng_below(&r, 256);
	for (size_t i = 0; i < N_MEMBERS; i++) {
		char folder[8] = {'l', (char)('a' + i), '/', 0};

		if (i < N_NAMES)
			strcpy(s->names[i], names[i]);
		else
			name_of_length(s->names[i], folder, lengths[i - N_NAMES]);
		s->members[i].name = slice_str(s->names[i]);
		s->members[i].data = slice_of(s->bytes + i * 1000, sizes[i % 8]);
	}
}

static inline void samples_release(struct samples *s)
{
	free(s->bytes);
}

#endif
