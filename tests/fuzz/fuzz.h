/* What a fuzz target is: this one function; it aborts when a promise is broken. */
#ifndef BALER_TESTS_FUZZ_FUZZ_H
#define BALER_TESTS_FUZZ_FUZZ_H

#include <stdint.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition)                                                                            \
	do {                                                                                       \
		if (!(condition))                                                                  \
			die("%s:%d: broken: %s", __FILE__, __LINE__, #condition);                  \
	} while (0)

#endif
