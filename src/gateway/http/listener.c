#include "gateway/http/listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"

/* One loop of the thread may take a thousand connections at once, and those that arrive meanwhile
 * must not be dropped, because a dropped SYN is repeated only after a second. The kernel cuts this
 * number to net.core.somaxconn. */
#define LISTEN_BACKLOG 4096
#define NO_ROOM_PAUSE_MS 50
#define TICK_MS 1000
#define ACCEPTS_MAX 64

struct listener {
	int fd, stop; /* stop: an eventfd */
	uint16_t port;
	bool has_thread;
	pthread_t thread;
	void (*take)(void *arg, int fd, const struct sockaddr *address, socklen_t n);
	void (*tick)(void *arg);
	void *arg;
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

static bool is_loopback(const struct sockaddr *a)
{
	if (a->sa_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr) >>
			       24 ==
		       IN_LOOPBACKNET;
	return a->sa_family == AF_INET6 &&
	       IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr);
}

/* Over plain HTTP everybody on the way reads the objects, and within 15 minutes repeats a
 * request. */
static enum rc refuse_exposure(const char *host, struct err *err)
{
	return err_code(err, RC_REFUSED, "PlainHttp",
		"'%s' is reached by other machines, and without TLS: give --tls-cert and "
		"--tls-key, "
		"or --allow-plain-http if something in front speaks TLS",
		host);
}

static enum rc open_listener(
	const char *host, uint16_t port, bool loopback_only, int *ret_fd, struct err *err)
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
	if (loopback_only && !is_loopback(list->ai_addr)) {
		freeaddrinfo(list);
		return refuse_exposure(host, err);
	}
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

enum rc listener_open(const char *host, uint16_t port, bool loopback_only,
	struct listener **ret_listener, struct err *err)
{
	struct listener *l;
	int fd, stop;
	enum rc rc = open_listener(host, port, loopback_only, &fd, err);

	if (rc)
		return rc;
	stop = eventfd(0, EFD_CLOEXEC);
	if (stop < 0) {
		rc = err_errno(err, errno, "eventfd");
		close(fd);
		return rc;
	}
	l = xcalloc(1, sizeof(*l));
	l->fd = fd;
	l->stop = stop;
	l->port = port_of(fd);
	*ret_listener = l;
	return RC_OK;
}

uint16_t listener_port(const struct listener *l)
{
	return l->port;
}

/* Nearly everything that waits: there is the stop to look for, too. No room for another
 * descriptor passes when one is closed. */
static void accept_all(struct listener *l)
{
	for (int i = 0; i < ACCEPTS_MAX; i++) {
		struct sockaddr_storage address;
		socklen_t n = sizeof(address);
		int fd = accept4(
			l->fd, (struct sockaddr *)&address, &n, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			l->take(l->arg, fd, (struct sockaddr *)&address, n);
			continue;
		}
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if (errno != EAGAIN)
			clock_sleep_ms(clock_system(), NO_ROOM_PAUSE_MS);
		return;
	}
}

static void *run(void *arg)
{
	struct listener *l = arg;
	struct pollfd fds[2] = {{l->fd, POLLIN, 0}, {l->stop, POLLIN, 0}};
	uint64_t next = clock_boot_ms(clock_system()) + TICK_MS;

	for (;;) {
		if (poll(fds, 2, TICK_MS) < 0 && errno != EINTR)
			die("poll on the listening socket");
		if (clock_boot_ms(clock_system()) >= next) {
			l->tick(l->arg);
			next = clock_boot_ms(clock_system()) + TICK_MS;
		}
		if (fds[1].revents)
			return NULL;
		if (fds[0].revents)
			accept_all(l);
		fds[0].revents = 0;
	}
}

void listener_start(struct listener *l,
	void (*take)(void *arg, int fd, const struct sockaddr *address, socklen_t n),
	void (*tick)(void *arg), void *arg)
{
	l->take = take;
	l->tick = tick;
	l->arg = arg;
	if (pthread_create(&l->thread, NULL, run, l) != 0)
		die("cannot start the thread that accepts connections");
	pthread_setname_np(l->thread, "accept");
	l->has_thread = true;
}

void listener_close(struct listener *l)
{
	uint64_t one = 1;

	if (!l)
		return;
	if (l->has_thread) {
		if (write(l->stop, &one, sizeof(one)) != sizeof(one))
			die("cannot stop the thread that accepts connections");
		pthread_join(l->thread, NULL);
	}
	close(l->fd);
	close(l->stop);
	free(l);
}
