/*
 * framing: where a request ends, according to RFC 9112. A request that two readers could understand
 * differently is refused with 400, and its connection is closed, because the bytes after it might
 * be taken for a request of another client (request smuggling; RFC 9112, section 11.2).
 *
 * libmicrohttpd 0.9.75 is lenient: it ends a value at a NUL, takes a bare LF for the end of a line,
 * joins folded lines, and keeps a blank before the colon as part of the name. It does all of this
 * in place, in the memory into which the bytes were read, so the addresses that it gives still show
 * how the bytes came. framing_head_is_plain compares them with what they must be.
 */
#ifndef BALER_GATEWAY_HTTP_FRAMING_H
#define BALER_GATEWAY_HTTP_FRAMING_H

#include "gateway/http/exchange.h"

/* Bytes of the line of one chunk of Transfer-Encoding: size, extensions and line end. */
#define FRAMING_CHUNK_LINE_MAX_BYTES 4096

/* A head as the library gives it: all pointers point into the received bytes, in which the library
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
/* The same for the fields that may follow the last chunk. Where they end is not compared, because
 * the library gives no address behind them. */
bool framing_trailer_is_plain(const struct header *fields, size_t n);

/* Reads from the headers how the body is framed, and sets its length. RC_REFUSED InvalidRequest,
 * with r->reply.close set: a head that is not plain; Content-Length together with
 * Transfer-Encoding, or either twice; a coding other than chunked; a coding in HTTP/1.0. */
enum rc framing_check(struct request *r, struct err *err);

/* n bytes of a chunked body at data. The lines of the chunks stand before them, back to floor at
 * most. *left is how much of the current chunk is still to come, 0 at first. false: the line of
 * this chunk does not have the form of RFC 9112, section 7.1, or is longer than
 * FRAMING_CHUNK_LINE_MAX_BYTES. */
bool framing_chunk(uint64_t *left, const char *floor, const char *data, size_t n);

#endif
