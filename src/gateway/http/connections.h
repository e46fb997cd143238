/*
 * connections: who is connected, and who has to go so that others are served.
 *
 * A connection is in one of these states:
 *   idle       the head of a request is not whole yet
 *   sending    the body of a request is on the way
 *   draining   the request is refused; what is left of its body is read and dropped
 *   working    the request is whole, and the answer is ours to make
 *   answering  the answer is on its way out
 * A connection is a stranger until a request on it was verified (a signature, a token).
 * Strangers are the first to go, because everybody can be one, any number of times.
 *
 * Who has to go when a new connection comes:
 * - Its own address has half of the places with strangers already: the oldest stranger of that
 *   address.
 * - Strangers have three quarters of the places, or all places are taken: the oldest stranger
 *   of the address that has most of them. An address of IPv6 is its /64.
 * - All places are taken and no stranger has any: the known connection that is idle longest;
 *   then one whose body or whose reading has stood still longest, and for CONNECTION_SILENCE_MS.
 * - Nobody can be ended: SLACK more connections are taken as spares. On a spare only health
 *   checks and the admin API are served, so that an operator gets through to a server that is
 *   full. Beyond these new connections are refused.
 * A working connection is never ended: its request may change something, and the store will answer.
 *
 * What ends without anyone waiting for the place (connections_sweep):
 * - idle lasts at most idle_ms in all, however slowly the bytes of a head dribble in;
 * - a body, or an answer, that has been under way for idle_ms must have moved at
 *   CONNECTION_RATE_MIN_BYTES a second on average;
 * - draining lasts at most CONNECTION_DRAIN_MS, and a second more for who is silent then.
 *
 * How much of an answer the other side took is what its kernel acknowledged (TCP_INFO, looked at
 * by the sweep): the HTTP library tells only what it gave to our kernel.
 *
 * The HTTP library counts connections too, but may not be let reach its limit: 0.9.75 then locks
 * a mutex that it holds, and that thread of it stands still for ever. It does nothing about slow
 * senders and readers but for those that are silent.
 *
 * Threads: take, sweep and are_ending are the accepting thread's; the rest is called on any thread.
 */
#ifndef BALER_GATEWAY_HTTP_CONNECTIONS_H
#define BALER_GATEWAY_HTTP_CONNECTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "gateway/config.h"

#define CONNECTIONS_SLACK GATEWAY_CONNECTIONS_SLACK
#define CONNECTION_RATE_MIN_BYTES 256
#define CONNECTION_SILENCE_MS 5000
#define CONNECTION_DRAIN_MS 2000

struct connections;
struct connection;

/* How many bytes the peer of fd has taken since it connected, and whether more wait for it. */
typedef void connection_progress(int fd, uint64_t *ret_bytes, bool *ret_pending);

/* progress NULL: the kernel's TCP_INFO. */
struct connections *connections_new(
	unsigned max, uint64_t idle_ms, struct clock *clock, connection_progress *progress);
void connections_free(struct connections *cs);
/* The most that are ever given to the library at a time. */
unsigned connections_limit(const struct connections *cs);

/* Takes fd, of this address, into service; may end another connection. false: there is no room, and
 * fd stays the caller's. */
bool connections_take(struct connections *cs, int fd, const struct sockaddr *address);
/* Counts a new one that was given no place. */
void connections_refuse(struct connections *cs);
/* Whether one was ended and is not gone yet: it is worth waiting for. */
bool connections_are_ending(struct connections *cs);
/* Ends those whose time is over. */
void connections_sweep(struct connections *cs);
/* The taken connection of fd. */
struct connection *connections_find(struct connections *cs, int fd);
/* Before its socket is closed. */
void connections_drop(struct connections *cs, struct connection *c);

struct connection_counts {
	uint64_t known, strangers;  /* now */
	uint64_t ended_for_room;    /* strangers and idle ones, since the start */
	uint64_t ended_as_too_slow; /* by the sweep, since the start */
	uint64_t refused;           /* new ones, since the start */
};
struct connection_counts connections_count(struct connections *cs);

/* Those that return bool return false when the connection was ended meanwhile. Nobody will see an
 * answer then, so the caller must do nothing that needs one. */
bool connection_sends(struct connection *c);                /* a head is whole */
void connection_sent(struct connection *c, uint64_t bytes); /* of the body, so far */
void connection_drains(struct connection *c);               /* the request is refused */
bool connection_works(struct connection *c);                /* the body is whole */
void connection_answers(struct connection *c);              /* the answer can go out */
void connection_rests(struct connection *c);                /* the answer is out */
/* A request on it was verified. */
void connection_is_known(struct connection *c);
/* The request is answered before it is read whole, so its client may still be sending when the
 * connection is closed. Up to linger_bytes of that are to be read and dropped (closer.h). */
void connection_cuts(struct connection *c, uint64_t linger_bytes);
/* The linger_bytes of a connection that was cut and was not ended; else 0. */
uint64_t connection_lingers(const struct connection *c);
/* How long the state has lasted. */
uint64_t connection_state_ms(const struct connection *c);
/* Whether only health checks and the admin API may be served on it now. */
bool connection_is_spare(struct connections *cs, struct connection *c);

#endif
