/*
 * listener: the listening socket and the thread that accepts on it. Accepting here and not in the
 * HTTP library spreads connections evenly: in the library the thread that wakes first takes a whole
 * burst of them (measured: 124 of 128).
 */
#ifndef BALER_GATEWAY_HTTP_LISTENER_H
#define BALER_GATEWAY_HTTP_LISTENER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"

struct listener;

/* Listens; accepts nothing yet. port 0: a free one. RC_REFUSED EADDRINUSE, EACCES,
 * EADDRNOTAVAIL, PlainHttp (loopback_only, and others can reach it); RC_FATAL. */
enum rc listener_open(const char *host, uint16_t port, bool loopback_only,
	struct listener **ret_listener, struct err *err);
uint16_t listener_port(const struct listener *l);
/* From now on each connection is given to take, which then owns fd, and tick is called every
 * second, both on the listener's thread. */
void listener_start(struct listener *l,
	void (*take)(void *arg, int fd, const struct sockaddr *address, socklen_t n),
	void (*tick)(void *arg), void *arg);
/* Ends the thread and closes the socket: who connects now is refused. Frees l; NULL is fine. */
void listener_close(struct listener *l);

#endif
