#include "gateway/gateway.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/server.h"

#define LISTEN_BACKLOG 1024
#define STOP_POLL_MS 5

struct gateway {
	struct service service;
	struct server *server;
	uint16_t port;
};

static enum rc bind_to(
	int fd, const struct addrinfo *a, const char *host, uint16_t port, struct err *err)
{
	int yes = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, LISTEN_BACKLOG) == 0)
		return RC_OK;
	if (errno == EADDRINUSE)
		return err_code(err, RC_REFUSED, "EADDRINUSE",
			"'%s:%u' is in use by another process", host, port);
	if (errno == EACCES || errno == EADDRNOTAVAIL)
		return err_code(err, RC_REFUSED, errno == EACCES ? "EACCES" : "EADDRNOTAVAIL",
			"'%s:%u' cannot be listened on: %s", host, port,
			errno == EACCES ? "not permitted" : "not an address of this machine");
	return err_errno(err, errno, "listen on '%s:%u'", host, port);
}

static enum rc open_listener(const char *host, uint16_t port, int *ret_fd, struct err *err)
{
	struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM};
	struct addrinfo *list = NULL;
	char service[8];
	int fd, found;
	enum rc rc;

	snprintf(service, sizeof(service), "%u", port);
	found = getaddrinfo(host, service, &hints, &list);
	if (found != 0)
		return err_code(err, RC_REFUSED, "EADDRNOTAVAIL", "'%s' is not an address: %s",
			host, gai_strerror(found));
	fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	rc = fd < 0 ? err_errno(err, errno, "socket") : bind_to(fd, list, host, port, err);
	freeaddrinfo(list);
	if (rc && fd >= 0)
		close(fd);
	if (!rc)
		*ret_fd = fd;
	return rc;
}

static uint16_t port_of(int fd)
{
	struct sockaddr_storage address;
	socklen_t n = sizeof(address);
	char port[8];

	if (getsockname(fd, (struct sockaddr *)&address, &n) ||
		getnameinfo((struct sockaddr *)&address, n, NULL, 0, port, sizeof(port),
			NI_NUMERICSERV))
		return 0;
	return (uint16_t)strtoul(port, NULL, 10);
}

enum rc gateway_start(
	const struct gateway_config *config, struct gateway **ret_gateway, struct err *err)
{
	const char *host = config->listen_host ? config->listen_host : "127.0.0.1";
	struct gateway *gw;
	int fd;
	enum rc rc = open_listener(host, config->port, &fd, err);

	if (rc)
		return rc;
	gw = xcalloc(1, sizeof(*gw));
	gw->port = port_of(fd);
	service_init(&gw->service, config);
	rc = server_start(config, &gw->service, fd, &gw->server, err);
	if (rc) {
		close(fd);
		service_release(&gw->service);
		free(gw);
		return rc;
	}
	*ret_gateway = gw;
	return RC_OK;
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

	server_quiesce(gw->server);
	while (server_requests_in_hand(gw->server) && clock_boot_ms(clock) < until)
		clock_sleep_ms(clock, STOP_POLL_MS);
	server_stop(gw->server);
	service_release(&gw->service);
	free(gw);
}
