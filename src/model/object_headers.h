/*
 * object_headers: the headers that are stored with an object and given back with it: Content-Type,
 * Cache-Control …, x-amz-meta-*, x-amz-checksum-*. Their form is text, one "name:value\n" a line,
 * names in lower case, in the order in which they were added. All adapters keep the same text.
 */
#ifndef BALER_MODEL_OBJECT_HEADERS_H
#define BALER_MODEL_OBJECT_HEADERS_H

#include "base/buf.h"

/* bytes of the whole text; S3 allows 2 KB of x-amz-meta- and 8 KB of headers */
#define OBJECT_HEADERS_MAX 16384

/* Lower-cases name. false: empty or non-token name, a CR, LF or NUL in the value, or no room. */
bool object_headers_add(struct buf *text, struct slice name, struct slice value);
/* The first value of name (lower case), or p == NULL. */
struct slice object_headers_get(struct slice text, const char *name);
/* Walks the lines: start with *pos = 0; false at the end. */
bool object_headers_next(struct slice text, size_t *pos, struct slice *ret_name, struct slice *ret_value);

#endif
