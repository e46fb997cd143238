/* human: numbers as people read them. */
#ifndef BALER_CLI_HUMAN_H
#define BALER_CLI_HUMAN_H

#include <stdint.h>

#define HUMAN_MAX 32

/* out, filled. "1,234,567"; "512 B", "1.5 MiB"; "0 s", "59 s", "3 m 20 s", "2 h 5 m", "3 d 4 h". */
const char *human_count(uint64_t n, char out[HUMAN_MAX]);
const char *human_bytes(uint64_t n, char out[HUMAN_MAX]);
const char *human_duration(uint64_t ms, char out[HUMAN_MAX]);

#endif
