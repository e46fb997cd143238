/*
 * server: the one door to libmicrohttpd. Turns what comes over a socket into struct request and
 * struct reply into what goes out.
 */
#ifndef BALER_GATEWAY_SERVER_H
#define BALER_GATEWAY_SERVER_H

#include "gateway/service.h"

struct server;

/* Serves on listen_fd, which it owns from success on. Sets service's suspend and resume.
 * RC_FATAL. */
enum rc server_start(const struct gateway_config *config, struct service *service, int listen_fd,
	struct server **ret_server, struct err *err);
/* No new connections, and service->stopping: no new requests. */
void server_quiesce(struct server *server);
/* Requests begun and not yet answered to their last byte. */
uint64_t server_requests_in_hand(const struct server *server);
/* Waits for the store's answers, closes every connection, frees server. */
void server_stop(struct server *server);

#endif
