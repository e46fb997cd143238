/*
 * get_many over S3, object by object: a request that fails is made again alone [OS-17], an object
 * that the sink gives up stops no other [OS-16]. The store is a server on loopback that counts
 * requests and answers each connection from a thread of its own.
 */
#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "adapter/aws/s3/s3.h"
#include "adapter/wrap/retry.h"

#define N 32 /* as many as the adapter requests at a time */
#define CONNECTIONS_MAX 256
#define SIZE(i) (1000 + 700 * (i))
#define SILENT 1000000 /* fails: the object is never answered */

struct store {
	int fd;
	pthread_t thread;
	pthread_t connections[CONNECTIONS_MAX];
	int fds[CONNECTIONS_MAX];
	size_t n_connections; /* of the accepting thread */
	atomic_int fails[N];  /* how often object i still answers 503 */
	atomic_int asked[N];
	struct object_store *retrying;
	char keys[N][16];
};

struct connection {
	struct store *store;
	int fd;
};

static void answer(struct store *s, int fd, int i)
{
	static const char slow_down[] = "HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\n\r\n";
	char head[128], body[SIZE(N)];

	atomic_fetch_add(&s->asked[i], 1);
	if (atomic_load(&s->fails[i]) == SILENT) {
		(void)!read(fd, head, 1); /* until the client gives up */
		return;
	}
	if (atomic_load(&s->fails[i]) > 0) {
		atomic_fetch_sub(&s->fails[i], 1);
		(void)!send(fd, slow_down, sizeof(slow_down) - 1, MSG_NOSIGNAL);
		return;
	}
	snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", SIZE(i));
	memset(body, 'a' + i % 26, sizeof(body));
	(void)!send(fd, head, strlen(head), MSG_NOSIGNAL | MSG_MORE);
	(void)!send(fd, body, (size_t)SIZE(i), MSG_NOSIGNAL);
}

static void *serve(void *arg)
{
	struct connection *c = arg;
	char head[8192];
	size_t n = 0;

	for (;;) {
		ssize_t got = read(c->fd, head + n, sizeof(head) - 1 - n);
		int i;

		if (got <= 0)
			break;
		n += (size_t)got;
		head[n] = '\0';
		if (!strstr(head, "\r\n\r\n"))
			continue;
		if (sscanf(head, "GET /bucket/k%d", &i) == 1 && i >= 0 && i < N)
			answer(c->store, c->fd, i);
		n = 0;
	}
	shutdown(c->fd, SHUT_RDWR);
	free(c);
	return NULL;
}

static void *accept_all(void *arg)
{
	struct store *s = arg;

	while (s->n_connections < CONNECTIONS_MAX) {
		int fd = accept(s->fd, NULL, NULL);
		struct connection *c;

		if (fd < 0)
			break;
		c = calloc(1, sizeof(*c));
		*c = (struct connection){s, fd};
		s->fds[s->n_connections] = fd;
		pthread_create(&s->connections[s->n_connections++], NULL, serve, c);
	}
	return NULL;
}

static int open_store(void **state)
{
	static const struct retry_policy policy = {
		.attempts = 4, .base_ms = 20, .max_ms = 50, .deadline_ms = 20000, .budget = 1000};
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct store *s = test_calloc(1, sizeof(*s));
	socklen_t size = sizeof(at);
	struct object_store *s3;
	struct err err;
	char url[64];
	struct aws_settings settings = {
		.access_key = "AK", .secret = "SK", .endpoint_url = url, .region = "us-east-1"};

	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s->fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(s->fd, CONNECTIONS_MAX), 0);
	assert_int_equal(getsockname(s->fd, (struct sockaddr *)&at, &size), 0);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", ntohs(at.sin_port));
	assert_int_equal(s3_open(&settings, &s3, &err), RC_OK);
	s->retrying = retry_object_store_new(s3, &policy, clock_system(), 7);
	for (int i = 0; i < N; i++)
		snprintf(s->keys[i], sizeof(s->keys[i]), "k%d", i);
	assert_int_equal(pthread_create(&s->thread, NULL, accept_all, s), 0);
	*state = s;
	return 0;
}

static int close_store(void **state)
{
	struct store *s = *state;

	os_close(s->retrying);
	shutdown(s->fd, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->fd);
	for (size_t i = 0; i < s->n_connections; i++) {
		shutdown(s->fds[i], SHUT_RDWR);
		pthread_join(s->connections[i], NULL);
		close(s->fds[i]);
	}
	test_free(s);
	return 0;
}

