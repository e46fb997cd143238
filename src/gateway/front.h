/*
 * front: every request comes here when its headers are whole. Front answers health checks itself,
 * refuses requests with unusable framing, and gives every other request to its dialect.
 *
 * A new API is a new dialect in the table of front.c.
 */
#ifndef BALER_GATEWAY_FRONT_H
#define BALER_GATEWAY_FRONT_H

struct request;

/* Chooses the dialect, authenticates, finds the operation and prepares the body. r's method_text,
 * headers and n_headers are set. Afterwards r->phase says whether the body is wanted. */
void front_begin(struct request *r);

#endif
