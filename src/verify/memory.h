/* memory: how much a process of this machine holds at most (Linux: VmHWM of /proc/PID/status). */
#ifndef BALER_VERIFY_MEMORY_H
#define BALER_VERIFY_MEMORY_H

#include <stdint.h>

#include "base/err.h"

/* Resets the peak. Where that is not allowed it does nothing; then the peak is that of the
 * process's whole life. */
void memory_peak_reset(uint64_t pid);
/* RC_ABSENT: no such process, or no such figure. */
enum rc memory_peak(uint64_t pid, uint64_t *ret_bytes, struct err *err);

#endif
