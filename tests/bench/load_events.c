/*
 * load_events: POST /-/events on this machine, one event a request, from SENDERS threads that each
 * wait for their answer.
 *
 *	BALER_EVENTS_TOKEN=… load_events PORT SENDERS EVENTS
 *
 * Prints one JSON object. Exit status 1 when an event was not accepted.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"

#define SENDERS_MAX 256
#define ANSWER_MAX 4096

struct load {
	struct sockaddr_in address;
	const char *token;
	unsigned n_events;
	atomic_uint next, refused;
};

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static size_t write_request(const struct load *l, unsigned i, char *out, size_t cap)
{
	char body[1024];
	int n = snprintf(body, sizeof(body),
		"{\"Records\":[{\"eventVersion\":\"2.1\",\"eventSource\":\"aws:s3\",\"awsRegion\":\"us-east-1\","
		"\"eventTime\":\"2026-01-02T03:04:05.678Z\",\"eventName\":\"ObjectCreated:Put\",\"s3\":{\"bucket\":"
		"{\"name\":\"data-aggregator-landing-dev\"},\"object\":{\"key\":\"data/%08u.json\",\"size\":4096,"
		"\"eTag\":\"5d41402abc4b2a76b9719d911017c592\",\"versionId\":\"v%032u\",\"sequencer\":\"%016X\"}}}]}",
		i, i, i);

	return (size_t)snprintf(out, cap,
		"POST /-/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"
		"Content-Length: %d\r\n\r\n%s",
		l->token, n, body);
}

/* Headers in one or more pieces, then the document, which ends with a line's end. */
static bool read_answer(int fd)
{
	char answer[ANSWER_MAX + 1];
	size_t n = 0;
	char *body = NULL;

	while (n < ANSWER_MAX && !(body && strchr(body, '\n'))) {
		ssize_t got = recv(fd, answer + n, ANSWER_MAX - n, 0);

		if (got <= 0)
			return false;
		n += (size_t)got;
		answer[n] = '\0';
		body = strstr(answer, "\r\n\r\n");
		body = body ? body + 4 : NULL;
	}
	return strncmp(answer, "HTTP/1.1 200", 12) == 0;
}

static void *sender(void *arg)
{
	struct load *l = arg;
	int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
	char request[4096];
	unsigned i;

	if (fd < 0 || connect(fd, (struct sockaddr *)&l->address, sizeof(l->address)) != 0)
		die("load_events: cannot connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	while ((i = atomic_fetch_add(&l->next, 1)) < l->n_events) {
		size_t n = write_request(l, i, request, sizeof(request));

		if (send(fd, request, n, 0) != (ssize_t)n || !read_answer(fd)) {
			atomic_fetch_add(&l->refused, 1);
			break;
		}
	}
	close(fd);
	return NULL;
}

int main(int argc, char **argv)
{
	struct load l = {.token = getenv("BALER_EVENTS_TOKEN")};
	unsigned n_senders = argc > 2 ? (unsigned)atoi(argv[2]) : 32;
	pthread_t threads[SENDERS_MAX];
	double begun, s;

	if (argc < 2 || !l.token || n_senders < 1 || n_senders > SENDERS_MAX) {
		fprintf(stderr, "usage: BALER_EVENTS_TOKEN=TOKEN load_events PORT [SENDERS [EVENTS]]\n");
		return 2;
	}
	l.n_events = argc > 3 ? (unsigned)atoi(argv[3]) : 50000;
	l.address = (struct sockaddr_in){.sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(argv[1])),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	begun = now_s();
	for (unsigned i = 0; i < n_senders; i++)
		if (pthread_create(&threads[i], NULL, sender, &l) != 0)
			die("load_events: cannot start a thread");
	for (unsigned i = 0; i < n_senders; i++)
		pthread_join(threads[i], NULL);
	s = now_s() - begun;
	printf("{\"events\":%u,\"refused\":%u,\"seconds\":%.3f,\"events_per_s\":%.0f}\n", l.n_events,
		atomic_load(&l.refused), s, l.n_events / s);
	return atomic_load(&l.refused) != 0;
}
