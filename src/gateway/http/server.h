/*
 * server: the only file that includes libmicrohttpd. It turns the bytes of a socket into struct
 * request, and struct reply into bytes.
 */
#ifndef BALER_GATEWAY_HTTP_SERVER_H
#define BALER_GATEWAY_HTTP_SERVER_H

#include <sys/socket.h>

#include "gateway/http/connections.h"
#include "gateway/http/service.h"

struct server;

/* Sets service's suspend and resume. RC_REFUSED: the certificate; RC_FATAL. */
enum rc server_start(const struct gateway_config *config, struct service *service,
	struct server **ret_server, struct err *err);
/* Serves a connection; arg is the server; owns fd. When there are too many connections, the one
 * that has been idle longest makes room; when none is idle, fd is closed. */
void server_take(void *arg, int fd, const struct sockaddr *address, socklen_t n);
/* Ends connections that have been silent, or nearly so, for too long; call it about every second.
 * arg: the server. */
void server_sweep(void *arg);
/* Who is connected, and how many had to go. */
struct connection_counts server_connections(const struct server *server);
/* New connections use this certificate. RC_REFUSED: it cannot be used, or there is no TLS; nothing
 * changes. */
enum rc server_renew_tls(struct server *server, const char *cert, const char *key, struct err *err);
/* Sets service->stopping: no new requests on open connections. */
void server_quiesce(struct server *server);
/* Requests begun and not yet answered to their last byte. */
uint64_t server_requests_in_hand(const struct server *server);
/* Waits for the store's answers, closes every connection, frees server. */
void server_stop(struct server *server);

#endif
