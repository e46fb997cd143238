/*
 * http_date: the dates of HTTP and S3, as wall milliseconds since 1970 UTC. No locale, no time
 * zone of the machine, no allocation; years 1970 to 9999.
 */
#ifndef BALER_WIRE_HTTP_DATE_H
#define BALER_WIRE_HTTP_DATE_H

#include "base/buf.h"

#define HTTP_DATE_BYTES 30    /* "Sun, 06 Nov 1994 08:49:37 GMT" and NUL */
#define ISO_BASIC_BYTES 17    /* "20130524T000000Z" */
#define ISO_EXTENDED_BYTES 25 /* "2009-10-12T17:50:30.000Z" */

/* RFC 9110 section 5.6.7, IMF-fixdate. Times beyond 9999 are given as its last second. */
void http_date_format(uint64_t wall_ms, char out[HTTP_DATE_BYTES]);
/* IMF-fixdate, RFC 850 and asctime forms; the day's name is not compared with the date. A
 * two-digit year is 1970 to 2069. */
bool http_date_parse(struct slice text, uint64_t *ret_wall_ms);

/* x-amz-date. */
void iso_basic_format(uint64_t wall_ms, char out[ISO_BASIC_BYTES]);
bool iso_basic_parse(struct slice text, uint64_t *ret_wall_ms);

/* The dates in S3's XML, with milliseconds. */
void iso_extended_format(uint64_t wall_ms, char out[ISO_EXTENDED_BYTES]);
/* With a fraction of 0 to 9 digits (cut to milliseconds); ends in Z. */
bool iso_extended_parse(struct slice text, uint64_t *ret_wall_ms);

#endif
