#include "core/unit.h"

#include <stdio.h>

uint64_t unit_rounded_bytes(const struct unit *u)
{
	return u->size > UINT64_MAX - 511 ? UINT64_MAX : (u->size + 511) / 512 * 512;
}

void unit_refuse(struct unit *u, const char *code, const char *why)
{
	size_t n = strlen(why), begin = sizeof(u->why) / 3, end = sizeof(u->why) - begin - 4;

	snprintf(u->code, sizeof(u->code), "%.*s", (int)sizeof(u->code) - 1, code);
	if (n < sizeof(u->why))
		memcpy(u->why, why, n + 1);
	else /* a long text is cut in the key, because the cause stands behind it */
		snprintf(u->why, sizeof(u->why), "%.*s...%s", (int)begin, why, why + n - end);
}

const char *unit_failure(const struct unit *u)
{
	return u->code[0]                   ? u->code
	       : u->fetch == FETCH_MISSING  ? "object-missing"
	       : u->fetch == FETCH_MISMATCH ? "object-mismatch"
	       : u->fetch == FETCH_DENIED   ? "access-denied"
					    : "store-failed";
}

const char *unit_sentence(const char *code)
{
	static const char *const sentences[][2] = {
		{"object-missing", "the object or its version is gone"},
		{"object-damaged", "the stored bytes are damaged: put the object again"},
		{"poison", "every plan that held the object died"},
		{"too-large", "the object is larger than a bundle can be in that store"},
		{"too-old", "the event is older than the ledger can vouch for"},
	};

	for (size_t i = 0; i < sizeof(sentences) / sizeof(sentences[0]); i++)
		if (strcmp(code, sentences[i][0]) == 0)
			return sentences[i][1];
	return "rejected before";
}

void unit_refuse_size(struct unit *u, uint64_t bytes, uint64_t max)
{
	char why[sizeof(u->why)];

	snprintf(why, sizeof(why), "the object has %llu bytes; the largest that a bundle can hold here has %llu",
		(unsigned long long)bytes, (unsigned long long)max);
	unit_refuse(u, "too-large", why);
}

/* A refused name has its sentence from triage. */
void unit_refuse_again(struct unit *u, const char *code)
{
	if (strcmp(u->code, code) != 0)
		unit_refuse(u, code, unit_sentence(code));
}