struct got {
	size_t bytes[N];
	unsigned ends[N];
	enum rc outcome[N];
	size_t n_ends;
	unsigned n_waited; /* calls of waiting for the object that is given up */
	size_t give_up;    /* when it has kept the others waiting for a second */
};

static enum rc got_begin(void *arg, size_t i, const struct os_object *info, struct err *err)
{
	struct got *g = arg;

	(void)info, (void)err;
	assert_int_equal(g->ends[i], 0);
	return RC_OK;
}

static enum rc got_data(void *arg, size_t i, struct slice bytes, struct err *err)
{
	struct got *g = arg;

	(void)err;
	for (size_t at = 0; at < bytes.n; at++)
		assert_int_equal(bytes.p[at], 'a' + i % 26);
	g->bytes[i] += bytes.n;
	return RC_OK;
}

static enum rc got_end(void *arg, size_t i, enum rc outcome, const struct err *why, struct err *err)
{
	struct got *g = arg;

	(void)why, (void)err;
	for (size_t before = 0; before < i; before++)
		assert_true(g->ends[before] == 1 || before == g->give_up);
	g->ends[i]++;
	g->outcome[i] = outcome;
	g->n_ends++;
	return RC_OK;
}

static enum rc got_waiting(void *arg, size_t i, struct err *err)
{
	struct got *g = arg;

	(void)err;
	return i == g->give_up && ++g->n_waited == 4 ? RC_SKIP : RC_OK;
}

static int get_all(struct store *s, struct got *g)
{
	struct object_id ids[N];
	struct os_sink sink = {got_begin, got_data, got_end, g, got_waiting};
	int asked = 0;

	for (int i = 0; i < N; i++)
		ids[i] = (struct object_id){slice_str("bucket"), slice_str(s->keys[i]), {0}};
	assert_int_equal(os_get_many(s->retrying, ids, N, &sink, NULL), RC_OK);
	for (int i = 0; i < N; i++)
		asked += atomic_load(&s->asked[i]);
	return asked;
}

static void all_but_one_are_whole(const struct got *g, int but)
{
	for (int i = 0; i < N; i++) {
		if (i == but)
			continue;
		assert_int_equal(g->ends[i], 1);
		assert_int_equal(g->outcome[i], RC_OK);
		assert_int_equal(g->bytes[i], SIZE(i));
	}
}

static void one_request_that_fails_is_made_again_alone(void **state)
{
	static const int victims[] = {0, 5, N - 1};
	struct store *s = *state;

	for (size_t v = 0; v < 3; v++) {
		struct got g = {.give_up = N};

		for (int i = 0; i < N; i++)
			atomic_store(&s->asked[i], 0);
		atomic_store(&s->fails[victims[v]], 2);
		assert_int_equal(get_all(s, &g), N + 2);
		all_but_one_are_whole(&g, -1);
	}
}

static void all_that_fail_once_are_asked_for_twice(void **state)
{
	struct store *s = *state;
	struct got g = {.give_up = N};

	for (int i = 0; i < N; i++)
		atomic_store(&s->fails[i], 1);
	assert_int_equal(get_all(s, &g), 2 * N);
	all_but_one_are_whole(&g, -1);
}

static void one_that_always_fails_has_an_end_and_stops_no_other(void **state)
{
	struct store *s = *state;
	struct got g = {.give_up = N};

	atomic_store(&s->fails[3], 100);
	assert_int_equal(get_all(s, &g), N - 1 + 4); /* the policy's four attempts */
	all_but_one_are_whole(&g, 3);
	assert_int_equal(g.ends[3], 1);
	assert_int_equal(g.outcome[3], RC_AGAIN);
}

static void one_that_is_never_answered_is_given_up_alone(void **state)
{
	struct store *s = *state;
	struct got g = {.give_up = 4};

	atomic_store(&s->fails[4], SILENT);
	assert_int_equal(get_all(s, &g), N);
	all_but_one_are_whole(&g, 4);
	assert_int_equal(g.ends[4], 0);
	assert_int_equal(g.n_waited, 4);
}

#define WITH_STORE(fn) cmocka_unit_test_setup_teardown(fn, open_store, close_store)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_STORE(one_request_that_fails_is_made_again_alone),
		WITH_STORE(all_that_fail_once_are_asked_for_twice),
		WITH_STORE(one_that_always_fails_has_an_end_and_stops_no_other),
		WITH_STORE(one_that_is_never_answered_is_given_up_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
