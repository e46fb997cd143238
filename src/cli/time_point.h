/* time_point: a moment as a user writes it. */
#ifndef BALER_CLI_TIME_POINT_H
#define BALER_CLI_TIME_POINT_H

#include <stdbool.h>
#include <stdint.h>

/* UTC: 2026-11-23, 2026-11-23T10:30, 2026-11-23T10:30:00, the same with a Z; or so long ago:
 * 90s, 30m, 2h, 3d. false: neither, or before 1970. */
bool time_point_parse(const char *text, uint64_t now_wall_ms, uint64_t *ret_wall_ms);

#endif
