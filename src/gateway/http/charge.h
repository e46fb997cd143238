/*
 * charge: what one request holds of the share of memory that all requests have
 * (gateway_memory.requests).
 *
 * Every connection's own cost (GATEWAY_CONNECTION_BYTES) covers a request of up to
 * CHARGE_FREE_BYTES. What is beyond is charged at three places: while a document comes in, before a
 * document is read (reading takes a multiple of its bytes), and when the answer is ready. Where the
 * share cannot grant it the request is refused with 503 SlowDown and Retry-After, large ones before
 * small ones (budget_grow). An answer to what was done already is never refused.
 */
#ifndef BALER_GATEWAY_HTTP_CHARGE_H
#define BALER_GATEWAY_HTTP_CHARGE_H

#include "gateway/http/exchange.h"

#define CHARGE_FREE_BYTES (12u << 10)
#define CHARGE_BLOCK_MAX_BYTES (256u << 10)
/* The store checks blocks of this size; of one that is read in pieces it has to keep the rest. */
#define CHARGE_BLOCK_MIN_BYTES (64u << 10)
#define CHARGE_RETRY_AFTER "2" /* seconds: most requests that hold much are over by then */

/* Raises the charge to n bytes in all; a smaller n changes nothing. RC_AGAIN SlowDown; RC_REFUSED
 * MaxMessageLengthExceeded: more than the whole share. */
enum rc charge_raise(struct request *r, uint64_t n, struct err *err);
/* Sets the charge to what the answer holds, which may be less than before, and chooses
 * r->reply.block: at most CHARGE_BLOCK_MAX_BYTES, less when memory is short. RC_AGAIN SlowDown: the
 * answer is to be dropped. */
enum rc charge_answer(struct request *r, struct err *err);
/* For an answer that was refused: what is held now is charged, whether there is room or not. */
void charge_refusal(struct request *r);
void charge_release(struct request *r);

/* About the most that reading a document takes, the document included. */
uint64_t charge_of_xml(struct slice text, unsigned bytes_per_tag);

#endif
