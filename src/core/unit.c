#include "core/unit.h"

#include <stdio.h>

uint64_t unit_rounded_bytes(const struct unit *u)
{
	return u->size > UINT64_MAX - 511 ? UINT64_MAX : (u->size + 511) / 512 * 512;
}

void unit_refuse(struct unit *u, const char *code, const char *why)
{
	snprintf(u->code, sizeof(u->code), "%.*s", (int)sizeof(u->code) - 1, code);
	snprintf(u->why, sizeof(u->why), "%.*s", (int)sizeof(u->why) - 1, why);
}
