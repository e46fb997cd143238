/*
 * date: dates as HTTP, S3 and ISO 8601 write them, as wall milliseconds since 1970 in UTC.
 *
 * The module knows no locale and no time zone of the machine, and allocates nothing. It knows the
 * years 1970 to 9999: a later time is written as the last second of 9999. All functions are
 * thread-safe.
 */
#ifndef BALER_BASE_DATE_H
#define BALER_BASE_DATE_H

#include <time.h>

#include "base/buf.h"

#define DATE_HTTP_BYTES 30  /* "Sun, 06 Nov 1994 08:49:37 GMT" and NUL */
#define DATE_BASIC_BYTES 17 /* "20130524T000000Z" and NUL */
#define DATE_ISO_BYTES 25   /* "2009-10-12T17:50:30.000Z" and NUL */

/* The fields of a moment, for other forms of text. */
struct tm date_utc(uint64_t wall_ms);

/* The form of HTTP's headers: RFC 9110 section 5.6.7, IMF-fixdate. */
void date_http_format(uint64_t wall_ms, char out[DATE_HTTP_BYTES]);
/* Reads IMF-fixdate, RFC 850 and asctime forms. The name of the day is not compared with the date.
 * A year of two digits is 1970 to 2069. */
bool date_http_parse(struct slice text, uint64_t *ret_wall_ms);

/* The form of x-amz-date: ISO 8601 without separators. */
void date_basic_format(uint64_t wall_ms, char out[DATE_BASIC_BYTES]);
bool date_basic_parse(struct slice text, uint64_t *ret_wall_ms);

/* The form of S3's XML, of events, of logs and of JSON: ISO 8601 with milliseconds. */
void date_iso_format(uint64_t wall_ms, char out[DATE_ISO_BYTES]);
/* Reads a fraction of 0 to 9 digits and cuts it to milliseconds. The text must end in Z. */
bool date_iso_parse(struct slice text, uint64_t *ret_wall_ms);

#endif
