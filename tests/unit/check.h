/* What every cmocka test needs, in the order cmocka wants it. */
#ifndef BALER_TESTS_UNIT_CHECK_H
#define BALER_TESTS_UNIT_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"

#define assert_slice_is(s, text)                                                                   \
	do {                                                                                       \
		struct slice s_ = (s);                                                             \
		assert_int_equal(s_.n, strlen(text));                                              \
		assert_memory_equal(s_.p, text, s_.n);                                             \
	} while (0)

#endif
