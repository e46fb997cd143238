#include "gateway/http/closer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

#define TICK_MS 100
#define BLOCK_BYTES (16u << 10)

struct lingering {
	int fd;
	uint64_t until_boot_ms;
	uint64_t bytes, max_bytes;
};

struct closer {
	pthread_mutex_t lock;
	struct lingering all[CLOSER_MAX]; /* under lock; fd -1: a free place */
	bool stop;                        /* under lock */
	int wake;                         /* an eventfd */
	pthread_t thread;
};

/* false: it is over. */
static bool read_on(struct lingering *one)
{
	static _Thread_local unsigned char block[BLOCK_BYTES];
	ssize_t n;

	while (one->bytes <= one->max_bytes) {
		n = recv(one->fd, block, sizeof(block), MSG_DONTWAIT);
		if (n <= 0)
			return n < 0 && (errno == EAGAIN || errno == EINTR);
		one->bytes += (uint64_t)n;
	}
	return false;
}

static void sweep_locked(struct closer *l, uint64_t now)
{
	for (size_t i = 0; i < CLOSER_MAX; i++) {
		struct lingering *one = &l->all[i];

		if (one->fd < 0)
			continue;
		if (now < one->until_boot_ms && !l->stop && read_on(one))
			continue;
		close(one->fd);
		one->fd = -1;
	}
}

static void *run(void *arg)
{
	struct closer *l = arg;
	struct pollfd fds[CLOSER_MAX + 1];
	uint64_t seen;
	nfds_t n = 1;
	bool stop;

	for (;;) {
		fds[0] = (struct pollfd){l->wake, POLLIN, 0};
		/* without sockets it sleeps until one comes */
		if (poll(fds, n, n > 1 ? TICK_MS : -1) < 0 && errno != EINTR)
			die("poll on the sockets that are to be closed");
		if (fds[0].revents && read(l->wake, &seen, sizeof(seen)) != sizeof(seen))
			die("read of an eventfd");
		pthread_mutex_lock(&l->lock);
		sweep_locked(l, clock_boot_ms(clock_system()));
		n = 1;
		for (size_t i = 0; i < CLOSER_MAX; i++)
			if (l->all[i].fd >= 0)
				fds[n++] = (struct pollfd){l->all[i].fd, POLLIN, 0};
		stop = l->stop;
		pthread_mutex_unlock(&l->lock);
		if (stop)
			return NULL;
	}
}

enum rc closer_start(struct closer **ret_closer, struct err *err)
{
	struct closer *l = xcalloc(1, sizeof(*l));

	pthread_mutex_init(&l->lock, NULL);
	for (size_t i = 0; i < CLOSER_MAX; i++)
		l->all[i].fd = -1;
	l->wake = eventfd(0, EFD_CLOEXEC);
	if (l->wake < 0 || pthread_create(&l->thread, NULL, run, l) != 0) {
		if (l->wake >= 0)
			close(l->wake);
		free(l);
		return err_set(err, RC_FATAL, "no thread to close connections with");
	}
	pthread_setname_np(l->thread, "closer");
	*ret_closer = l;
	return RC_OK;
}

static void wake(struct closer *l)
{
	uint64_t one = 1;

	if (write(l->wake, &one, sizeof(one)) != sizeof(one))
		die("write to an eventfd");
}

void closer_take(struct closer *l, int fd, uint64_t max_bytes)
{
	bool has_taken = false;

	shutdown(fd, SHUT_WR);
	pthread_mutex_lock(&l->lock);
	for (size_t i = 0; i < CLOSER_MAX && !has_taken && !l->stop; i++) {
		struct lingering *one = &l->all[i];

		if (one->fd >= 0)
			continue;
		one->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		one->bytes = 0;
		one->max_bytes = max_bytes;
		one->until_boot_ms = clock_boot_ms(clock_system()) + CLOSER_MS;
		has_taken = one->fd >= 0;
		if (!has_taken)
			break; /* there is no free descriptor: the socket is closed at once */
	}
	pthread_mutex_unlock(&l->lock);
	if (has_taken)
		wake(l);
}

void closer_stop(struct closer *l)
{
	if (!l)
		return;
	pthread_mutex_lock(&l->lock);
	l->stop = true;
	pthread_mutex_unlock(&l->lock);
	wake(l);
	pthread_join(l->thread, NULL);
	close(l->wake);
	pthread_mutex_destroy(&l->lock);
	free(l);
}
