/*
 * framing: where a request ends, as RFC 9112 has it. A request about which two readers could
 * disagree is refused with 400, and its connection is closed, because what follows on it might
 * be taken for a request of somebody else (request smuggling; RFC 9112, section 11.2).
 *
 * libmicrohttpd 0.9.75 is lenient: it ends a value at a NUL, takes a bare LF for the end of a
 * line, joins folded lines, and keeps a blank before the colon as part of the name. All of that
 * happens in place, in the memory into which the bytes were read, so that the addresses it tells
 * still show how the bytes came. framing_head_is_plain compares them with how they must be.
 */
#ifndef BALER_GATEWAY_HTTP_FRAMING_H
#define BALER_GATEWAY_HTTP_FRAMING_H

#include "gateway/http/exchange.h"

/* Of one chunk of Transfer-Encoding: its size, extensions and line end. */
#define FRAMING_CHUNK_LINE_MAX_BYTES 4096

/* A head as the library tells of it: all point into the bytes as they came, of which the library
 * has replaced line ends and separators by NUL. */
struct framing_head {
	const char *start, *end; /* from the method to behind the empty line */
	/* bytes of the target, by the time the library had read the first line */
	size_t target_n;
	const char *version;     /* terminated */
	const struct header *headers;
	size_t n_headers; /* in the order in which they came */
};

/* Whether each line of the head ends with CR LF and holds what RFC 9110, section 5, allows: a
 * token, a colon, and a value without control characters but tab. */
bool framing_head_is_plain(const struct framing_head *head);
/* The same of the fields that may follow the last chunk; they end before any byte we are told
 * of, so the end is not compared. */
bool framing_trailer_is_plain(const struct header *fields, size_t n);

/* What the headers say of the body: sets its length. RC_REFUSED InvalidRequest, with
 * r->reply.close set: a head that is not plain; Content-Length with Transfer-Encoding, or either
 * twice; a coding other than chunked; a coding in HTTP/1.0. */
enum rc framing_check(struct request *r, struct err *err);

/* n bytes of a chunked body at data. The lines of chunks stand before them, back to floor at most.
 * *left is how much of the chunk in hand is to come, 0 at first. false: the line of this chunk
 * is not as
 * RFC 9112, section 7.1, has it, or longer than FRAMING_CHUNK_LINE_MAX_BYTES. */
bool framing_chunk(uint64_t *left, const char *floor, const char *data, size_t n);

#endif
