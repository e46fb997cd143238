/*
 * charge: the part of the requests' share of memory (gateway_memory.requests) that one request
 * holds.
 *
 * Every connection's own cost (GATEWAY_CONNECTION_BYTES) covers a request of up to
 * CHARGE_FREE_BYTES. More than that is charged at three places: while a document arrives, before a
 * document is parsed (parsing takes a multiple of its bytes), and when the answer is ready. When
 * the share cannot grant it, the request is refused with 503 SlowDown and Retry-After, large
 * requests before small ones (budget_grow). The answer to a request that has changed something is
 * never refused.
 */
#ifndef BALER_GATEWAY_HTTP_CHARGE_H
#define BALER_GATEWAY_HTTP_CHARGE_H

#include "gateway/http/exchange.h"

#define CHARGE_FREE_BYTES (12u << 10)
#define CHARGE_BLOCK_MAX_BYTES (256u << 10)
/* The store checks blocks of this size. When a block is read in pieces, the store keeps the rest of
 * it. */
#define CHARGE_BLOCK_MIN_BYTES (64u << 10)
#define CHARGE_RETRY_AFTER "2" /* seconds: most requests that hold much are over by then */

/* Raises the charge to n bytes in all; a smaller n changes nothing. RC_AGAIN SlowDown; RC_REFUSED
 * MaxMessageLengthExceeded: more than the whole share. */
enum rc charge_raise(struct request *r, uint64_t n, struct err *err);
/* Sets the charge to what the answer holds, which may be less than before, and chooses
 * r->reply.block: at most CHARGE_BLOCK_MAX_BYTES, less when memory is short. RC_AGAIN SlowDown: the
 * caller must drop the answer. */
enum rc charge_answer(struct request *r, struct err *err);
/* For the answer to a refusal: charges what it holds, also when there is no room. */
void charge_refusal(struct request *r);
void charge_release(struct request *r);

/* About the most that reading a document takes, the document included. */
uint64_t charge_of_xml(struct slice text, unsigned bytes_per_tag);

#endif
