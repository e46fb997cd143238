#include "gateway/gateway.h"

#include <stdlib.h>

#include "gateway/front.h"
#include "gateway/http/listener.h"
#include "gateway/http/server.h"

#define STOP_POLL_MS 5

struct gateway {
	struct service service;
	struct listener *listener;
	struct server *server;
	uint16_t port;
};

enum rc gateway_start(
	const struct gateway_config *config, struct gateway **ret_gateway, struct err *err)
{
	const char *host = config->listen_host ? config->listen_host : "127.0.0.1";
	struct listener *listener;
	struct gateway *gw;
	enum rc rc = listener_open(
		host, config->port, !config->tls_cert && !config->allow_plain_http, &listener, err);

	if (rc)
		return rc;
	gw = xcalloc(1, sizeof(*gw));
	gw->listener = listener;
	service_init(&gw->service, config, front_begin);
	rc = server_start(config, &gw->service, &gw->server, err);
	if (rc) {
		listener_close(listener);
		service_release(&gw->service);
		free(gw);
		return rc;
	}
	gw->port = listener_port(listener);
	listener_start(listener, server_take, server_sweep, gw->server);
	*ret_gateway = gw;
	return RC_OK;
}

enum rc gateway_renew_tls(struct gateway *gw, const char *cert, const char *key, struct err *err)
{
	return server_renew_tls(gw->server, cert, key, err);
}

uint16_t gateway_port(const struct gateway *gw)
{
	return gw->port;
}

void gateway_counts(const struct gateway *gw, uint64_t *ret_requests, uint64_t *ret_failures)
{
	*ret_requests = atomic_load(&gw->service.n_requests);
	*ret_failures = atomic_load(&gw->service.n_failures);
}

void gateway_stop(struct gateway *gw, uint64_t deadline_ms)
{
	struct clock *clock = clock_system(); /* real time even where the service's is not */
	uint64_t until = clock_boot_ms(clock) + deadline_ms;

	listener_close(gw->listener);
	server_quiesce(gw->server);
	while (server_requests_in_hand(gw->server) && clock_boot_ms(clock) < until)
		clock_sleep_ms(clock, STOP_POLL_MS);
	server_stop(gw->server);
	service_release(&gw->service);
	free(gw);
}
