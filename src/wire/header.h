/*
 * header: one HTTP header as it was sent or will be sent. Borrowed bytes; the value has no line
 * break.
 */
#ifndef BALER_WIRE_HEADER_H
#define BALER_WIRE_HEADER_H

#include "base/buf.h"

struct header {
	struct slice name;  /* any case; matched without regard to it */
	struct slice value; /* as sent: blanks around it are the reader's business */
};

/* How many of the n headers have this name; *ret_value (may be NULL) is the first one's value,
 * without the blanks around it, and is left alone when there is none. */
size_t header_find(
	const struct header *headers, size_t n, const char *name, struct slice *ret_value);

/* The same, with the value as the result; p == NULL when there is no such header. */
struct slice header_value(const struct header *headers, size_t n, const char *name);

/* s without blanks and tabs at both ends. */
struct slice header_trim(struct slice s);

#endif
