/*
 * connections: who is connected, so that those who do nothing make room for those who work.
 *
 * A connection is idle (no request's head is whole yet), sending (its body is on the way) or served (the answer is ours to make).
 *
 * - While max are connected each new one ends the one that has been idle longest; if none is idle, the one whose body has been
 *   silent longest, and for CONNECTION_SILENCE_MS. If there is none of these either, SLACK more are taken, then new ones are refused.
 * - Idle lasts at most idle_ms in all, however slowly the bytes of a head dribble in.
 * - A body that has been under way for idle_ms must have come at CONNECTION_RATE_MIN_BYTES a second on average.
 *
 * The HTTP library counts too, but may not be let reach its limit: 0.9.75 then locks a mutex it holds, and that thread of it stands
 * still for ever. It has nothing against slow senders but silence.
 *
 * Threads: take and sweep are the accepting thread's; the rest is called on the library's threads.
 */
#ifndef BALER_GATEWAY_HTTP_CONNECTIONS_H
#define BALER_GATEWAY_HTTP_CONNECTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "gateway/config.h"

#define CONNECTIONS_SLACK GATEWAY_CONNECTIONS_SLACK
#define CONNECTION_RATE_MIN_BYTES 256
#define CONNECTION_SILENCE_MS 5000

struct connections;
struct connection;

struct connections *connections_new(unsigned max, uint64_t idle_ms, struct clock *clock);
void connections_free(struct connections *cs);
/* The most that are ever given to the library at a time. */
unsigned connections_limit(const struct connections *cs);

/* fd is to be served; may shut down another. false: no room, fd stays the caller's. */
bool connections_take(struct connections *cs, int fd);
/* Whether one was ended and is not gone yet: it is worth waiting for. */
bool connections_are_ending(struct connections *cs);
/* Ends those whose time is over. */
void connections_sweep(struct connections *cs);
/* The taken connection of fd. */
struct connection *connections_find(struct connections *cs, int fd);
/* Before its socket is closed. */
void connections_drop(struct connections *cs, struct connection *c);

/* false: it was ended meanwhile. Nobody will see an answer, so nothing is to be done that would need one. */
bool connection_sends(struct connection *c);                /* a head is whole */
void connection_sent(struct connection *c, uint64_t bytes); /* of the body, so far */
bool connection_is_served(struct connection *c);            /* the body is whole */
void connection_rests(struct connection *c);                /* the answer is out */

#endif
